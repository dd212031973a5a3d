"""How a service has a hook of a plugin called; the runtime gives each service a function of this shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope

Begun = Callable[[Callable[[str], None]], None]
"""Takes ``cancel(why)``, which may be called from any thread, before the call is made."""


class Deliver(Protocol):
    """Calls a hook on this thread, as a call with its own row and quotas, and raises what the plugin causes.

    `read` makes something of the answer, as the plugin wrote it.
    """

    def __call__(
        self,
        plugin: Any,
        hook: str,
        payload: bytes,
        *,
        origin: str,
        parent_call_id: int,
        begun: Begun,
        read: Callable[[CallScope, bytes], Any] | None = None,
    ) -> Any: ...
