"""A compiler's messages below the cell that was compiled: a card, on which each place leads to its line in the cell.

Knows the rows of a `BuildError`. The words need no script: a page that runs none (GitHub, a saved notebook that is not
trusted) shows all of them. ``line_links.js`` makes the places buttons where the cell's editor can be found.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from judicia_notebook.errors import BuildError, LoadError
from judicia_notebook.notebook.cards import Card, Line, Part, plain
from judicia_notebook.records.diagnostics import Diagnostic
from judicia_notebook.text import printable

MOST_ROWS = 20
"""Messages on a card."""


def card_of(error: LoadError, wat: str = "", unchanged: str = "") -> Card | None:
    """The card of an error that names places; None where it names none.

    Parameters
    ----------
    wat : str, optional
        The WebAssembly text that it is about: what assembles and validates it raises other errors than a compiler.
    unchanged : str, optional
        The plugin that was loaded before and stays as it was.
    """
    if isinstance(error, BuildError):
        return error_card(error) if error.rows else None
    if not wat:
        return None
    from judicia_notebook.languages.build import wat_row

    row = wat_row(error, wat)
    return _card(error.source, "the assembler found 1 error", [row], _stays(unchanged)) if row.mark else None


def error_card(error: BuildError) -> Card:
    """What a compiler refused, and why."""
    hint = (Line(error.hint),) if error.hint else ()
    tail = (*_stays(error.unchanged), *hint)
    return _card(error.source or "the source", error.message, error.first_rows, tail)


def warnings_card(rows: Sequence[Diagnostic], source: str) -> Card:
    """What a compiler warned of; the module was made."""
    return _card(source, f"{len(rows)} warning{'s' if len(rows) > 1 else ''}", rows, ())


def _card(source: str, what: str, rows: Sequence[Diagnostic], tail: tuple[Part, ...]) -> Card:
    shown = rows[:MOST_ROWS]
    more = [Line(f"{len(rows) - len(shown)} more.")] if len(rows) > len(shown) else []
    return Card(source, printable(what, 200), (*shown, *more, *tail))


def _stays(name: str) -> tuple[Part, ...]:
    return (Line(f"{plain(name)} stays as it was loaded before."),) if name else ()


def show_below_cell(card: Card) -> None:
    """Display a card whose lines are those of the cell that runs."""
    from IPython import display

    publish: Callable[..., Any] = display.display
    publish({"text/plain": card.text(), "text/html": f"{card.html()}<script>{_script()}</script>"}, raw=True)


@functools.cache
def _script() -> str:
    return Path(__file__).with_name("line_links.js").read_text("utf-8").strip()
