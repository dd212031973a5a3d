"""What an instance's first call costs beyond its later calls: two distributions for each function.

Cold is the first call of an instance, with the instance made for it; warm are all others. Where every call has a fresh
instance, all are cold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import style
from judicia_notebook.analysis.figures import scales, series
from judicia_notebook.units import format_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

_MOST = 8
_DOTS = 150  # of a row; evenly out of its sorted calls where there are more
_SPREAD = 0.30  # of a row's height
_GOLDEN = 0.6180339887498949  # whose multiples fall evenly and without a pattern


class _Row(NamedTuple):
    name: str
    cold: bool
    times: Array  # seconds, sorted
    place: float


@series.names_columns
def cold_warm(calls: pd.DataFrame, ax: Axes | None = None, *, by: series.By = None) -> Any:
    """The wall time of first calls of an instance against that of its later ones.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``plugin``, ``function``, ``label``, ``instance_call``, ``wall_ms`` and ``outcome`` are
        used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    by : str or sequence of str, optional
        What to tell apart instead of functions and labels: columns, or keys of `jn.label`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Points are calls (of many, some), a thin line reaches from the 5th to the 95th percentile, a thick one over the
        middle half, and the hollow mark is the median, which is written beside. Only calls that ended ok. Of more than
        nine functions the rarest are drawn together.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "wall_ms": [3.0, 0.4, 0.5], "outcome": "ok",
    ...                       "instance_call": [1, 2, 3]})
    >>> [text.get_text() for text in cold_warm(calls).axes[0].texts]
    ['median 3 ms · 1 call', 'median 450 µs · 2 calls']
    """
    good, not_drawn = series.good(calls)
    rows = _rows(good, by)
    axes = style.new_axes(1.35 + 0.26 * len(rows) if rows else 1.2) if ax is None else ax
    if not rows:
        style.message(axes, f"No call ended ok: {not_drawn}." if not_drawn else "No calls yet.")
        return style.drawn(axes, ax)
    style.dress(axes)
    axes.grid(visible=False, axis="y")
    handles: dict[str, Artist] = {}
    for row in rows:
        handles.setdefault("cold, an instance's first call" if row.cold else "warm", _draw(axes, row))
    places: dict[str, list[float]] = {}
    for row in rows:
        places.setdefault(row.name, []).append(row.place)
    scales.names(axes, list(places), [sum(found) / len(found) for found in places.values()])
    smallest, largest = min(row.times[0] for row in rows), max(row.times[-1] for row in rows)
    scales.time_axis(axes, "x", "wall time of a call, without its queue", smallest, largest)
    if axes.get_xscale() == "linear":
        axes.set_xlim(left=0)
    style.legend(axes, list(handles.values()), list(handles))
    drawn = series.plural(sum(len(row.times) for row in rows), "call")
    style.title(axes, drawn + (f" · not drawn: {not_drawn}" if not_drawn else ""))
    return style.drawn(axes, ax)


def _rows(good: pd.DataFrame, by: series.By) -> list[_Row]:
    import numpy as np

    seconds = good["wall_ms"].to_numpy("f8", na_value=np.nan) / 1e3
    turn = good["instance_call"].to_numpy("f8", na_value=np.nan)
    rows: list[_Row] = []
    place = 0.0
    for group in series.split(good, by, _MOST):
        for cold in (True, False):
            mine = group.rows[(turn[group.rows] == 1) if cold else (turn[group.rows] > 1)]
            times = np.sort(seconds[mine][~np.isnan(seconds[mine])])
            if len(times):
                rows.append(_Row(group.name, cold, times, place))
                place += 1.0
        place += 0.35
    return rows


def _draw(axes: Axes, row: _Row) -> Artist:
    import numpy as np

    look = style.look_of(axes)
    colour = look.series[0 if row.cold else 1].colour
    few = row.times[np.linspace(0, len(row.times) - 1, min(len(row.times), _DOTS)).round().astype(np.intp)]
    places = row.place + _SPREAD * (2 * (np.arange(1, len(few) + 1) * _GOLDEN % 1) - 1)
    if len(few) == 1:
        places = np.array([row.place])
    axes.plot(few, places, "D" if row.cold else "o", color=colour, ms=3.2, mew=0, alpha=0.45)
    low, left, median, right, high = np.percentile(row.times, [5, 25, 50, 75, 95])
    if len(row.times) > 2:
        axes.plot([low, high], [row.place] * 2, "-", color=colour, linewidth=1.2)
        axes.plot([left, right], [row.place] * 2, "-", color=colour, linewidth=5, solid_capstyle="butt")
    marker = "D" if row.cold else "o"
    [mark] = axes.plot(median, row.place, marker, color=look.ground, mec=colour, mew=1.3, ms=5.5, zorder=4)
    beside = {"transform": axes.get_yaxis_transform(), "va": "center_baseline", "color": look.faint_ink}
    text = f"median {format_time(median)} · {series.plural(len(row.times), 'call')}"
    style.write(axes, 1.015, row.place, text, **beside)
    return mark
