"""How an error reads below a cell: its own sentences, then where the user's code was.

Knows tracebacks and, where there is one, IPython's shell; no error class and nothing of this package.

- An error is shown first as its sentences and one line for each frame of the user: code that is neither ours, nor
  IPython's, nor an installed library's.
- ``%tb`` shows the same error a second time. It is then IPython's own traceback, in the mode of ``%xmode``, without our
  frames and IPython's. A mode other than IPython's default asks for that at once; Minimal asks for the sentences alone.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

MOST_FRAMES = 12
"""Frames shown at most, half of them from either end; a recursion has a thousand."""

_MOST_CODE = 80  # characters of a line of code
_DEFAULT_MODE, _MINIMAL_MODE = "Context", "Minimal"
_CELL_MAGIC = "get_ipython().run_cell_magic"
_MAGIC_CALL = ("get_ipython().run_line_magic", _CELL_MAGIC)

_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_LIBRARIES = tuple(
    f"{folder}{os.sep}"
    for folder in dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
)
_shown: WeakKeyDictionary[BaseException, int] = WeakKeyDictionary()  # with which traceback each was shown last


def render(error: BaseException, sentences: Iterable[str]) -> list[str]:
    """The lines that IPython shows for an error: an exception's ``_render_traceback_`` returns them.

    Parameters
    ----------
    sentences : iterable of str
        The error in its own words.
    """
    shell = _shell()
    formatter = getattr(shell, "InteractiveTB", None)
    mode = getattr(formatter, "mode", _DEFAULT_MODE)
    if mode == _MINIMAL_MODE:
        return list(sentences)
    again = _shown.get(error) == id(error.__traceback__)
    _shown[error] = id(error.__traceback__)
    if formatter is None or (mode == _DEFAULT_MODE and not again):
        return [*sentences, *frame_lines(error.__traceback__)]
    trace = without_machinery(error.__traceback__)
    lines: list[str] = formatter.structured_traceback(type(error), error, trace, tb_offset=0)
    return lines


def frame_lines(trace: TracebackType | None) -> list[str]:
    """One line for each frame of the user: which line of which cell or file, in which function.

    A cell that is one magic has no line of Python in it, and would always be said to fail in its first.
    """
    frames = [
        (frame, number)
        for frame, number in traceback.walk_tb(trace)
        if not _is_library(frame.f_code.co_filename)
        and not linecache.getline(frame.f_code.co_filename, number).startswith(_CELL_MAGIC)
    ]
    lines = [_frame_line(frame, number) for frame, number in frames]
    if len(lines) > MOST_FRAMES:
        half = MOST_FRAMES // 2
        lines[half:-half] = [f"  ... {len(lines) - 2 * half} more ..."]
    return lines


def without_machinery(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without our frames and IPython's own."""
    chain: TracebackType | None = None
    for entry in reversed(list(_chain(trace))):
        if not _is_machinery(entry.tb_frame.f_code.co_filename):
            chain = TracebackType(chain, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return chain


def _chain(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_machinery(file: str) -> bool:
    return file.startswith(_OURS) or f"{os.sep}IPython{os.sep}" in file or f"{os.sep}ipykernel{os.sep}" in file


def _is_library(file: str) -> bool:
    # What an editable install brings lies in the user's own folders. Generated code, a dataclass's, is "<string>".
    return _is_machinery(file) or file.startswith((*_LIBRARIES, "<frozen", "<string>"))


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _frame_line(frame: Any, number: int) -> str:
    file, function = frame.f_code.co_filename, frame.f_code.co_name
    within = "" if function == "<module>" else f", in {function}"
    code = linecache.getline(file, number).strip()
    if code.startswith(_MAGIC_CALL):  # what IPython made of a line that begins with %
        code = ""
    if len(code) > _MOST_CODE:
        code = f"{code[:_MOST_CODE]}..."
    return f"  at {_place(file)}, line {number}{within}{': ' if code else ''}{code}"


def _place(file: str) -> str:
    name_of = getattr(getattr(_shell(), "compile", None), "format_code_name", None)
    cell = name_of(file) if name_of is not None else None
    return " ".join(cell) if cell else file
