"""The share of calls that end ok, against a quota: it shows how much a plugin needs.

The interval of a share is Wilson's score interval. It keeps its coverage near 0 and 1 and for few calls, where the
interval of the normal approximation has no width (E. B. Wilson, 1927; Brown, Cai and DasGupta, 2001).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import style
from judicia_notebook.analysis.figures import scales, series
from judicia_notebook.analysis.figures.tables import Column, write_table
from judicia_notebook.text import did_you_mean
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

QUOTAS = {"memory": "limit_memory_bytes", "cpu": "limit_cpu_ms", "wall": "limit_wall_ms", "fuel": "limit_fuel"}
_Z = 1.959963984540054  # of 95 % of a normal distribution
_MOST_LIMITS = 30  # that have a point each


class _Curve(NamedTuple):
    of: series.Series
    limits: Array  # s, bytes or fuel
    shares: Array
    low: Array
    high: Array
    calls: int
    good: int


@series.names_columns
def success(calls: pd.DataFrame, ax: Axes | None = None, *, quota: str | None = None, by: series.By = None) -> Any:
    """The share of calls that ended ok against a quota, one line a function.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``plugin``, ``function``, ``label``, ``outcome`` and ``limit_*`` are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    quota : {"memory", "cpu", "wall", "fuel"}, optional
        By default the one that takes the most values.
    by : str or sequence of str, optional
        What to tell apart instead of functions and labels: columns, or keys of `jn.label`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        The band is the 95 % interval of each share (Wilson). Of more than thirty different limits neighbours are put
        together, at their geometric mean. Calls without that limit are left out and counted.

    Raises
    ------
    ValueError
        There is no such quota.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "outcome": ["quota_memory", "ok"],
    ...                       "limit_memory_bytes": [1 << 20, 1 << 21]})
    >>> success(calls, quota="memory").axes[0].get_xlabel()
    'memory quota, MiB'
    """
    kind = _chosen(calls, quota)
    found, not_drawn = _curves(calls, kind, by)
    axes = style.new_axes(3.2 + 0.17 * len(found) if found else 1.2) if ax is None else ax
    if not found:
        style.message(axes, "No calls yet." if calls.empty else f"No call ran under a {kind} quota.")
        return style.drawn(axes, ax)
    style.dress(axes)
    lines = [_draw(axes, curve) for curve in found]
    scales.share_axis(axes, "y", "calls that ended ok")
    axes.set_ylim(-0.03, 1.03)
    _scale(axes, kind, min(curve.limits[0] for curve in found), max(curve.limits[-1] for curve in found))
    columns = [
        Column("calls", 11, [format_count(curve.calls) for curve in found]),
        Column("ok", 10, [f"{curve.good / curve.calls:.1%}".replace("%", " %") for curve in found]),
    ]
    write_table(axes, lines, [curve.of.name for curve in found], columns)
    bad = series.failures(calls["outcome"][(calls["outcome"] != "ok").to_numpy(bool, na_value=False)])
    parts = [series.plural(sum(curve.calls for curve in found), "call"), f"not ok: {bad}" if bad else "",
             f"without such a quota: {not_drawn}" if not_drawn else ""]  # fmt: skip
    style.title(axes, " · ".join(part for part in parts if part))
    return style.drawn(axes, ax)


def _chosen(calls: pd.DataFrame, quota: str | None) -> str:
    if quota is None:
        there = [name for name, column in QUOTAS.items() if column in calls]
        return max(there, key=lambda name: calls[QUOTAS[name]].nunique(), default="memory")
    if quota not in QUOTAS:
        raise ValueError(f"{quota!r} is no quota that calls are recorded with.{did_you_mean(quota, QUOTAS)}")
    return quota


def _curves(calls: pd.DataFrame, kind: str, by: series.By) -> tuple[list[_Curve], int]:
    import numpy as np

    limits = calls[QUOTAS[kind]].to_numpy("f8", na_value=np.nan)
    known = ~np.isnan(limits) & (limits > 0)
    limited = calls[known]
    limits = limits[known] / (1e3 if kind in {"cpu", "wall"} else 1)
    good = (limited["outcome"] == "ok").to_numpy(bool, na_value=False)
    found = []
    for group in series.split(limited, by):
        at, which = _places(limits[group.rows])
        number = np.bincount(which, minlength=len(at))
        well = np.bincount(which, good[group.rows], minlength=len(at))
        low, high = wilson(well, number)
        found.append(_Curve(group, at, well / number, low, high, int(number.sum()), int(well.sum())))
    return found, int((~known).sum())


def _places(limits: Array) -> tuple[Array, Array]:
    """The places of points on the axis, and the point that each call belongs to."""
    import numpy as np

    at, which = np.unique(limits, return_inverse=True)
    if len(at) <= _MOST_LIMITS:
        return at, which
    group = (np.arange(len(at)) * _MOST_LIMITS) // len(at)
    means = np.exp(np.bincount(group, np.log(at)) / np.bincount(group))
    return means, group[which]


def wilson(good: Array, number: Array, z: float = _Z) -> tuple[Array, Array]:
    """The score interval of a share, of 95 % unless `z` says otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> [round(float(end[0]), 4) for end in wilson(np.array([0]), np.array([10]))]
    [0.0, 0.2775]
    """
    import numpy as np

    share, square = good / number, z**2 / number
    middle = (share + square / 2) / (1 + square)
    half = z / (1 + square) * np.sqrt(share * (1 - share) / number + square / (4 * number))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def _draw(axes: Axes, curve: _Curve) -> Artist:
    colour, dashes = curve.of.line(style.look_of(axes))
    [line] = axes.plot(curve.limits, curve.shares, dashes, marker="o", ms=4.5, color=colour, linewidth=1.6)
    axes.fill_between(curve.limits, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    if len(curve.limits) == 1:  # where a band has no width
        axes.vlines(curve.limits, curve.low, curve.high, color=colour, linewidth=1.0)
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
