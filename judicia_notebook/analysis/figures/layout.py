"""Where the parts of a figure stand: the drawing, its title, the names of its rows, and the legend or table below.

All sizes follow from the letters and from the width of the figure, so that a figure of one column of a paper (3.33
inches) shows what the default figure shows:

- Titles and labels of axes are broken into lines; a legend has as many columns as there is room for.
- Names of rows stand to the left of them, and numbers to the right. Where that leaves too little for the drawing, both
  stand above their row.
- The drawing of a figure of its own has a height of its own, and the figure is made as high as everything else needs.
  In axes that were handed over only the texts are fitted: their size is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis import rc, style
from judicia_notebook.analysis.figures import ticks
from judicia_notebook.analysis.figures.letters import width_of, wrapped
from judicia_notebook.analysis.figures.tables import Column, make_table
from judicia_notebook.analysis.series import NAME_WIDTH, cut_apart

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

Title = str | bool | None
_ROW_NAME, _COLUMN_NAME, _SHORTEST = 30, 24, 8  # letters
_LINE = 1.35  # the height of a line, of that of its letters
_EDGE = 8.0  # points that a figure's edges take
_COLUMNS = 0.8  # of the width, that a drawing with an axis has
_DRAWING = 0.38  # of the width, at the least, where names and numbers stand beside it
_NARROWEST = 130.0  # points, likewise
_ROW = 1.95  # the height of a row, of that of its name
_APART, _ABOVE = 0.35, 0.15  # of the height of a row, between groups of rows
_HALF = 0.46  # of the height of a row, that its drawing reaches up from its middle
_PAD = 0.6  # between the labels of an axis and the legend, of the height of a letter
_TALL = 9.0  # inches: a figure has room for all below the drawing until it is as high as it needs to be
_MOST_COLUMNS = 5
_HANDLE = 3.4  # of the height of a letter: a mark of a legend, with the gaps before and after it
_TALLEST, _ASPECT = 2.4, 0.58  # of a drawing: inches, and of the figure's width


class Layout:
    """The axes of a figure, and what is written around them.

    Parameters
    ----------
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    width : float, optional
        Of a new figure, in inches; otherwise that of ``figure.figsize`` where the user has set it, or 7.2.
    title : str, bool or None
        True for the title that the figure gives itself, which counts what is drawn and what is not. None for none.
    table : bool
        Whether numbers stand below the drawing, or beside its rows.
    legend : bool or str
        Whether names stand below the drawing. A place as matplotlib's, such as ``"upper left"``, puts the names alone
        into the drawing.

    Raises
    ------
    ValueError
        The width is no length, or both axes and a width were given.
    """

    def __init__(
        self,
        ax: Axes | None,
        width: float | None,
        title: Title = True,
        *,
        table: bool = True,
        legend: bool | str = True,
    ) -> None:
        if width is not None and ax is not None:
            raise ValueError("ax is in a figure that has its width already; leave out ax or width")
        if width is not None and not 0 < width < float("inf"):
            raise ValueError(f"width is in inches, and a figure cannot be {width!r} wide")
        self.axes = style.new_axes(_TALL, width) if ax is None else ax
        self.with_table = table
        self._own = ax is None
        self._title = title
        self._place = legend
        self._written: Text | None = None
        self._unbroken: dict[Text, str] = {}
        self._legend: Legend | None = None
        self._rows: float | None = None  # the height of all rows, in points
        self._across = self.room  # the width of the drawing, in points

    # What is written ------------------------------------------------------------------------------------------------

    def title(self, text: str) -> None:
        """Write the title, or the user's in its place."""
        chosen = text if self._title is True else self._title or ""
        if chosen:
            self._written = style.title(self.axes, chosen)

    def legend(self, handles: Sequence[Artist], names: Sequence[str]) -> None:
        """The meaning of colours and marks: in as many columns below the drawing as there is room for."""
        if not self._place or not handles:
            return
        size = rc.points("legend.fontsize")
        shown = _fitting(names, NAME_WIDTH, size, self.room - _HANDLE * size)
        where: dict[str, Any] = {"loc": self._place} if isinstance(self._place, str) else {
            "loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 0, "ncols": self._columns(shown, size),
        }  # fmt: skip
        made = self.axes.legend(
            list(handles), shown, frameon=False, handlelength=1.4, columnspacing=1.4, handletextpad=0.6,
            labelcolor=style.look_of(self.axes).ink, prop={"family": style.families(), "size": size}, **where,
        )  # fmt: skip
        for text in made.get_texts():
            text.set(**style.AS_IT_IS)
        self._legend = None if isinstance(self._place, str) else made

    def _columns(self, names: Sequence[str], size: float) -> int:
        """The most columns that have room, filled as matplotlib fills them: the first ones are longer."""
        import numpy as np

        each = np.array([width_of(name, size) + _HANDLE * size for name in names])
        for count in range(min(len(names), _MOST_COLUMNS), 1, -1):
            if sum(column.max() for column in np.array_split(each, count)) <= self.room:
                return count
        return 1

    def table(self, lines: Sequence[Artist], names: Sequence[str], columns: Sequence[Column]) -> None:
        """A legend with numbers, each series after a piece of its line; names alone where no table is wanted."""
        if self.with_table and self._place is True:
            self._legend = make_table(self.axes, lines, names, columns, self.room)
        else:
            self.legend(lines, names)

    def rows(self, names: Sequence[str], numbers: Sequence[str] = (), unit: float = _ROW) -> list[float]:
        """Name the rows, the first on top, and write their numbers. A plugin chooses names: they are cut, and no TeX.

        Parameters
        ----------
        names : sequence of str
            A row with an empty name belongs to the name above it.
        numbers : sequence of str
            For each row, or none.
        unit : float
            The height of a row, 1 on the y axis, in heights of a letter.

        Returns
        -------
        list of float
            Each row's place on the y axis.
        """
        numbers = numbers if self.with_table else ()
        name_size, number_size = rc.points("ytick.labelsize"), rc.points("xtick.labelsize")
        shown = _fitting(names, _ROW_NAME, name_size, self.room)
        widest = [max((width_of(text, size) for text in texts), default=0.0) + size for texts, size in
                  ((shown, name_size), (numbers, number_size))]  # fmt: skip
        left = self.room - sum(widest)
        beside = left >= max(_DRAWING * self.room, _NARROWEST)
        self._across = left if beside else self.room
        height = unit * name_size
        if beside:
            places = self._beside(shown, numbers)
        else:
            places = self._above(shown, numbers, _LINE * max(name_size, number_size) / height)
        bottom, top = self.axes.get_ylim()
        self._rows = (bottom - top) * height
        return places

    def columns(self, names: Sequence[str]) -> None:
        """Name places 0, 1, 2 ... on the x axis: in lines, or where a word is wider than its place, aslant."""
        size = rc.points("xtick.labelsize")
        room = _COLUMNS * self.room / len(names) - size
        shown = [style.drawable(name) for name in cut_apart(names, _COLUMN_NAME)]
        how: dict[str, Any] = {}
        if all(width_of(word, size) <= room for name in shown for word in name.split(" ")):
            shown = [wrapped(name, size, room) for name in shown]
        else:
            how = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
        self.axes.set_xticks(range(len(names)), shown, **style.AS_IT_IS, **how)
        self.axes.set_xlim(-0.6, len(names) - 0.4)

    def _beside(self, names: Sequence[str], numbers: Sequence[str]) -> list[float]:
        places, groups = [0.0], [[0.0]]
        apart = _APART if "" in names else 0.0
        for name in names[1:]:
            places.append(places[-1] + 1 + (apart if name else 0))
            if name:
                groups.append([])
            groups[-1].append(places[-1])
        self.axes.set_yticks(
            [sum(group) / len(group) for group in groups], [name for name in names if name], **style.AS_IT_IS
        )
        self.axes.tick_params(axis="y", colors=style.look_of(self.axes).ink)
        for place, number in zip(places, numbers, strict=False):
            self._write(1.015, place, number, va="center_baseline", color=style.look_of(self.axes).faint_ink)
        self.axes.set_ylim(places[-1] + 0.6, -0.6)
        return places

    def _above(self, names: Sequence[str], numbers: Sequence[str], line: float) -> list[float]:
        """Write names and numbers above their rows; `line` is the height of a line on the y axis."""
        name_size, number_size = rc.points("ytick.labelsize"), rc.points("xtick.labelsize")
        places: list[float] = []
        at = 0.0
        for row, name in enumerate(names):
            number = numbers[row] if numbers else ""
            together = width_of(name, name_size) + width_of(number, number_size) + 3 * name_size <= self.room
            lines = bool(name) + bool(number) - bool(name and number and together)
            at += line * lines + (_ABOVE if name and places else 0)
            places.append(at)
            self._write(0.0, at - _HALF - line * (lines - 1), name, va="bottom", fontsize=name_size)
            faint = style.look_of(self.axes).faint_ink
            self._write(1.0, at - _HALF, number, va="bottom", ha="right", color=faint)
            at += 1
        self.axes.set_yticks([])
        self.axes.set_ylim(places[-1] + 0.6, -0.5)
        return places

    def _write(self, x: float, y: float, text: str, **how: object) -> None:
        """Write at a part of the drawing's width, and a place on the y axis."""
        if text:
            style.write(self.axes, x, y, text, transform=self.axes.get_yaxis_transform(), **how)

    def share_of(self, text: str) -> float:
        """The part of the drawing's width that a text on it takes."""
        size = rc.points("xtick.labelsize")
        return (width_of(text, size) + 0.5 * size) / self._across

    # The size -------------------------------------------------------------------------------------------------------

    @property
    def room(self) -> float:
        """The width there is for everything, in points; about that, in axes of the caller's."""
        figure = style.figure_of(self.axes)
        share = 1.0
        if not self._own:
            spec = self.axes.get_subplotspec()
            share = 1 / spec.get_gridspec().ncols if spec is not None else self.axes.get_position().width
        return float(figure.get_figwidth()) * 72 * share - _EDGE

    def message(self, text: str) -> Figure | Axes:
        """Write a sentence where there is nothing to draw, and end."""
        style.message(self.axes, text)
        if self._own:
            style.figure_of(self.axes).set_figheight(1.2)
        return self._drawn()

    def done(self, height: float | None = None) -> Figure | Axes:
        """Fit the texts, and the height of a figure of its own.

        Parameters
        ----------
        height : float, optional
            Of the drawing, in inches; by default that of its rows, or what suits the width.

        Returns
        -------
        Figure or Axes
            The figure, or the axes that the caller gave. A figure made with pyplot is shown at the end of the cell; as
            the value of the cell it would be shown a second time.
        """
        figure = style.figure_of(self.axes)
        if height is None:
            width = float(figure.get_figwidth())
            height = min(_TALLEST, _ASPECT * width) if self._rows is None else self._rows / 72
        self._fit(height)
        engine = figure.get_layout_engine()
        if engine is not None and self._own:
            # At first the axes take the width that their labels leave, whatever stands below. Then they have a height,
            # with which they may have other ticks, of another width.
            for with_legend in (False, True):
                if self._legend is not None:
                    self._legend.set_in_layout(with_legend)
                engine.execute(figure)
                self._fit(height)
                legend = 0.0 if self._legend is None or with_legend else self._legend.get_window_extent().height
                drawing = (self.axes.get_window_extent().height - legend) / figure.dpi
                figure.set_figheight(figure.get_figheight() + height - drawing)
            self._come_to_rest()
        return self._drawn()

    def _come_to_rest(self) -> None:
        """Leave labels out at the figure's edge, where room for them and no room for them take turns."""
        figure = style.figure_of(self.axes)
        every = (self.axes, *self.axes.child_axes)
        extents = [extent for axes in every if (extent := axes.xaxis.get_tightbbox()) is not None]
        if any(extent.x0 < figure.bbox.x0 or extent.x1 > figure.bbox.x1 for extent in extents):
            for axes in every:
                ticks.keep_on_figure(axes.xaxis)

    def _fit(self, height: float) -> None:
        """Break texts into lines, and put the legend below the labels of the axis."""
        figure = style.figure_of(self.axes)
        scale = 72 / figure.dpi
        box = self.axes.get_window_extent()
        edges = figure.bbox if self._own else box
        if self._written is not None:
            self._wrap(self._written, (edges.x1 - box.x0) * scale - _EDGE / 2)
        middle = (box.x0 + box.x1) / 2
        for axes in (self.axes, *self.axes.child_axes):
            self._wrap(axes.xaxis.label, 2 * min(middle - edges.x0, edges.x1 - middle) * scale - _EDGE)
            share = axes.get_window_extent().height / box.height
            self._wrap(axes.yaxis.label, share * (height * 72 if self._own else box.height * scale))
        if self._legend is not None:
            self._put_below(self._legend, box)

    def _put_below(self, legend: Legend, box: Bbox) -> None:
        """Put the legend below the labels of the axis, in the middle of the axes, or of the figure if it is wider."""
        from matplotlib.transforms import blended_transform_factory

        figure = style.figure_of(self.axes)
        extent = self.axes.xaxis.get_tightbbox()
        depth = (box.y0 - extent.y0) * 72 / figure.dpi if extent is not None else 0.0
        below = style.below(self.axes, depth + _PAD * rc.points("legend.fontsize"))
        if self._own and legend.get_window_extent().width > box.width:
            below = blended_transform_factory(figure.transFigure, below)
        legend.set_bbox_to_anchor((0.5, 0), transform=below)

    def _wrap(self, text: Text, room: float) -> None:
        """Break a text into lines, of its words as they were before it was broken."""
        whole = self._unbroken.setdefault(text, text.get_text())
        text.set_text(wrapped(whole, float(text.get_fontsize()), room))

    def _drawn(self) -> Figure | Axes:
        return style.figure_of(self.axes) if self._own else self.axes


def _fitting(names: Sequence[str], letters: int, size: float, room: float) -> list[str]:
    """Names of so many letters, or of as many as have room."""
    for most in range(letters, _SHORTEST, -1):
        shown = [style.drawable(name) for name in cut_apart(names, most)]
        if all(width_of(name, size) <= room for name in shown):
            break
    return shown
