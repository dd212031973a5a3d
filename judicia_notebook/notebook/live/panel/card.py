"""The card that a panel leaves behind where there is no kernel: a table of the state when it was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.notebook.cards import Card, Grid, Line, Row

if TYPE_CHECKING:
    from judicia_notebook.notebook.live.panel.state import CapabilityRow, State

CALLS = 8


def panel_card(state: State) -> Card:
    """A state as text and HTML that never changes."""
    if not state.plugin:
        return Card("No plugin is loaded", "", (Line("To load one:", "%plugin load example:checker"),))
    capabilities = tuple(
        (row.name, _granted(row), _wanted(row), str(row.allowed), str(row.denied)) for row in state.capabilities
    )
    quotas = tuple((row.label, row.text, row.used_text) for row in state.quotas)
    calls = tuple((f"{row.function}", row.outcome, row.wall, row.cpu, row.memory) for row in state.calls[:CALLS])
    parts: list[Row | Grid] = [Row("on a denial", state.on_denied)]
    if capabilities:
        parts.append(Grid(("capability", "granted", "wanted", "allowed", "denied"), capabilities))
    parts.append(Grid(("quota", "limit", "last call"), quotas))
    if calls:
        parts.append(Grid(("last calls", "outcome", "wall", "cpu", "memory"), calls))
    return Card(f"{state.plugin} {state.version}", f"{state.state} · as it was when this was shown", tuple(parts))


def _granted(row: CapabilityRow) -> str:
    if not row.granted:
        return "no"
    return ", ".join(row.scopes) or "yes"


def _wanted(row: CapabilityRow) -> str:
    wanted = [text for text, holds in (("asks for it", row.asked), ("imports it", row.imported)) if holds]
    return ", ".join(wanted) or "no"
