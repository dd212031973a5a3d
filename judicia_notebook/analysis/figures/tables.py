"""A legend that is a table below the axes: a line for each series, with its name and its numbers in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.analysis import rc, style
from judicia_notebook.analysis.figures.letters import width_of
from judicia_notebook.analysis.series import NAME_WIDTH, cut_apart

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

_FONT = "monospace"  # so that columns are columns
_GAP = 2  # letters between two columns
_HANDLE = 3.4  # the width of a piece of a line, with its margins, in heights of a letter
_LEAST_SIZE = 0.6  # of the size that legends have: columns that need smaller letters are too many


class Column(NamedTuple):
    """A column's head, and a cell for each series."""

    head: str
    cells: Sequence[str]

    @property
    def width(self) -> int:
        """In letters, with the gap before it."""
        return _GAP + max(len(cell) for cell in (self.head, *self.cells))

    def row(self, number: int) -> str:
        """A cell, as wide as the column."""
        return f"{self.cells[number]:>{self.width}}"


def make_table(
    axes: Axes, lines: Sequence[Artist], names: Sequence[str], columns: Sequence[Column], room: float
) -> Legend:
    """Write the table below the axes, each series after a piece of its line.

    Parameters
    ----------
    room : float
        The width there is, in points. Where names and numbers do not fit beside each other, numbers stand below their
        name; where that is too wide as well, letters are smaller.
    """
    size = rc.points("legend.fontsize")
    shown = cut_apart(names, NAME_WIDTH)
    name = max(len(text) for text in shown)
    numbers = sum(column.width for column in columns)
    beside = width_of("0" * (name + numbers), size, _FONT) + _HANDLE * size <= room
    letters = name + numbers if beside else max(name, numbers)
    needed = width_of("0" * letters, size, _FONT) + _HANDLE * size
    size *= max(min(1.0, room / needed), _LEAST_SIZE)
    look = style.look_of(axes)
    font = {"family": style.families(_FONT), "size": size}
    legend = axes.legend(
        lines,
        [" "] * len(lines),
        title="".join(f"{column.head:>{column.width}}" for column in columns),
        alignment="right",
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        borderaxespad=0,
        prop=font,
        title_fontproperties=font,
        frameon=False,
        handlelength=1.6,
        handletextpad=0.8,
        labelcolor=look.ink,
    )
    legend.get_title().set_color(look.faint_ink)
    for row, (text, of) in enumerate(zip(legend.get_texts(), shown, strict=True)):
        text.set(**style.AS_IT_IS)  # a plugin names its functions, and may put formulas of TeX there
        cells = "".join(column.row(row) for column in columns)
        text.set_text(style.drawable(f"{of:<{name}}{cells}" if beside else f"{of}\n{cells:>{letters}}"))
    return legend
