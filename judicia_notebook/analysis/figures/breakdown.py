"""Where the time went: each function's wall time, divided into its five parts.

Failed calls count, too, since they took time as well. Shares make a function of microseconds comparable with a function
of seconds; the absolute numbers stand beside the bars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import series, style
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.records.record import WALL_PARTS
from judicia_notebook.units import format_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

# The same on light and dark ground: filled areas, read by their order and their legend as well.
_COLOURS = ("#8a929b", "#e69f00", "#0072b2", "#d55e00", "#cc79a7")
_MOST = 12


class _Bar(NamedTuple):
    name: str
    calls: int
    parts: Array  # seconds in all calls together

    @property
    def seconds(self) -> float:
        return float(self.parts.sum())


@series.figure_of_frames
def breakdown(
    calls: pd.DataFrame,
    ax: Axes | None = None,
    *,
    by: series.By = None,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """Where wall time went: setup, encode, guest, host and decode, one bar a function.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``plugin``, ``function``, ``label`` and the five parts of ``wall_ms`` are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    by : str or sequence of str, optional
        What to tell apart instead of functions and labels: columns, or keys of `jn.label`.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Bars are shares of the time of all calls together, in per cent, failed calls among them; the function that took
        the most time is on top. Beside each bar stand its calls and their mean. Of more than thirteen functions the
        rarest share a bar.

    Examples
    --------
    >>> import pandas as pd
    >>> parts = {"setup_ms": 0.01, "encode_ms": 0.02, "guest_ms": 0.3, "host_ms": 0.0, "decode_ms": 0.01}
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", **parts}, index=[0])
    >>> breakdown(calls).axes[0].get_xlabel()
    'share of wall time'
    """
    series.refuse_mixed(calls, by)
    bars = _bars(calls, by)
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    if not bars:
        return layout.message("No calls yet." if calls.empty else "No call took any time that is known.")
    style.dress(axes)
    axes.grid(visible=False, axis="y")
    handles = _draw(layout, bars)
    scales.share_axis(axes, "x", "share of wall time")
    axes.set_xlim(0, 1)
    layout.legend(handles, [part.removesuffix("_ms") for part in WALL_PARTS])
    total = format_time(sum(bar.seconds for bar in bars))
    layout.title(f"{series.plural(sum(bar.calls for bar in bars), 'call')}, {total} in all")
    return layout.done()


def _bars(calls: pd.DataFrame, by: series.By) -> list[_Bar]:
    import numpy as np

    seconds = np.stack([calls[part].to_numpy("f8", na_value=np.nan) / 1e3 for part in WALL_PARTS])
    found = series.split(calls, by, _MOST)
    bars = [_Bar(group.name, len(group.rows), np.nansum(seconds[:, group.rows], axis=1)) for group in found]
    with_time = [bar for bar in bars if bar.seconds > 0]
    rest = [bar for bar, group in zip(bars, found, strict=True) if group.together and bar.seconds > 0]
    return sorted(with_time, key=lambda bar: (bar in rest, -bar.seconds))


def _draw(layout: Layout, bars: list[_Bar]) -> list[Artist]:
    import numpy as np

    axes = layout.axes
    numbers = [f"{series.plural(bar.calls, 'call')} · {format_time(bar.seconds / bar.calls)} each" for bar in bars]
    places = np.array(layout.rows([bar.name for bar in bars], numbers))
    shares = np.stack([bar.parts / bar.seconds for bar in bars])
    begins = np.cumsum(shares, axis=1) - shares
    handles: list[Artist] = []
    for part, colour in enumerate(_COLOURS):
        handles.append(axes.barh(places, shares[:, part], left=begins[:, part], height=0.72, color=colour)[0])
        for place, begin, share in zip(places, begins[:, part], shares[:, part], strict=True):
            text, where = f"{share:.0%}".replace("%", " %"), {"ha": "center", "va": "center_baseline"}
            if share >= layout.share_of(text):  # there is room for its number
                style.write(axes, begin + share / 2, place, text, color=style.ink_on(colour), **where)
    return handles
