"""The memory an instance holds on to: linear memory at entry and at its peak, call after call.

Linear memory never shrinks while an instance lives. A staircase shows a plugin that keeps its input; a flat line shows
a plugin that reuses its memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.analysis.figures.limits import draw_limits
from judicia_notebook.analysis.figures.tables import Column
from judicia_notebook.units import format_count, format_size

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

_BINS = 1000
_FEW = 60  # calls that are drawn as points each


class _Instance(NamedTuple):
    name: str
    number: int
    calls: Array  # instance_call, rising
    entry: Array  # bytes
    peak: Array
    failed: Array
    limit: float | None  # of its last call


@series.figure_of_frames
def memory(
    calls: pd.DataFrame,
    ax: Axes | None = None,
    *,
    instance_id: int | None = None,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """Linear memory over the successive calls of an instance.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``plugin``, ``instance_id``, ``instance_call``, ``memory_bytes``,
        ``memory_peak_bytes``, ``limit_memory_bytes`` and ``outcome`` are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    instance_id : int, optional
        One instance; by default the seven with the most calls.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Lines are the peak of each call, the area below reaches from what was there at its entry; a cross is a call that
        did not end ok (of many, some). Of many calls a point shows the highest peak of some that follow each other.

    Examples
    --------
    >>> import pandas as pd
    >>> which = {"plugin": "checker", "instance_id": 1, "instance_call": [1, 2], "outcome": "ok"}
    >>> size = {"memory_bytes": 1 << 20, "memory_peak_bytes": 1 << 20, "limit_memory_bytes": 1 << 26}
    >>> memory(pd.DataFrame(which | size)).axes[0].get_ylabel()
    'linear memory, MiB'
    """
    known = calls["instance_id"].notna().to_numpy(bool)
    for name in ("instance_call", "memory_peak_bytes"):
        known = known & calls[name].notna().to_numpy(bool)
    if instance_id is not None:
        known = known & (calls["instance_id"] == instance_id).to_numpy(bool, na_value=False)
    entered = calls[known]
    instances, others = _instances(entered)
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    if not instances:
        return layout.message("No calls yet." if calls.empty else "No call entered such an instance.")
    style.dress(axes)
    lines = [_draw(axes, instance) for instance in instances]
    limits = [instance.limit for instance in instances if instance.limit is not None]
    top = draw_limits(axes, max(float(instance.peak.max()) for instance in instances), limits, format_size, layout.room)
    scales.bytes_axis(axes, "y", "linear memory", 0, top)
    first, last = min(instance.calls[0] for instance in instances), max(instance.calls[-1] for instance in instances)
    edge = max(0.02 * (last - first), 0.5)
    axes.set_xlim(first - edge, last + edge)
    scales.count_axis(axes, "x", "call of the instance", first, last)
    columns = [
        Column("calls", [format_count(len(instance.calls)) for instance in instances]),
        Column("at first", [format_size(instance.entry[0]) for instance in instances]),
        Column("peak", [format_size(instance.peak.max()) for instance in instances]),
        Column("not ok", [format_count(instance.failed.sum()) for instance in instances]),
        Column("quota", ["–" if instance.limit is None else format_size(instance.limit) for instance in instances]),
    ]
    layout.table(lines, [instance.name for instance in instances], columns)
    more = f" · not drawn: {series.plural(others, 'other instance')}" if others else ""
    layout.title(f"{series.plural(len(instances), 'instance')}{more}")
    return layout.done()


def _instances(entered: pd.DataFrame) -> tuple[list[_Instance], int]:
    """The instances with the most calls, and how many more there are."""
    import numpy as np
    import pandas as pd

    if entered.empty:
        return [], 0
    plugins, names = pd.factorize(entered["plugin"].astype(object))
    numbers = entered["instance_id"].to_numpy("i8")
    _, which, counts = np.unique(plugins * (numbers.max() + 1) + numbers, return_inverse=True, return_counts=True)
    most = np.argsort(-counts, kind="stable")[: style.NAMED]
    columns = {
        name: entered[name].to_numpy("f8", na_value=np.nan)
        for name in ("instance_call", "memory_bytes", "memory_peak_bytes", "limit_memory_bytes")
    }
    failed = (entered["outcome"] != "ok").to_numpy(bool, na_value=True)
    found = []
    for number, index in enumerate(most):
        rows = np.flatnonzero(which == index)
        rows = rows[np.argsort(columns["instance_call"][rows], kind="stable")]
        peak = columns["memory_peak_bytes"][rows]
        entry = np.where(np.isnan(columns["memory_bytes"][rows]), peak, columns["memory_bytes"][rows])
        name = f"{names[plugins[rows[0]]]} #{numbers[rows[0]]}"
        limit = columns["limit_memory_bytes"][rows[-1]]
        known = None if np.isnan(limit) else float(limit)
        found.append(_Instance(name, number, columns["instance_call"][rows], entry, peak, failed[rows], known))
    return found, len(counts) - len(most)


def _draw(axes: Axes, instance: _Instance) -> Artist:
    import numpy as np

    look = style.look_of(axes)
    colour, dashes = look.series[instance.number]
    starts = np.arange(len(instance.calls))
    if len(starts) > _BINS:
        starts = np.unique(np.linspace(0, len(instance.calls), _BINS, endpoint=False).astype(np.intp))
    calls = instance.calls[starts]
    entry, peak = np.minimum.reduceat(instance.entry, starts), np.maximum.reduceat(instance.peak, starts)
    few = len(instance.calls) <= _FEW
    [line] = axes.plot(
        calls,
        peak,
        dashes,
        color=colour,
        linewidth=rc.line_width(1.6),
        marker="." if few else "",
        label=instance.name,
    )
    axes.fill_between(calls, entry, peak, color=colour, alpha=0.2, linewidth=0)
    failed = np.flatnonzero(np.logical_or.reduceat(instance.failed, starts))
    if len(failed):
        failed = failed[np.unique(failed * _FEW // len(starts), return_index=True)[1]] if not few else failed
        axes.plot(
            calls[failed],
            peak[failed],
            "X",
            color=look.bad,
            mec=look.ground,
            mew=0.7,
            ms=rc.mark_size(6.5),
            zorder=4,
        )
    return line
