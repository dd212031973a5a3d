"""How long calls took: the distribution of wall time, one curve a function.

An empirical distribution shows every call, its tail included. A histogram would hide differences within a bin, and a
mean would hide rare calls. `quantiles` says which calls are pooled, and computes the percentiles.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.estimates import quantiles
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.analysis.figures.tables import Column
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


@series.figure_of_frames
def latency(
    calls: pd.DataFrame,
    ax: Axes | None = None,
    *,
    by: series.By = None,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """The distribution of wall time of successful calls, one curve a function.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``plugin``, ``function``, ``label``, ``wall_ms`` and ``outcome`` are used, and
        ``instance_call`` and ``origin`` where they are there.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    by : str or sequence of str, optional
        What to tell apart instead of functions and labels: columns, or keys of `jn.label`.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Median, 95th and 99th percentile are marked on the curves and written below (linear interpolation, as in
        pandas); `jn.percentiles` gives them with intervals. One that no call could lie beyond is left out: p95 needs 20
        calls, p99 needs 100. The first call of an instance is left out of a series that has later ones. Of more than
        eight functions the seven with the most calls have a curve of their own, the others one together.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "wall_ms": [0.4, 0.5], "outcome": "ok"})
    >>> latency(calls).axes[0].get_xlabel()
    'wall time of a call, without its queue, µs'
    """
    samples, chosen = quantiles.samples_of(calls, "wall_ms", by, style.NAMED)
    curves = [_Curve(sample.of, sample.numbers / 1e3) for sample in samples]
    not_drawn = chosen.words()
    layout = Layout(ax, width, title, table=table, legend=legend)
    if not curves:
        return layout.message(f"No call ended ok: {not_drawn}." if not_drawn else "No calls yet.")
    _draw(layout, curves)
    drawn = sum(len(curve.times) for curve in curves)
    layout.title(series.plural(drawn, "call") + (f" · not drawn: {not_drawn}" if not_drawn else ""))
    return layout.done()


def _draw(layout: Layout, curves: list[_Curve]) -> None:
    axes = layout.axes
    style.dress(axes)
    lines = [_draw_curve(axes, curve) for curve in curves]
    label = "wall time of a call, without its queue"
    scales.time_axis(
        axes, "x", label, min(curve.times[0] for curve in curves), max(curve.times[-1] for curve in curves)
    )
    scales.share_axis(axes, "y", "share of calls")
    columns = [Column("calls", [format_count(len(curve.times)) for curve in curves])]
    for percentile, (_, sign) in _PERCENTILES.items():
        values = [quantiles.quantile(curve.times, percentile)[0] for curve in curves]
        cells = ["–" if isnan(value) else format_time(value) for value in values]
        columns.append(Column(f"{sign} p{percentile}", cells))
    layout.table(lines, [curve.of.name for curve in curves], columns)


def _draw_curve(axes: Axes, curve: _Curve) -> Artist:
    times, shares = _steps(curve.times)
    look = style.look_of(axes)
    colour, dashes = curve.of.line(look)
    [line] = axes.plot(
        times, shares, dashes, drawstyle="steps-post", color=colour, linewidth=rc.line_width(1.8), label=curve.of.name
    )
    if len(curve.times) <= _FEW:
        axes.plot(times[1:], shares[1:], ".", color=colour, ms=rc.mark_size(4))
    for percentile, (marker, _) in _PERCENTILES.items():
        value, _, _ = quantiles.quantile(curve.times, percentile)
        if not isnan(value):
            axes.plot(value, percentile / 100, marker, color=colour, ms=rc.mark_size(6), mec=look.ground, zorder=3)
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
