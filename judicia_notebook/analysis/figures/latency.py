"""How long calls took: the distribution of wall time, one curve a function.

An empirical distribution shows every call, its tail included. A histogram would hide differences within a bin, and a
mean would hide rare calls. Calls that did not end ``ok`` are left out and counted beside: a call that a quota ended at
50 ms does not say how long the function takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import style
from judicia_notebook.analysis.figures import scales, series
from judicia_notebook.analysis.figures.tables import Column, write_table
from judicia_notebook.units import format_count, format_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

_PERCENTILES = {50: ("o", "●"), 95: ("s", "■"), 99: ("^", "▲")}  # and how they are marked, on a curve and in its legend
_POINTS = 2000  # of a curve; more than the pixels it is drawn with
_FEW = 30  # calls that are drawn as points each


class _Curve(NamedTuple):
    of: series.Series
    times: Array  # seconds, sorted


@series.names_columns
def latency(calls: pd.DataFrame, ax: Axes | None = None, *, by: series.By = None) -> Any:
    """The distribution of wall time of successful calls, one curve a function.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``plugin``, ``function``, ``label``, ``wall_ms`` and ``outcome`` are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    by : str or sequence of str, optional
        What to tell apart instead of functions and labels: columns, or keys of `jn.label`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Median, 95th and 99th percentile are marked on the curves and written below (linear interpolation, as in
        pandas). One that no call could lie beyond is left out: p95 needs 20 calls, p99 needs 100. Of more than eight
        functions the seven with the most calls have a curve of their own, the others one together.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "wall_ms": [0.4, 0.5], "outcome": "ok"})
    >>> latency(calls).axes[0].get_xlabel()
    'wall time of a call, without its queue, µs'
    """
    good, not_drawn = series.good(calls)
    curves = _curves(good, by)
    axes = style.new_axes(_height(curves)) if ax is None else ax
    if curves:
        _draw(axes, curves)
        style.title(axes, series.plural(len(good), "call") + (f" · not drawn: {not_drawn}" if not_drawn else ""))
    else:
        style.message(axes, f"No call ended ok: {not_drawn}." if not_drawn else "No calls yet.")
    return style.drawn(axes, ax)


def _height(curves: list[_Curve]) -> float:
    return 3.2 + 0.17 * len(curves) if curves else 1.2


def _curves(good: pd.DataFrame, by: series.By) -> list[_Curve]:
    import numpy as np

    seconds = good["wall_ms"].to_numpy("f8", na_value=np.nan) / 1e3
    found = ((group, seconds[group.rows]) for group in series.split(good, by))
    known = ((group, times[~np.isnan(times)]) for group, times in found)
    return [_Curve(group, np.sort(times)) for group, times in known if len(times)]


def _draw(axes: Axes, curves: list[_Curve]) -> None:
    style.dress(axes)
    lines = [_draw_curve(axes, curve) for curve in curves]
    label = "wall time of a call, without its queue"
    scales.time_axis(
        axes, "x", label, min(curve.times[0] for curve in curves), max(curve.times[-1] for curve in curves)
    )
    scales.share_axis(axes, "y", "share of calls")
    columns = [Column("calls", 11, [format_count(len(curve.times)) for curve in curves])]
    for percentile, (_, sign) in _PERCENTILES.items():
        values = [percentile_of(curve.times, percentile) for curve in curves]
        cells = ["–" if value is None else format_time(value) for value in values]
        columns.append(Column(f"{sign} p{percentile}", 10, cells))
    write_table(axes, lines, [curve.of.name for curve in curves], columns)


def _draw_curve(axes: Axes, curve: _Curve) -> Artist:
    times, shares = _steps(curve.times)
    look = style.look_of(axes)
    colour, dashes = curve.of.line(look)
    [line] = axes.plot(times, shares, dashes, drawstyle="steps-post", color=colour, linewidth=1.8, label=curve.of.name)
    if len(curve.times) <= _FEW:
        axes.plot(times[1:], shares[1:], ".", color=colour, markersize=4)
    for percentile, (marker, _) in _PERCENTILES.items():
        value = percentile_of(curve.times, percentile)
        if value is not None:
            axes.plot(value, percentile / 100, marker, color=colour, markersize=6, mec=look.ground, zorder=3)
    return line


def _steps(times: Array) -> tuple[Array, Array]:
    """The distribution's corners: all of them, or enough of them, the tail densest; its first and last value always."""
    import numpy as np

    count = len(times)
    index = np.arange(count)
    if count > _POINTS:
        evenly = np.linspace(0, count - 1, _POINTS // 2)
        tail = count - np.geomspace(1, count, _POINTS // 2)
        index = np.unique(np.concatenate([evenly, tail]).round().astype(np.intp))
    return np.concatenate([times[:1], times[index]]), np.concatenate([[0.0], (index + 1) / count])


def percentile_of(times: Array, percentile: int) -> float | None:
    """A percentile, or None where there are too few calls for one to lie beyond it."""
    import numpy as np

    enough = len(times) * (100 - percentile) >= 100 or percentile == 50
    return float(np.percentile(times, percentile)) if enough else None
