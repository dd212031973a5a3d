"""A legend that is a table below the axes: a line for each series, with its name and its numbers in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.analysis import style
from judicia_notebook.analysis.figures.series import NAME_WIDTH, cut_apart

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


class Column(NamedTuple):
    """A column's head, its width in letters, and a cell for each series."""

    head: str
    width: int
    cells: Sequence[str]


def write_table(
    axes: Axes, lines: Sequence[Artist], names: Sequence[str], columns: Sequence[Column], points: float = 34
) -> None:
    """Write the table so many points below the axes, each series after a piece of its line."""
    font = {"family": "DejaVu Sans Mono", "size": style.SMALL}
    look = style.look_of(axes)
    width = min(NAME_WIDTH, max(len(name) for name in names))
    head = "".join(f"{column.head:>{column.width}}" for column in columns)
    legend = axes.legend(
        lines,
        [" "] * len(lines),
        title=f"{'':{width + 4}}{head}",
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=style.below(axes, points),
        prop=font,
        title_fontproperties=font,
        frameon=False,
        labelcolor=look.ink,
    )
    legend.get_title().set_color(look.faint_ink)
    for row, (text, name) in enumerate(zip(legend.get_texts(), cut_apart(names), strict=True)):
        text.set(**style.AS_IT_IS)  # a plugin names its functions, and may put formulas of TeX there
        cells = "".join(f"{column.cells[row]:>{column.width}}" for column in columns)
        text.set_text(style.drawable(f"{name:<{width}}{cells}"))
