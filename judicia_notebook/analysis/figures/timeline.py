"""Calls and their host calls over time, as bars in lanes, a lane for each thread.

- Calls on the same thread never overlap, except a call made from inside another call: it is drawn on it, narrower.
- A bar is never too narrow to see. Bars closer together than that become a single bar. So a million calls are at most
  some thousand bars a lane and colour, and each bar still shows where calls ran.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

_MOST_LANES = 16
_STEPS = 1000  # of the whole width: what can be seen
_FEW = 1000  # bars of one colour that are drawn as they are
_MOST_DEPTH = 3
_LANE = 3.0  # the height of a lane, of that of a letter
_MOST_MARKS = 80  # over the whole width, in a lane
_CALL, _HOST_CALL = (-0.40, 0.46), (0.12, 0.22)  # where in a lane, and how high


class _Bars(NamedTuple):
    begins: Array  # seconds since the first begins
    ends: Array
    lanes: Array  # their places on the y axis


@series.figure_of_frames
def timeline(
    calls: pd.DataFrame,
    host_calls: pd.DataFrame | None = None,
    ax: Axes | None = None,
    *,
    lanes: str = "thread",
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """When calls ran, in lanes, and below each call its host calls.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``call_id``, ``parent_call_id``, ``plugin``, ``started_ms``, ``queue_ms``, ``wall_ms``,
        ``outcome`` and the column of `lanes` are used.
    host_calls : DataFrame, optional
        Rows of `Runtime.host_calls`; those of other calls are left out.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    lanes : str
        A column, or a key of `jn.label`, with a lane for each value: ``thread``, ``plugin``, ``instance_id``.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Time counts from when the first call was queued. Colours are plugins, a cross is a call that did not end ok, a
        thin line before a call its wait in the queue. Of more than seventeen lanes the rarest are one.

    Examples
    --------
    >>> import pandas as pd
    >>> when = {"started_ms": [0.0, 20.0], "queue_ms": 0.0, "wall_ms": [10.0, 5.0]}
    >>> call = {"call_id": [1, 2], "parent_call_id": None, "plugin": "checker", "outcome": "ok", "thread": "MainThread"}
    >>> timeline(pd.DataFrame(call | when)).axes[0].get_xlabel()
    'time since the first call, ms'
    """
    import numpy as np

    calls = calls[(calls["started_ms"].notna() & calls["wall_ms"].notna()).to_numpy(bool)]
    found = series.split(calls, lanes, _MOST_LANES, "lanes") if len(calls) else []
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    if not found:
        return layout.message("No calls yet.")
    begins = calls["started_ms"].to_numpy("f8") / 1e3
    queued = calls["queue_ms"].to_numpy("f8", na_value=0) / 1e3
    origin = float((begins - queued).min())
    begins = begins - origin
    ends = begins + calls["wall_ms"].to_numpy("f8") / 1e3
    found = sorted(found, key=lambda lane: (lane.together, begins[lane.rows].min()))
    style.dress(axes)
    axes.grid(visible=False, axis="y")
    lane_of = np.empty(len(calls))
    for place, lane in zip(layout.rows([lane.name for lane in found], unit=_LANE), found, strict=True):
        lane_of[lane.rows] = place
    whole = float(ends.max()) or 1e-9
    rows = _Bars(begins, ends, lane_of)
    _draw_queues(axes, rows, queued, whole)
    named = _draw_calls(axes, calls, rows, whole)
    refused = 0
    if host_calls is not None:
        more, refused = _draw_host_calls(axes, calls, host_calls, rows, whole)
        named |= more
    failed = _mark_failures(axes, calls, rows, whole)
    scales.time_axis(axes, "x", "time since the first call", 0, whole, log=False)
    axes.set_xlim(-0.01 * whole, 1.01 * whole)
    layout.legend(list(named.values()), list(named))
    parts = [series.plural(len(calls), "call"), f"{format_count(failed)} not ok" if failed else "",
             f"{series.plural(refused, 'host call')} refused or failed" if refused else ""]  # fmt: skip
    layout.title(" · ".join(part for part in parts if part))
    return layout.done()


def _draw_queues(axes: Axes, rows: _Bars, queued: Array, whole: float) -> None:
    waited = queued > whole / _STEPS
    if waited.any():
        waits = _Bars((rows.begins - queued)[waited], rows.begins[waited], rows.lanes[waited])
        _add(axes, waits, whole, -0.20, 0.06, style.look_of(axes).faint_ink)


def _draw_calls(axes: Axes, calls: pd.DataFrame, rows: _Bars, whole: float) -> dict[str, Artist]:
    import numpy as np

    look = style.look_of(axes)
    depths = _depths(calls)
    named: dict[str, Artist] = {}
    for group in series.split(calls, "plugin", what="plugins"):
        colour = look.faint_ink if group.together else group.line(look).colour
        mine = np.zeros(len(calls), bool)
        mine[group.rows] = True
        for depth in range(_MOST_DEPTH + 1):
            chosen = mine & (depths == depth)
            if chosen.any():
                inset = 0.1 * depth
                bars = _Bars(*(column[chosen] for column in rows))
                drawn = _add(axes, bars, whole, _CALL[0] + inset, _CALL[1] - inset, colour, edges=True, order=2 + depth)
                named.setdefault(group.name, drawn)
    return named


def _depths(calls: pd.DataFrame) -> Array:
    """How many calls each call was made inside of."""
    import numpy as np
    import pandas as pd

    depths = np.zeros(len(calls), np.intp)
    parents = calls["parent_call_id"].to_numpy("f8", na_value=np.nan)
    if np.isnan(parents).all():
        return depths
    position = pd.Index(calls["call_id"].to_numpy("f8")).get_indexer(parents)
    position[np.isnan(parents)] = -1
    for _ in range(_MOST_DEPTH):
        depths = np.where(position >= 0, np.minimum(depths[position] + 1, _MOST_DEPTH), 0)
    return depths


def _draw_host_calls(
    axes: Axes, calls: pd.DataFrame, host_calls: pd.DataFrame, rows: _Bars, whole: float
) -> tuple[dict[str, Artist], int]:
    import numpy as np
    import pandas as pd

    at = pd.Index(calls["call_id"].to_numpy()).get_indexer(host_calls["call_id"].to_numpy())
    since = host_calls["at_ms"].to_numpy("f8", na_value=np.nan)
    known = (at >= 0) & ~np.isnan(since)
    begins = rows.begins[at[known]] + since[known] / 1e3
    ends = begins + host_calls["wall_ms"].to_numpy("f8", na_value=0)[known] / 1e3
    lanes = rows.lanes[at[known]]
    allowed = (host_calls["decision"] == "allowed").to_numpy(bool, na_value=False)[known]
    look = style.look_of(axes)
    named: dict[str, Artist] = {}
    kinds = (("host call", allowed, look.others.colour), ("host call refused or failed", ~allowed, look.ink))
    for order, (name, chosen, colour) in enumerate(kinds):
        if chosen.any():
            wide = 2 * whole / _STEPS if order else 0.0  # a refused call is always wide enough to be seen
            bars = _Bars(begins[chosen], np.maximum(ends[chosen], begins[chosen] + wide), lanes[chosen])
            named[name] = _add(axes, bars, whole, *_HOST_CALL, colour, order=2 + order)
    return named, int((~allowed).sum())


def _mark_failures(axes: Axes, calls: pd.DataFrame, rows: _Bars, whole: float) -> int:
    import numpy as np

    failed = (calls["outcome"] != "ok").to_numpy(bool, na_value=True)
    if failed.any():
        ends, lanes = rows.ends[failed], rows.lanes[failed]
        pixel = np.round(ends / whole * _MOST_MARKS) * (lanes.max() + 1) + lanes
        _, first = np.unique(pixel, return_index=True)  # one mark where more would lie on each other
        look = style.look_of(axes)
        axes.plot(
            ends[first],
            lanes[first] - 0.17,
            "X",
            color=look.ink,
            mec=look.ground,
            mew=0.7,
            ms=rc.mark_size(6.5),
            zorder=9,
        )
    return int(failed.sum())


def _add(
    axes: Axes,
    bars: _Bars,
    whole: float,
    low: float,
    height: float,
    colour: str,
    *,
    edges: bool = False,
    order: int = 2,
) -> Artist:
    """One artist for all bars of a colour."""
    import numpy as np
    from matplotlib.collections import PolyCollection

    least = whole / _STEPS
    begins, ends, lanes = _merged(bars, least) if len(bars.begins) > _FEW else bars
    ends = np.maximum(ends, begins + least)
    bottoms, tops = lanes + low, lanes + low + height
    corners = np.stack([begins, bottoms, begins, tops, ends, tops, ends, bottoms], axis=1).reshape(-1, 4, 2)
    # A line between two calls, unless it would hide them.
    widths = np.where(ends - begins > 4 * least, 0.6, 0.0) if edges else 0.0
    colours = {"facecolors": colour, "edgecolors": style.look_of(axes).ground}
    collection = PolyCollection(corners, linewidths=widths, zorder=order, **colours)  # type: ignore[arg-type]
    axes.add_collection(collection, autolim=True)
    return collection


def _merged(bars: _Bars, least: float) -> _Bars:
    """Bars that are no further apart than can be seen as one each, lane by lane."""
    import numpy as np

    parts = []
    for lane in np.unique(bars.lanes):
        mine = bars.lanes == lane
        order = np.argsort(bars.begins[mine])
        begins = bars.begins[mine][order]
        reached = np.maximum.accumulate(np.maximum(bars.ends[mine][order], begins + least))
        first = np.concatenate([[True], begins[1:] > reached[:-1] + least])
        last = np.concatenate([first[1:], [True]])
        parts.append(_Bars(begins[first], reached[last], np.full(first.sum(), lane)))
    return _Bars(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
