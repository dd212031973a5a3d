"""How a service of the platform calls a hook of a plugin, such as `on_event`.

It is a call like any other: its own row, the plugin's quotas, its place in the queue. Only its origin is not the user,
and its parent is the call that caused it. The service is handed what cancels it before it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.engine import abi

if TYPE_CHECKING:
    from judicia_notebook.calling import Call
    from judicia_notebook.quotas import Quota
    from judicia_notebook.targets import Target


class Receiver(Protocol):
    """What is needed of the plugin."""

    def target(self, function: str, abi_name: str) -> Target: ...

    def begin(
        self, target: Target, quota: Quota | Mapping[str, Any] | None, body: Callable[[Call], Any], **more: Any
    ) -> Call: ...


def deliver(
    plugin: Receiver,
    hook: str,
    payload: bytes,
    *,
    origin: str,
    parent_call_id: int,
    begun: Callable[[Callable[[str], None]], None],
) -> bytes | None:
    """Call a hook on this thread.

    Parameters
    ----------
    plugin : Plugin
    hook : str
        One of the ABI's.
    payload : bytes
        The request, as JSON.
    origin : str
        What the call's row names: ``event`` or ``http``.
    parent_call_id : int
        The call that caused this one; 0 where it was none, or that of the context.
    begun : callable
        ``begun(cancel)`` before the call is made; ``cancel(why)`` may be called from any thread.

    Returns
    -------
    bytes or None
        The answer, as the plugin wrote it.

    Raises
    ------
    CallError, PluginNotReady, ResourceExhausted, NoSuchFunction
    """

    def exchange(call: Call) -> bytes | None:
        return call.exchange(payload)

    call = plugin.begin(plugin.target(hook, abi.NAME), None, exchange, size_in=len(payload), origin=origin)
    call.parent = parent_call_id or call.parent
    begun(call.scope.cancel)
    answer: bytes | None = call.run()
    return answer
