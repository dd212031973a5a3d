"""How a service of the platform calls a hook of a plugin, such as `on_event`.

It is a call like any other: its own row, the plugin's quotas, its place in the queue. Only its origin is not the user,
and its parent is the call that caused it. Before the call begins, the service gets the function that cancels it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine import abi
from judicia_notebook.runtime.facts import no_json

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.callee import Callee

HOOK_PREFIX = "on_"
"""The names of the ABI's hooks begin so. Services call a function of such a name, not people."""


def deliver(
    plugin: Callee,
    hook: str,
    payload: bytes,
    *,
    origin: str,
    parent_call_id: int,
    begun: Callable[[Callable[[str], None]], None],
    read: Callable[[CallScope, bytes], Any] | None = None,
) -> Any:
    """Call a hook on this thread.

    Parameters
    ----------
    plugin : Plugin
    hook : str
        One of the ABI's.
    payload : bytes
        The request, as JSON.
    origin : str
        For the call's row: ``event`` or ``http``.
    parent_call_id : int
        The call that caused this one; 0 for the call of the context, if there is one.
    begun : callable
        ``begun(cancel)`` before the call is made; ``cancel(why)`` may be called from any thread.
    read : callable, optional
        ``read(scope, answer)``: what to make of the answer, as the plugin wrote it; ``b""`` for none. `scope.read_json`
        reads its JSON. Where it raises ValueError, the plugin broke the ABI.

    Returns
    -------
    Any
        The value that `read` made of the answer; None without `read`.

    Raises
    ------
    CallError, PluginNotReady, ResourceExhausted, NoSuchFunction
    """

    def exchange(call: Call) -> bytes | None:
        return call.exchange(payload)

    def finish(call: Call, answer: bytes | None) -> Any:
        if read is None:
            return None
        scope = call.scope
        try:
            return call.read(answer or b"", read)
        except ValueError as error:
            raise no_json(scope, answer or b"", error) from None

    target = plugin._deployment.target(hook, abi.NAME)
    call = plugin._begin(
        target, None, exchange, finish=finish, size_in=len(payload), origin=origin, parent=parent_call_id
    )
    begun(call.scope.cancel)
    return call.run()
