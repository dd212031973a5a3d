"""A profile as a flame graph on paper: the called function at the bottom, its callees on top."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import rc, style
from judicia_notebook.analysis.figures import scales, ticks
from judicia_notebook.analysis.profiles.stacks import HOST, hottest, walk
from judicia_notebook.text import short_place
from judicia_notebook.units import TIME_UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from judicia_notebook.analysis.figures.layout import Layout
    from judicia_notebook.analysis.profiles.stacks import Frame, Node, Stacks

_LEAST = 0.002  # of all time: a box narrower than half a point
_MOST_BOXES = 3000
_GUEST = ("#f0a733", "#f6bd5e", "#f2b24a", "#fad089")
_HOST, _STRIPES, _ALL = "#6fc0ee", "#a3d7f5", "#c3c8ce"
_BOX_INK = "#1b1e22"
_FEWEST = 3  # letters of a name
_ROW = 2.0  # the height of a row, of that of a letter


def flame_figure(profile: Stacks, layout: Layout) -> Any:
    """Draw the tree of calls.

    Parameters
    ----------
    profile : Profile
    layout : Layout
        Where to draw.

    Returns
    -------
    matplotlib Figure, or the axes that the caller of `Profile.figure` gave
        Widths are time, in the guest and in host functions together; host functions are blue and striped.
    """
    root = profile.root
    drawn = [(root, 0, 0.0), *walk(root, 1)] if root.ms else []
    drawn = [box for box in drawn if box[0].ms >= root.ms * _LEAST][:_MOST_BOXES]
    deepest = max((depth for _, depth, _ in drawn), default=0)
    axes = layout.axes
    if not drawn:
        return layout.message("No sample was taken.")
    style.dress(axes)
    axes.grid(visible=False)
    _draw(layout, drawn)
    _scale(axes, root.ms, deepest)
    layout.title(profile.summary())
    return layout.done(_ROW * rc.points("xtick.labelsize") / 72 * (deepest + 1))


def _draw(layout: Layout, drawn: list[tuple[Node, int, float]]) -> None:
    from matplotlib.patches import Rectangle

    axes = layout.axes
    for node, depth, at_ms in drawn:
        place = ((at_ms, depth), node.ms, 0.94)
        axes.add_patch(Rectangle(*place, facecolor=_colour(node.frame), edgecolor=axes.get_facecolor(), linewidth=0.6))
        if node.frame.module == HOST:  # stripes of their own, since a patch draws them with the ink of its edge
            axes.add_patch(Rectangle(*place, facecolor="none", edgecolor=_STRIPES, hatch="////", linewidth=0))
        if node.frame.is_inlined:  # a dotted edge where it stands in its caller
            axes.add_patch(Rectangle(place[0], node.ms, 0.94, fill=False, edgecolor=_BOX_INK, linewidth=0.6, ls=":"))
    whole = drawn[0][0].ms
    for node, depth, at_ms in drawn:
        name = _fitting(_labels(node), node.ms / whole, layout)
        if name:
            where = {"color": _BOX_INK, "va": "center_baseline", "clip_on": True}
            style.write(axes, at_ms + whole * 0.004, depth + 0.45, name, **where)


def _scale(axes: Axes, whole_ms: float, deepest: int) -> None:
    unit = scales.time_unit(whole_ms / 1e3)
    axes.set_xlim(0, whole_ms)
    axes.set_ylim(0, deepest + 1)
    axes.set_yticks([])
    ticks.set_ticks(axes.xaxis, ticks.linear(), lambda ms: f"{ms / 1e3 / TIME_UNITS[unit]:.6g}")
    style.label(axes, x=f"time of all calls, {unit}")


def _colour(frame: Frame) -> str:
    if not frame.module:
        return _ALL
    return _HOST if frame.module == HOST else _GUEST[sum(frame.name.encode()) % len(_GUEST)]


def _labels(node: Node) -> list[str]:
    """A function's name, before it the same with the line that most of its time fell on and that it was inlined."""
    place = hottest(node.lines)
    notes = [short_place(*place)] if place is not None else []
    notes += ["inlined"] if node.frame.is_inlined else []
    return [*([f"{node.frame.name} ({', '.join(notes)})"] if notes else []), node.frame.name]


def _fitting(labels: Sequence[str], share: float, layout: Layout) -> str:
    """The first label that has room in a box of this share of the width, or as much of the last as has.

    Nothing where that would be two letters.
    """
    for label in labels:
        if layout.share_of(label) <= share:
            return label
    name = labels[-1]
    most = int(share / layout.share_of("i"))  # no more letters than these, however narrow
    letters = bisect.bisect(range(most), share, key=lambda count: layout.share_of(f"{name[:count]}…")) - 1
    return f"{name[:letters]}…" if letters >= _FEWEST else ""
