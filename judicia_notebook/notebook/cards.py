"""Cards: the package's objects as text and as HTML.

Knows headings, rows and tables, and nothing of plugins. Every text may come from a guest: `plain` makes control
characters visible, one place applies `html.escape` to every text on its way into HTML, and no page sets TeX in it.

The colours are JupyterLab's own variables, so that a card is readable in its light and dark themes; the fallbacks are
translucent or inherited and fit any page. A page that strips styles (GitHub) still shows plain tables.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from judicia_notebook.text import INERT_CLASSES, printable

TEXT_LIMIT = 400
FIRST_LINES, LAST_LINES = 60, 20
_LINE = "1px solid var(--jp-border-color2, rgba(128, 128, 128, 0.4))"
_MUTED = "color: var(--jp-ui-font-color2, inherit); opacity: 0.85"
_CODE = (
    "font-family: var(--jp-code-font-family, monospace); white-space: pre-wrap; padding: 1px 4px; border-radius: 2px; "
    "background: var(--jp-layout-color2, rgba(128, 128, 128, 0.15))"
)
_BLOCK = f"{_CODE}; margin: 4px 0; padding: 4px 8px; overflow-x: auto"
_CELL = "text-align: left; vertical-align: top; padding: 2px 12px 2px 0; background: transparent"
_ROW = "background: transparent"
_TABLE = "border-collapse: collapse; border: none; margin: 4px 0; font-size: inherit"


def plain(value: object) -> str:
    """A value as one line of printable text."""
    return printable(" ".join(str(value).split("\n")), TEXT_LIMIT)


@dataclass(frozen=True, slots=True)
class Row:
    """A label and its text."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence and a line to type."""

    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; each row has a cell for each column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A program's output, line by line; of very many lines, the first and the last."""

    label: str
    text: str

    @property
    def lines(self) -> list[str]:
        written = [
            printable(line.removesuffix("\r").expandtabs(), TEXT_LIMIT)
            for line in self.text.removesuffix("\n").split("\n")
        ]
        left_out = len(written) - FIRST_LINES - LAST_LINES
        if left_out <= 1:
            return written
        return [*written[:FIRST_LINES], f"… {left_out} more lines", *written[-LAST_LINES:]]


Part = Row | Line | Grid | Block


@dataclass(frozen=True, slots=True)
class Card:
    """A heading, and the parts below it."""

    title: str
    subtitle: str = ""
    parts: tuple[Part, ...] = ()

    def text(self) -> str:
        """The card for a terminal, or any place that shows no HTML."""
        lines = [" · ".join(plain(part) for part in (self.title, self.subtitle) if part)]
        width = max((len(plain(part.label)) for part in self.parts if isinstance(part, Row)), default=0)
        for part in self.parts:
            if isinstance(part, Row):
                lines.append(f"  {plain(part.label):<{width}}  {plain(part.text)}")
            elif isinstance(part, Line):
                lines.append(f"  {plain(part.text)}{'  ' if part.text and part.code else ''}{plain(part.code)}")
            elif isinstance(part, Grid):
                lines += _grid_lines(part)
            else:
                lines += [f"  {plain(part.label)}", *(f"    {line}" for line in part.lines)]
        return "\n".join(line.rstrip() for line in lines)

    def html(self) -> str:
        """The card as one HTML element."""
        heading = f"<strong>{_escaped(self.title)}</strong>"
        if self.subtitle:
            heading += f' <span style="{_MUTED}">{_escaped(self.subtitle)}</span>'
        return f'<div class="judicia-card {INERT_CLASSES}"><div>{heading}</div>{"".join(_html_parts(self.parts))}</div>'


def _escaped(value: object) -> str:
    return html.escape(plain(value))


def _grid_lines(grid: Grid) -> list[str]:
    rows = [tuple(plain(cell) for cell in row) for row in (grid.columns, *grid.rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(grid.columns))]
    return ["  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def _html_parts(parts: Iterable[Part]) -> Iterable[str]:
    """Rows that follow each other become one table."""
    for _, group in itertools.groupby(parts, key=type):
        run = tuple(group)
        if rows := [part for part in run if isinstance(part, Row)]:
            yield _html_rows(rows)
        yield from (_html_grid(part) for part in run if isinstance(part, Grid))
        yield from (_html_line(part) for part in run if isinstance(part, Line))
        yield from (_html_block(part) for part in run if isinstance(part, Block))


def _html_rows(rows: Sequence[Row]) -> str:
    label = f"{_CELL}; font-weight: normal; {_MUTED}"
    cells = "".join(
        f'<tr style="{_ROW}"><th style="{label}">{_escaped(row.label)}</th>'
        f'<td style="{_CELL}">{_escaped(row.text)}</td></tr>'
        for row in rows
    )
    return f'<table style="{_TABLE}"><tbody>{cells}</tbody></table>'


def _html_line(line: Line) -> str:
    code = f'<code style="{_CODE}">{_escaped(line.code)}</code>' if line.code else ""
    space = " " if line.text and code else ""
    return f'<div style="margin: 4px 0">{_escaped(line.text)}{space}{code}</div>'


def _html_block(block: Block) -> str:
    text = "\n".join(html.escape(line) for line in block.lines)
    return f'<div style="{_MUTED}">{_escaped(block.label)}</div><pre style="{_BLOCK}">{text}</pre>'


def _html_grid(grid: Grid) -> str:
    heads = ((column, "th" if column else "td") for column in grid.columns)  # an empty heading heads nothing
    head = "".join(f'<{tag} style="{_CELL}; border-bottom: {_LINE}">{_escaped(name)}</{tag}>' for name, tag in heads)
    body = "".join(
        f'<tr style="{_ROW}">' + "".join(f'<td style="{_CELL}">{_escaped(cell)}</td>' for cell in row) + "</tr>"
        for row in grid.rows
    )
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
