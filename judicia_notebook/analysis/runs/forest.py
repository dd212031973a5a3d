"""The figure of a comparison: ratios and their intervals around 1, a line for each group (a forest plot)."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import rc, style
from judicia_notebook.analysis.figures import scales, ticks
from judicia_notebook.analysis.series import cut_apart
from judicia_notebook.text import did_you_mean

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from judicia_notebook.analysis.figures.layout import Layout
    from judicia_notebook.analysis.runs.effect import Effect

_MOST_GROUPS = 30
_MARKS = ("o", "s", "D", "^", "v", "P", "X")  # so that columns are told apart without colour as well
_NAMES = {"wall_ms": "wall time", "cpu_ms": "CPU time", "fuel": "fuel", "memory_peak_bytes": "peak memory"}
_NARROW = 5  # of the largest to the smallest ratio: below it ticks are as on a linear axis
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_MOST_TICKS = 6
_LANE = 0.72  # of the height of a group, shared by its marks
_GROUP, _COLUMN = 0.9, 0.9  # the height of a group and of each of its columns, of that of a letter


def draw(effects: Sequence[Effect], sides: tuple[str, str], level: float, layout: Layout, column: str | None) -> Any:
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
    axes = layout.axes
    if not drawn:
        return layout.message("There is no ratio to draw.")
    style.dress(axes)
    axes.grid(visible=False, axis="y")
    axes.axvline(1, color=style.look_of(axes).ink, linewidth=1.0)
    places = dict(zip(groups, layout.rows(groups, unit=_GROUP + _COLUMN * len(columns)), strict=True))
    handles = [
        _draw_column(axes, [effect for effect in drawn if effect.column == name], places, place, columns)
        for place, name in enumerate(columns)
    ]
    _scale(axes, drawn, sides)
    layout.legend(handles, [_NAMES.get(name, name) for name in columns])
    a, b = cut_apart(list(sides))
    parts = [f"{b} against {a}", f"{level * 100:.4g} % bootstrap intervals",
             f"{left_out} more groups are not drawn" if left_out else ""]  # fmt: skip
    layout.title(" · ".join(part for part in parts if part))
    return layout.done()


def _draw_column(axes: Axes, drawn: list[Effect], places: dict[str, float], place: int, columns: list[str]) -> Artist:
    """The marks of one column, each in its lane of its group."""
    series = style.look_of(axes).series
    colour = series[place % len(series)].colour
    lane = _LANE * ((place + 0.5) / len(columns) - 0.5)
    at = [places[effect.group] + lane for effect in drawn]
    known = [(where, effect) for where, effect in zip(at, drawn, strict=True) if not isnan(effect.ratio_low)]
    if known:
        rows, effects = zip(*known, strict=True)
        ends = [effect.ratio_low for effect in effects], [effect.ratio_high for effect in effects]
        axes.hlines(rows, *ends, color=colour, linewidth=rc.line_width(2.0))
        axes.plot([*ends[0], *ends[1]], [*rows, *rows], "|", ms=rc.mark_size(6), color=colour, linewidth=0)
    mark = _MARKS[place % len(_MARKS)]
    [points] = axes.plot([effect.ratio for effect in drawn], at, mark, ms=rc.mark_size(5), color=colour, linewidth=0)
    return points


def _scale(axes: Axes, drawn: list[Effect], sides: tuple[str, str]) -> None:
    ends = [end for effect in drawn for end in (effect.ratio, effect.ratio_low, effect.ratio_high) if not isnan(end)]
    smallest, largest = min(*ends, 1.0), max(*ends, 1.0)
    a, b = cut_apart(list(sides), 24)
    label = f"median of {b} / median of {a} (left of 1: {b} takes less)"
    scales.count_axis(axes, "x", label, smallest, largest, log=True)
    edge = max((largest / smallest) ** 0.06, 1.01)
    if largest / smallest < _NARROW:
        ticks.set_ticks(axes.xaxis, ticks.fixed(*_around_one(smallest, largest)), scales.short_count)
    axes.set_xlim(smallest / edge, largest * edge)


def _around_one(smallest: float, largest: float) -> list[list[float]]:
    """A few round ratios, 1 among them; then fewer."""
    fitting = [step for step in _STEPS if (largest - smallest) / step <= _MOST_TICKS]
    numbers = [range(-int((1 - smallest) / step), int((largest - 1) / step) + 1) for step in fitting]
    return [[1 + number * step for number in few] for step, few in zip(fitting, numbers, strict=True)]
