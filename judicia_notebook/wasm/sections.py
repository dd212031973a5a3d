"""What a WebAssembly module is, read from its bytes without compiling it.

This is the first code that meets a stranger's file, so it trusts nothing in it. It knows core modules and nothing of
Wasmtime, manifests or plugins.

- Sections come in the specification's order, each held against the end of the file; `binary_format` reads within one.
- Function bodies, global initializers, data and element segments are skipped by their section's size: the engine
  validates them. Only what `ModuleInfo` says is read.
- A malformed file raises `InvalidModule`, a file over a limit `CompileLimit`, each with one sentence and a byte offset.
- The name section is for people: `function_names` reads it when a name is asked for.
"""

from __future__ import annotations

import codecs
import re
from array import array
from collections.abc import Callable
from typing import Final

from judicia_notebook.errors import CompileLimit, InvalidModule
from judicia_notebook.text import printable
from judicia_notebook.units import format_count, format_size
from judicia_notebook.wasm.binary_format import DEFAULT, SectionLimits, TypeCursor
from judicia_notebook.wasm.components import describe_component
from judicia_notebook.wasm.function_names import FunctionNames
from judicia_notebook.wasm.info import (
    CustomSection,
    Export,
    ExternKind,
    ExternType,
    FunctionTypes,
    FuncType,
    Import,
    MemoryType,
    ModuleInfo,
    Section,
    TableType,
)
from judicia_notebook.wasm.makers import FILES


def read_module(data: bytes, limits: SectionLimits = DEFAULT) -> ModuleInfo:
    """Read what a module is from its bytes; nothing of it is compiled or run.

    Parameters
    ----------
    data : bytes
        The file, in the binary format.
    limits : SectionLimits

    Raises
    ------
    InvalidModule
        Not a core WebAssembly module, truncated or malformed; the message says what and at which byte.
    CompileLimit
        It holds more than `limits` allow.

    Examples
    --------
    >>> read_module(bytes.fromhex("0061736d01000000 0503010002")).memories
    (MemoryType(minimum_pages=2, maximum_pages=None, shared=False, is64=False),)
    """
    if len(data) > limits.file_bytes:
        message = f"the file has {format_size(len(data))}, and a module may have {format_size(limits.file_bytes)}"
        raise CompileLimit(message)
    kind = identify(data)
    if kind != "module":
        message, *hints = _not_a_module(kind, data)
        raise InvalidModule(message, hint="\n".join(hints))
    return _ModuleReader(data, limits).read()


# --- what a file is that is not a module -----------------------------------------------------------------------------

_MAGIC = b"\0asm"
_MODULE = _MAGIC + b"\x01\0\0\0"
_COMPONENT = _MAGIC + b"\x0d\0\x01\0"

_SIGNATURES = (
    (_MODULE, "module"),
    (_COMPONENT, "component"),
    (b"\x7fELF\x02\x01\x01\xc8", "a module that Wasmtime compiled (.cwasm)"),
    (b"\x7fELF", "an ELF file"),
    (b"\xfe\xed\xfa\xce", "a Mach-O file"),
    (b"\xfe\xed\xfa\xcf", "a Mach-O file"),
    (b"\xce\xfa\xed\xfe", "a Mach-O file"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O file"),
    (b"\xca\xfe\xba\xbe", "a Mach-O file for several machines, or a Java class"),
    (b"MZ", "a Windows program"),
    (b"PK\x03\x04", "a zip archive (a wheel is one, too)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"AGFzbQ", "base64 of a module"),
    (b"data:application/wasm;base64,", "base64 of a module"),
    (b"!<arch>\n", "a static library"),
    (b"BC\xc0\xde", "LLVM bitcode"),
    (b"%PDF-", "a PDF file"),
    (b"\x89PNG", "a PNG image"),
    (b"version https://git-lfs.github.com/", "a Git LFS pointer to a file that was not fetched"),
    (b"#!", "a script"),
)

_TEXTS = (
    (re.compile(rb"<!doctype html|<html", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"<\?xml"), "an XML file"),
    (re.compile(rb"\(\s*component\b"), "a component in text format"),
    (re.compile(rb"\(\s*(module|type|rec|import|func|table|memory|global|tag|export|start|elem|data)\b|;;|\(;"), "wat"),
    (re.compile(rb"[\[{]"), "JSON"),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


def identify(data: bytes) -> str:
    r"""The kind of a file by its first bytes: one word where this package makes a difference, otherwise a noun phrase.

    The words are ``module``, ``component``, ``wat``, ``empty``, ``truncated`` and ``version``.

    Examples
    --------
    >>> identify(b"(module)"), identify(b"PK\x03\x04"), identify(b"")
    ('wat', 'a zip archive (a wheel is one, too)', 'empty')
    """
    if not data:
        return "empty"
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data.startswith(_MAGIC) and len(data) >= len(_MODULE):
        return "version"
    if _MODULE.startswith(data):
        return "truncated"
    head = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip()
    if _is_text(head):
        return next((kind for pattern, kind in _TEXTS if pattern.match(head)), "some other text")
    return f"a file that begins with the bytes {data[:4].hex(' ')} (a module begins with {_MAGIC.hex(' ')})"


def _is_text(head: bytes) -> bool:
    """Whether it is UTF-8 without control characters, but for a last character that may be cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(head) is None


def _not_a_module(kind: str, data: bytes) -> tuple[str, ...]:
    """What the file is, and lines with more on it and what to do."""
    match kind:
        case "empty":
            return ("the file is empty",)
        case "truncated":
            header = _MODULE.hex(" ")
            return (f"the file ends after {len(data)} bytes, and a module begins with {len(_MODULE)}: {header}",)
        case "version":
            return (f"this is version {int.from_bytes(data[4:8], 'little')} of the binary format; version 1 is known",)
        case "component":
            return describe_component(data)
        case "wat":
            return ("this is WebAssembly text (WAT), and a binary module is needed here",)
    way = FILES.get(kind, "")
    return (f"this is {kind}, not WebAssembly{': ' if way else ''}{way}",)


# --- sections --------------------------------------------------------------------------------------------------------

_SECTION_NAMES: Final = (
    "custom",
    "type",
    "import",
    "function",
    "table",
    "memory",
    "global",
    "export",
    "start",
    "element",
    "code",
    "data",
    "data count",
    "tag",
)
SECTION_ORDER: Final = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11)
"""The ids of sections in the order in which they stand in a file; custom sections stand anywhere."""
_KINDS: Final[tuple[ExternKind, ...]] = ("func", "table", "memory", "global", "tag")


class _ModuleReader(TypeCursor):
    """Goes through the sections once and collects what they say."""

    __slots__ = (
        "bodies",
        "custom_sections",
        "data_count",
        "data_segments",
        "declared",
        "element_segments",
        "exports",
        "global_count",
        "imports",
        "indexes",
        "memories",
        "sections",
        "start",
        "tables",
        "tags",
        "types",
    )

    def __init__(self, data: bytes, limits: SectionLimits) -> None:
        super().__init__(data, limits)
        self.pos = len(_MODULE)
        self.sections: list[Section] = []
        self.custom_sections: list[CustomSection] = []
        self.types: list[FuncType | None] = []
        self.imports: list[Import] = []
        self.exports: list[Export] = []
        self.indexes: bytearray | array[int] = bytearray()  # of the functions' types
        self.tables: list[TableType] = []
        self.memories: list[MemoryType] = []
        self.tags: list[FuncType] = []
        self.global_count = self.declared = self.bodies = self.data_segments = self.element_segments = 0
        self.data_count: int | None = None
        self.start: int | None = None

    def read(self) -> ModuleInfo:
        while self.pos < len(self.data):
            self.read_section()
        self.check_counts()
        types = tuple(self.types)
        return ModuleInfo(
            types=types,
            imports=tuple(self.imports),
            exports=tuple(self.exports),
            functions=FunctionTypes(types, bytes(self.indexes) if self.narrow else self.indexes),
            tables=tuple(self.tables),
            memories=tuple(self.memories),
            tags=tuple(self.tags),
            global_count=self.global_count,
            start=self.start,
            sections=tuple(self.sections),
            custom_sections=tuple(self.custom_sections),
            data_segments=self.data_segments,
            element_segments=self.element_segments,
            names=FunctionNames(self.data, self.custom_sections, len(self.indexes), self.limits),
            data=self.data,
        )

    @property
    def narrow(self) -> bool:
        """Whether each function's type has an index of one byte."""
        return isinstance(self.indexes, bytearray)

    def add_function(self, index: int) -> None:
        if index > 0xFF and self.narrow:
            self.indexes = array("I", list(self.indexes))
        self.indexes.append(index)

    def read_section(self) -> None:
        offset = self.pos
        self.where, self.end = "the file", len(self.data)
        number = self.byte("a section's id")
        if number >= len(_SECTION_NAMES):
            raise self.wrong(f"there is no section with the id {number}", offset)
        name = _SECTION_NAMES[number]
        size = self.u32(f"the size of section '{name}'")
        self.where = f"section '{name}' at byte {offset}"
        left = self.end - self.pos
        if size > left:
            raise InvalidModule(f"{self.where} says {size} bytes, the file ends after {left}")
        section = Section(number, name, offset, size)
        self.check_order(section)
        self.sections.append(section)
        self.end = self.pos + size
        _READERS[number](self)
        if self.pos != self.end:
            raise self.wrong(f"{self.end - self.pos} bytes are left over after its last entry")

    def check_order(self, section: Section) -> None:
        if section.id == 0:
            return
        before = next((each for each in reversed(self.sections) if each.id != 0), None)
        if before is None:
            return
        if section.id == before.id:
            raise InvalidModule(f"{self.where} stands there already, at byte {before.offset}")
        if SECTION_ORDER.index(section.id) < SECTION_ORDER.index(before.id):
            raise InvalidModule(f"{self.where} comes after section '{before.name}', and belongs before it")

    def check_counts(self) -> None:
        if self.declared != self.bodies:
            message = f"section 'function' declares {format_count(self.declared)} functions"
            raise InvalidModule(f"{message}, and section 'code' has {format_count(self.bodies)}")
        if self.data_count not in {None, self.data_segments}:
            message = f"section 'data count' says {format_count(self.data_count or 0)} segments"
            raise InvalidModule(f"{message}, and section 'data' has {format_count(self.data_segments)}")

    # one method a section, in the order they stand in a file

    def read_custom(self) -> None:
        if len(self.custom_sections) >= self.limits.custom_sections:
            allowed = format_count(self.limits.custom_sections)
            raise CompileLimit(f"the file has more than the {allowed} custom sections that are allowed")
        name = self.name("its name")
        self.custom_sections.append(CustomSection(name, self.pos, self.end - self.pos))
        self.pos = self.end

    def read_types(self) -> None:
        for _ in range(self.count(self.limits.types, "types")):
            if self.pos < self.end and self.data[self.pos] == 0x4E:  # a group of types that may name each other
                self.pos += 1
                for _ in range(self.count(max(0, self.limits.types - len(self.types)), "types")):
                    self.types.append(self.sub_type())
            else:
                self.types.append(self.sub_type())

    def read_imports(self) -> None:
        for number in range(self.count(self.limits.imports, "imports")):
            module = self.name(f"the module name of import {number}")
            name = self.name(f"the name of import {number}")
            what = f"import {_in_a_line(module)}.{_in_a_line(name)}"
            kind = self.kind(what)
            self.imports.append(Import(module, name, kind, self.imported(kind, what)))

    def imported(self, kind: ExternKind, what: str) -> ExternType:
        """Its type; what is imported comes first in its index space."""
        if kind == "func":
            self.add_function(self.type_index(what))
            return self.function_type(self.indexes[-1])
        if kind == "table":
            self.tables.append(self.table_type(what))
            return self.tables[-1]
        if kind == "memory":
            self.memories.append(self.memory_type(what))
            return self.memories[-1]
        if kind == "tag":
            self.tags.append(self.tag_type(what))
            return self.tags[-1]
        self.global_count += 1
        return self.global_type(what)

    def read_functions(self) -> None:
        self.declared = self.count(self.limits.functions, "functions")
        indexes = self.data[self.pos : min(self.pos + self.declared, self.end)]
        if (
            isinstance(self.indexes, bytearray)
            and len(indexes) == self.declared
            and not indexes.translate(None, self.short_indexes())
        ):
            self.indexes += indexes
            self.pos += self.declared
            return
        # Index by index, also to say which is wrong.
        for _ in range(self.declared):
            self.add_function(self.type_index("a function"))

    def short_indexes(self) -> bytes:
        """The indexes of one byte that name a function type; in nearly every file a function has no others."""
        return bytes([index for index, kind in enumerate(self.types[:0x80]) if kind is not None])

    def read_tables(self) -> None:
        budget = self.limits.initializer_instructions
        for _ in range(self.count(self.limits.tables, "tables")):
            what = f"table {len(self.tables)}"
            initialized = self.data[self.pos : min(self.pos + 2, self.end)] == b"\x40\0"
            self.pos += 2 * initialized
            self.tables.append(self.table_type(what))
            if initialized:
                budget = self.skip_initializer(budget)

    def read_memories(self) -> None:
        for _ in range(self.count(self.limits.memories, "memories")):
            self.memories.append(self.memory_type(f"memory {len(self.memories)}"))

    def read_tags(self) -> None:
        for _ in range(self.count(self.limits.tags, "tags")):
            self.tags.append(self.tag_type(f"tag {len(self.tags)}"))

    def read_globals(self) -> None:
        self.global_count += self.count(self.limits.globals, "globals")
        self.pos = self.end

    def read_exports(self) -> None:
        seen = set()
        for number in range(self.count(self.limits.exports, "exports")):
            start = self.pos
            name = self.name(f"the name of export {number}")
            what = f"export {_in_a_line(name)}"
            if name in seen:
                raise self.wrong(f"{what} stands there twice", start)
            seen.add(name)
            kind = self.kind(what)
            index = self.index(kind, what)
            exported = self.function_type(self.indexes[index]) if kind == "func" else None
            self.exports.append(Export(name, kind, index, exported))

    def read_start(self) -> None:
        self.start = self.index("func", "the start function")

    def read_elements(self) -> None:
        self.element_segments = self.count(self.limits.segments, "element segments")
        self.pos = self.end

    def read_data_count(self) -> None:
        self.data_count = self.u32("the number of data segments")

    def read_code(self) -> None:
        self.bodies = self.count(self.limits.functions, "function bodies")
        self.pos = self.end

    def read_data(self) -> None:
        self.data_segments = self.count(self.limits.segments, "data segments")
        self.pos = self.end

    # what their entries are made of

    def kind(self, what: str) -> ExternKind:
        start = self.pos
        number = self.byte(f"the kind of {what}")
        if number >= len(_KINDS):
            raise self.wrong(f"{what} is of the unknown kind {number}", start)
        return _KINDS[number]

    def index(self, kind: ExternKind, what: str) -> int:
        start = self.pos
        index = self.u32(f"the index of {what}")
        counts = {
            "func": len(self.indexes),
            "table": len(self.tables),
            "memory": len(self.memories),
            "global": self.global_count,
            "tag": len(self.tags),
        }
        if index >= counts[kind]:
            raise self.wrong(f"{what} names {kind} {index}, and there are {counts[kind]}", start)
        return index

    def type_index(self, what: str) -> int:
        """The index of a function type."""
        start = self.pos
        index = self.u32(f"the type of {what}")
        if index >= len(self.types):
            raise self.wrong(f"{what} has type {index}, and there are {len(self.types)}", start)
        if self.types[index] is None:
            raise self.wrong(f"{what} has type {index}, which is no function type", start)
        return index

    def function_type(self, index: int) -> FuncType:
        return self.types[index]  # type: ignore[return-value]  # `type_index` has looked

    def tag_type(self, what: str) -> FuncType:
        start = self.pos
        if self.byte(what) != 0:
            raise self.wrong(f"{what} has an unknown attribute", start)
        return self.function_type(self.type_index(what))


def _in_a_line(name: str) -> str:
    return " ".join(printable(name, 80).split())


_READERS: Final[tuple[Callable[[_ModuleReader], None], ...]] = (
    _ModuleReader.read_custom,
    _ModuleReader.read_types,
    _ModuleReader.read_imports,
    _ModuleReader.read_functions,
    _ModuleReader.read_tables,
    _ModuleReader.read_memories,
    _ModuleReader.read_globals,
    _ModuleReader.read_exports,
    _ModuleReader.read_start,
    _ModuleReader.read_elements,
    _ModuleReader.read_code,
    _ModuleReader.read_data,
    _ModuleReader.read_data_count,
    _ModuleReader.read_tags,
)
