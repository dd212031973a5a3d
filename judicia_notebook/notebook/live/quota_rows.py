"""The quotas a panel shows: how each is read back and placed on its slider.

A slider is logarithmic, from `least` to `most`. Where the runtime has a ceiling, `most` is the ceiling. The text beside
it is exact: reading it back gives the same quota. The plugin's use has a bar of its own, which is linear from nothing
to the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from judicia_notebook.errors import PolicyError
from judicia_notebook.policy.limits import MOST
from judicia_notebook.policy.quotas import KINDS
from judicia_notebook.units import format_quantity

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
    """A plugin's quotas in force, and its use of them."""
    quota, ceiling = plugin.policy.quota, plugin.policy.ceiling
    requests = plugin.requested_quota
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
                text=info.write(value),
                may_be_none=info.may_be_none,
                least=min(shape.least, most / 2),  # below a low ceiling, so that each place is a number
                most=most,
                ceiling=info.format(top) if limited else "",
                used=used,
                used_text=_amount(used, kind),
                share=None if bound is None else min((used or 0) / bound, 1.0) if bound else float(bool(used)),
                of=_amount(bound, kind),
                live=use.live or kind == "host_call_rate",
                over=used is not None and bound is not None and used >= bound and used > 0,
                asks=info.write(requests[kind]) if kind in requests else "",
            )
        )
    return tuple(rows)


def _amount(used: float | None, kind: str) -> str:
    if used is None:
        return ""
    unit = KINDS[kind].unit
    return format_quantity(used, unit if unit in ("s", "bytes") else "")


def typed(kind: str, value: float | str) -> Any:
    """A value for `Policy.set_quota`, from a slider's number or a field's text.

    Raises
    ------
    PolicyError
        A text that is no such quota.

    Examples
    --------
    >>> typed("fuel", "12 840"), typed("cpu", "50ms"), typed("wall", "none"), typed("memory", 65536.0)
    (12840, 0.05, None, 65536)
    """
    KINDS.check_names([kind])
    unit = KINDS[kind].unit
    if isinstance(value, str):
        if not value.strip():
            raise PolicyError(f"quota {kind}: nothing was typed, so the old limit stays; none is no limit of its own.")
        return KINDS.parse(kind, value)
    if unit == "s":
        return value
    if value != value or abs(value) > MOST:  # NaN, or beyond any count  # noqa: PLR0124
        raise PolicyError(f"quota {kind}: not a number of {unit}: {value}.")
    return round(value)
