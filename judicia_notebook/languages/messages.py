"""What a compiler has said, as rows: the first errors and the first warnings, and how many more there were.

Errors and warnings are bounded apart from each other: a thousand warnings do not hide the one error behind them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from judicia_notebook.records.diagnostics import Diagnostic

MOST_ROWS = 200
"""Errors that are kept, and warnings."""
_MOST_NOTE = 600  # characters
_MORE = re.compile(r"and (\d+) more (?:error|warning)s?, not listed")


class Reader(Protocol):
    """What hears a compiler and its linker, a line at a time, and makes rows of it."""

    def hear(self, line: str) -> None:
        """A line that it said, without its end."""

    def rows(self) -> list[Diagnostic]:
        """The rows of all that was heard."""


class Readers:
    """Several that hear the same lines: a compiler's reader and its linker's."""

    def __init__(self, *readers: Reader) -> None:
        self._readers = readers

    def hear(self, line: str) -> None:
        for reader in self._readers:
            reader.hear(line)

    def rows(self) -> list[Diagnostic]:
        return [row for reader in self._readers for row in reader.rows()]


class Messages:
    """Rows, as they come."""

    def __init__(self) -> None:
        self._rows: list[Diagnostic] = []
        self._counts: Counter[str] = Counter()
        self._is_kept = False

    def add(self, row: Diagnostic) -> None:
        self._counts[row.severity] += 1
        self._is_kept = self._counts[row.severity] <= MOST_ROWS
        if self._is_kept:
            self._rows.append(row)

    @property
    def last(self) -> Diagnostic | None:
        """The row that a note belongs to; None where the message before was not kept."""
        return self._rows[-1] if self._rows and self._is_kept else None

    def replace_last(self, row: Diagnostic) -> None:
        self._rows[-1] = row

    def note(self, told: str) -> None:
        """Add to the note of the last row."""
        if (last := self.last) is not None and len(last.note) < _MOST_NOTE:
            self.replace_last(last._replace(note=f"{last.note}; {told}" if last.note else told))

    def rows(self) -> list[Diagnostic]:
        """All rows, and one for each kind of which there were more."""
        more = [
            Diagnostic(None, None, kind, f"and {count - MOST_ROWS} more {_plural(kind, count - MOST_ROWS)}, not listed")
            for kind, count in self._counts.items()
            if count > MOST_ROWS
        ]
        return [*self._rows, *more]


def counted(rows: Iterable[Diagnostic]) -> str:
    """How many errors and warnings, in words; those that are not listed count, too.

    Examples
    --------
    >>> warning = Diagnostic(1, 1, "warning", "unused")
    >>> counted([warning, warning._replace(message="and 50 more warnings, not listed")])
    '51 warnings'
    """
    counts: Counter[str] = Counter()
    for row in rows:
        more = _MORE.fullmatch(row.message)
        counts[row.severity] += int(more[1]) if more else 1
    told = [f"{counts[kind]} {_plural(kind, counts[kind])}" for kind in ("error", "warning") if counts[kind]]
    return " and ".join(told) or "nothing"


def _plural(kind: str, count: int) -> str:
    return f"{kind}s" if count > 1 else kind
