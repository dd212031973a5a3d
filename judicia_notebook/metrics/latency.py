"""How long calls took: the distribution of wall time, one curve a function.

An empirical distribution shows every call, its tail included, where a histogram would hide what falls between bins and
a mean what is rare. Calls that did not end ``ok`` are left out and counted beside: a call that a quota ended at 50 ms
says nothing of how long the function takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.metrics import style
from judicia_notebook.metrics.style import LineStyle
from judicia_notebook.units import TIME_UNITS, format_count, format_time

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Array = np.ndarray[Any, Any]

_PERCENTILES = {50: ("o", "●"), 95: ("s", "■"), 99: ("^", "▲")}  # and how they are marked, on a curve and in its legend
_NAME_WIDTH = 39
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
        Median, 95th and 99th percentile are marked on the curves and written below (linear interpolation, as in
        pandas). One that no call could lie beyond is left out: p95 needs 20 calls, p99 needs 100. Of more than eight
        functions the seven with the most calls have a curve of their own, the others one together.

    Examples
    --------
    >>> import pandas as pd
    >>> calls = pd.DataFrame({"plugin": "checker", "function": "check", "wall_ms": [0.4, 0.5], "outcome": "ok"})
    >>> latency(calls).axes[0].get_xlabel()
    'wall time of a call, without its queue, us'
    """
    good = calls[calls["outcome"] == "ok"]
    not_drawn = _failures(calls["outcome"][calls["outcome"] != "ok"])
    curves = _curves(good)
    axes = style.new_axes(_height(curves)) if ax is None else ax
    if curves:
        _draw(axes, curves)
        title = f"{format_count(len(good))} call{'s' if len(good) > 1 else ''}"
        title += f" · not drawn: {not_drawn}" if not_drawn else ""
        axes.set_title(title, loc="left", color=style.INK, fontsize=style.MEDIUM)
    else:
        style.message(axes, f"No call ended ok: {not_drawn}." if not_drawn else "No calls yet.")
    return style.figure_of(axes)


def _height(curves: list[_Curve]) -> float:
    return 3.2 + 0.17 * len(curves) if curves else 1.2


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
    style.dress(axes)
    lines = [_draw_curve(axes, curve) for curve in curves]
    _scale_time(axes, min(curve.times[0] for curve in curves), max(curve.times[-1] for curve in curves))
    axes.set_ylabel("share of calls", color=style.INK, fontsize=style.MEDIUM)
    axes.set_ylim(0, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    _write_table(axes, curves, lines)


def _scale_time(axes: Axes, smallest: float, largest: float) -> None:
    """A linear axis in one unit, or where times are far apart a logarithmic one whose ticks each have theirs."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    label = "wall time of a call, without its queue"
    if smallest > 0 and largest / smallest > _LOG_SPREAD:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: format_time(seconds)))
    else:
        unit = next(unit for unit in ("s", "ms", "us", "ns") if largest >= TIME_UNITS[unit] or unit == "ns")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds / TIME_UNITS[unit]:.6g}"))
        label += f", {unit}"
    axes.set_xlabel(label, color=style.INK, fontsize=style.MEDIUM)


def _draw_curve(axes: Axes, curve: _Curve) -> Artist:
    times, shares = _steps(curve.times)
    colour, dashes = curve.line
    [line] = axes.plot(times, shares, dashes, drawstyle="steps-post", color=colour, linewidth=1.8, label=curve.name)
    if len(curve.times) <= _FEW:
        axes.plot(times[1:], shares[1:], ".", color=colour, markersize=4)
    for percentile, (marker, _) in _PERCENTILES.items():
        value = percentile_of(curve.times, percentile)
        if value is not None:
            axes.plot(value, percentile / 100, marker, color=colour, markersize=6, mec=style.GROUND, zorder=3)
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


def percentile_of(times: Array, percentile: int) -> float | None:
    """A percentile, or None where there are too few calls for one to lie beyond it."""
    import numpy as np

    enough = len(times) * (100 - percentile) >= 100 or percentile == 50
    return float(np.percentile(times, percentile)) if enough else None


def _write_table(axes: Axes, curves: list[_Curve], lines: list[Artist]) -> None:
    """The legend, one line a curve: its name, how many calls, and the percentiles in columns."""
    font = {"family": "DejaVu Sans Mono", "size": style.SMALL}
    width = min(_NAME_WIDTH, max(len(curve.name) for curve in curves))
    head = "".join(f"{f'{sign} p{percentile}':>10}" for percentile, (_, sign) in _PERCENTILES.items())
    legend = axes.legend(
        lines,
        [" "] * len(lines),
        title=f"{'':{width + 4}}{'calls':>11}{head}",
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=style.below(axes, 34),
        prop=font,
        title_fontproperties=font,
        frameon=False,
        labelcolor=style.INK,
    )
    legend.get_title().set_color(style.FAINT_INK)
    for text, curve in zip(legend.get_texts(), curves, strict=True):
        text.set_parse_math(False)  # a plugin names its functions, and may put formulas of TeX there
        text.set_text(_table_row(curve, width))


def _table_row(curve: _Curve, width: int) -> str:
    values = (percentile_of(curve.times, percentile) for percentile in _PERCENTILES)
    cells = "".join(f"{'–' if value is None else format_time(value):>10}" for value in values)
    return f"{_cut(curve.name):<{width}}{format_count(len(curve.times)):>11}{cells}"


def _cut(name: str) -> str:
    """A long name without its middle, since the plugin stands first and the function last."""
    if len(name) <= _NAME_WIDTH:
        return name
    half = (_NAME_WIDTH - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _failures(outcomes: pd.Series[str]) -> str:
    kinds = [f"{format_count(number)} {outcome}" for outcome, number in outcomes.value_counts().items() if number]
    return ", ".join(kinds[:4]) + (f", {len(kinds) - 4} more kinds" if len(kinds) > 4 else "")
