"""A plugin's activity, for all live widgets: its calls, its recorder, and the memory a call uses.

Knows a plugin's insides so that the widgets need not: only this module asks a plugin for its target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.runtime.plugin import Plugin
    from judicia_notebook.runtime.target import RunningCall


def recorder_of(plugin: Plugin) -> Recorder:
    """The recorder that has the plugin's rows."""
    return plugin._deployment.target("", plugin.abi).platform.recorder


def running_calls(plugin: Plugin) -> tuple[RunningCall, ...]:
    """Its calls that run or wait, the oldest first."""
    return plugin._deployment.running_calls


def calls_waiting(plugin: Plugin) -> int:
    """How many of its calls wait for an instance."""
    return plugin._deployment.target("", plugin.abi).instances.waiting


def memory_of(call: RunningCall) -> int:
    """Bytes of linear memory of the instance a call is in."""
    account = call.scope.account
    return account.used if account is not None else max(call.memory_before, 0)
