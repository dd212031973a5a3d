"""The quotas a panel shows: how each is written, read back, and placed on its slider.

A slider is logarithmic, from `least` to `most`; `most` is the runtime's ceiling where there is one. The text beside it
is exact: reading it back gives the same quota. What is used has a bar of its own, which is linear from nothing to the
limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from judicia_notebook.errors import PolicyError, did_you_mean
from judicia_notebook.policy.quotas import KINDS
from judicia_notebook.units import SIZE_UNITS, format_count, format_quantity, parse_count, parse_time

if TYPE_CHECKING:
    from judicia_notebook.runtime.plugin import Plugin


class Range(NamedTuple):
    """Where a slider begins and, without a ceiling, ends: bytes, seconds or a count."""

    label: str
    least: float
    most: float


RANGES: Final[Mapping[str, Range]] = {
    "memory": Range("Memory", 65536, 1 << 30),
    "cpu": Range("CPU time", 0.001, 60.0),
    "wall": Range("Wall time", 0.001, 600.0),
    "fuel": Range("Fuel", 1e3, 1e12),
    "host_call_rate": Range("Host calls/s", 1, 1e6),
}
"""The quotas that have a slider, in the order they are shown."""


class Use(NamedTuple):
    """What a plugin uses of each quota: the calls that run now (`live`), else the last one. None is not known."""

    live: bool = False
    memory: float | None = None
    cpu: float | None = None
    wall: float | None = None
    fuel: float | None = None
    host_call_rate: float | None = None


class QuotaRow(msgspec.Struct, frozen=True, kw_only=True):
    """One quota. `value` is None for no limit of its own; `asks` is what the manifest asks for beyond it.

    `share` is how much of the limit in force, `of`, is used: 0 to 1, and None where there is no limit.
    """

    kind: str
    label: str
    about: str
    unit: str
    value: float | None
    text: str
    may_be_none: bool
    least: float
    most: float
    ceiling: str
    used: float | None
    used_text: str
    share: float | None
    of: str
    live: bool
    over: bool
    asks: str


def quota_rows(plugin: Plugin, use: Use) -> tuple[QuotaRow, ...]:
    """The quotas in force of a plugin, and what is used of them."""
    quota, ceiling = plugin.policy.quota, plugin.policy.ceiling
    asked = plugin.requested_quota
    rows = []
    for kind, shape in RANGES.items():
        info = KINDS[kind]
        value = getattr(quota, kind)
        top = getattr(ceiling, kind)
        limited = isinstance(top, int | float)
        most = float(top) if limited else max(shape.most, value or 0)
        used = getattr(use, kind)
        bound = value if value is not None else (top if limited else None)
        rows.append(
            QuotaRow(
                kind=kind,
                label=shape.label,
                about=f"{info.meaning}, per {info.per}",
                unit=info.unit,
                value=value,
                text=written(kind, value),
                may_be_none=info.may_be_none,
                least=min(shape.least, most / 2),  # below a low ceiling, so that each place is a number
                most=most,
                ceiling=format_quantity(top, info.unit) if limited else "",
                used=used,
                used_text=_amount(used, kind),
                share=None if bound is None else min((used or 0) / bound, 1.0) if bound else float(bool(used)),
                of=_amount(bound, kind),
                live=use.live or kind == "host_call_rate",
                over=used is not None and bound is not None and used >= bound and used > 0,
                asks=written(kind, asked[kind]) if kind in asked else "",
            )
        )
    return tuple(rows)


def _amount(used: float | None, kind: str) -> str:
    if used is None:
        return ""
    unit = KINDS[kind].unit
    return format_quantity(used, unit if unit in ("s", "bytes") else "")


def written(kind: str, value: Any) -> str:
    """A quota as its field shows it, exactly.

    Examples
    --------
    >>> written("cpu", 0.05), written("memory", 16 << 20), written("fuel", 12840), written("wall", None)
    ('50ms', '16MiB', '12 840', 'none')
    """
    if value is None:
        return "none"
    if KINDS[kind].unit == "bytes":
        fitting = (unit for unit in ("GiB", "MiB", "KiB") if value and value % SIZE_UNITS[unit] == 0)
        unit = next(fitting, "B")
        return f"{value // SIZE_UNITS[unit]}{unit}"
    return _written_time(value) if KINDS[kind].unit == "s" else format_count(value)


def _written_time(seconds: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        text = f"{seconds * factor:.12g}{unit}"
        if "e" not in text and seconds * factor >= 1 and parse_time(text) == seconds:
            return text
    return f"{seconds:.17f}".rstrip("0").rstrip(".") + "s"


def typed(kind: str, value: float | str) -> Any:
    """What `Policy.set_quota` takes, from a slider's number or a field's text.

    Raises
    ------
    PolicyError
        A text that is no such quota.

    Examples
    --------
    >>> typed("fuel", "12 840"), typed("cpu", "50ms"), typed("wall", "none"), typed("memory", 65536.0)
    (12840, '50ms', None, 65536)
    """
    if kind not in KINDS:
        raise PolicyError(f"There is no quota {kind!r}.{did_you_mean(kind, KINDS)}")
    unit = KINDS[kind].unit
    if isinstance(value, str):
        text = value.strip()
        if not text:
            raise PolicyError(f"quota {kind}: nothing was typed, so the old limit stays; none is no limit of its own.")
        if text in ("none", "None"):
            return None
        if unit in ("s", "bytes"):
            return text
        try:
            return parse_count(text)
        except ValueError as error:
            raise PolicyError(f"quota {kind}: a whole number of {unit}, or none; {error}") from None
    if unit == "s":
        return value
    if value != value or abs(value) > 1 << 62:  # NaN, or beyond any count  # noqa: PLR0124
        raise PolicyError(f"quota {kind}: not a number of {unit}: {value}.")
    return round(value)
