"""What an instance's first call costs beyond its later calls: two distributions for each function, of `first_calls`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.estimates import first_calls
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
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
_ROW = 1.8  # the height of a row, of that of a letter
_GOLDEN = 0.6180339887498949  # whose multiples fall evenly and without a pattern


class _Row(NamedTuple):
    name: str
    cold: bool
    times: Array  # seconds, sorted

    @property
    def median(self) -> float:
        import numpy as np

        return float(np.median(self.times))


@series.figure_of_frames
def cold_warm(
    calls: pd.DataFrame,
    ax: Axes | None = None,
    *,
    by: series.By = None,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
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
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Points are calls (of many, some), a thin line reaches from the 5th to the 95th percentile, a thick one over the
        middle half, and the hollow mark is the median, which is written beside; `jn.cold_warm` gives the numbers. Only
        calls that ended ok, and neither those to warm up nor profiled ones. Of more than nine functions the rarest are
        drawn together.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "wall_ms": [3.0, 0.4, 0.5], "outcome": "ok",
    ...                       "instance_call": [1, 2, 3]})
    >>> [text.get_text() for text in cold_warm(calls).axes[0].texts]
    ['median 3 ms · 1 call', 'median 450 µs · 2 calls']
    """
    states, chosen = first_calls.states_of(calls, by, _MOST)
    rows = [_Row(state.series, state.cold, state.wall_ms / 1e3) for state in states]
    not_drawn = chosen.words()
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    if not rows:
        return layout.message(f"No call ended ok: {not_drawn}." if not_drawn else "No calls yet.")
    style.dress(axes)
    axes.grid(visible=False, axis="y")
    named = [row.name if number == 0 or row.name != rows[number - 1].name else "" for number, row in enumerate(rows)]
    numbers = [f"median {format_time(row.median)} · {series.plural(len(row.times), 'call')}" for row in rows]
    handles: dict[str, Artist] = {}
    for row, place in zip(rows, layout.rows(named, numbers, _ROW), strict=True):
        handles.setdefault("cold, an instance's first call" if row.cold else "warm", _draw(axes, row, place))
    smallest, largest = min(row.times[0] for row in rows), max(row.times[-1] for row in rows)
    scales.time_axis(axes, "x", "wall time of a call, without its queue", smallest, largest)
    if axes.get_xscale() == "linear":
        axes.set_xlim(left=0)
    layout.legend(list(handles.values()), list(handles))
    drawn = series.plural(sum(len(row.times) for row in rows), "call")
    layout.title(drawn + (f" · not drawn: {not_drawn}" if not_drawn else ""))
    return layout.done()


def _draw(axes: Axes, row: _Row, place: float) -> Artist:
    import numpy as np

    look = style.look_of(axes)
    colour = look.series[0 if row.cold else 1].colour
    few = row.times[np.linspace(0, len(row.times) - 1, min(len(row.times), _DOTS)).round().astype(np.intp)]
    places = place + _SPREAD * (2 * (np.arange(1, len(few) + 1) * _GOLDEN % 1) - 1)
    if len(few) == 1:
        places = np.array([place])
    axes.plot(few, places, "D" if row.cold else "o", color=colour, ms=rc.mark_size(3.2), mew=0, alpha=0.45)
    low, left, median, right, high = np.percentile(row.times, [5, 25, 50, 75, 95])
    if len(row.times) > 2:
        axes.plot([low, high], [place] * 2, "-", color=colour, linewidth=rc.line_width(1.2))
        axes.plot([left, right], [place] * 2, "-", color=colour, linewidth=rc.line_width(5), solid_capstyle="butt")
    marker = "D" if row.cold else "o"
    [mark] = axes.plot(median, place, marker, color=look.ground, mec=colour, mew=1.3, ms=rc.mark_size(5.5), zorder=4)
    return mark
