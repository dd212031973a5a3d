"""What a WebAssembly module is, read from its bytes without compiling it.

This is the first code that meets a stranger's file, so it trusts nothing in it. It knows core modules and nothing of
Wasmtime, manifests or plugins.

- Sections come in the specification's order, each held against the end of the file; `binary_format` reads within one.
- Function bodies, global initializers, data and element segments are skipped by their section's size: the engine
  validates them. Only what `ModuleInfo` says is read.
- A malformed file raises `InvalidModule`, a file over a limit `CompileLimit`, each with one sentence and a byte offset.
- The name section is for people: a damaged one is ignored, as the specification asks.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Final

from judicia_notebook.errors import CompileLimit, InvalidModule
from judicia_notebook.text import printable
from judicia_notebook.units import format_count, format_size
from judicia_notebook.wasm.binary_format import DEFAULT, SectionLimits, TypeCursor
from judicia_notebook.wasm.info import (
    CustomSection,
    Export,
    ExternKind,
    ExternType,
    FuncType,
    GlobalType,
    Import,
    MemoryType,
    ModuleInfo,
    Section,
    TableType,
)

__all__ = [
    "DEFAULT",
    "CustomSection",
    "Export",
    "ExternKind",
    "ExternType",
    "FuncType",
    "GlobalType",
    "Import",
    "MemoryType",
    "ModuleInfo",
    "Section",
    "SectionLimits",
    "TableType",
    "identify",
    "read_module",
]


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
        raise InvalidModule(_not_a_module(kind, data))
    return _ModuleReader(data, limits).read()


# --- what a file is that is not a module -----------------------------------------------------------------------------

_MAGIC = b"\0asm"
_MODULE = _MAGIC + b"\x01\0\0\0"
_COMPONENT = _MAGIC + b"\x0d\0\x01\0"

_SIGNATURES = (
    (_MODULE, "module"),
    (_COMPONENT, "component"),
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


def _not_a_module(kind: str, data: bytes) -> str:
    match kind:
        case "empty":
            return "the file is empty"
        case "truncated":
            return f"the file ends after {len(data)} bytes, and a module begins with {len(_MODULE)}: {_MODULE.hex(' ')}"
        case "version":
            return f"this is version {int.from_bytes(data[4:8], 'little')} of the binary format; version 1 is known"
        case "component":
            return "this is a component; this runtime loads core modules"
        case "wat":
            return "this is WebAssembly text (WAT), and a binary module is needed here"
    return f"this is {kind}, not WebAssembly"


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
_ORDER: Final = (1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11)
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
        "functions",
        "global_count",
        "imports",
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
        self.functions: list[FuncType] = []
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
        return ModuleInfo(
            types=tuple(self.types),
            imports=tuple(self.imports),
            exports=tuple(self.exports),
            functions=tuple(self.functions),
            tables=tuple(self.tables),
            memories=tuple(self.memories),
            tags=tuple(self.tags),
            global_count=self.global_count,
            start=self.start,
            sections=tuple(self.sections),
            custom_sections=tuple(self.custom_sections),
            data_segments=self.data_segments,
            element_segments=self.element_segments,
            names=self.read_names(),
            data=self.data,
        )

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
        if _ORDER.index(section.id) < _ORDER.index(before.id):
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
            self.functions.append(self.type_index(what))
            return self.functions[-1]
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
        if indexes.isascii():  # nearly every file: each index is one byte
            types = self.types
            found = [kind for index in indexes if index < len(types) and (kind := types[index]) is not None]
            if len(found) == self.declared:
                self.functions += found
                self.pos += self.declared
                return
        # Index by index, also to say which is wrong.
        for _ in range(self.declared):
            self.functions.append(self.type_index("a function"))

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
            self.exports.append(Export(name, kind, index, self.functions[index] if kind == "func" else None))

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
            "func": len(self.functions),
            "table": len(self.tables),
            "memory": len(self.memories),
            "global": self.global_count,
            "tag": len(self.tags),
        }
        if index >= counts[kind]:
            raise self.wrong(f"{what} names {kind} {index}, and there are {counts[kind]}", start)
        return index

    def type_index(self, what: str) -> FuncType:
        start = self.pos
        index = self.u32(f"the type of {what}")
        if index >= len(self.types):
            raise self.wrong(f"{what} has type {index}, and there are {len(self.types)}", start)
        found = self.types[index]
        if found is None:
            raise self.wrong(f"{what} has type {index}, which is no function type", start)
        return found

    def tag_type(self, what: str) -> FuncType:
        start = self.pos
        if self.byte(what) != 0:
            raise self.wrong(f"{what} has an unknown attribute", start)
        return self.type_index(what)

    # the name section

    def read_names(self) -> dict[int, str]:
        """Function names by index; none at all when the section is damaged."""
        section = next((each for each in self.custom_sections if each.name == "name"), None)
        if section is None:
            return {}
        self.pos, self.end = section.offset, section.offset + section.size
        try:
            while self.pos < self.end:
                number = self.byte("a subsection")
                size = self.u32("a subsection")
                if number == 1:
                    return self.function_names()
                self.skip(size, "a subsection")
        except InvalidModule:
            pass
        return {}

    def function_names(self) -> dict[int, str]:
        names: dict[int, str] = {}
        budget = self.limits.function_names_bytes
        for _ in range(min(self.u32("the number of names"), self.limits.function_names)):
            index = self.u32("an index")
            size = self.u32("the length of a name")
            start = self.pos
            self.skip(size, "a name")
            shown = min(size, self.limits.function_name_bytes)
            budget -= shown
            if budget < 0:
                break
            if index < len(self.functions):
                names[index] = self.data[start : start + shown].decode(errors="replace")
        return names


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
