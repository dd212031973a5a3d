"""A quota in a drawing: a dashed line where it is near, a word where it is far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import rc, style
from judicia_notebook.analysis.figures.letters import width_of
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NEAR = 4  # times the largest value drawn: a quota further up would press the values against the ground
_MOST = 4
_CORNER = 0.6  # of the figure's width, for the word


def draw_limits(
    axes: Axes, largest: float, limits: Sequence[float], text: Callable[[float], str], room: float
) -> float:
    """Draw quotas over values of up to `largest`, begin the axis at 0, and return its end.

    Parameters
    ----------
    room : float
        The width of the figure, in points.
    """
    look = style.look_of(axes)
    largest = max(largest, 1e-12)
    near = sorted({limit for limit in limits if limit <= _NEAR * largest})[:_MOST]
    for limit in near:
        axes.axhline(limit, color=look.bad, linestyle=(0, (5, 3)), linewidth=1.3, zorder=3)
        beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "bottom", "zorder": 5}
        written = style.write(axes, 0.006, limit, f"quota {text(limit)}", **beside)
        written.set_bbox({"facecolor": look.ground, "alpha": 0.7, "edgecolor": "none", "pad": 0.2})
    if limits and not near:
        least = min(limits)
        corner: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "top", "color": look.faint_ink}
        times = f"{least / largest:.3g}" if least < 100 * largest else format_count(least / largest)
        told = f"↑ quota {text(least)}"
        longer = f"{told}, {times} × the peak"
        fits = width_of(longer, rc.points("xtick.labelsize")) <= _CORNER * room
        style.write(axes, 0.995, 0.96, longer if fits else told, **corner)
    top = max([largest, *near]) * 1.3
    axes.set_ylim(0, top)
    return top
