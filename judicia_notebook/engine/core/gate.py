"""The JSON gate, for Python: what a JSON text asks of its reader, measured before anything reads it.

`gate.h` says what is measured. A text of less than 64 KiB is measured under Python's lock, since to give the lock away
costs more where another thread computes; a larger one without it, 4 MiB at a time.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_uint64, c_void_p
from typing import Final

from judicia_notebook.engine.core import CORE, builtin
from judicia_notebook.wasm.json_shape import MAX_DIGITS, TooManyValues

Look = Callable[[], object]
"""A function that is called between two steps; it raises to end the reading."""

SMALL: Final = 4096
"""Bytes. A smaller text, as most are, is read in any way at once, so its report says only whether it is faulty."""

_UNDER_THE_LOCK = 64 << 10
_LOOKS = 64
"""64 KiB each: 16 ms at the slowest."""

UNBOUNDED: Final = (1 << 63) - 1
"""A limit that no text reaches."""

_OK, _DEPTH, _VALUES, _DIGITS, _DUPLICATE, _INTEGER, _STOPPED, _NO_MEMORY = range(8)
FAULTS: Final = {_DUPLICATE: "JSON with a duplicate key", _INTEGER: "JSON with an integer beyond 64 bits"}
"""By the verdict of a report: what is wrong with a text that has no error of syntax. Its reader reports those first."""


class Limits(Structure):
    """``jc_gate_limits``"""

    c_name = "jc_gate_limits"
    _fields_ = [("max_depth", c_uint64), ("max_values", c_uint64), ("max_digits", c_uint64), ("seed", c_uint64 * 4)]


class Report(Structure):
    """``jc_gate_report``"""

    c_name = "jc_gate_report"
    _fields_ = [
        ("verdict", c_uint64),
        ("offset", c_uint64),
        ("values", c_uint64),
        ("keys", c_uint64),
        ("depth", c_uint64),
        ("hard", c_uint64),
        ("doubtful", c_uint64),
    ]
    verdict: int
    offset: int
    values: int
    keys: int
    depth: int
    hard: int
    doubtful: int


for _structure in (Limits, Report):
    CORE.check_layout(_structure)

_gate = CORE.function(
    "jc_gate", c_int, c_char_p, c_size_t, POINTER(Limits), c_void_p, c_void_p, POINTER(Report), held=True
)
_begin = CORE.function("jc_gate_begin", c_void_p, c_char_p, c_size_t, POINTER(Limits), held=True)
_go_on = CORE.function("jc_gate_go_on", c_int, c_void_p, c_uint64, POINTER(Report))
_end = CORE.function("jc_gate_end", None, c_void_p, held=True)

_seed = (c_uint64 * 4).from_buffer_copy(os.urandom(32))

UNREMARKABLE: Final = Report(values=SMALL)  # there is no room for more
"""The report of a small text that is ordinary."""

is_ordinary: Final[Callable[[bytes, int, int], bool]] = builtin.make(
    "is_ordinary", bytes(Limits(max_digits=MAX_DIGITS, seed=_seed))
)
"""``(data, max_depth, max_values)``: whether `measure` would find no fault in a text. False may also mean unknown."""


class _Pass:
    """A pass of which the memory is given back whatever ends it."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data  # which C goes on to read
        self._pass = _begin(data, len(data), limits)
        if not self._pass:
            raise MemoryError("no room to measure JSON")

    def go_on(self, report: Report) -> bool:
        """Whether there is more to do."""
        return bool(_go_on(self._pass, _LOOKS, byref(report)) == _STOPPED)

    def __del__(self) -> None:
        _end(getattr(self, "_pass", None))


@functools.lru_cache
def _limits(max_depth: int, max_values: int) -> Limits:
    return Limits(*(max(0, min(number, UNBOUNDED)) for number in (max_depth, max_values, MAX_DIGITS)), _seed)


def measure(data: bytes, max_depth: int, max_values: int, look: Look | None = None) -> Report:
    r"""Refuse a text that is too deep, of which there would be too many values, or with a number that is too long.

    Parameters
    ----------
    data : bytes
    max_depth, max_values : int
        Levels of arrays and objects, and values in all: a key is a value here, and an empty array or object counts as
        two.
    look : callable, optional
        Called first, and after every 4 MiB; it raises to end the reading.

    Returns
    -------
    Report
        Its verdict is 0 or one of `FAULTS`. That of a small text has nothing else.

    Raises
    ------
    TooManyValues
        A ValueError, too.
    ValueError
        Nested deeper than `max_depth`, or a number with more than `MAX_DIGITS` digits in a row.
    MemoryError

    Examples
    --------
    >>> measure(b'{"a": [[1]]}', 3, 10).verdict
    0
    >>> FAULTS[measure(rb'{"a": 1, "\u0061": 2}', 3, 10).verdict]
    'JSON with a duplicate key'
    >>> measure(b'{"a": [[1]]}', 2, 10)
    Traceback (most recent call last):
    ValueError: JSON nested deeper than 2
    """
    length = len(data)
    if length < SMALL and is_ordinary(data, max_depth, max_values):
        return UNREMARKABLE
    limits, report = _limits(max_depth, max_values), Report()
    if length < _UNDER_THE_LOCK:
        if look is not None:
            look()
        _gate(data, length, limits, None, None, byref(report))
    else:
        _go_through(_Pass(data, limits), report, look)
    if report.verdict == _DEPTH:
        raise ValueError(f"JSON nested deeper than {max_depth}")
    if report.verdict == _VALUES:
        raise TooManyValues(max_values, report.values)
    if report.verdict == _DIGITS:
        raise ValueError(f"JSON with a number of more than {MAX_DIGITS} digits")
    if report.verdict == _NO_MEMORY:
        raise MemoryError("no room to measure JSON")
    return report


def _go_through(pass_: _Pass, report: Report, look: Look | None) -> None:
    more = True
    while more:
        if look is not None:
            look()
        more = pass_.go_on(report)
