"""Cards: the package's objects as text and as HTML.

Knows headings, rows, tables, a compiler's messages and the findings of a check, and nothing of plugins. Every text may
come from a guest: `plain` makes control characters visible, one place applies `html.escape` to every text on its way
into HTML, and no page sets TeX in it.

The colours are JupyterLab's own variables, so that a card is readable in its light and dark themes; the fallbacks are
translucent or inherited and fit any page. A page that strips styles (GitHub) still shows plain tables.
"""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from judicia_notebook.records.diagnostics import Diagnostic
from judicia_notebook.records.findings import Finding
from judicia_notebook.text import INERT_CLASSES, printable

TEXT_LIMIT = 400
FIRST_LINES, LAST_LINES = 60, 20
_LINE = "1px solid var(--jp-border-color2, rgba(128, 128, 128, 0.4))"
_MUTED = "color: var(--jp-ui-font-color2, inherit); opacity: 0.85"
_CODE = (
    "font-family: var(--jp-code-font-family, monospace); white-space: pre-wrap; padding: 1px 4px; border-radius: 2px; "
    "background: var(--jp-layout-color2, rgba(128, 128, 128, 0.15))"
)
_MONOSPACE = "font-family: var(--jp-code-font-family, monospace)"
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
    """A program's output, line by line; of very many lines, the first and the last.

    A long line is broken, unless `wraps` is False: columns that stand under each other are scrolled instead.
    """

    label: str
    text: str
    wraps: bool = True

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


@dataclass(frozen=True, slots=True)
class Cells:
    """Squares in rows, each the darker the larger its share is; an outline where it is 0.

    Attributes
    ----------
    label : str
        What they show, also for a screen reader.
    shares : tuple of float
        From 0 to 1.
    heads : tuple of str
        The text at the left of each row of `CELLS_IN_A_ROW`.
    """

    label: str
    shares: tuple[float, ...]
    heads: tuple[str, ...]


CELLS_IN_A_ROW = 64
_SHADES = "·░▒▓█"
_CELL_SIZE, _HEAD_WIDTH = 12, 90

_SEVERITIES = {"error": "var(--jp-error-color1, #d32f2f)", "warning": "var(--jp-warn-color1, #f57c00)"}
_MESSAGE_LIMIT = 1000
_MET, _NOT_MET = "var(--jp-success-color1, #388e3c)", _SEVERITIES["error"]

Part = Row | Line | Grid | Block | Cells | Diagnostic | Finding


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
            elif isinstance(part, Cells):
                lines += _cell_lines(part)
            elif isinstance(part, Diagnostic):
                lines += part.lines()
            elif isinstance(part, Finding):
                lines.append(f"  {plain(part.line)}")
            else:
                lines += [f"  {plain(part.label)}", *(f"    {line}" for line in part.lines)]
        return "\n".join(line.rstrip() for line in lines)

    def html(self, heading_tag: str = "strong") -> str:
        """The card as one HTML element; a document of cards gives their headings another tag."""
        heading = f"<{heading_tag}>{_escaped(self.title)}</{heading_tag}>"
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
        yield from (_html_cells(part) for part in run if isinstance(part, Cells))
        if messages := [part for part in run if isinstance(part, Diagnostic)]:
            items = "".join(f'<li style="margin: 8px 0">{_html_diagnostic(part)}</li>' for part in messages)
            yield f'<ul style="list-style: none; margin: 0; padding: 0">{items}</ul>'
        if findings := [part for part in run if isinstance(part, Finding)]:
            items = "".join(map(_html_finding, findings))
            yield f'<ul style="list-style: none; margin: 4px 0; padding: 0">{items}</ul>'


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
    # What scrolls must be reached by the keyboard.
    style = f'style="{_BLOCK}"' if block.wraps else f'style="{_BLOCK}; white-space: pre" tabindex="0"'
    return f'<div style="{_MUTED}">{_escaped(block.label)}</div><pre {style}>{text}</pre>'


def _shade(share: float) -> int:
    """0 for nothing, up to 4 for all of it."""
    return math.ceil(share * 4)


def _cell_rows(cells: Cells) -> list[tuple[str, tuple[float, ...]]]:
    count = range(0, len(cells.shares), CELLS_IN_A_ROW)
    rows = [cells.shares[at : at + CELLS_IN_A_ROW] for at in count]
    return list(zip(cells.heads, rows, strict=True))


def _cell_lines(cells: Cells) -> list[str]:
    width = max((len(plain(head)) for head in cells.heads), default=0)
    rows = [
        f"    {plain(head):<{width}} " + "".join(_SHADES[_shade(share)] for share in row)
        for head, row in _cell_rows(cells)
    ]
    return [f"  {plain(cells.label)}", *rows]


def _html_cells(cells: Cells) -> str:
    """A picture that needs neither script nor style sheet; where a page takes it out, its label stays."""
    paths: dict[int, list[str]] = {}
    heads = []
    side = _CELL_SIZE - 2
    for line, (head, row) in enumerate(_cell_rows(cells)):
        y = line * _CELL_SIZE + 1
        heads.append(f'<text x="0" y="{y + side}" font-size="{side}" fill="currentColor">{_escaped(head)}</text>')
        for column, share in enumerate(row):
            square = f"M{_HEAD_WIDTH + column * _CELL_SIZE + 1} {y}h{side}v{side}h-{side}z"
            paths.setdefault(_shade(share), []).append(square)
    drawn = "".join(f'<path d="{"".join(squares)}" {_cell_style(shade)}/>' for shade, squares in sorted(paths.items()))
    width = _HEAD_WIDTH + min(len(cells.shares), CELLS_IN_A_ROW) * _CELL_SIZE
    height = len(heads) * _CELL_SIZE + 2
    label = _escaped(cells.label)
    return (
        f'<div style="{_MUTED}">{label}</div><svg role="img" aria-label="{label}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="max-width: 100%; {_MONOSPACE}">{drawn}{"".join(heads)}</svg>'
    )


def _cell_style(shade: int) -> str:
    if not shade:
        return 'fill="none" stroke="currentColor" stroke-opacity="0.3"'
    return f'style="fill: var(--jp-brand-color1, #1976d2)" fill="#1976d2" fill-opacity="{0.25 + 0.1875 * shade:g}"'


def _ink(edge: str) -> str:
    """A colour for words, with the page's ink in it: the themes' own orange is too pale to read on white."""
    return f"font-weight: 600; color: color-mix(in srgb, {edge} 60%, var(--jp-content-font-color0, currentColor))"


def _html_finding(finding: Finding) -> str:
    """A criterion: the word says whether it is met, and the colour repeats it."""
    edge, word = (_MET, "met") if finding.is_met else (_NOT_MET, "not met")
    return (
        f'<li style="margin: 2px 0; padding-left: 8px; border-left: 3px solid {edge}">'
        f'<span style="{_ink(edge)}">{word}</span> {html.escape(printable(finding.text, _MESSAGE_LIMIT))}</li>'
    )


def _html_diagnostic(row: Diagnostic) -> str:
    """A message with its line. The words say all of it; a screen reader hears no mark, since they name the column."""
    edge = _SEVERITIES.get(row.severity, _SEVERITIES["error"])
    ink = _ink(edge)
    place = f'<span data-line="{row.line}" data-column="{row.column}">line {row.line}, column {row.column}</span>'
    message = html.escape(printable(row.message, _MESSAGE_LIMIT))
    where = f"{place}: " if row.line is not None else ""
    code = note = ""
    if row.mark:
        line = html.escape(printable(row.code))
        number, gap = f"{row.line} | ", " " * (len(str(row.line)) + 1)
        mark = f'<span aria-hidden="true">\n{gap}| {" " * (row.mark - 1)}<span style="{ink}">^</span></span>'
        code = (
            f'<pre style="{_BLOCK}; white-space: pre" tabindex="0">'
            f'<span aria-hidden="true" style="{_MUTED}">{number}</span>{line}{mark}</pre>'
        )
    if row.note:
        note = f"<div><strong>note</strong>: {html.escape(printable(row.note, _MESSAGE_LIMIT))}</div>"
    return (
        f'<div style="border-left: 3px solid {edge}; padding-left: 8px">'
        f'<div><span style="{ink}">{html.escape(row.severity)}</span> {where}{message}</div>{code}{note}</div>'
    )


def _html_grid(grid: Grid) -> str:
    heads = ((column, "th" if column else "td") for column in grid.columns)  # an empty heading heads nothing
    head = "".join(f'<{tag} style="{_CELL}; border-bottom: {_LINE}">{_escaped(name)}</{tag}>' for name, tag in heads)
    body = "".join(
        f'<tr style="{_ROW}">' + "".join(f'<td style="{_CELL}">{_escaped(cell)}</td>' for cell in row) + "</tr>"
        for row in grid.rows
    )
    return f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
