"""A profile as a flame graph in HTML: the called function on top, its callees below, widths are time.

The boxes are plain elements with their places in percent, so a page that runs no scripts still shows the graph, each
box's times as its title, and the table below. The script (``flame_page.js``) adds zoom, search and keys. The page
fetches nothing. Every text that a guest may have written is escaped on its way in and never parsed again.

Guests are orange and host functions blue, which people with any common colour blindness tell apart; host functions
are striped as well. The boxes' ink is dark on either. All other parts have the page's own colours, light or dark.
"""

from __future__ import annotations

import functools
import html
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.profiles.stacks import HOST, Node, hottest, walk
from judicia_notebook.analysis.series import plural
from judicia_notebook.text import INERT_CLASSES, printable, short_place
from judicia_notebook.units import format_count, format_time

if TYPE_CHECKING:
    from judicia_notebook.analysis.profiles.stacks import Frame, Stacks

LEAST = 0.001
"""The share of all time below which a box is left out: it would be narrower than a pixel."""

MOST_BOXES = 2000
_MOST_ROWS = 15
_MOST_TEXT = 1000
_MOST_LINES = 3
_TINTS = 4
_HERE = Path(__file__).parent


class FlameGraph:
    """A flame graph; a notebook shows it, and `save` makes a page of it."""

    def __init__(self, profile: Stacks) -> None:
        self._profile = profile

    def html(self) -> str:
        """The graph as one HTML element, with its script."""
        identity = f"judicia-flame-{secrets.token_hex(4)}"
        profile = self._profile
        return (
            f'<div class="judicia-flame {INERT_CLASSES}" id="{identity}"><style>{_asset("css")}</style>'
            f"<p><strong>{_escaped(profile.title)}</strong> {_escaped(profile.summary().removeprefix(profile.title))}"
            f"</p>{_graph(profile)}{_table(profile)}</div>"
            f'<script>{_asset("js")}("{identity}");</script>'
        )

    def page(self) -> str:
        """The graph as a page of its own."""
        title = _escaped(self._profile.title)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: flame graph</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            "<style>:root { color-scheme: light dark } body { font: 14px/1.4 system-ui, sans-serif; margin: 16px }"
            f"</style></head><body><main><h1>{title}: where its time went</h1>{self.html()}</main></body></html>"
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page. Returns its path."""
        target = Path(path)
        target.write_text(self.page(), "utf-8")
        return target

    def __repr__(self) -> str:
        return f"<FlameGraph of {self._profile.summary()}>"

    def _repr_html_(self) -> str:
        return self.html()


@functools.cache
def _asset(kind: str) -> str:
    return (_HERE / f"flame_page.{kind}").read_text("utf-8").strip()


def _escaped(text: object) -> str:
    return html.escape(printable(str(text), _MOST_TEXT))


def _graph(profile: Stacks) -> str:
    root = profile.root
    if not root.ms:
        return "<p>No sample was taken.</p>"
    boxes = [_box(root, 0, 0.0, root.ms)]
    deepest, left_out = 0, 0
    for node, depth, at_ms in walk(root, 1):
        if node.ms < root.ms * LEAST or len(boxes) >= MOST_BOXES:
            left_out += 1
            continue
        deepest = max(deepest, depth)
        boxes.append(_box(node, depth, at_ms, root.ms))
    note = f"<p>Too narrow to see, and left out: {format_count(left_out)}.</p>" if left_out else ""
    return (
        '<div class="jf-tools" hidden><label>Find <input type="search" spellcheck="false"></label> '
        '<button type="button">Whole graph</button> <span>Arrows move, Enter zooms, Escape goes back.</span></div>'
        f'<div class="jf-graph" role="tree" aria-label="Flame graph of {_escaped(profile.title)}"'
        f' style="height: {(deepest + 1) * 1.5:g}em">{"".join(boxes)}</div>'
        f'<p class="jf-detail" role="status">{_escaped(_detail(root, root.ms))}</p>{note}'
    )


def _box(node: Node, depth: int, at_ms: float, whole_ms: float) -> str:
    left, width = at_ms / whole_ms * 100, node.ms / whole_ms * 100
    return (
        f'<div role="treeitem" aria-level="{depth + 1}" tabindex="{-1 if depth else 0}" class="{_look(node.frame)}"'
        f' title="{_escaped(_detail(node, whole_ms))}" data-left="{left:.4f}" data-width="{width:.4f}"'
        f' style="left: {left:.4f}%; width: {width:.4f}%; top: {depth * 1.5:g}em">'
        f"{_escaped(node.frame.name)}{_note(node)}</div>"
    )


def _note(node: Node) -> str:
    """What stands behind a name in its box: the line that most of its time fell on, and that it was inlined."""
    place = hottest(node.lines)
    notes = [short_place(*place)] if place is not None else []
    notes += ["inlined"] if node.frame.is_inlined else []
    return f' <span class="jf-line">{_escaped(" ".join(notes))}</span>' if notes else ""


def _look(frame: Frame) -> str:
    """The same function has the same tint in every box."""
    if not frame.module:
        return "jf-all"
    if frame.module == HOST:
        return "jf-host"
    return f"jf-guest{sum(frame.name.encode()) % _TINTS}{' jf-inlined' if frame.is_inlined else ''}"


def _detail(node: Node, whole_ms: float) -> str:
    own = f", {format_time(node.self_ms / 1e3)} in itself" if node.children and node.self_ms else ""
    samples = f", {plural(node.samples, 'sample')}" if node.samples else ""
    note = " (host)" if node.frame.module == HOST else " (inlined)" if node.frame.is_inlined else ""
    share = node.ms / whole_ms * 100
    return f"{node.frame.name}{note}: {format_time(node.ms / 1e3)}, {share:.1f} %{own}{samples}{_at_lines(node)}"


def _at_lines(node: Node) -> str:
    """The lines that it was at, longest first, each with its share of the function's time."""
    ordered = sorted(node.lines, key=lambda place: (-node.lines[place], place))
    shown = [f"{short_place(*place)} {node.lines[place] / (node.ms or 1.0):.0%}" for place in ordered[:_MOST_LINES]]
    more = f" and {len(ordered) - _MOST_LINES} more" if len(ordered) > _MOST_LINES else ""
    return f"; at {', '.join(shown)}{more}" if shown else ""


def _table(profile: Stacks) -> str:
    frame = profile.functions
    has_lines = bool(frame["line"].notna().any())
    rows = "".join(
        f"<tr><td>{_escaped(row.function)}{' (inlined)' if row.inlined else ''}</td><td>{_escaped(row.module)}</td>"
        f'{_line_cell(row.file, row.line) if has_lines else ""}<td class="jf-number">{row.self_ms:.3f}</td>'
        f'<td class="jf-number">{row.total_ms:.3f}</td><td class="jf-number">{row.self_percent:.1f}</td></tr>'
        for row in frame.head(_MOST_ROWS).itertuples(index=False)
    )
    if not rows:
        return ""
    names = ("function", "of", *(["most of it at"] if has_lines else []), "self, ms", "total, ms", "self, %")
    heads = "".join(f'<th scope="col">{head}</th>' for head in names)
    first = f"The {_MOST_ROWS} hottest of {len(frame)} functions" if len(frame) > _MOST_ROWS else "The functions"
    return (
        f"<details><summary>{first} as a table</summary><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></details>{_line_table(profile) if has_lines else ''}"
    )


def _line_cell(file: object, line: Any) -> str:
    return f"<td>{_escaped(short_place(file, line)) if isinstance(file, str) else ''}</td>"


def _line_table(profile: Stacks) -> str:
    """The hottest lines, with their text where the source is at hand."""
    frame = profile.lines
    rows = "".join(
        f"<tr>{_line_cell(row.file, row.line)}<td>{_escaped(row.function if isinstance(row.function, str) else '')}"
        f"{' (inlined)' if row.inlined else ''}</td><td><code>{_escaped(row.text if isinstance(row.text, str) else '')}"
        f'</code></td><td class="jf-number">{row.self_ms:.3f}</td><td class="jf-number">{row.total_ms:.3f}</td></tr>'
        for row in frame.head(_MOST_ROWS).itertuples(index=False)
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("line", "of", "text", "self, ms", "total, ms"))
    first = f"The {_MOST_ROWS} hottest of {len(frame)} lines" if len(frame) > _MOST_ROWS else "The lines"
    return (
        f"<details><summary>{first} as a table</summary><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></details>"
    )
