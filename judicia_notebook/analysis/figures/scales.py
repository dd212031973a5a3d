"""Axes of time, bytes and counts, in the unit that fits the data.

Data stays in base units (seconds, bytes), so that two frames can share the same axes. Only ticks know units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from judicia_notebook.analysis import style
from judicia_notebook.analysis.figures import ticks
from judicia_notebook.units import SIZE_UNITS, TIME_UNITS, format_count, format_size, format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis

Which = Literal["x", "y"]
_MOST_PLACES = 8
LOG_SPREAD = 30  # of largest to smallest: beyond it a linear axis shows one series and squeezes the others


def time_axis(
    axes: Axes, which: Which, label: str, smallest: float, largest: float, *, log: bool | None = None
) -> None:
    """Seconds: linear in one unit, or where they are far apart logarithmic, with ticks that each have their unit."""
    if log if log is not None else _is_wide(smallest, largest):
        _make_log(axes, which, format_time, largest / smallest)
    else:
        unit = time_unit(largest)
        ticks.set_ticks(_axis(axes, which), ticks.linear(), lambda seconds: f"{seconds / TIME_UNITS[unit]:.6g}")
        label += f", {unit}"
    style.label(axes, **{which: label})


def bytes_axis(axes: Axes, which: Which, label: str, smallest: float, largest: float, *, log: bool = False) -> None:
    """Bytes: linear with ticks at round numbers of one binary unit, or logarithmic by powers of two."""
    if log and _is_wide(smallest, largest):
        _make_log(axes, which, format_size, largest / smallest, base=2)
    else:
        unit = size_unit(largest)
        ticks.set_ticks(_axis(axes, which), ticks.binary(), lambda size: f"{size / SIZE_UNITS[unit]:.6g}")
        label += f", {unit}"
    style.label(axes, **{which: label})


def count_axis(axes: Axes, which: Which, label: str, smallest: float, largest: float, *, log: bool = False) -> None:
    """Counts: ``1 200``, large ones in short form, ``20 k``."""
    if log:
        _make_log(axes, which, short_count, largest / smallest)
    else:
        text = format_count if largest < 10_000 else short_count
        ticks.set_ticks(_axis(axes, which), ticks.linear(integer=True), text)
    style.label(axes, **{which: label})


def number_axis(
    axes: Axes,
    which: Which,
    label: str,
    smallest: float,
    largest: float,
    *,
    log: bool = False,
    at: Sequence[float] = (),
) -> None:
    """Numbers of any kind, in short form where they are large; ticks at these places, if they are few."""
    if log:
        _make_log(axes, which, short_count, largest / smallest)
    places = ticks.fixed(at) if 1 < len(at) <= _MOST_PLACES else []
    usual = ticks.logarithmic(largest / smallest) if log else ticks.linear()
    ticks.set_ticks(_axis(axes, which), [*places, *usual], short_count)
    style.label(axes, **{which: label})


def share_axis(axes: Axes, which: Which, label: str) -> None:
    """From nothing to all, in per cent."""
    (axes.set_xlim if which == "x" else axes.set_ylim)(0, 1.03)
    places = ticks.fixed([0, 0.25, 0.5, 0.75, 1], [0, 0.5, 1], [0, 1])
    ticks.set_ticks(_axis(axes, which), places, lambda share: f"{share * 100:g} %" if share else "0")
    style.label(axes, **{which: label})


def time_unit(largest: float) -> str:
    """The unit in which a time has a number before its point."""
    return next(unit for unit in ("s", "ms", "µs", "ns") if largest >= TIME_UNITS[unit] or unit == "ns")


def size_unit(largest: float) -> str:
    """The binary unit in which a size has a number before its point."""
    return next(unit for unit in ("GiB", "MiB", "KiB", "B") if largest >= SIZE_UNITS[unit] or unit == "B")


def short_count(number: float) -> str:
    """A count of few letters: ``20 k``, ``3 M``.

    Examples
    --------
    >>> short_count(12), short_count(20_000), short_count(3e6), short_count(5e12)
    ('12', '20 k', '3 M', '5 T')
    """
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number:.4g}"


def room(smallest: float, largest: float) -> tuple[float, float]:
    """Limits for a logarithmic axis, with some room on both sides; also where all values are equal."""
    spread = max(largest / smallest, 1.0)
    edge = max(spread**0.05, 1.15)
    return smallest / edge, largest * edge


def _is_wide(smallest: float, largest: float) -> bool:
    return smallest > 0 and largest / smallest > LOG_SPREAD


def _axis(axes: Axes, which: Which) -> XAxis | YAxis:
    return axes.xaxis if which == "x" else axes.yaxis


def _make_log(axes: Axes, which: Which, text: Callable[[float], str], spread: float, base: int = 10) -> None:
    from matplotlib.ticker import NullLocator

    (axes.set_xscale if which == "x" else axes.set_yscale)("log", base=base)
    axis = _axis(axes, which)
    ticks.set_ticks(axis, ticks.logarithmic(spread, base), text)
    if base == 2:
        axis.set_minor_locator(NullLocator())
