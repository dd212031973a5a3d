"""Which instructions ran: a bar for each of those that ran most often, in parts by the function that ran them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import series, style
from judicia_notebook.analysis.figures import scales
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

_MOST = 16
_FUNCTIONS = 5  # with a colour of their own
_HATCHES = ("", "///", "", "\\\\\\", "...", "xxx")


@series.figure_of_frames
def opcode_mix(
    opcodes: pd.DataFrame,
    ax: Axes | None = None,
    *,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """Draw the frame of the monitor ``opcodes``.

    Parameters
    ----------
    opcodes : DataFrame
        ``function``, ``opcode`` and ``count`` are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        The sixteen instructions that ran most often, the first on top; beside each bar stand its count and its share of
        all instructions. Functions beyond the five in which most ran share a colour.
    """
    import numpy as np

    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    known = opcodes[opcodes["count"].notna()]
    whole = int(known["count"].sum())
    if not whole:
        return layout.message("No instruction ran." if len(known) == len(opcodes) else "The counts are not known.")
    by_opcode = known.groupby("opcode")["count"].sum().sort_values(ascending=False, kind="stable")
    by_function = known.groupby("function")["count"].sum().sort_values(ascending=False, kind="stable")
    shown, named = by_opcode.index[:_MOST].tolist(), by_function.index[:_FUNCTIONS].tolist()
    style.dress(axes)
    axes.grid(visible=False, axis="y")
    numbers = [f"{format_count(count)} · {_percent(count / whole)}" for count in by_opcode.iloc[:_MOST].astype(int)]
    places = np.array(layout.rows(shown, numbers))
    pair = known.groupby(["function", "opcode"])["count"].sum()
    begins, look, handles = np.zeros(len(shown)), style.look_of(axes), []
    parts = [np.array([int(pair.get((function, each), 0)) for each in shown], "f8") for function in named]
    rest = by_opcode.iloc[:_MOST].to_numpy("f8") - sum(parts, np.zeros(len(shown)))
    names = list(named)
    if len(by_function) > len(named):
        parts.append(rest)
        names.append(series.plural(len(by_function) - len(named), "other function"))
    for number, counts in enumerate(parts):
        line = look.series[number] if number < len(named) else look.others
        drawn: BarContainer = axes.barh(
            places, counts, left=begins, height=0.72, color=line.colour, hatch=_HATCHES[number],
            edgecolor=axes.get_facecolor(), linewidth=0.4,
        )  # fmt: skip
        handles.append(drawn[0])
        begins = begins + counts
    scales.count_axis(axes, "x", "times", 0, float(begins.max()))
    axes.set_xlim(0, float(begins.max()) * 1.02)
    layout.legend(handles, names)
    left = len(by_opcode) - len(shown)
    more = f" · not drawn: {series.plural(left, 'other opcode')}" if left else ""
    layout.title(f"{series.plural(whole, 'instruction')} ran{more}")
    return layout.done()


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
