"""What is known of a module before it is compiled: plain values, filled in by `judicia_notebook.wasm.sections`.

The small ones are structs of msgspec: they are made in a tenth of a dataclass's time, and `packed_info` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, overload

import msgspec

ExternKind = Literal["func", "table", "memory", "global", "tag"]


class FuncType(msgspec.Struct, frozen=True, array_like=True):
    """Parameters and results, as the text format writes them.

    Examples
    --------
    >>> print(FuncType(("i32", "i32"), ("i64",)))
    (i32, i32) -> i64
    """

    params: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    def __str__(self) -> str:
        results = self.results[0] if len(self.results) == 1 else f"({', '.join(self.results)})"
        return f"({', '.join(self.params)}) -> {results}"


class MemoryType(msgspec.Struct, frozen=True, array_like=True):
    """A linear memory, in pages of 64 KiB."""

    minimum_pages: int
    maximum_pages: int | None = None
    shared: bool = False
    is64: bool = False


class TableType(msgspec.Struct, frozen=True, array_like=True):
    """A table, in elements."""

    element: str
    minimum: int
    maximum: int | None = None
    is64: bool = False


class GlobalType(msgspec.Struct, frozen=True, array_like=True):
    """The type of an imported global."""

    value: str
    mutable: bool


ExternType = FuncType | TableType | MemoryType | GlobalType


class Import(msgspec.Struct, frozen=True, array_like=True):
    """What the module asks its host for. The type of a tag is the function type of its payload."""

    module: str
    name: str
    kind: ExternKind
    type: ExternType


class Export(msgspec.Struct, frozen=True, array_like=True):
    """What the module offers; `type` is known for functions."""

    name: str
    kind: ExternKind
    index: int
    type: FuncType | None = None


class Section(msgspec.Struct, frozen=True, array_like=True):
    """A section of the file: `offset` is the byte it starts at, `size` the bytes after its header."""

    id: int
    name: str
    offset: int
    size: int


class CustomSection(msgspec.Struct, frozen=True, array_like=True):
    """A custom section: `offset` and `size`, in bytes, are those of its content, after its name."""

    name: str
    offset: int
    size: int


class FunctionTypes(Sequence[FuncType]):
    """The types of a module's functions, by index. It keeps a number for each: a large module has 100 000 functions.

    Parameters
    ----------
    types : tuple of FuncType or None
        The module's types.
    indexes : sequence of int
        For each function the index of its type, which is no None; bytes where each fits into one.
    """

    __slots__ = ("indexes", "types")

    def __init__(self, types: tuple[FuncType | None, ...], indexes: Sequence[int]) -> None:
        self.types = types
        self.indexes = indexes

    def __len__(self) -> int:
        return len(self.indexes)

    @overload
    def __getitem__(self, index: int) -> FuncType: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FuncType, ...]: ...
    def __getitem__(self, index: int | slice) -> FuncType | tuple[FuncType, ...]:
        if isinstance(index, slice):
            return tuple(FunctionTypes(self.types, self.indexes[index]))
        return self.types[self.indexes[index]]  # type: ignore[return-value]  # a function's type is no None

    def __iter__(self) -> Iterator[FuncType]:
        return map(self.types.__getitem__, self.indexes)  # type: ignore[arg-type]  # likewise

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, FunctionTypes | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """A module as its sections describe it.

    Attributes
    ----------
    types : tuple of FuncType or None
        By type index; None stands for a struct or array type.
    functions, tables, memories, tags : sequence
        By index: what is imported comes first, as in the file's own numbering.
    global_count, data_segments, element_segments : int
    start : int or None
        The index of the function that runs at instantiation.
    names : mapping of int to str
        Function names from the name section, which is read when the first is asked for; may lack any or all of them.
    data : bytes
        The file. `custom` hands out views of it.
    """

    types: tuple[FuncType | None, ...]
    imports: tuple[Import, ...]
    exports: tuple[Export, ...]
    functions: FunctionTypes
    tables: tuple[TableType, ...]
    memories: tuple[MemoryType, ...]
    tags: tuple[FuncType, ...]
    global_count: int
    start: int | None
    sections: tuple[Section, ...]
    custom_sections: tuple[CustomSection, ...]
    data_segments: int
    element_segments: int
    names: Mapping[int, str] = field(hash=False)
    data: bytes = field(repr=False)

    @property
    def function_count(self) -> int:
        """Imported and defined functions together."""
        return len(self.functions)

    @property
    def imported_modules(self) -> tuple[str, ...]:
        """The module names of the imports, each once, in the order they first appear."""
        return tuple(dict.fromkeys(imported.module for imported in self.imports))

    def custom(self, name: str) -> list[memoryview]:
        """The contents of all custom sections of that name."""
        view = memoryview(self.data)
        return [view[each.offset : each.offset + each.size] for each in self.custom_sections if each.name == name]

    def export(self, name: str) -> Export | None:
        """The export of that name."""
        return next((each for each in self.exports if each.name == name), None)

    def function_type(self, index: int) -> FuncType:
        """The type of a function by its index; IndexError when there is none."""
        if index < 0:
            raise IndexError(index)
        return self.functions[index]
