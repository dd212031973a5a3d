"""How long calls took: the distribution of wall time, one curve a function.

An empirical distribution shows every call, its tail included, where a histogram would hide what falls between bins and a
mean what is rare. Calls that did not end ``ok`` are left out and counted beside: a call that a quota ended at 50 ms
says nothing of how long the function takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.metrics import style
from judicia_notebook.metrics.style import LineStyle
from judicia_notebook.units import format_count, format_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Array = np.ndarray[Any, Any]

PERCENTILES = (50, 95, 99)
_MARKERS = ("o", "s", "^")
_NAME_WIDTH = 30
_POINTS = 2000  # of a curve; more than the pixels it is drawn with
_FEW = 30  # calls that are drawn as points each
_LOG_SPREAD = 30  # of largest to smallest: beyond it a linear axis shows one function and squeezes the others


class _Curve(NamedTuple):
    name: str
    times: Array  # seconds, sorted
    line: LineStyle


def latency(calls: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """The distribution of wall time of successful calls, one curve a function.

    Parameters
    ----------
    calls : DataFrame
        Rows of `Runtime.calls`; ``plugin``, ``function``, ``wall_ms`` and ``outcome`` are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        Median, 95th and 99th percentile are marked on the curves and written below (linear interpolation, as in pandas);
        a percentile is left out where there are fewer calls than it takes to have one beyond it: 20 for p95, 100 for p99.
        Of more than eight functions the seven with the most calls have a curve of their own, the others one together.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "wall_ms": [0.4, 0.5], "outcome": "ok"})
    >>> latency(calls).axes[0].get_xlabel()
    'wall time of a call, without its queue'
    """
    axes = style.new_axes() if ax is None else ax
    good = calls[calls["outcome"] == "ok"]
    failed = calls["outcome"][calls["outcome"] != "ok"].value_counts()
    curves = _curves(good)
    if curves:
        _draw(axes, curves)
        _write_title(axes, len(good), _failures(failed))
    else:
        style.message(axes, "No calls yet." if failed.empty else f"No call ended ok.\n{_failures(failed)}")
    return style.figure_of(axes)


def _curves(good: pd.DataFrame) -> list[_Curve]:
    import numpy as np

    names = good["plugin"].astype(str) + "." + good["function"].astype(str)
    times = {str(name): np.sort(group.to_numpy("f8")) / 1e3 for name, group in good["wall_ms"].groupby(names)}
    by_calls = sorted(times, key=lambda name: (-len(times[name]), name))
    kept = by_calls if len(by_calls) <= len(style.SERIES) + 1 else by_calls[: len(style.SERIES)]
    lines = (*style.SERIES, style.OTHERS)
    curves = [_Curve(name, times[name], line) for name, line in zip(kept, lines, strict=False)]
    rest = by_calls[len(kept) :]
    if rest:
        together = np.sort(np.concatenate([times[name] for name in rest]))
        curves.append(_Curve(f"{len(rest)} other functions", together, style.OTHERS))
    return curves


def _draw(axes: Axes, curves: list[_Curve]) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    style.dress(axes)
    smallest = min(curve.times[0] for curve in curves)
    largest = max(curve.times[-1] for curve in curves)
    if smallest > 0 and largest / smallest > _LOG_SPREAD:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    for curve in curves:
        _draw_curve(axes, curve)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: format_time(seconds) if seconds >= 0 else ""))
    axes.set_xlabel("wall time of a call, without its queue", color=style.INK, fontsize=style.MEDIUM)
    axes.set_ylabel("share of calls", color=style.INK, fontsize=style.MEDIUM)
    axes.set_ylim(0, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    _write_table(axes, curves)


def _draw_curve(axes: Axes, curve: _Curve) -> None:
    times, shares = _steps(curve.times)
    colour = curve.line.colour
    axes.plot(
        times, shares, drawstyle="steps-post", color=colour, linestyle=curve.line.dashes, linewidth=1.8, label=curve.name
    )
    if len(curve.times) <= _FEW:
        axes.plot(times[1:], shares[1:], ".", color=colour, markersize=4)
    for percentile, marker in zip(PERCENTILES, _MARKERS, strict=True):
        value = percentile_of(curve.times, percentile)
        if value is not None:
            axes.plot(
                value, percentile / 100, marker, color=colour, markersize=6, markeredgecolor=style.GROUND, zorder=3
            )


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


def _write_table(axes: Axes, curves: list[_Curve]) -> None:
    """The legend, one line a curve: its name, how many calls, and the percentiles in columns."""
    width = min(_NAME_WIDTH, max(len(curve.name) for curve in curves))
    head = "".join(f"{_title(percentile):>10}" for percentile in PERCENTILES)
    rows = [f"{'':<{width}}{'calls':>10}{head}"]
    for curve in curves:
        values = (percentile_of(curve.times, percentile) for percentile in PERCENTILES)
        cells = "".join(f"{'–' if value is None else format_time(value):>10}" for value in values)
        rows.append(f"{_cut(curve.name):<{width}}{format_count(len(curve.times)):>10}{cells}")
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    legend = axes.legend(
        lines,
        rows[1:],
        title=f"{'':4} {rows[0]}",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
        prop={"family": "DejaVu Sans Mono", "size": style.SMALL},
        title_fontproperties={"family": "DejaVu Sans Mono", "size": style.SMALL},
        frameon=False,
        labelcolor=style.INK,
    )
    legend.get_title().set_color(style.FAINT_INK)


def _title(percentile: int) -> str:
    mark = dict(zip(PERCENTILES, "●■▲", strict=True))[percentile]
    return f"{mark} p{percentile}"


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"


def _write_title(axes: Axes, drawn: int, failures: str) -> None:
    title = f"{format_count(drawn)} call{'s' if drawn > 1 else ''}"
    axes.set_title(title + failures, loc="left", color=style.INK, fontsize=style.MEDIUM)


def _failures(failed: pd.Series[int]) -> str:
    kinds = [f"{format_count(number)} {outcome}" for outcome, number in failed.items() if number]
    more = f", {len(kinds) - 4} more kinds" if len(kinds) > 4 else ""
    return f" · not drawn: {', '.join(kinds[:4])}{more}" if kinds else ""
