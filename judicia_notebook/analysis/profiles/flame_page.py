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
from typing import TYPE_CHECKING

from judicia_notebook.analysis.figures.series import plural
from judicia_notebook.analysis.profiles.stacks import HOST, Node, walk
from judicia_notebook.text import INERT_CLASSES, printable
from judicia_notebook.units import format_count, format_time

if TYPE_CHECKING:
    from judicia_notebook.analysis.profiles.stacks import Frame, Stacks

LEAST = 0.001
"""The share of all time below which a box is left out: it would be narrower than a pixel."""

MOST_BOXES = 2000
_MOST_ROWS = 15
_MOST_TEXT = 1000
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
        f' style="left: {left:.4f}%; width: {width:.4f}%; top: {depth * 1.5:g}em">{_escaped(node.frame.name)}</div>'
    )


def _look(frame: Frame) -> str:
    """The same function has the same tint in every box."""
    if not frame.module:
        return "jf-all"
    return "jf-host" if frame.module == HOST else f"jf-guest{sum(frame.name.encode()) % _TINTS}"


def _detail(node: Node, whole_ms: float) -> str:
    own = f", {format_time(node.self_ms / 1e3)} in itself" if node.children and node.self_ms else ""
    samples = f", {plural(node.samples, 'sample')}" if node.samples else ""
    host = " (host)" if node.frame.module == HOST else ""
    share = node.ms / whole_ms * 100
    return f"{node.frame.name}{host}: {format_time(node.ms / 1e3)}, {share:.1f} %{own}{samples}"


def _table(profile: Stacks) -> str:
    frame = profile.functions
    columns = frame[["function", "module", "self_ms", "total_ms", "self_percent"]].head(_MOST_ROWS)
    rows = "".join(
        f"<tr><td>{_escaped(name)}</td><td>{_escaped(module)}</td><td>{own:.3f}</td><td>{total:.3f}</td>"
        f"<td>{percent:.1f}</td></tr>"
        for name, module, own, total, percent in columns.itertuples(index=False)
    )
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("function", "of", "self, ms", "total, ms", "self, %"))
    first = f"The {_MOST_ROWS} hottest of {len(frame)} functions" if len(frame) > _MOST_ROWS else "The functions"
    return (
        f"<details><summary>{first} as a table</summary><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></details>"
    )
