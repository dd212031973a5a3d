"""The figure of a comparison: ratios and their intervals around 1, a line for each group (a forest plot)."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import style
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.series import cut_apart
from judicia_notebook.text import did_you_mean

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from judicia_notebook.analysis.runs.effect import Effect

_MOST_GROUPS = 30
_MARKS = ("o", "s", "D", "^", "v", "P", "X")  # so that columns are told apart without colour as well
_NAMES = {"wall_ms": "wall time", "cpu_ms": "CPU time", "fuel": "fuel", "memory_peak_bytes": "peak memory"}
_NARROW = 5  # of the largest to the smallest ratio: below it ticks are as on a linear axis
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_LANE = 0.72  # of the height of a group, shared by its marks


def draw(effects: Sequence[Effect], sides: tuple[str, str], level: float, ax: Axes | None, column: str | None) -> Any:
    """Draw the figure of `Comparison.plot`.

    Raises
    ------
    ValueError
        The column was not compared.
    """
    columns = list(dict.fromkeys(effect.column for effect in effects))
    if column is not None and column not in columns:
        raise ValueError(f"{column!r} was not compared.{did_you_mean(column, columns)}")
    chosen = columns if column is None else [column]
    drawn = [effect for effect in effects if effect.column in chosen and not isnan(effect.ratio)]
    groups = list(dict.fromkeys(effect.group for effect in drawn))
    left_out = max(len(groups) - _MOST_GROUPS, 0)
    if left_out:  # the mean over all stands last, and stays
        groups = [*groups[: _MOST_GROUPS - 1], groups[-1]]
        drawn = [effect for effect in drawn if effect.group in set(groups)]
    columns = [name for name in chosen if any(effect.column == name for effect in drawn)]
    lanes = len(groups) * (0.5 + 0.5 * len(columns))
    axes = style.new_axes(1.5 + 0.24 * lanes if drawn else 1.2) if ax is None else ax
    if not drawn:
        style.message(axes, "There is no ratio to draw.")
        return style.drawn(axes, ax)
    style.dress(axes)
    axes.grid(visible=False, axis="y")
    axes.axvline(1, color=style.look_of(axes).ink, linewidth=1.0)
    handles = [
        _draw_column(axes, [effect for effect in drawn if effect.column == name], groups, place, columns)
        for place, name in enumerate(columns)
    ]
    _scale(axes, drawn, sides)
    scales.names(axes, groups, range(len(groups)))
    axes.set_ylim(len(groups) - 0.45, -0.55)
    style.legend(axes, handles, [_NAMES.get(name, name) for name in columns], 38)
    a, b = cut_apart(list(sides))
    parts = [f"{b} against {a}", f"{level * 100:.4g} % bootstrap intervals",
             f"{left_out} more groups are not drawn" if left_out else ""]  # fmt: skip
    style.title(axes, " · ".join(part for part in parts if part))
    return style.drawn(axes, ax)


def _draw_column(axes: Axes, drawn: list[Effect], groups: list[str], place: int, columns: list[str]) -> Artist:
    """The marks of one column, each in its lane of its group."""
    series = style.look_of(axes).series
    colour = series[place % len(series)].colour
    lane = _LANE * ((place + 0.5) / len(columns) - 0.5)
    at = [groups.index(effect.group) + lane for effect in drawn]
    known = [(where, effect) for where, effect in zip(at, drawn, strict=True) if not isnan(effect.ratio_low)]
    if known:
        rows, effects = zip(*known, strict=True)
        ends = [effect.ratio_low for effect in effects], [effect.ratio_high for effect in effects]
        axes.hlines(rows, *ends, color=colour, linewidth=2.0)
        axes.plot([*ends[0], *ends[1]], [*rows, *rows], "|", ms=6, color=colour, linewidth=0)
    mark = _MARKS[place % len(_MARKS)]
    [points] = axes.plot([effect.ratio for effect in drawn], at, mark, ms=5, color=colour, linewidth=0)
    return points


def _scale(axes: Axes, drawn: list[Effect], sides: tuple[str, str]) -> None:
    ends = [end for effect in drawn for end in (effect.ratio, effect.ratio_low, effect.ratio_high) if not isnan(end)]
    smallest, largest = min(*ends, 1.0), max(*ends, 1.0)
    a, b = cut_apart(list(sides), 24)
    label = f"median of {b} / median of {a} (left of 1: {b} takes less)"
    scales.count_axis(axes, "x", label, smallest, largest, log=True)
    edge = max((largest / smallest) ** 0.06, 1.01)
    if largest / smallest < _NARROW:
        axes.set_xticks(_around_one(smallest, largest))
    axes.set_xlim(smallest / edge, largest * edge)


def _around_one(smallest: float, largest: float) -> list[float]:
    """A few round ratios, 1 among them."""
    step = next(size for size in _STEPS if (largest - smallest) / size <= 6)
    numbers = range(-int((1 - smallest) / step), int((largest - 1) / step) + 1)
    return [1 + number * step for number in numbers]
