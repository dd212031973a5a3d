"""WebAssembly text as a notebook cell, with as little ceremony as the format allows.

A cell may leave out what every plugin of ABI v1 has to have, and a prelude supplies exactly what is missing:

- ``(module ...)`` around the fields.
- The memory: one page (or as many as its data segments reach into), exported as ``memory``.
- ``judicia_alloc`` and ``judicia_free``: a first-fit list of blocks. It lives only in pages it has grown itself, so
  it never touches what the cell keeps in its memory, and it ignores a free of what it did not hand out (a data
  segment used as an answer). With no room left it answers 0.
- ``$reply (param $ptr i32) (param $len i32) (result i64)`` packs an answer.
- ``$call_host (param $function i32) (param $ptr i32) (param $len i32) (result i64)`` calls the n-th platform
  function: those the cell imports from ``judicia:...`` in their order, then those it only names.
- An identifier such as ``$judicia:clock.now`` that is used but not imported is imported as ``"judicia:clock" "now"``.

The compiler reads the cell's declarations from its tokens, never from its raw text. No line of the cell moves: imports
go on the line of its last import (or the first line), and all other additions follow its last line. So the assembler's
messages name the cell's own lines. An added import takes a number before those of the cell's own functions, so a cell
that uses the short form calls its functions by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

from judicia_notebook.errors import InvalidModule
from judicia_notebook.wasm.wat_lines import place, pointed
from judicia_notebook.wasm.wat_syntax import Form, String, SyntaxProblem, Unclosed, Word, parse

PAGE_BYTES = 65536
_SHORTHAND = re.compile(r"\$(judicia:[a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)")
_PLATFORM = "judicia:"
_DECLARATIONS = ("func", "memory", "table", "global", "tag")


def compile_wat(source: str) -> str:
    """A complete module in the text format, from a cell that may leave out the usual parts.

    Raises
    ------
    InvalidModule
        A parenthesis is never closed; the text names its line. Other mistakes are for the assembler, which says more.

    Examples
    --------
    >>> cell = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'
    >>> text = compile_wat(cell)
    >>> text.startswith(cell), "judicia_alloc" in text
    (True, True)
    """
    try:
        top, identifiers = parse(source)
    except Unclosed as problem:
        raise InvalidModule(_unclosed(source, problem.start)) from None
    except SyntaxProblem:
        return source
    module = top[0] if len(top) == 1 and top[0].head == "module" else None
    if module is not None and any(isinstance(item, String) for item in module.items):
        return source  # (module quote "...") and (module binary "...") are complete as they are
    fields = _inner(module) if module else top
    if not fields or (module is None and any(field.head in ("module", "component") for field in fields)):
        return source
    return _complete(source, module, _Cell.read(fields, identifiers))


def _unclosed(source: str, start: int) -> str:
    line, column = place(source, start)
    return f"this `(` is never closed: line {line}, column {column}\n{pointed(source, start)}"


def _inner(module: Form) -> tuple[Form, ...]:
    return tuple(item for item in module.items if isinstance(item, Form))


@dataclass(frozen=True, slots=True)
class _Import:
    """A function import: its identifier (or nothing) and the two names."""

    identifier: str
    module: str
    name: str


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell's declarations, as far as the prelude needs them."""

    identifiers: tuple[str, ...]  # every $name that occurs, in order of first appearance
    functions: frozenset[str]  # the $names of its functions, imported or defined
    imports: tuple[_Import, ...]  # its function imports, in index order
    imports_end: int | None  # where its last import of any kind ends
    exports: dict[str, tuple[str, str]]  # name -> (kind, index or identifier)
    memories: int
    data_end: int  # the first address past its active data segments

    @classmethod
    def read(cls, fields: tuple[Form, ...], identifiers: tuple[str, ...]) -> _Cell:
        imported = [field for field in fields if _imported(field) is not None]
        kinds = [_kind(field) for field in fields]
        return cls(
            identifiers=identifiers,
            functions=frozenset(_declared(field).identifier for field in fields if _kind(field) == "func") - {""},
            imports=_function_imports(fields),
            imports_end=max((field.end for field in imported), default=None),
            exports=_exports(fields, kinds),
            memories=kinds.count("memory"),
            data_end=max((_segment_end(field) for field in fields if field.head == "data"), default=0),
        )

    @property
    def shorthands(self) -> tuple[_Import, ...]:
        """The platform functions that are used by name but not imported, in order of first use."""
        missing = (name for name in self.identifiers if name not in self.functions)
        matches = [(name, _SHORTHAND.fullmatch(name)) for name in missing]
        return tuple(_Import(name, match[1], match[2]) for name, match in matches if match)

    def lacks(self, identifier: str) -> bool:
        """Whether this function of the prelude is used and not the cell's own."""
        return identifier in self.identifiers and identifier not in self.functions


def _imported(field: Form) -> tuple[str, str] | None:
    """The module and name a field imports from, for both ways of writing an import."""
    written = field if field.head == "import" else next(field.forms("import"), None)
    if written is None or (field.head not in _DECLARATIONS and written is not field) or len(written.strings) < 2:
        return None
    return written.strings[0].name, written.strings[1].name


def _declared(field: Form) -> Form:
    """The form with the declaration: the field itself, or the form inside an import field."""
    if field.head == "import":
        return next((item for item in field.items if isinstance(item, Form)), field)
    return field


def _kind(field: Form) -> str:
    return _declared(field).head


def _function_imports(fields: tuple[Form, ...]) -> tuple[_Import, ...]:
    found = ((_declared(field), _imported(field)) for field in fields)
    return tuple(_Import(form.identifier, *names) for form, names in found if names and form.head == "func")


def _exports(fields: tuple[Form, ...], kinds: list[str]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for position, field in enumerate(fields):
        if field.head == "export" and field.strings:
            target = next((item for item in field.items if isinstance(item, Form)), None)
            index = target.items[1] if target is not None and len(target.items) > 1 else None
            if target is not None and isinstance(index, Word):
                found[field.strings[0].name] = (target.head, index.text)
        elif field.head in _DECLARATIONS:
            index_text = str(kinds[:position].count(kinds[position]))
            for export in field.forms("export"):
                if export.strings:
                    found[export.strings[0].name] = (field.head, index_text)
    return found


def _segment_end(data: Form) -> int:
    """Where an active segment at a constant address ends; 0 for all others."""
    offset = next((item for item in data.items if isinstance(item, Form) and item.head != "memory"), None)
    if offset is not None and offset.head == "offset":
        offset = next((item for item in offset.items if isinstance(item, Form)), None)
    if offset is None or offset.head != "i32.const" or len(offset.items) != 2 or not isinstance(offset.items[1], Word):
        return 0
    try:
        address = int(offset.items[1].text.replace("_", ""), 0)
    except ValueError:
        return 0
    return address + sum(len(string.content) for string in data.strings)


def _complete(source: str, module: Form | None, cell: _Cell) -> str:
    head = _import_position(module, cell)
    tail = module.end - 1 if module else len(source)
    shorthands = cell.shorthands
    imports = "".join(
        f' (import "{entry.module}" "{entry.name}" (func {entry.identifier} (param i32 i32) (result i64)))'
        for entry in shorthands
    )
    rest = "\n".join(_missing_parts(cell, (*cell.imports, *shorthands)))
    # A line of its own: the cell's last line may end in a comment.
    return source[:head] + imports + source[head:tail] + (f"\n{rest}\n" if rest else "") + source[tail:]


def _import_position(module: Form | None, cell: _Cell) -> int:
    if cell.imports_end is not None:
        return cell.imports_end
    if module is None:
        return 0
    head = module.items[1] if module.identifier else module.items[0]
    return head.end


def _missing_parts(cell: _Cell, imports: tuple[_Import, ...]) -> list[str]:
    parts = [_memory(cell)]
    kind, memory = cell.exports.get("memory", ("memory", "0"))
    parts += _allocator(cell, memory if kind == "memory" else "0")
    if cell.lacks("$reply"):
        parts.append(_part("reply"))
    if cell.lacks("$call_host"):
        parts.append(_part("call_host").replace("CALLS", _host_calls(imports)))
    return [part for part in parts if part]


def _memory(cell: _Cell) -> str:
    if "memory" in cell.exports:
        return ""
    if cell.memories:
        return '(export "memory" (memory 0))'
    return f'(memory (export "memory") {max(1, -(-cell.data_end // PAGE_BYTES))})'


def _allocator(cell: _Cell, memory: str) -> list[str]:
    """The allocation functions that the cell lacks.

    Beside a cell's own `judicia_alloc`, `judicia_free` does nothing: only the cell's author knows its blocks.
    """
    parts = [
        f'(export "{name}" (func ${name}))'
        for name in ("judicia_alloc", "judicia_free")
        if name not in cell.exports and f"${name}" in cell.functions
    ]
    own_alloc = "judicia_alloc" in cell.exports or "$judicia_alloc" in cell.functions
    own_free = "judicia_free" in cell.exports or "$judicia_free" in cell.functions
    if not own_alloc:
        parts.append(_part("alloc").replace("MEMORY", memory))
    if not own_free:
        parts.append(_part("free_nothing" if own_alloc else "free").replace("MEMORY", memory))
    return parts


def _host_calls(imports: tuple[_Import, ...]) -> str:
    """One comparison for each platform function, in the order `$call_host` counts them."""
    platform = [index for index, entry in enumerate(imports) if entry.module.startswith(_PLATFORM)]
    return "\n".join(
        f"  (if (i32.eq (local.get $function) (i32.const {number}))\n"
        f"    (then (return (call {index} (local.get $ptr) (local.get $len)))))"
        for number, index in enumerate(platform)
    )


def _part(name: str) -> str:
    """One part of prelude.wat, which is divided by lines ``;; == name``."""
    text = resources.files(__package__).joinpath("prelude.wat").read_text(encoding="utf-8")
    parts = re.split(r"^;; == (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[name].strip()
