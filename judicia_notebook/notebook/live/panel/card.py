"""The card that a panel leaves behind where there is no kernel: its state as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.capabilities import IMPORTS
from judicia_notebook.notebook.cards import Card, Grid, Line, Row
from judicia_notebook.notebook.live import snapshots
from judicia_notebook.notebook.live.panel.state import State, StateReader
from judicia_notebook.notebook.live.shown_plugin import ShownPlugin
from judicia_notebook.notebook.object_cards import runtime_card
from judicia_notebook.runtime.plugin import Plugin
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.notebook.live.import_rows import ImportRow
    from judicia_notebook.notebook.live.panel.state import CapabilityRow
    from judicia_notebook.runtime.runtime import Runtime

CALLS, AUDITED = 8, 8


def panel_card(state: State) -> Card:
    """A state as text and HTML that never changes."""
    if not state.plugin:
        return Card("No plugin is loaded", "", (Line("To load one:", "%plugin load example:checker"),))
    capabilities = tuple(
        (row.name, _granted(row), _wanted(row), str(row.allowed), str(row.denied)) for row in state.capabilities
    )
    imports = tuple((row.name, _allowed(row), str(row.allowed), str(row.denied)) for row in state.imports)
    quotas = tuple((row.label, row.text, row.used_text) for row in state.quotas)
    calls = tuple((f"{row.function}", row.outcome, row.wall, row.cpu, row.memory) for row in state.calls[:CALLS])
    parts: list[Row | Grid] = [Row("on a denial", state.on_denied)]
    if capabilities:
        parts.append(Grid(("capability", "granted", "wanted", "allowed", "denied"), capabilities))
    if imports:
        parts.append(Grid(("Python import", "granted", "allowed", "denied"), imports))
    if state.imports_left:
        parts.append(Row("imports", state.imports_left))
    parts.append(Grid(("quota", "limit", "last call"), quotas))
    if calls:
        parts.append(Grid(("last calls", "outcome", "wall", "cpu", "memory"), calls))
    if state.audit:
        audit = tuple((row.at, row.what, row.text, row.by) for row in state.audit[:AUDITED])
        parts.append(Grid(("audit, seconds", "what", "", "by"), audit))
    return Card(f"{state.plugin} {state.version}", state.state, tuple(parts))


def panel_document(source: Plugin | Runtime) -> str:
    """The panels of a plugin, or of a runtime's plugins, as one document; see `snapshots.handout`."""
    shown = ShownPlugin(source)
    reader = StateReader(shown.recorder)
    if isinstance(source, Plugin):
        return snapshots.handout((panel_card(reader.read(source.current)),), f"Snapshot of {source.name}")
    cards = tuple(panel_card(reader.read(plugin)) for plugin in shown.choices or ())
    return snapshots.handout((runtime_card(source), *cards), "Snapshot of a runtime's plugins")


def _granted(row: CapabilityRow) -> str:
    if not row.granted:
        return "no"
    if row.name == IMPORTS:
        return "yes"  # for all of them; those with a grant of their own have rows of their own
    return ", ".join(row.scopes) or "yes"


def _allowed(row: ImportRow) -> str:
    """Whether an import is allowed; by what, where that is more than its own grant."""
    wider = ", ".join(held for held in row.by if held != row.grant)
    if not row.granted:
        return "no"
    return f"by {printable(wider, 200)}" if wider else "yes"


def _wanted(row: CapabilityRow) -> str:
    wanted = [text for text, holds in (("asks for it", row.asked), ("imports it", row.imported)) if holds]
    return ", ".join(wanted) or "no"
