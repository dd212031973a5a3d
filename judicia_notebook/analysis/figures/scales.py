"""Axes of time, bytes and counts, in the unit that fits the data.

Data stays in base units (seconds, bytes), so that two frames can share the same axes. Only ticks know units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from judicia_notebook.analysis import style
from judicia_notebook.analysis.figures.series import cut_apart
from judicia_notebook.units import SIZE_UNITS, TIME_UNITS, format_count, format_size, format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.ticker import Locator

Which = Literal["x", "y"]
_NAME_WIDTH = 30
_NARROWEST = 5
_NARROW = 200  # of largest to smallest: below it powers of ten alone are too few ticks
LOG_SPREAD = 30  # of largest to smallest: beyond it a linear axis shows one series and squeezes the others


def time_axis(
    axes: Axes, which: Which, label: str, smallest: float, largest: float, *, log: bool | None = None
) -> None:
    """Seconds: linear in one unit, or where they are far apart logarithmic, with ticks that each have their unit."""
    from matplotlib.ticker import FuncFormatter

    axis = _axis(axes, which)
    if log if log is not None else _is_wide(smallest, largest):
        _make_log(axes, which, format_time, subs=_subs(largest / smallest))
    else:
        unit = time_unit(largest)
        axis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds / TIME_UNITS[unit]:.6g}"))
        label += f", {unit}"
    style.label(axes, **{which: label})


def bytes_axis(axes: Axes, which: Which, label: str, smallest: float, largest: float, *, log: bool = False) -> None:
    """Bytes: linear with ticks at round numbers of one binary unit, or logarithmic by powers of two."""
    from matplotlib.ticker import FuncFormatter

    axis = _axis(axes, which)
    if log and _is_wide(smallest, largest):
        _make_log(axes, which, format_size, base=2)
    else:
        unit = size_unit(largest)
        axis.set_major_locator(_binary_locator(axis))
        axis.set_major_formatter(FuncFormatter(lambda size, _: f"{size / SIZE_UNITS[unit]:.6g}"))
        label += f", {unit}"
    style.label(axes, **{which: label})


def count_axis(axes: Axes, which: Which, label: str, smallest: float, largest: float, *, log: bool = False) -> None:
    """Counts: ``1 200``, large ones in short form, ``20 k``."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis = _axis(axes, which)
    if log:
        _make_log(axes, which, short_count, subs=_subs(largest / smallest))
    else:
        text = format_count if largest < 10_000 else short_count
        axis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        axis.set_major_formatter(FuncFormatter(lambda number, _: text(number)))
    style.label(axes, **{which: label})


def share_axis(axes: Axes, which: Which, label: str) -> None:
    """From nothing to all, in per cent."""
    limits, ticks = (axes.set_xlim, axes.set_xticks) if which == "x" else (axes.set_ylim, axes.set_yticks)
    limits(0, 1.03)
    ticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    style.label(axes, **{which: label})


def names(axes: Axes, texts: Sequence[str], places: Sequence[float] | None = None) -> None:
    """One row for each name, the first on top. A plugin chooses names: they are cut, and no TeX."""
    at = list(range(len(texts))) if places is None else list(places)
    axes.set_yticks(at, [style.drawable(text) for text in cut_apart(texts, _NAME_WIDTH)], **style.AS_IT_IS)
    axes.tick_params(axis="y", colors=style.look_of(axes).ink)
    bottom, top = (len(texts) - 1, 0) if places is None else sorted(axes.dataLim.intervaly)[::-1]
    axes.set_ylim(bottom + 0.6, top - 0.6)


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
        if number >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number:.4g}"


def room(smallest: float, largest: float) -> tuple[float, float]:
    """Limits for a logarithmic axis, with some room on both sides; also where all values are equal."""
    spread = max(largest / smallest, 1.0)
    edge = max(spread**0.05, 1.15)
    return smallest / edge, largest * edge


def _is_wide(smallest: float, largest: float) -> bool:
    return smallest > 0 and largest / smallest > LOG_SPREAD


def _axis(axes: Axes, which: Which) -> Axis:
    return axes.xaxis if which == "x" else axes.yaxis


def _subs(spread: float) -> tuple[int, ...]:
    """Which multiples of powers of ten get a tick."""
    if spread < _NARROWEST:
        return ()
    return (1, 2, 5) if spread < _NARROW else (1,)


def _make_log(
    axes: Axes, which: Which, text: Callable[[float], str], base: int = 10, subs: tuple[int, ...] = (1,)
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    (axes.set_xscale if which == "x" else axes.set_yscale)("log", base=base)
    axis = _axis(axes, which)
    # Over less than some doublings there may be no such multiple; then ticks are as on a linear axis.
    axis.set_major_locator(LogLocator(base=base, subs=subs, numticks=8) if subs else MaxNLocator(nbins=5))
    if base == 2:
        axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def _binary_locator(axis: Axis) -> Locator:
    """Some five ticks at multiples of a power of two, over whatever the axis shows at that moment."""
    import numpy as np
    from matplotlib.ticker import Locator

    class BinaryLocator(Locator):
        def __call__(self) -> Sequence[float]:
            return self.tick_values(*axis.get_view_interval())

        def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
            low, high = sorted((vmin, vmax))
            step = 2.0 ** np.ceil(np.log2(max(high - low, 1e-9) / 6))
            ticks: list[float] = np.arange(np.ceil(low / step) * step, high + step / 1e6, step).tolist()
            return ticks

    return BinaryLocator()
