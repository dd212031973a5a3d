"""From a byte of the binary back to the line of the text it was assembled from.

The validator counts bytes of a module that its author has never seen. The assembler keeps functions and instructions in
their order, so the n-th instruction of the n-th function body can be traced to the text: a folded instruction stands
after its operands, a block ends with its parenthesis. Of any other section, only the forms of its kind can be named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from judicia_notebook.errors import InvalidModule
from judicia_notebook.wasm.compile_cost import body_at
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.instructions import instruction_at
from judicia_notebook.wasm.wat_syntax import Form, String, SyntaxProblem, Word, parse

_OFFSET = re.compile(r"\s*(?:Invalid input WebAssembly code )?\(?\bat offset (0x[0-9a-f]+|\d+)\)?:?\s*")
_BYTE = re.compile(r"section '(\w+)' at byte \d+.*?(?: \(byte \d+\))?$")
_NOISE = re.compile(r"(?:failed to (?:compile|parse WebAssembly module)|wasm\[0\]::function\[\d+\](?:::[^ ]*)?"
                    r"|WebAssembly translation error): ")  # fmt: skip
_INSTRUCTION = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")
_NO_INSTRUCTION = re.compile(r"nan|inf|[if]\d+x\d+|func|extern|funcref|externref|any|eq|i31|struct|array|none\w*")
_DECLARES = frozenset({"type", "param", "result", "local", "export", "import"})
_HEADS = {"element": "elem", "data count": "data"}
_NAMED = 8  # lines at most
_MOST_TEXT = 1 << 20  # characters that are read once more, which takes a second
_BEFORE, _WIDTH = 60, 120  # of a line that is longer


def with_place(message: str, text: str, module: ModuleInfo | None) -> str | None:
    """The message with the line it is about in place of a byte's number; None where there is no such byte in it.

    Parameters
    ----------
    module : ModuleInfo or None
        None where it could not be read as far as that.
    """
    offset, byte = _OFFSET.search(message), _BYTE.search(message)
    if offset is None and byte is None:
        return None
    try:
        return _placed(message, text[: _MOST_TEXT + 1], module, offset, byte)
    except (SyntaxProblem, RecursionError):
        return None


def _placed(
    message: str, text: str, module: ModuleInfo | None, offset: re.Match[str] | None, byte: re.Match[str] | None
) -> str | None:
    if len(text) > _MOST_TEXT:
        return None
    top, _ = parse(text)
    fields = _fields(top)
    if offset is None or module is None:
        heads = byte[1] if byte is not None else ""
        return _in_words(message, text, _of_kind(fields, heads))
    said = _NOISE.sub("", _OFFSET.sub(" ", message)).strip(" :")
    at = int(offset[1], 0)
    start = _in_body(fields, module, at)
    return _in_words(said, text, [start] if start is not None else _of_kind(fields, _section(module, at)))


def pointed(text: str, start: int) -> str:
    """The line with the character at `start`, and a mark below it."""
    line, column = place(text, start)
    begin = text.rfind("\n", 0, start) + 1
    skipped = max(0, column - _BEFORE) if column > _WIDTH else 0
    shown = text[begin + skipped : begin + skipped + _WIDTH].split("\n", 1)[0].expandtabs(1).rstrip("\r")
    return f"{line:>6} | {shown}\n{'':>6} | {'^':>{column - skipped}}"


def place(text: str, start: int) -> tuple[int, int]:
    """The line and column of the character at `start`, from 1."""
    return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)


def _in_words(said: str, text: str, starts: Sequence[int]) -> str | None:
    if not starts:
        return None
    if len(starts) == 1:
        line, column = place(text, starts[0])
        return f"{said}: line {line}, column {column}\n{pointed(text, starts[0])}"
    lines = ", ".join(str(place(text, start)[0]) for start in starts[:_NAMED])
    return f"{said}: in one of the lines {lines}{', ...' if len(starts) > _NAMED else ''}"


def _fields(top: tuple[Form, ...]) -> tuple[Form, ...]:
    if len(top) == 1 and top[0].head == "module":
        return tuple(item for item in top[0].items if isinstance(item, Form))
    return top


# --- in a function ---------------------------------------------------------------------------------------------------


def _in_body(fields: tuple[Form, ...], module: ModuleInfo, at: int) -> int | None:
    """Where the instruction at this byte stands in the text."""
    try:
        body = body_at(module, at)
    except InvalidModule:
        return None
    if body is None:
        return None
    own = [field for field in fields if field.head == "func" and next(field.forms("import"), None) is None]
    index = body.function - sum(item.kind == "func" for item in module.imports)
    if not 0 <= index < len(own):
        return None
    number = instruction_at(module.data[body.code : body.end], at - body.code)
    if number is None:  # among its locals
        return own[index].start
    return next(islice(_sequence(own[index].items[1:]), number, None), own[index].end - 1)


def _sequence(items: Sequence[Word | String | Form]) -> Iterator[int]:
    """Where the instructions of a body or block begin, in the binary's order."""
    for item in items:
        if isinstance(item, Form):
            if item.head not in _DECLARES:
                yield from _folded(item)
        elif isinstance(item, Word) and _INSTRUCTION.fullmatch(item.text) and not _NO_INSTRUCTION.fullmatch(item.text):
            yield item.start


def _folded(form: Form) -> Iterator[int]:
    if not form.items:
        return
    inner = [item for item in form.items if isinstance(item, Form) and item.head not in _DECLARES]
    if form.head in {"block", "loop"}:
        yield form.items[0].start
        yield from _sequence(form.items[1:])
        yield form.end - 1
    elif form.head == "if":
        branches = [item for item in inner if item.head in {"then", "else"}]
        yield from _sequence([item for item in inner if item not in branches])
        yield form.items[0].start
        for branch in branches:
            if branch.head == "else":
                yield branch.start
            yield from _sequence(branch.items[1:])
        yield form.end - 1
    else:
        yield from _sequence(inner)
        yield form.items[0].start


# --- elsewhere -------------------------------------------------------------------------------------------------------


def _section(module: ModuleInfo, at: int) -> str:
    return next((section.name for section in reversed(module.sections) if section.offset <= at), "")


def _of_kind(fields: tuple[Form, ...], section: str) -> list[int]:
    """Where the forms stand that a section is made of; those written inside another form, too."""
    head = _HEADS.get(section, section)
    if not head or head in {"code", "function"}:
        return []
    inside = (item for field in fields for item in field.items if isinstance(item, Form) and item.head == head)
    return sorted({form.start for form in (*(field for field in fields if field.head == head), *inside)})
