"""How every plot looks: colours, line styles, sizes. The one place to change it.

- A figure brings its own light ground, so it reads the same on JupyterLab's light and dark theme, on GitHub and on
  paper.
- The colours are Okabe and Ito's, which people with any common colour blindness tell apart (Color Universal Design,
  2008), without their yellow, too pale for a line. Line styles repeat the distinction, for print without colour.
- Figures are made without pyplot, which is not safe outside the main thread and keeps every figure alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

GROUND = "#ffffff"
INK = "#22262b"
FAINT_INK = "#5b636d"  # 6:1 on the ground
GRID = "#e3e6ea"
SMALL = 8.0
MEDIUM = 9.0
LARGE = 11.0


class LineStyle(NamedTuple):
    """A colour and a dash pattern that go together."""

    colour: str
    dashes: str


SERIES = (
    LineStyle("#0072b2", "-"),
    LineStyle("#d55e00", "-"),
    LineStyle("#009e73", "-"),
    LineStyle("#cc79a7", "-"),
    LineStyle("#e69f00", "--"),
    LineStyle("#56b4e9", "--"),
    LineStyle("#000000", "--"),
)
OTHERS = LineStyle("#8a929b", ":")


def new_axes(height: float = 3.6, width: float = 7.2) -> Axes:
    """Axes in a figure of their own, drawn by Agg; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, facecolor=GROUND, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def dress(axes: Axes) -> None:
    """Ground, grid and ink of the house."""
    axes.set_facecolor(GROUND)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT_INK, labelsize=SMALL, length=0)
    axes.tick_params(which="minor", length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT_INK)


def below(axes: Axes, points: float) -> Transform:
    """Coordinates of the axes, moved down by so many points, however tall the axes are."""
    from matplotlib.transforms import ScaledTranslation

    return axes.transAxes + ScaledTranslation(0, -points / 72, figure_of(axes).dpi_scale_trans)


def message(axes: Axes, text: str) -> None:
    """A sentence where there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT_INK, fontsize=LARGE)


def figure_of(axes: Axes) -> Figure:
    """The whole figure that axes are in, also where they are in a subfigure.

    Raises
    ------
    ValueError
        They were removed from their figure.
    """
    nearest = axes.get_figure()
    if nearest is None or nearest.figure is None:
        raise ValueError("these axes were removed from their figure")
    return nearest.figure  # of a subfigure the whole figure, of a figure itself
