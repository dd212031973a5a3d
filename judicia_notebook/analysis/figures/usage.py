"""One call from its entry to its exit: memory and CPU time, against its quotas.

Two axes, one above the other, share the time of the call. A quota is a dashed line. A quota so far away that it would
flatten the curves is written as a word instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.analysis.figures.limits import draw_limits
from judicia_notebook.units import format_size, format_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

_HEIGHT = 2.4  # inches, of both axes
_MARKS = 60  # over the whole width: more would lie on each other
_POINTS = 4000  # of a line; memory and CPU time only rise, so that leaving out points hides no peak


@series.figure_of_frames
def usage(
    calls: pd.DataFrame,
    samples: pd.DataFrame,
    ax: Axes | None = None,
    *,
    call_id: int | None = None,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """Memory and CPU time during one call, against its quotas.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`, which know the limits; ``plugin``, ``function``, ``outcome`` and ``limit_*`` are used.
    samples : DataFrame
        `Runtime.samples`.
    ax : matplotlib Axes, optional
        Where to draw, in two parts; a new figure otherwise.
    call_id : int, optional
        Which call; by default the last of `calls`.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Memory is that of all linear memories together; a cross is a grow that was refused.

    Examples
    --------
    >>> import pandas as pd
    >>> call = {"call_id": [1], "plugin": "checker", "function": "check", "outcome": "ok"}
    >>> limits = {"limit_cpu_ms": 1000.0, "limit_wall_ms": 10_000.0, "limit_memory_bytes": 1 << 26}
    >>> sample = {"event": ["enter", "exit"], "at_ms": [0.0, 5.0], "cpu_ms": [0.0, 4.0], "memory_bytes": 1 << 20}
    >>> figure = usage(pd.DataFrame(call | limits), pd.DataFrame({"call_id": 1} | sample))
    >>> [axes.get_ylabel() for axes in figure.axes[0].child_axes]
    ['memory, MiB', 'CPU time, ms']
    """
    chosen = call_id if call_id is not None else (int(calls["call_id"].iloc[-1]) if len(calls) else None)
    mine = samples[(samples["call_id"] == chosen).to_numpy(bool, na_value=False)]
    mine = mine[mine["at_ms"].notna().to_numpy(bool)]
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    if mine.empty:
        return layout.message("No calls yet." if chosen is None else f"There are no samples of call {chosen}.")
    call = calls[(calls["call_id"] == chosen).to_numpy(bool, na_value=False)].tail(1)
    axes.set_axis_off()
    upper = axes.inset_axes((0, 0.54, 1, 0.46))
    lower = axes.inset_axes((0, 0, 1, 0.46), sharex=upper)
    style.dress(upper)
    style.dress(lower)
    upper.tick_params(labelbottom=False)
    seconds = mine["at_ms"].to_numpy("f8") / 1e3
    _draw_memory(upper, seconds, mine, _limits(call, "limit_memory_bytes"), layout.room)
    _draw_cpu(lower, seconds, mine, _limits(call, "limit_cpu_ms"), layout.room)
    end = max(float(seconds.max()), 1e-9)
    scales.time_axis(lower, "x", "time since the call began", 0, end, log=False)
    lower.set_xlim(-0.01 * end, 1.02 * end)
    layout.title(_title(call, chosen, end))
    return layout.done(_HEIGHT)


def _limits(call: pd.DataFrame, name: str) -> list[float]:
    """The call's limit; nothing where it had none."""
    return [float(limit) for limit in call[name].dropna()] if name in call else []


def _title(call: pd.DataFrame, call_id: int | None, seconds: float) -> str:
    if call.empty:
        return f"call {call_id}, still running or no longer recorded"
    row = call.iloc[0]
    label = row.get("label")
    labelled = f" · {label}" if isinstance(label, str) and label else ""
    name = series.cut(f"{row['plugin']}.{row['function']}")
    return f"{name}{labelled} · call {call_id} · {row['outcome']} after {format_time(seconds)}"


def _draw_memory(axes: Axes, seconds: Array, samples: pd.DataFrame, limits: list[float], room: float) -> None:
    import numpy as np

    look = style.look_of(axes)
    size = samples["memory_bytes"].to_numpy("f8", na_value=np.nan)
    known = ~np.isnan(size)
    if not known.any():
        style.message(axes, "Its memory is not known.")
        return
    drawn = _few(np.flatnonzero(known))
    colour = look.series[0].colour
    axes.plot(seconds[drawn], size[drawn], "-", drawstyle="steps-post", color=colour, linewidth=rc.line_width(1.8))
    axes.fill_between(seconds[drawn], size[drawn], step="post", color=colour, alpha=0.2, linewidth=0)
    refused = np.flatnonzero(known & (samples["event"] == "grow_refused").to_numpy(bool, na_value=False))
    if len(refused):
        refused = refused[np.unique(np.round(seconds[refused] / seconds.max() * _MARKS), return_index=True)[1]]
        axes.plot(
            seconds[refused],
            size[refused],
            "X",
            color=look.bad,
            mec=look.ground,
            mew=0.7,
            ms=rc.mark_size(7),
            zorder=4,
        )
    top = draw_limits(axes, float(size[known].max()), limits, format_size, room)
    scales.bytes_axis(axes, "y", "memory", 0, top)


def _draw_cpu(axes: Axes, seconds: Array, samples: pd.DataFrame, limits_ms: list[float], room: float) -> None:
    import numpy as np

    used = samples["cpu_ms"].to_numpy("f8", na_value=np.nan) / 1e3
    known = _few(np.flatnonzero(~np.isnan(used)))
    if not len(known):
        style.message(axes, "Its CPU time is not known.")
        return
    axes.plot(
        seconds[known], used[known], "-", color=style.look_of(axes).series[1].colour, linewidth=rc.line_width(1.8)
    )
    top = draw_limits(
        axes, max(float(used[known].max()), 1e-9), [limit / 1e3 for limit in limits_ms], format_time, room
    )
    scales.time_axis(axes, "y", "CPU time", 0, top, log=False)


def _few(positions: Array) -> Array:
    import numpy as np

    if len(positions) <= _POINTS:
        return positions
    return positions[np.linspace(0, len(positions) - 1, _POINTS).round().astype(np.intp)]
