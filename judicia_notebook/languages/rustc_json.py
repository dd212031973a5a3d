"""The messages of rustc, which are lines of JSON, as diagnostics. rustc counts columns in characters."""

from __future__ import annotations

import re

import msgspec

from judicia_notebook.languages import linker
from judicia_notebook.languages.clang_text import at
from judicia_notebook.languages.messages import Messages
from judicia_notebook.records.diagnostics import Diagnostic

_SUMMARY = re.compile(r"aborting due to|\d+ warnings? emitted|For more information|Some errors have detailed")
_ERROR = re.compile(r"E\d+")
_LEVELS = frozenset({"error", "warning", "error: internal compiler error"})
_NO_HELP = re.compile(r"defined here$|on by default$")  # without the other place, or said to who wants it off
_MOST_NOTES = 4
_MOST_SUGGESTED = 80  # characters
_MOST_HEAD = 1 << 16  # characters
_MESSAGE = re.compile(r'\{(?:"\$message_type":"diagnostic",)?"message":(?P<text>"(?:[^"\\]|\\.)*")')
_LEVEL = re.compile(r'"level":"(?P<level>[^"]*)","spans":')
_PLACE = re.compile(
    r'"file_name":"(?P<file>[^"]*)","byte_start":\d+,"byte_end":\d+,'
    r'"line_start":(?P<line>\d{1,9}),"line_end":\d+,"column_start":(?P<column>\d{1,9}),'
)


class _Code(msgspec.Struct):
    code: str


class _Expansion(msgspec.Struct):
    span: _Span


class _Span(msgspec.Struct):
    """A place, without the source's lines that rustc quotes."""

    file_name: str
    line_start: int
    column_start: int
    is_primary: bool = False
    label: str | None = None
    expansion: _Expansion | None = None


class _Suggestion(msgspec.Struct):
    suggested_replacement: str | None = None


class _Child(msgspec.Struct):
    """A note; `told` has what rustc would write instead, where that is one short piece."""

    message: str
    spans: list[_Suggestion] = []

    def told(self) -> str:
        pieces = [(span.suggested_replacement or "").strip() for span in self.spans]
        is_one = len(pieces) == 1 and 0 < len(pieces[0]) <= _MOST_SUGGESTED
        if not is_one or pieces[0] in self.message or "\n" in pieces[0]:
            return self.message
        return f"{self.message}: `{pieces[0]}`"


class _Message(msgspec.Struct):
    """A message, without the text that is made of it for terminals, and the explanation of its code."""

    message: str
    level: str
    code: _Code | None = None
    spans: list[_Span] = []
    children: list[_Child] = []


class RustcReader:
    """What hears rustc and its linker; lines that are no JSON are left out.

    Parameters
    ----------
    text : str
        The source.
    file : str
        The name that rustc was given for it.
    """

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._lines = text.split("\n")
        self._file = file
        self._messages = Messages()

    def rows(self) -> list[Diagnostic]:
        return self._messages.rows()

    def hear(self, line: str) -> None:
        if not line.startswith("{"):
            return
        told: _Message | None
        try:
            told = msgspec.json.decode(line, type=_Message)
        except (msgspec.DecodeError, UnicodeEncodeError):
            told = _beginning(line)
        if told is not None and told.level in _LEVELS and not _SUMMARY.match(told.message):
            for row in self._rows(told):
                self._messages.add(row)

    def _rows(self, told: _Message) -> list[Diagnostic]:
        children = [child.told() for child in told.children]
        if told.message.startswith("linking with"):
            found = linker.read("\n".join(children), self._text)
            return found or [Diagnostic(None, None, "error", told.message)]
        severity = "warning" if told.level == "warning" else "error"
        span = _span(told.spans, self._file)
        code = f" [{told.code.code}]" if told.code is not None and _ERROR.fullmatch(told.code.code) else ""
        notes = [child.replace("\n", " ") for child in children if not _NO_HELP.search(child)]
        note = "; ".join(notes[:_MOST_NOTES])
        message = f"{told.message}{code}"
        if span is None:
            elsewhere = next((span for span in told.spans if span.is_primary), None)
            if elsewhere is not None and not elsewhere.file_name.startswith("<"):
                message = f"{elsewhere.file_name.rpartition('/')[2]}, line {elsewhere.line_start}: {message}"
            return [Diagnostic(None, None, severity, message, note)]
        message += f": {span.label}" if span.label else ""
        return [at(self._lines, span.line_start, span.column_start, severity, message, note)]


def _beginning(line: str) -> _Message | None:
    """What begins a message that was too long to be kept: rustc quotes whole lines of the source behind it."""
    head = line[:_MOST_HEAD]
    message, level = _MESSAGE.match(head), _LEVEL.search(head)
    if message is None or level is None:
        return None
    span = _PLACE.search(head)
    spans = [_Span(span["file"], int(span["line"]), int(span["column"]), is_primary=True)] if span else []
    try:
        return _Message(msgspec.json.decode(message["text"], type=str), level["level"], spans=spans)
    except msgspec.DecodeError:
        return None


def _span(spans: list[_Span], file: str) -> _Span | None:
    """The place in the source: of a macro of another crate, the place where the source calls it."""
    for span in sorted(spans, key=lambda span: not span.is_primary):
        place: _Span | None = span
        for _ in range(16):
            if place is None or place.file_name == file:
                break
            place = place.expansion.span if place.expansion is not None else None
        if place is not None and place.file_name == file:
            return place
    return None
