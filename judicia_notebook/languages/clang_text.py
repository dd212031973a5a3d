"""The messages of clang and of Zig, which are lines ``file:line:column: severity: message``, as diagnostics.

Both count a column in bytes. A note belongs to the message above it. A message about another file (a header) is told at
the line of the source that includes the file.
"""

from __future__ import annotations

import re

from judicia_notebook.languages.messages import MOST_ROWS, Messages
from judicia_notebook.records.diagnostics import Diagnostic

_LINE = re.compile(
    r"(?P<file>[^\s:\"(){};][^:\"(){};]*):(?P<line>\d{1,9}):(?P<column>\d{1,9}): "
    r"(?P<severity>fatal error|error|warning|note): (?P<message>.*)"
)
_INCLUDED = re.compile(r"(?:In file included from|\s+from) (?P<file>[^\n:]+):(?P<line>\d+)[:,]")
_REFERENCED = re.compile(r"\s+[^:\n]{1,200}: (?P<file>[^:\n]+):(?P<line>\d{1,9}):(?P<column>\d{1,9})$")
_DRIVER = re.compile(r"(?:[\w+./-]*(?:clang|zig)[\w+.-]*: )?(?:fatal )?(?P<severity>error|warning): (?P<message>.*)")
_LINKER_FAILED = re.compile(
    r"linker command failed|frontend command failed|unable to execute command|invoked with .* failed"
)
_OPTION = re.compile(r" \[-W(?:error,-W)?[\w+=-]+\]$")

MOST_LINE = 4000
"""Characters of a line that are looked at: it may quote a line of the source, and that may be a million long."""
_WIDTH, _BEFORE = 120, 60  # of a line that is longer


def read(said: str, text: str, file: str) -> list[Diagnostic]:
    """The diagnostics in a compiler's output; what its linker says is left out.

    Parameters
    ----------
    text : str
        The source.
    file : str
        The name that the compiler was given for it.

    Examples
    --------
    >>> read("cell.c:1:9: error: expected ';'", "int x = 1", "cell.c")[0][:4]
    (1, 9, 'error', "expected ';'")
    """
    reader = ClangReader(text, file)
    for line in said.split("\n"):
        reader.hear(line)
    return reader.rows()


class ClangReader:
    """What hears clang or Zig; the parameters are those of `read`."""

    def __init__(self, text: str, file: str) -> None:
        self._lines = text.split("\n")
        self._file = file
        self._messages = Messages()
        self._included: int | None = None  # the line of ours that the next message's file was included at
        self._places: dict[str, int] = {}  # of other files: clang names it before the first message of a file alone

    def rows(self) -> list[Diagnostic]:
        return self._messages.rows()

    def hear(self, line: str) -> None:
        line = line[:MOST_LINE]
        if found := _INCLUDED.match(line):
            self._included = int(found["line"]) if self._is_ours(found["file"]) else self._included
        elif found := _LINE.match(line):
            self._add(found, _OPTION.sub("", found["message"]))
        elif found := _REFERENCED.match(line):  # Zig's way from a mistake in another file to what needs it
            if self._is_ours(found["file"]):
                self._place_last(int(found["line"]), int(found["column"]))
        elif (found := _DRIVER.match(line)) and not _LINKER_FAILED.search(line):
            self._messages.add(Diagnostic(None, None, found["severity"], found["message"]))

    def _add(self, found: re.Match[str], message: str) -> None:
        is_ours = self._is_ours(found["file"])
        line, byte = int(found["line"]), int(found["column"])
        if self._included is not None and not is_ours and len(self._places) < MOST_ROWS:
            self._places[found["file"]] = self._included
        self._included = None
        if found["severity"] == "note":
            self._messages.note(f"{_where(found, is_ours=is_ours)}{message}")
            if is_ours:  # Zig names the file that is imported, then the import
                self._place_last(line, byte)
            return
        here = placed(self._lines, line, byte, found["severity"], message) if is_ours else None
        self._messages.add(here or self._elsewhere(found, message))

    def _place_last(self, line: int, byte: int) -> None:
        """Give the last message this place, where it has none of its own."""
        last = self._messages.last
        if last is not None and last.line is None:
            here = placed(self._lines, line, byte, last.severity, last.message)
            self._messages.replace_last(here._replace(note=last.note))

    def _elsewhere(self, found: re.Match[str], message: str) -> Diagnostic:
        included = self._places.get(found["file"])
        told = f"{_where(found, is_ours=False)}{message}"
        if included is None:
            return Diagnostic(None, None, "warning" if found["severity"] == "warning" else "error", told)
        return at(self._lines, included, 1, found["severity"], told)

    def _is_ours(self, path: str) -> bool:
        return path.removeprefix("./") == self._file


def placed(lines: list[str], line: int, byte: int, severity: str, message: str, note: str = "") -> Diagnostic:
    """A diagnostic at the byte of a line, both from 1, with that line; the column counts characters."""
    code = lines[line - 1] if 0 < line <= len(lines) else ""
    column = len(code.encode("utf-8", "replace")[: max(byte, 1) - 1].decode("utf-8", "ignore")) + 1
    return at(lines, line, column, severity, message, note)


def at(lines: list[str], line: int, column: int, severity: str, message: str, note: str = "") -> Diagnostic:
    """A diagnostic at a character of a line, both from 1, with that line."""
    code = (lines[line - 1] if 0 < line <= len(lines) else "").rstrip("\r")
    skipped = max(0, column - _BEFORE) if column > _WIDTH else 0
    shown = code[skipped : skipped + _WIDTH].expandtabs(1)
    mark = column - skipped if 0 < line <= len(lines) else 0
    kind = "warning" if severity == "warning" else "error"
    return Diagnostic(line, column, kind, message, note, shown, mark)


def _where(found: re.Match[str], *, is_ours: bool) -> str:
    file = "" if is_ours else f"{found['file'].rpartition('/')[2]}, "
    return f"{file}line {found['line']}: "
