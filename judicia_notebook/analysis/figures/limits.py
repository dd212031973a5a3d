"""A quota in a drawing: a dashed line where it is near, a word where it is far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import style
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NEAR = 4  # times the largest value drawn: a quota further up would press the values against the ground
_MOST = 4


def draw_limits(axes: Axes, largest: float, limits: Sequence[float], text: Callable[[float], str]) -> float:
    """Draw quotas over values of up to `largest`, begin the axis at 0, and return its end."""
    look = style.look_of(axes)
    largest = max(largest, 1e-12)
    near = sorted({limit for limit in limits if limit <= _NEAR * largest})[:_MOST]
    for limit in near:
        axes.axhline(limit, color=look.bad, linestyle=(0, (5, 3)), linewidth=1.3, zorder=3)
        beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "bottom", "zorder": 5}
        written = style.write(axes, 0.006, limit, f"quota {text(limit)}", **beside)
        written.set_bbox({"facecolor": look.ground, "alpha": 0.7, "edgecolor": "none", "pad": 1})
    if limits and not near:
        least = min(limits)
        corner: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "top", "color": look.faint_ink}
        times = f"{least / largest:.3g}" if least < 100 * largest else format_count(least / largest)
        style.write(axes, 0.995, 0.96, f"↑ quota {text(least)}, {times} × the peak", **corner)
    top = max([largest, *near]) * 1.25
    axes.set_ylim(0, top)
    return top
