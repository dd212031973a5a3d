"""A profile as a flame graph on paper: the called function at the bottom, its callees on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import style
from judicia_notebook.analysis.profiles.stacks import HOST, walk
from judicia_notebook.units import TIME_UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from judicia_notebook.analysis.profiles.stacks import Frame, Node, Stacks

_LEAST = 0.002  # of all time: a box narrower than half a point
_MOST_BOXES = 3000
_GUEST = ("#f0a733", "#f6bd5e", "#f2b24a", "#fad089")
_HOST, _STRIPES, _ALL = "#6fc0ee", "#a3d7f5", "#c3c8ce"
_BOX_INK = "#1b1e22"
_ROW_INCHES = 0.22
_CHARACTER = 0.62  # of a letter's width to its height


def flame_figure(profile: Stacks, ax: Axes | None = None) -> Any:
    """Draw the tree of calls.

    Parameters
    ----------
    profile : Profile
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Widths are time, in the guest and in host functions together; host functions are blue and striped.
    """
    root = profile.root
    drawn = [(root, 0, 0.0), *walk(root, 1)] if root.ms else []
    drawn = [box for box in drawn if box[0].ms >= root.ms * _LEAST][:_MOST_BOXES]
    deepest = max((depth for _, depth, _ in drawn), default=0)
    axes = style.new_axes(0.95 + _ROW_INCHES * (deepest + 1) if drawn else 1.2) if ax is None else ax
    if not drawn:
        style.message(axes, "No sample was taken.")
        return style.drawn(axes, ax)
    style.dress(axes)
    axes.grid(visible=False)
    _draw(axes, drawn)
    _scale(axes, root.ms, deepest)
    style.title(axes, profile.title if ax is not None else _printed(profile.summary(), 100))
    return style.drawn(axes, ax)


def _draw(axes: Axes, drawn: list[tuple[Node, int, float]]) -> None:
    from matplotlib.patches import Rectangle

    for node, depth, at_ms in drawn:
        place = ((at_ms, depth), node.ms, 0.94)
        axes.add_patch(Rectangle(*place, facecolor=_colour(node.frame), edgecolor=axes.get_facecolor(), linewidth=0.6))
        if node.frame.module == HOST:  # stripes of their own, since a patch draws them with the ink of its edge
            axes.add_patch(Rectangle(*place, facecolor="none", edgecolor=_STRIPES, hatch="////", linewidth=0))
    whole = drawn[0][0].ms
    room = axes.get_position().width * style.figure_of(axes).get_figwidth() * 72 / (style.SMALL * _CHARACTER)
    for node, depth, at_ms in drawn:
        letters = int(node.ms / whole * room) - 1
        if letters >= 3:
            axes.text(
                at_ms + whole * 0.004, depth + 0.45, style.drawable(_printed(node.frame.name, letters)), color=_BOX_INK,
                fontsize=style.SMALL, va="center", clip_on=True, **style.AS_IT_IS,
            )  # fmt: skip


def _scale(axes: Axes, whole_ms: float, deepest: int) -> None:
    from matplotlib.ticker import FuncFormatter

    seconds = whole_ms / 1e3
    unit = next(unit for unit in ("s", "ms", "µs", "ns") if seconds >= TIME_UNITS[unit] or unit == "ns")
    axes.set_xlim(0, whole_ms)
    axes.set_ylim(0, deepest + 1)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms / 1e3 / TIME_UNITS[unit]:.6g}"))
    style.label(axes, x=f"time of all calls, {unit}")


def _colour(frame: Frame) -> str:
    if not frame.module:
        return _ALL
    return _HOST if frame.module == HOST else _GUEST[sum(frame.name.encode()) % len(_GUEST)]


def _printed(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
