"""The rows of a runtime's panel, one a plugin: how each fares, whichever of them is shown below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from judicia_notebook.notebook.live.activity import calls_waiting, running_calls
from judicia_notebook.records.recorder import shown

if TYPE_CHECKING:
    from judicia_notebook.runtime.plugin import Plugin


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that can be chosen; `last` is how its last call ended, empty before the first, and `ok` if that is well.

    `running` are all of its calls that have not ended, `waiting` those of them without an instance.
    """

    name: str
    state: str
    running: int
    waiting: int
    last: str
    ok: bool


def choice_of(plugin: Plugin) -> Choice:
    """A plugin's row."""
    last = plugin.last
    return Choice(
        name=plugin.name,
        state=plugin.state,
        running=len(running_calls(plugin)),
        waiting=calls_waiting(plugin),
        last=f"{shown(last.function, 80)}: {last.outcome}" if last is not None else "",
        ok=last is None or last.outcome == "ok",
    )
