"""Which pages of linear memory were touched, and how often: a cell a page, in rows from the lowest address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis import rc, series, style
from judicia_notebook.analysis.figures import ticks
from judicia_notebook.analysis.figures.layout import Layout, Title
from judicia_notebook.analysis.figures.scales import short_count
from judicia_notebook.analysis.listings.shades import MOST_SHADES, Shades
from judicia_notebook.units import format_size

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    Array = np.ndarray[Any, Any]

_PAGE = 1 << 16
_ACROSS, _MOST_ROWS = 16, 32


class _Row(NamedTuple):
    name: str
    cells: Array  # accesses


@series.figure_of_frames
def page_map(
    pages: pd.DataFrame,
    ax: Axes | None = None,
    *,
    width: float | None = None,
    title: Title = True,
    table: bool = True,
    legend: bool | str = True,
) -> Any:
    """Draw the frame of the monitor ``memory``.

    Parameters
    ----------
    pages : DataFrame
        ``memory``, ``page``, ``reads`` and ``writes`` are used.
    ax : matplotlib Axes, optional
        Where to draw; a new figure otherwise.
    width, title, table, legend
        The size, and what is written: see `jn.plots`.

    Returns
    -------
    matplotlib Figure, or `ax` where it was given
        Sixteen cells a row, up to the last page that was touched; where there are very many, a cell is several pages.
        Darker is more accesses, by orders of magnitude, and each cell has its number where there is room.
    """
    layout = Layout(ax, width, title, table=table, legend=legend)
    axes = layout.axes
    if pages.empty:
        return layout.message("No page was touched.")
    if pages[["reads", "writes"]].isna().any(axis=None):
        return layout.message("The counts are not known: a copy that trapped was cut.")
    last = pages.groupby("memory")["page"].max()
    each = 1  # pages a cell
    while sum(page // each // _ACROSS + 1 for page in last.tolist()) > _MOST_ROWS + len(last) and each < _PAGE:
        each *= 2
    rows = _rows(pages, each)
    shades = Shades(int(max(row.cells.max() for row in rows)))
    colours = _colours(style.look_of(axes), len(shades.ranges()))
    style.dress(axes)
    axes.grid(visible=False)
    places = layout.rows([row.name for row in rows], unit=2.4)
    _draw(layout, rows, places, shades, colours)
    handles, names = _keys(shades, colours, axes)
    layout.legend(handles, names)
    reads, writes = int(pages["reads"].sum()), int(pages["writes"].sum())
    cell = f" · a cell is {each} pages" if each > 1 else ""
    said = f"{series.plural(reads, 'read')}, {series.plural(writes, 'write')}"
    layout.title(f"{series.plural(len(pages), 'page')} of {format_size(_PAGE)}: {said}{cell}")
    axes.set_xlim(0, _ACROSS)
    places_of = ticks.fixed(*([at + 0.5 for at in range(0, _ACROSS, step)] for step in (2, 4, 8, _ACROSS)))
    ticks.set_ticks(axes.xaxis, places_of, lambda at: f"+{format_size(int(at) * each * _PAGE)}" if at >= 1 else "+0")
    style.label(axes, x="address, from that of the row")
    return layout.done()


def _rows(pages: pd.DataFrame, each: int) -> list[_Row]:
    import numpy as np

    found: list[_Row] = []
    memories = list(pages.groupby("memory"))
    for memory, own in memories:
        numbers = own["page"].to_numpy("i8") // each
        cells = np.zeros((int(numbers.max()) // _ACROSS + 1) * _ACROSS, "i8")
        np.add.at(cells, numbers, (own["reads"] + own["writes"]).to_numpy("i8"))
        before = f"memory {memory}: " if len(memories) > 1 else ""
        found += [
            _Row(f"{before}{start * each * _PAGE:#x}", cells[start : start + _ACROSS])
            for start in range(0, len(cells), _ACROSS)
        ]
    return found


def _draw(layout: Layout, rows: list[_Row], places: list[float], shades: Shades, colours: list[str]) -> None:
    from matplotlib.patches import Rectangle

    axes = layout.axes
    edge = style.look_of(axes).grid
    for row, place in zip(rows, places, strict=True):
        for number, count in enumerate(row.cells.tolist()):
            colour = colours[shades.level(count) - 1] if count else "none"
            axes.add_patch(Rectangle((number, place - 0.44), 1, 0.88, facecolor=colour, edgecolor=edge, linewidth=0.6))
            text = short_count(count) if count else ""
            if text and layout.share_of(text) * _ACROSS <= 1:
                how = {"ha": "center", "va": "center_baseline", "fontsize": rc.points("xtick.labelsize") * 0.9}
                style.write(axes, number + 0.5, place, text, color=style.ink_on(colour), **how)


def _colours(look: style.Look, count: int) -> list[str]:
    """From near the ground to the colour of the first series, so that more is always further from the ground."""
    from matplotlib.colors import to_hex, to_rgb

    ground, full = to_rgb(look.ground), to_rgb(look.series[0].colour)
    shares = [0.2 + 0.8 * step / (MOST_SHADES - 1) for step in range(count)]
    return [
        to_hex(tuple(here + (there - here) * share for here, there in zip(ground, full, strict=True)))  # type: ignore[arg-type]
        for share in shares
    ]


def _keys(shades: Shades, colours: list[str], axes: Axes) -> tuple[list[Any], list[str]]:
    from matplotlib.patches import Patch

    edge = style.look_of(axes).grid
    ranges = [(start, end) for _, start, end in shades.ranges()]
    handles: list[Any] = [Patch(facecolor=colour, edgecolor=edge) for colour in colours]
    names = [
        f"{short_count(start)} to {short_count(end)}" if end > start else short_count(start) for start, end in ranges
    ]
    return [*handles, Patch(facecolor="none", edgecolor=edge)], [*names, "not touched"]
