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
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import SupportsIndex

SIZE_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
TIME_UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_PER_SECOND = {"ns": 1e9, "µs": 1e6, "ms": 1e3}  # dividing is exact where multiplying by 1e-3 is not
_SPELLINGS = {"us": "µs", "\N{GREEK SMALL LETTER MU}s": "µs"}

# What people write for a unit, in lower case, and what they may mean by it. A unit in the wrong case is found without.
_SLIPS = {
    "k": ("KiB", "kB"), "m": ("MiB", "MB", "min", "ms"), "g": ("GiB", "GB"),
    "kb": ("KiB",), "mb": ("MiB",), "gb": ("GiB",), "ki": ("KiB",), "mi": ("MiB",), "gi": ("GiB",),
    "byte": ("B",), "bytes": ("B",),
    "kilobytes": ("kB",), "megabytes": ("MB",), "gigabytes": ("GB",),
    "nsec": ("ns",), "usec": ("µs",), "msec": ("ms",), "millis": ("ms",), "milliseconds": ("ms",),
    "sec": ("s",), "secs": ("s",), "second": ("s",), "seconds": ("s",),
    "mins": ("min",), "minute": ("min",), "minutes": ("min",), "hr": ("h",), "hour": ("h",), "hours": ("h",),
}  # fmt: skip
_QUANTITY = re.compile(r"\s*(\d+(?:_\d+)*(?:\.\d+)?|\.\d+)\s*([A-Za-zµ\u03bc]*)\s*", re.ASCII)
_GROUPS = re.compile(r"\d{1,3}(?:[ ,'_\u00a0\u202f]\d{3})+(?:\.\d+)?", re.ASCII)
_LONGEST = 60


def _split(text: str, units: Mapping[str, float], example: str) -> tuple[float, str]:
    """The number and the unit of a text, the latter as it stands in `units`."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        meant = _meant_number(text, units)
        said = f"{_shown(text)} is not a number with a unit"
        raise ValueError(
            f"{said}.{_did_you_mean(meant)} It is written like {example}" if meant else f"{said}, such as {example}"
        )
    number, unit = match.groups()
    unit = _SPELLINGS.get(unit, unit)
    if not unit:
        raise ValueError(f"{_shown(text)} has no unit; write for example {example} (units: {', '.join(units)})")
    if unit not in units:
        said = f"{_shown(text)} has the unknown unit {_shown(unit)}"
        meant, known = [f"{number}{name}" for name in _meant_units(unit, units)], ", ".join(units)
        raise ValueError(f"{said}.{_did_you_mean(meant)} Units: {known}" if meant else f"{said} (units: {known})")
    return float(number.replace("_", "")), unit


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _did_you_mean(meant: Iterable[str]) -> str:
    choices = [choice for choice in meant if len(choice) <= _LONGEST]
    return f" Did you mean {' or '.join(choices)}?" if choices else ""


def _meant_units(unit: str, units: Iterable[str]) -> list[str]:
    """Units that a wrong text may stand for: a unit in another case, or as it is written elsewhere."""
    unit = unit.casefold().replace("\N{GREEK SMALL LETTER MU}", "u")
    in_case = [name for name in units if unit in (name.casefold(), name.replace("µ", "u").casefold())]
    return in_case + [name for name in _SLIPS.get(unit, ()) if name in units]


def _meant_number(text: str, units: Mapping[str, float]) -> list[str]:
    """Quantities that a wrong text may stand for, such as ``1,5s``, ``1 000 ms`` or ``1e3ms``."""
    number = re.match(r"[\d.,' _\u00a0\u202f]*\d(?:[eE][+-]?\d{1,2})?", text.strip()[:_LONGEST], re.ASCII)
    if number is None:
        return []
    unit = text.strip()[number.end() :].strip()
    unit = _SPELLINGS.get(unit, unit)
    known = [unit] if unit in units else _meant_units(unit, units)
    return [f"{digits}{each}" for digits in _meant_digits(number[0]) for each in known]


def _meant_digits(text: str) -> list[str]:
    """Plain digits for digits in groups, with a comma for the point, or with an exponent."""
    meant = []
    if _GROUPS.fullmatch(text):
        meant.append(re.sub(r"[^\d.]", "", text))
    if re.fullmatch(r"\d+,\d+", text, re.ASCII):
        meant.append(text.replace(",", "."))
    if re.fullmatch(r"\d+(?:\.\d+)?[eE][+-]?\d{1,2}", text, re.ASCII):
        meant.append(f"{float(text):f}".rstrip("0").rstrip("."))
    return meant


def parse_count(text: str) -> int:
    """A whole number, with or without groups of digits.

    Raises
    ------
    ValueError
        It is none; the text says why.

    Examples
    --------
    >>> parse_count("12840"), parse_count("12_840"), parse_count("12 840")
    (12840, 12840, 12840)
    """
    digits = re.sub(r"(?<=\d)[ _\u00a0\u202f](?=\d)", "", text.strip(), flags=re.ASCII)
    if digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST:
        return int(digits)
    raise ValueError(f"{_shown(text)} is not a whole number.{_did_you_mean(_meant_counts(text.strip()))}")


def _meant_counts(text: str) -> list[str]:
    factor = {"k": 10**3, "m": 10**6, "g": 10**9}.get(text[-1:].casefold(), 0)
    number = text[:-1].strip() if factor else text
    plain = [number] if re.fullmatch(r"\d{1,18}(?:\.\d{1,9})?", number, re.ASCII) else _meant_digits(number[:_LONGEST])
    counts = [float(figure) * (factor or 1) for figure in plain]
    return [f"{count:.0f}" for count in counts if count.is_integer() and count < 1 << 53]


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
    for unit in ("min", "s", "ms", "µs"):
        if seconds >= TIME_UNITS[unit] * (1 if unit != "µs" else 0.9995):
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
