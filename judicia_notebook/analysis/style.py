"""How every plot looks: colours, line styles, fonts. The one place to change it; `figures.layout` places what is drawn.

- The user's settings of matplotlib hold: all sizes of texts, and each of ``rcParams`` that is neither matplotlib's
  default nor that of its dark style. Where the user has set nothing, the looks below hold.
- A figure brings its own light ground, so it reads the same on JupyterLab's light and dark theme, on GitHub and on
  paper. Where matplotlib is set to a dark style (``matplotlib.style.use("dark_background")``), or the axes handed over
  are in a dark figure, ink and colours are those for the dark.
- The colours are Okabe and Ito's, which people with any common colour blindness tell apart (Color Universal Design,
  2008); on light ground without their yellow, too pale for a line, on dark without their deep blue. Line styles
  repeat the distinction, for print without colour.
- Figures are made without pyplot, which is not safe outside the main thread and keeps every figure alive.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from judicia_notebook.analysis import rc
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Transform

GROUND = "#ffffff"
INK = "#22262b"
WIDTH = 7.2
"""Of a figure, in inches, where neither `width` nor ``figure.figsize`` says otherwise."""
_DPI = 110
_OURS = "judicia_notebook"  # the mark of a figure made here
_MOST_WORDS = 1000


class LineStyle(NamedTuple):
    """A colour and a dash pattern that go together."""

    colour: str
    dashes: str


class Look(NamedTuple):
    """The colours for one ground.

    Attributes
    ----------
    series : tuple of LineStyle
        For series with a name of their own; `others` is for all without.
    good, poor, bad, worst : str
        For calls that went well, were held back, were refused, and failed.
    """

    ground: str
    ink: str
    faint_ink: str
    grid: str
    series: tuple[LineStyle, ...]
    others: LineStyle
    good: str
    poor: str
    bad: str
    worst: str


LIGHT = Look(
    ground=GROUND,
    ink=INK,
    faint_ink="#5b636d",  # 6:1 on the ground
    grid="#e3e6ea",
    series=(
        LineStyle("#0072b2", "-"),
        LineStyle("#d55e00", "-"),
        LineStyle("#009e73", "-"),
        LineStyle("#cc79a7", "-"),
        LineStyle("#e69f00", "--"),
        LineStyle("#56b4e9", "--"),
        LineStyle("#000000", "--"),
    ),
    others=LineStyle("#8a929b", ":"),
    good="#56b4e9",
    poor="#e69f00",
    bad="#d55e00",
    worst="#000000",
)
DARK = Look(
    ground="#000000",
    ink="#f1f3f5",
    faint_ink="#a9b1ba",
    grid="#34393f",
    series=(
        LineStyle("#56b4e9", "-"),
        LineStyle("#e69f00", "-"),
        LineStyle("#009e73", "-"),
        LineStyle("#cc79a7", "-"),
        LineStyle("#f0e442", "--"),
        LineStyle("#d55e00", "--"),
        LineStyle("#ffffff", "--"),
    ),
    others=LineStyle("#8a929b", ":"),
    good="#56b4e9",
    poor="#f0e442",
    bad="#d55e00",
    worst="#ffffff",
)
NAMED = len(LIGHT.series)
"""How many series have a colour of their own."""


def new_axes(height: float = 3.6, width: float | None = None) -> Axes:
    """Axes in a figure of their own, drawn by Agg; sizes in inches."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from judicia_notebook.analysis.portable import PortableFigure

    wished = mpl.rcParams["figure.facecolor"]
    ground = wished if _is_opaque(wished) else GROUND
    size = (rc.get("figure.figsize", (WIDTH,))[0] if width is None else width, height)
    figure = PortableFigure(figsize=size, dpi=rc.get("figure.dpi", _DPI), facecolor=ground, layout="constrained")
    FigureCanvasAgg(figure)
    figure.set_gid(_OURS)
    return figure.add_subplot()


def look_of(axes: Axes) -> Look:
    """The colours that can be read on the ground these axes have, and those that the user has set for all plots."""
    from matplotlib.colors import to_hex

    ground = figure_of(axes).get_facecolor()
    # Behind a transparent figure the ground is unknown, so the axes get the ground of the house.
    look = LIGHT if not _is_opaque(ground) else (DARK if _is_dark(ground) else LIGHT)._replace(ground=to_hex(ground))
    return look._replace(
        ink=_colour("axes.labelcolor", look.ink),
        faint_ink=_colour("xtick.labelcolor", _colour("xtick.color", look.faint_ink)),
        grid=_colour("grid.color", look.grid),
        series=_series(look),
    )


def _colour(name: str, otherwise: str) -> str:
    return str(rc.get(name, otherwise))


def _series(look: Look) -> tuple[LineStyle, ...]:
    """The lines of ``axes.prop_cycle``; where it has too few for all series they return with other dashes."""
    cycle = rc.get("axes.prop_cycle", None)
    lines = list(cycle) if cycle is not None and "color" in cycle.keys else []
    if not lines:
        return look.series
    rounds = ("-", "--", "-.", ":")
    return tuple(
        LineStyle(line["color"], line.get("linestyle", rounds[number // len(lines) % len(rounds)]))
        for number in range(NAMED)
        for line in [lines[number % len(lines)]]
    )


def _is_opaque(colour: Any) -> bool:
    from matplotlib.colors import to_rgba

    return to_rgba(colour)[3] >= 0.5


def _is_dark(colour: Any) -> bool:
    return luminance(colour) < 0.18


def luminance(colour: Any) -> float:
    """The relative luminance of sRGB, from 0 to 1 (WCAG 2.1)."""
    from matplotlib.colors import to_rgb

    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour))
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def ink_on(colour: str) -> str:
    """Black or white, whichever is read better on a filled area."""
    return "#000000" if luminance(colour) > 0.18 else "#ffffff"


def dress(axes: Axes) -> None:
    """Ground, grid and ink of the house; ticks have a length only where the user has set it."""
    look = look_of(axes)
    if not rc.is_set("axes.facecolor"):
        axes.set_facecolor(look.ground)
    axes.grid(visible=True, color=look.grid, linewidth=rc.scaled("grid.linewidth", 0.8))
    axes.set_axisbelow(True)
    for which in ("x", "y"):
        axes.tick_params(axis=which, colors=look.faint_ink, labelfontfamily=families())
        for kind in ("major", "minor"):
            if not rc.is_set(f"{which}tick.{kind}.size"):
                axes.tick_params(axis=which, which=kind, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(look.faint_ink)


def families(first: str | None = None) -> list[str]:
    """The fonts to draw with: the user's, or `first`; for signs that they lack, matplotlib's own."""
    import matplotlib as mpl

    return list(dict.fromkeys([*([first] if first else mpl.rcParams["font.family"]), "DejaVu Sans"]))


AS_IT_IS: Final[dict[str, Any]] = {"parse_math": False, "usetex": False}
"""How every text is drawn that a plugin may have named: no formula, and not by LaTeX, which would also read files."""


def drawable(text: str) -> str:
    """A text with a sign in place of what the font has no picture of: matplotlib would warn of each at every drawing.

    Where the user chose fonts, they are trusted to have what is wanted.
    """
    if text.isascii():
        return text
    import matplotlib as mpl

    if mpl.rcParams["font.family"] != mpl.rcParamsDefault["font.family"]:
        return text
    known = _pictures()
    return "".join(char if ord(char) in known or char == "\n" else "\ufffd" for char in text)


@functools.cache
def _pictures() -> frozenset[int]:
    """The characters of the font that comes with matplotlib."""
    from matplotlib import font_manager

    found = font_manager.findfont("DejaVu Sans Mono")  # which has fewer than the one with other widths
    return frozenset(font_manager.get_font(found).get_charmap())


def title(axes: Axes, text: str) -> Text:
    """The title, above on the left: what the figure shows and leaves out."""
    return axes.set_title(drawable(text), loc="left", color=look_of(axes).ink, fontfamily=families(), **AS_IT_IS)


def label(axes: Axes, *, x: str | None = None, y: str | None = None) -> None:
    """Name what an axis counts, with its unit."""
    how = {"color": look_of(axes).ink, "fontfamily": families(), **AS_IT_IS}
    if x is not None:
        axes.set_xlabel(drawable(x), **how)
    if y is not None:
        axes.set_ylabel(drawable(y), **how)


def write(axes: Axes, x: float, y: float, text: str, **how: object) -> Text:
    """A text, at data coordinates unless `transform` says otherwise. It may come from a plugin: no TeX."""
    size = rc.points("xtick.labelsize")
    settings: dict[str, object] = {"color": look_of(axes).ink, "fontsize": size, "fontfamily": families(), **AS_IT_IS}
    return axes.text(x, y, drawable(text), **settings | how)  # type: ignore[arg-type]


def below(axes: Axes, points: float) -> Transform:
    """Coordinates of the axes, moved down by so many points, however tall the axes are."""
    from matplotlib.transforms import ScaledTranslation

    return axes.transAxes + ScaledTranslation(0, -points / 72, figure_of(axes).dpi_scale_trans)


def message(axes: Axes, text: str) -> None:
    """A sentence where there is nothing to draw."""
    axes.set_axis_off()
    where = {"transform": axes.transAxes, "ha": "center", "va": "center", "wrap": True}
    write(axes, 0.5, 0.5, text, color=look_of(axes).faint_ink, fontsize=rc.points("axes.titlesize"), **where)


def description(figure: Figure) -> str:
    """A figure of the package in words, for readers who do not see it; empty for a figure of the user's own.

    It is read from the figure as it is when it is shown: titles, axes, the names of rows, and what the legends say.
    """
    if figure.get_gid() != _OURS:
        return ""
    said = ["Plot"]
    panels: list[Any] = [panel for whole in figure.axes for panel in (whole, *whole.child_axes)]
    for axes in panels:
        said.append(axes.get_title("left") or axes.get_title())
        said += [f"{name}: {text}" for name, text in (("x", axes.get_xlabel()), ("y", axes.get_ylabel())) if text]
        rows = [text for tick in axes.get_yticklabels() if any(map(str.isalpha, text := tick.get_text()))]
        legend = axes.get_legend()
        keys = [legend.get_title(), *legend.get_texts()] if legend is not None else []
        said += [
            text
            for text in (
                "" if axes.get_ylabel() else ", ".join(rows),
                "; ".join(_words(key.get_text()) for key in keys),
            )
            if text
        ]
        said += [_words(note.get_text()) for note in axes.texts]
    return printable(". ".join(text for text in said if text.strip(" .;")), _MOST_WORDS)


def _words(text: str) -> str:
    return " ".join(text.split())


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
