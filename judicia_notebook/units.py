"""Sizes and times as people write them, and back.

Knows nothing of the rest of the package, so that errors, policies and magics share one grammar.

- A size is an ``int`` of bytes or ``"16MiB"`` / ``"16MB"``, which differ (1024 and 1000).
- A time is ``float`` seconds, a ``timedelta`` or ``"50ms"`` / ``"1.5s"`` / ``"2min"``.
- A bare number in a string has no unit and is refused: on a command line ``--cpu 50`` could mean anything.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import SupportsIndex

SIZE_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
TIME_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_PER_SECOND = {"ns": 1e9, "us": 1e6, "µs": 1e6, "ms": 1e3}  # dividing is exact where multiplying by 1e-3 is not

_QUANTITY = re.compile(r"\s*(\d+(?:_\d+)*(?:\.\d+)?|\.\d+)\s*([A-Za-zµ]*)\s*", re.ASCII)


def _split(text: str, units: dict[str, float] | dict[str, int], example: str) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit, such as {example}")
    number, unit = match.groups()
    if not unit:
        raise ValueError(f"{text!r} has no unit; write for example {example} (units: {', '.join(units)})")
    if unit not in units:
        raise ValueError(f"{text!r} has the unknown unit {unit!r} (units: {', '.join(units)})")
    return float(number.replace("_", "")), unit


def parse_size(value: SupportsIndex | str) -> int:
    """A size in bytes.

    Raises
    ------
    ValueError
        Not a non-negative whole number of bytes; the text says why.

    Examples
    --------
    >>> parse_size("16MiB"), parse_size("16MB"), parse_size(65536)
    (16777216, 16000000, 65536)
    """
    if not isinstance(value, str):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise ValueError(f"a size is bytes as an int, or text such as '16MiB', not {value!r}")
        size = operator.index(value)
        if not 0 <= size < 1 << 63:
            raise ValueError(f"a size is not negative and fits a machine, not {size}")
        return size
    number, unit = _split(value, SIZE_UNITS, "16MiB")
    return round(_finite(number * SIZE_UNITS[unit], value))


def parse_time(value: float | str | timedelta) -> float:
    """A time in seconds.

    Raises
    ------
    ValueError
        Not a finite, non-negative time; the text says why.

    Examples
    --------
    >>> parse_time("50ms"), parse_time(1.5)
    (0.05, 1.5)
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
        raise ValueError(f"a time is seconds as a number, a timedelta, or text such as '50ms', not {value!r}")
    if isinstance(value, str):
        number, unit = _split(value, TIME_UNITS, "50ms")
        seconds = number / _PER_SECOND[unit] if unit in _PER_SECOND else number * TIME_UNITS[unit]
        return _finite(seconds, value)
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a time is finite and not negative, not {value!r}")
    return seconds


def _finite(number: float, text: str) -> float:
    if not number < 1e18:
        raise ValueError(f"{text!r} is beyond any machine")
    return number


def _short(number: float) -> str:
    """Three significant digits, without trailing zeros or exponents."""
    decimals = 0 if number >= 99.95 else 1 if number >= 9.995 else 2
    text = f"{number:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_size(size: float) -> str:
    """Bytes for people: ``1.1 MiB``.

    Examples
    --------
    >>> format_size(65536), format_size(700)
    ('64 KiB', '700 B')
    """
    for unit in ("GiB", "MiB", "KiB"):
        if size >= SIZE_UNITS[unit]:
            return f"{_short(size / SIZE_UNITS[unit])} {unit}"
    return f"{_short(size)} B"


def format_time(seconds: float) -> str:
    """Seconds for people: ``50.3 ms``.

    Examples
    --------
    >>> format_time(0.0503), format_time(90), format_time(4.2e-7)
    ('50.3 ms', '1.5 min', '420 ns')
    """
    for unit in ("min", "s", "ms", "us"):
        if seconds >= TIME_UNITS[unit] * (1 if unit != "us" else 0.9995):
            return f"{_short(seconds / TIME_UNITS[unit])} {unit}"
    return f"{_short(seconds / TIME_UNITS['ns'])} ns" if seconds else "0 s"


def format_count(number: float) -> str:
    """A whole number with thin groups: ``12 840``."""
    return f"{round(number):,}".replace(",", " ")


def format_quantity(value: float, unit: str) -> str:
    """A value in one of the package's base units (``s``, ``bytes``, or a count of something)."""
    if unit == "s":
        return format_time(value)
    if unit == "bytes":
        return format_size(value)
    return f"{format_count(value)} {unit}" if unit else format_count(value)


def format_names(names: Iterable[str], most: int = 10) -> str:
    """Names for a sentence; of very many, the first.

    Examples
    --------
    >>> format_names(["checker", "specimen"]), format_names("abcd", most=2)
    ('checker, specimen', 'a, b and 2 more')
    """
    some = list(names)
    more = f" and {len(some) - most} more" if len(some) > most else ""
    return ", ".join(some[:most]) + more
