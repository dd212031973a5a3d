"""A bar of progress for what takes long: on stderr, or in a notebook a line of text that is kept up to date.

The bar that tqdm chooses for a notebook is a widget. A saved notebook holds how it was shown first, at 0 %, and has no
kernel to ask for more. A line of text is replaced where it stands, so that a saved notebook holds its end.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

_FORM = "{{desc}}: {{n_fmt}} of {{total_fmt}} {units} |{{bar:20}}| {{elapsed}}<{{remaining}}, {{rate_fmt}}"


class Line(Protocol):
    """Where a bar is written, as on a terminal: each text takes the place of the one before."""

    encoding: str

    def write(self, text: str) -> object: ...

    def flush(self) -> object: ...


_lines: list[Callable[[], Line]] = []


def show_with(make_line: Callable[[], Line]) -> Callable[[], None]:
    """Have bars written to lines that this makes, one a bar. The returned function ends that."""
    _lines.append(make_line)

    def remove() -> None:
        if make_line in _lines:
            _lines.remove(make_line)

    return remove


@contextlib.contextmanager
def bar(what: str, unit: str, total: int, done: int = 0, *, shown: bool = True) -> Iterator[Callable[[int], Any]]:
    """A bar, which the block calls with how many more are done. It stays as it was at the block's end.

    Parameters
    ----------
    what : str
        What takes long.
    unit : str
        A word for each of `total`, in the singular.
    done : int
        How many were done before.
    """
    if not shown:
        yield lambda _: None
        return
    from tqdm import tqdm

    line: Any = _lines[-1]() if _lines else None  # None is stderr
    form = _FORM.format(units=f"{unit}s")
    with tqdm(total=total, initial=done, desc=what, unit=f" {unit}", file=line, bar_format=form) as shown_bar:
        yield shown_bar.update


_PATIENCE = 1.0  # seconds in which nothing need be said


class _Wait:
    """What is waited for, in a line of its own once that takes long. A file gets one line, without the seconds."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_page = bool(_lines)
        self._line: Any = None
        self._said = 0

    def tick(self, seconds: float) -> None:
        """Keep the line up to date, once a second."""
        if seconds < _PATIENCE or int(seconds) == self._said:
            return
        self._said = int(seconds)
        if self._is_page:
            self._line = self._line or _lines[-1]()
            self._write(f"{self._text}: {self._said} s")
        elif _is_terminal():
            self._line = sys.stderr
            self._write(f"\r{self._text}: {self._said} s")
        elif self._line is None and sys.stderr is not None:
            self._line = sys.stderr
            self._write(f"{self._text} ...\n")

    def end(self) -> None:
        """Leave a terminal's line as it is, and begin another one."""
        if self._line is not None and not self._is_page and _is_terminal():
            self._write("\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed, or its reader is gone
            self._line.write(text)
            self._line.flush()


@contextlib.contextmanager
def waiting(what: str, why: str = "") -> Iterator[Callable[[float], None]]:
    """Say what is waited for, once that takes longer than a second; the block calls with the seconds so far.

    Parameters
    ----------
    what : str
        What takes long.
    why : str, optional
        Why it may take longer this time.
    """
    wait = _Wait(f"{what}{f' ({why})' if why else ''}")
    try:
        yield wait.tick
    finally:
        wait.end()


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
