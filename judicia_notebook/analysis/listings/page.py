"""What all listings of code look like as HTML: static, without a script, fit for light and dark pages and narrow ones.

Every text may be a guest's: `escaped` is the only way of one into a page. A page that strips styles still shows the
text, folded by the browser's own ``<details>``, which its search opens.
"""

from __future__ import annotations

import functools
import html
import os
from pathlib import Path

from judicia_notebook.text import INERT_CLASSES, printable

MOST_LINE = 400
_HERE = Path(__file__).parent


def escaped(text: object, most: int = MOST_LINE) -> str:
    """A text of one line, inert."""
    return html.escape(printable(str(text), most))


@functools.cache
def _style() -> str:
    return (_HERE / "page.css").read_text("utf-8").strip()


def element(heading: str, about: str, body: str) -> str:
    """A listing as one element; `body` is HTML."""
    return (
        f'<div class="judicia-code {INERT_CLASSES}"><style>{_style()}</style>'
        f"<p><strong>{escaped(heading)}</strong> {escaped(about)}</p>{body}</div>"
    )


def folded(summary: str, body: str, *, is_open: bool = False) -> str:
    """Something to be unfolded; both are HTML."""
    return f"<details{' open' if is_open else ''}><summary>{summary}</summary>{body}</details>"


def code(lines: list[str], label: str) -> str:
    """Lines of code, which are HTML. What scrolls is reached by the keyboard, so a screen reader says its name."""
    return f'<pre tabindex="0" role="group" aria-label="{escaped(label, 160)}">{chr(10).join(lines)}</pre>'


def write_page(path: str | os.PathLike[str], title: str, body: str) -> Path:
    """Write a listing, which is HTML, as a page of its own. Returns the path."""
    target = Path(path)
    target.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escaped(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>:root { color-scheme: light dark } body { background: Canvas; color: CanvasText; "
        "font: 14px/1.4 system-ui, sans-serif; margin: 16px }"
        f"</style></head><body><main><h1>{escaped(title)}</h1>{body}</main></body></html>",
        "utf-8",
    )
    return target
