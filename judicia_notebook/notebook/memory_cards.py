"""Linear memories as cards: a table of hex and text, and a picture of the pages. Every byte may be a guest's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.errors import JudiciaError, describe
from judicia_notebook.notebook.cards import CELLS_IN_A_ROW, Block, Card, Cells, Line, Part, Row
from judicia_notebook.units import format_count, format_size

if TYPE_CHECKING:
    from judicia_notebook.engine.guest_memory import GuestMemory
    from judicia_notebook.engine.memory_dump import MemoryDump
    from judicia_notebook.engine.memory_view import MemoryPages, MemoryView
    from judicia_notebook.runtime.plugin_memory import Globals


_MOST_GLOBALS = 60


def view_card(view: MemoryView) -> Card:
    """Some bytes of a memory; of a view of no given place the pages of the memory, too."""
    subtitle = f"{format_count(len(view.data))} bytes of {format_size(view.size)}"
    pages = [_cells(view.pages)] if view.pages is not None else []
    return Card(f"Memory from {view.start:#x}", subtitle, (_table(view), *pages))


def pages_card(pages: MemoryPages) -> Card:
    """Which pages of a memory have content."""
    return Card("Memory", format_size(pages.size), (_cells(pages),))


def memory_card(memory: GuestMemory) -> Card:
    """A memory as it is now, or the reason why it cannot be looked at now."""
    try:
        return view_card(memory.view())
    except JudiciaError as error:
        return _refusal("Memory", error)


def dump_card(dump: MemoryDump) -> Card:
    """A dump: the bytes before the fault, and the pages."""
    title = f"Memory dump from {dump.start:#x} to {dump.stop:#x}"
    fault = [Row("fault", f"at {dump.fault:#x}, out of bounds")] if dump.fault is not None else []
    try:
        view = dump.view()
    except JudiciaError as error:
        return _refusal(title, error)
    pages = [_cells(view.pages)] if view.pages is not None else []
    return Card(title, f"of {format_size(dump.size)}", (*fault, _table(view), *pages))


def globals_card(numbers: Globals) -> Card:
    """Exported globals and their values now."""
    try:
        names = list(numbers)
        rows = tuple(Row(name, repr(numbers[name])) for name in names[:_MOST_GLOBALS])
    except JudiciaError as error:
        return _refusal("Globals", error)
    more = [Line(f"... {len(names) - len(rows)} more")] if len(names) > len(rows) else []
    return Card("Globals", "" if rows else "none that is a number", (*rows, *more))


def _refusal(title: str, error: JudiciaError) -> Card:
    first, *rest = describe(error)
    return Card(title, "", (Line(first), *(Line(line.strip()) for line in rest)))


def _table(view: MemoryView) -> Part:
    return Block("address, bytes in hex, and as ASCII", repr(view), wraps=False)


def _cells(pages: MemoryPages) -> Cells:
    shares, cell = pages.shares, pages.cell
    heads = tuple(f"{pages.start + at * cell:#x}" for at in range(0, len(shares), CELLS_IN_A_ROW))
    return Cells(f"{pages.sentence}; a stronger colour: more content; an outline: zeros alone", shares, heads)
