"""The figures of the third lesson: axes of their own with a light ground, so that they read on a dark page too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd  # noqa: TID253 - a lesson has it anyway
from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: TID253

from judicia_notebook.analysis import style

from .simulation import FREEZE, MINUTES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = style.NAMED
LOWEST_RANK = 24
PARTS = {
    "the plugin itself": ("#0072b2", ""),
    "emit_event": ("#e69f00", ""),
    "read_database": ("#56b4e9", "///"),
    "write_database": ("#d55e00", "\\\\\\"),
    "send_notifications": ("#009e73", "..."),
    "in and out": ("#c3c9cf", ""),
}
"""What an event costs, each part with a colour of Okabe and Ito's and a hatch that repeats the distinction."""


def standings_over_time(samples: pd.DataFrame, outage: tuple[int, int]) -> Figure:
    """The ranks of those who are the best in the end, as steps.

    Parameters
    ----------
    samples : DataFrame
        ``minute``, ``team``, ``rank`` and ``solved``, as the board had them at each of these minutes.
    outage : pair of int
        The minutes between which the scoreboard could not write.
    """
    axes = style.new_axes(height=5.4, width=8.6)
    style.dress(axes)
    look = style.look_of(axes)
    last = samples[samples["minute"] == samples["minute"].max()].sort_values(["rank", "team"])
    ranks = samples.pivot_table(index="minute", columns="team", values="rank")
    for (colour, dashes), row in zip(look.series, last[:NAMED].itertuples(), strict=False):
        axes.step(ranks.index, ranks[row.team], dashes, where="post", color=look.ground, linewidth=4, zorder=2)
        axes.step(ranks.index, ranks[row.team], dashes, where="post", color=colour, linewidth=2, zorder=3)
        name = row.team if len(row.team) <= 24 else f"{row.team[:23]}…"
        label = f"{row.rank}  {name} · {row.solved}"
        axes.plot(MINUTES, row.rank, "o", color=colour, markersize=6, clip_on=False, zorder=4)
        place: dict[str, Any] = {"va": "center", "color": look.ink}
        axes.text(MINUTES + 5, row.rank, label, **place, parse_math=False)  # a team may be called $x$
    _span(axes, *outage, "write_database\nrevoked")
    _span(axes, FREEZE, MINUTES, "frozen:\nonly the jury sees")
    axes.set_xlim(0, MINUTES)
    axes.set_xticks(range(0, MINUTES + 1, 60))
    axes.set_ylim(LOWEST_RANK + 0.5, 0.3)
    axes.set_yticks([1, 5, 10, 15, 20])
    axes.set_xlabel("minute of the contest", color=look.ink)
    axes.set_ylabel("rank", color=look.ink)
    title = f"The best {NAMED} of {len(ranks.columns)} teams, and how many problems they solved"
    axes.set_title(title, loc="left", color=look.ink, pad=34)
    return style.figure_of(axes)


def _span(axes: Axes, start: int, end: int, text: str) -> None:
    look = style.look_of(axes)
    axes.axvspan(start, end, color=look.faint_ink, alpha=0.1, linewidth=0, zorder=0)
    place: dict[str, Any] = {"ha": "center", "va": "bottom", "color": look.faint_ink}
    axes.text((start + end) / 2, 0.1, text, **place)


def cost_of_an_event(parts: pd.DataFrame) -> Figure:
    """What an event costs each plugin on average, in parts.

    Parameters
    ----------
    parts : DataFrame
        Milliseconds; a row a plugin, a column for each of `PARTS`.
    """
    axes = style.new_axes(height=2.5, width=8.6)
    style.dress(axes)
    look = style.look_of(axes)
    left = pd.Series(0.0, index=parts.index)
    for name, (colour, hatch) in PARTS.items():
        if name in parts and parts[name].any():
            point: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": look.ground, "linewidth": 0}
            axes.barh(parts.index, parts[name], left=left, height=0.6, label=name, **point)
            left += parts[name]
    for plugin, total in left.items():
        axes.text(total, plugin, f"  {total:.2f} ms", va="center", color=look.ink)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", labelcolor=look.ink)
    axes.set_xlim(0, left.max() * 1.15)
    axes.set_xlabel("wall time of an event, mean, ms", color=look.ink)
    legend: dict[str, Any] = {"ncols": 3, "frameon": False, "labelcolor": look.ink}
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, **legend)
    return style.figure_of(axes)


def fuel_over_time(calls: Iterable[tuple[str, pd.DataFrame]]) -> Figure:
    """Fuel of each call in the order of the calls, one kind of point a group."""
    axes = style.new_axes(height=3.2, width=8.6)
    style.dress(axes)
    look = style.look_of(axes)
    for (colour, _), marker, (name, group) in zip(look.series, "ox^", calls, strict=False):
        point: dict[str, Any] = {"markersize": 3, "markeredgewidth": 0.8, "markerfacecolor": "none"}
        axes.plot(group["number"], group["fuel"], marker, color=colour, label=name, **point)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda fuel, _: f"{fuel / 1e6:g}"))
    axes.set_xlabel("runs that the board has seen", color=look.ink)
    axes.set_ylabel("fuel of the call, millions", color=look.ink)
    legend: dict[str, Any] = {"ncols": 3, "frameon": False, "labelcolor": look.ink}
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, markerscale=2, **legend)
    return style.figure_of(axes)
