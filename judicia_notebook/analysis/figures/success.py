"""The share of inputs that end ok, against a quota: it shows how much a plugin needs.

`successes` computes the shares; there is a band only where repeats of one input can differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.estimates import selection, successes
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.analysis.figures.tables import Column
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_MOST_LIMITS = 30  # that have a point each


@series.figure_of_frames
def success(
    calls: pd.DataFrame,
    ax: Axes | None = None,
    *,
    quota: str | None = None,
    by: series.By = None,
    inputs: series.By = None,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """The share of inputs that end ok against a quota, one line a function; `jn.success` gives the numbers.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls` or of a sweep, as for `jn.success`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    quota : {"memory", "cpu", "wall", "fuel"}, optional
        By default the one that takes the most values.
    by : str or sequence of str, optional
        What to tell apart instead of functions and labels: columns, or keys of `jn.label`.
    inputs : str or sequence of str, optional
        What has the same values in calls of the same input, as for `jn.success`.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Each input counts once. The band is the 95 % interval of the share over the repeats of these inputs (Wilson);
        where repeats cannot differ, there is none, and the title says so. Of more than thirty different limits
        neighbours are put together, at their geometric mean. Calls without that limit are left out and counted.

    Raises
    ------
    JudiciaError
        A band is needed, and SciPy is not installed.
    ValueError
        There is no such quota, column or label.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "outcome": ["quota_memory", "ok"],
    ...                       "limit_memory_bytes": [1 << 20, 1 << 21]})
    >>> success(calls, quota="memory").axes[0].get_xlabel()
    'memory quota, MiB'
    """
    shares = successes.shares_of(calls, quota, by, inputs, most=style.NAMED, most_limits=_MOST_LIMITS)
    kind, found = shares.quota, shares.curves
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    if not found:
        return layout.message("No calls yet." if calls.empty else f"No call ran under a {kind} quota.")
    style.dress(axes)
    lines = [_draw(axes, curve, _unit(kind)) for curve in found]
    scales.share_axis(axes, "y", "inputs that ended ok" if shares.named else "calls that ended ok")
    axes.set_ylim(-0.03, 1.03)
    ends = [curve.limits[end] * _unit(kind) for curve in found for end in (0, -1)]
    _scale(axes, kind, min(ends), max(ends))
    columns = [
        Column("inputs", [format_count(curve.total) if shares.named else "–" for curve in found]),
        Column("calls", [format_count(int(curve.calls.sum())) for curve in found]),
        Column("band", ["95 %" if curve.differing else "none" for curve in found]),
    ]
    layout.table(lines, [curve.of.name for curve in found], columns)
    layout.title(_title(shares))
    return layout.done()


def _unit(kind: str) -> float:
    """What a limit is multiplied with: axes of time are in seconds."""
    return 1e-3 if kind in {"cpu", "wall"} else 1.0


def _title(shares: successes.Shares) -> str:
    """How many calls of how many inputs, what was left out, and where the band is from."""
    bad = selection.in_words(shares.not_ok.items())
    inputs = f" of {series.plural(shares.total, 'input')}" if shares.named else ""
    called = series.plural(sum(int(curve.calls.sum()) for curve in shares.curves), "call") + inputs
    differing = [curve.differing for curve in shares.curves]
    if all(differing):
        band = "band: 95 %, of repeats"
    elif any(differing):
        band = "band: only where repeats can differ"
    else:
        band = "no band: repeats cannot differ" if shares.named else "no band: inputs= is not said"
    left_out = selection.in_words(shares.left_out.items())
    parts = (called, f"not ok: {bad}" if bad else "", band, f"not drawn: {left_out}" if left_out else "")
    return " · ".join(part for part in parts if part)


def _draw(axes: Axes, curve: successes.Curve, unit: float) -> Artist:
    colour, dashes = curve.of.line(style.look_of(axes))
    limits = curve.limits * unit
    [line] = axes.plot(
        limits, curve.shares, dashes, marker="o", ms=rc.mark_size(4.5), color=colour, linewidth=rc.line_width(1.6)
    )
    if curve.differing:
        axes.fill_between(limits, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    if curve.differing and len(limits) == 1:  # where a band has no width
        axes.vlines(limits, curve.low, curve.high, color=colour, linewidth=rc.line_width(1.0))
    return line


def _scale(axes: Axes, kind: str, smallest: float, largest: float) -> None:
    label = f"{kind if kind != 'cpu' else 'CPU'} quota"
    wide = largest / smallest > scales.LOG_SPREAD
    if wide:
        axes.set_xlim(*scales.room(smallest, largest))
    if kind == "memory":
        scales.bytes_axis(axes, "x", label, smallest, largest, log=True)
    elif kind == "fuel":
        scales.count_axis(axes, "x", label, smallest, largest, log=wide)
    else:
        scales.time_axis(axes, "x", label, smallest, largest)
