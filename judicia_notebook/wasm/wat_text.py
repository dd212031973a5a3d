"""A module as WebAssembly text, function by function: what an assembler turns into the same code again.

Whatever made a module, its text is made from its bytes alone, and only of what is asked for: a function of a large
module costs no more than one of a small one. Custom sections are left out, and names of functions are read from theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from judicia_notebook.wasm.binary_format import DEFAULT
from judicia_notebook.wasm.compile_cost import Body, function_bodies
from judicia_notebook.wasm.disassembly import END, OPENS, Instruction, InstructionCursor, body_instructions
from judicia_notebook.wasm.info import FuncType, GlobalType, MemoryType, ModuleInfo, TableType
from judicia_notebook.wasm.rust_symbols import demangle
from judicia_notebook.wasm.wat_operands import (
    Operands,
    global_text,
    identifiers,
    limits_text,
    quoted,
    table_text,
    type_text,
)

_ELSE: Final = 0x05
_CATCH: Final = frozenset({0x07, 0x19, 0x18})  # of the older exceptions
_MOST_INDENT: Final = 40  # levels
_TABLES, _MEMORIES, _GLOBALS, _ELEMENTS, _DATA = 4, 5, 6, 9, 11


@dataclass(frozen=True, slots=True)
class WatLine:
    """A line of a function's text: an instruction with where it is in the file, or a line of none."""

    text: str
    at: int | None = None


class WatText:
    """The text of a module.

    Parameters
    ----------
    module : ModuleInfo

    Raises
    ------
    InvalidModule, CompileLimit
        The module is malformed. The engine refuses such a one, too.
    """

    def __init__(self, module: ModuleInfo) -> None:
        self.module = module
        self.bodies = tuple(function_bodies(module, DEFAULT))
        self.imported = sum(item.kind == "func" for item in module.imports)

    @cached_property
    def exported(self) -> Mapping[int, tuple[str, ...]]:
        """The names that functions are exported by."""
        found: dict[int, tuple[str, ...]] = {}
        for export in self.module.exports:
            if export.kind == "func":
                found[export.index] = (*found.get(export.index, ()), export.name)
        return found

    @cached_property
    def operands(self) -> Operands:
        """What writes instructions."""
        return Operands(self.module.types, self._identifiers)

    @cached_property
    def _identifiers(self) -> dict[int, str]:
        names = {index: demangle(name) for index, name in self.module.names.items()}
        for index, exports in self.exported.items():
            names.setdefault(index, exports[0])
        return identifiers(dict(sorted(names.items())))

    def name(self, index: int) -> str:
        """A function's name as its author wrote it, an export's name, or its number."""
        name = self.module.names.get(index)
        exports = self.exported.get(index, ())
        return demangle(name) if name else exports[0] if exports else f"function {index}"

    def head_of(self, body: Body) -> str:
        """The first line of a function, without its parenthesis at the end."""
        index = body.function
        identifier = f" {self._identifiers[index]}" if index in self._identifiers else ""
        number = self.module.functions.indexes[index]
        return f"(func{identifier} (;{index};) (type {number}){type_text(self.module.functions[index])}"

    def function(self, body: Body) -> Iterator[WatLine]:
        """The lines of a function."""
        yield WatLine(f"  {self.head_of(body)}")
        declared = self._locals(body)
        if declared:
            yield WatLine(f"    (local {' '.join(declared)})")
        yield from self.code(body)
        yield WatLine("  )")

    def code(self, body: Body) -> Iterator[WatLine]:
        """The instructions of a function, a line each, without the ``end`` that the parenthesis stands for."""
        depth = 0
        for instruction in body_instructions(self.module, body):
            code = instruction.opcode.code
            if code == END and depth == 0:
                return
            depth -= code == END
            level = depth - (code == _ELSE or code in _CATCH)
            text = self.operands.write(instruction)
            if code in OPENS:
                depth += 1
                text += f"  ;; {depth}"
            yield WatLine("    " + "  " * min(max(level, 0), _MOST_INDENT) + text, instruction.offset)

    def text(self) -> Iterator[str]:
        """The whole text, line by line."""
        yield "(module"
        yield from self.declarations()
        for body in self.bodies:
            for line in self.function(body):
                yield line.text
        yield from self.contents()
        yield ")"

    def declarations(self) -> Iterator[str]:
        """The lines before the functions: types, imports, tables, memories, tags, globals, exports, the start."""
        module = self.module
        for index, kind in enumerate(module.types):
            if kind is None:
                yield f"  ;; type {index} is a struct or an array"
            else:
                yield f"  (type (;{index};) (func{type_text(kind)}))"
        yield from self._imports()
        yield from self._tables()
        for number, memory in enumerate(module.memories):
            if number >= self._imported("memory"):
                yield f"  (memory (;{number};) {limits_text(memory)})"
        for number, tag in enumerate(module.tags):
            if number >= self._imported("tag"):
                yield f"  (tag (;{number};){type_text(tag)})"
        yield from self._globals()
        for export in module.exports:
            yield f"  (export {quoted(export.name.encode())} ({export.kind} {self._target(export.kind, export.index)}))"
        if module.start is not None:
            yield f"  (start {self.operands.function(module.start)})"

    def contents(self, most_bytes: int | None = None) -> Iterator[str]:
        """The lines after the functions: element and data segments, the latter up to so many bytes each."""
        yield from self._elements()
        yield from self._data(most_bytes)

    # what they are made of

    def _target(self, kind: str, index: int) -> str:
        return self.operands.function(index) if kind == "func" else str(index)

    def _imported(self, kind: str) -> int:
        return sum(item.kind == kind for item in self.module.imports)

    def _imports(self) -> Iterator[str]:
        function = 0
        for item in self.module.imports:
            kind = item.type
            if isinstance(kind, FuncType) and item.kind == "func":
                identifier = f" {self._identifiers[function]}" if function in self._identifiers else ""
                number = self.module.functions.indexes[function]
                what = f"func{identifier} (;{function};) (type {number})"
                function += 1
            elif isinstance(kind, MemoryType):
                what = f"memory {limits_text(kind)}"
            elif isinstance(kind, TableType):
                what = f"table {table_text(kind)}"
            elif isinstance(kind, GlobalType):
                what = f"global {global_text(kind)}"
            else:
                what = f"tag{type_text(kind)}"
            yield f"  (import {quoted(item.module.encode())} {quoted(item.name.encode())} ({what}))"

    def _locals(self, body: Body) -> list[str]:
        cursor = self._cursor(body.start, body.end)
        found: list[str] = []
        for _ in range(cursor.u32("the number of declarations of locals")):
            count = cursor.u32("a number of locals")
            found += [cursor.value_type("the type of locals")] * count
        return found

    def _cursor(self, start: int, end: int) -> InstructionCursor:
        cursor = InstructionCursor(self.module.data, DEFAULT)
        cursor.pos, cursor.end = start, end
        return cursor

    def _entries(self, number: int) -> tuple[InstructionCursor, int]:
        """A cursor at the first entry of a section, and how many entries it has."""
        section = next((each for each in self.module.sections if each.id == number), None)
        if section is None:
            return self._cursor(0, 0), 0
        cursor = self._cursor(section.offset + 1, len(self.module.data))
        size = cursor.u32("its size")
        cursor.end = cursor.pos + size
        return cursor, cursor.count(DEFAULT.segments, "entries")

    def _tables(self) -> Iterator[str]:
        cursor, count = self._entries(_TABLES)
        for number in range(self._imported("table"), self._imported("table") + count):
            initialized = cursor.data[cursor.pos : cursor.pos + 2] == b"\x40\0"
            cursor.pos += 2 * initialized
            kind = cursor.table_type("a table")
            initial = f" {self._expression(cursor)}" if initialized else ""
            yield f"  (table (;{number};) {table_text(kind)}{initial})"

    def _globals(self) -> Iterator[str]:
        cursor, count = self._entries(_GLOBALS)
        for number in range(self._imported("global"), self._imported("global") + count):
            kind = cursor.global_type("a global")
            yield f"  (global (;{number};) {global_text(kind)} {self._expression(cursor)})"

    def _expression(self, cursor: InstructionCursor) -> str:
        """A constant expression, each instruction in parentheses where the format wants it so."""
        found: list[Instruction] = []
        while (instruction := cursor.instruction()).opcode.code != END:
            found.append(instruction)
        texts = [self.operands.write(each) for each in found]
        return f"({texts[0]})" if len(texts) == 1 else " ".join(texts)

    def _elements(self) -> Iterator[str]:
        cursor, count = self._entries(_ELEMENTS)
        for number in range(count):
            flags = cursor.u32("the kind of a segment")
            table = cursor.index() if flags & 0b11 == 0b10 else 0
            where = ""
            if not flags & 0b01:
                where = f"{f' (table {table})' if table else ''} (offset {self._expression(cursor)})"
            elif flags & 0b10:
                where = " declare"
            kind = "funcref" if flags & 0b100 else "func"
            if flags & 0b11:
                if flags & 0b100:
                    kind = cursor.reference_type("the type of elements")
                else:
                    cursor.byte("the kind of elements")
            entries = [
                f"(item {self._expression(cursor)})" if flags & 0b100 else self.operands.function(cursor.index())
                for _ in range(cursor.count(DEFAULT.segments * 10, "elements"))
            ]
            yield f"  (elem (;{number};){where} {' '.join([kind, *entries])})"

    def _data(self, most: int | None) -> Iterator[str]:
        cursor, count = self._entries(_DATA)
        for number in range(count):
            flags = cursor.u32("the kind of a segment")
            memory = cursor.index() if flags == 2 else 0
            where = f" (memory {memory})" if memory else ""
            where += f" (offset {self._expression(cursor)})" if flags != 1 else ""
            size = cursor.u32("the size of a segment")
            start = cursor.pos
            cursor.skip(size, "a segment")
            end = cursor.pos if most is None else min(cursor.pos, start + most)
            more = f"  ;; {cursor.pos - end} bytes more\n  " if end < cursor.pos else ""
            yield f"  (data (;{number};){where} {quoted(cursor.data[start:end])}{more})"
