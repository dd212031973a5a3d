"""The call as a Python function sees it that answers an import."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NoReturn

from judicia_notebook.engine.guest_memory import GuestMemory
from judicia_notebook.errors import GuestTrap, PluginNotReady, stays_in_process
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.engine.memory import Memory
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.host.scope import CallScope

_LEVELS = frozenset({"trace", "debug", "info", "warning", "error"})


@stays_in_process("It belongs to one call.")
class Caller:
    """The guest that calls a Python function: what a first parameter annotated ``jn.Caller`` receives.

    It is good for this one call, on the thread that makes it; kept beyond that, it refuses.

    Attributes
    ----------
    plugin : str
        The name of the plugin that calls.
    function : str
        The function of the plugin that runs.
    imported : str
        The import that is called, such as ``env.now``.
    memory : GuestMemory
        The guest's memory: ``read(pointer, length)``, ``write(pointer, data)``, ``text(pointer)``, ``view()``.
    """

    __slots__ = ("_sandbox", "_scope", "_thread", "function", "imported", "memory", "plugin")

    def __init__(self, scope: CallScope, sandbox: Sandbox, imported: str) -> None:
        self.plugin = scope.plugin
        self.function = scope.function
        self.imported = imported
        self.memory = GuestMemory(self._find_memory)
        self._scope: CallScope | None = scope
        self._sandbox: Sandbox | None = sandbox
        self._thread = threading.get_ident()

    def end(self) -> None:
        """The function has returned: its guest goes on, and may be freed."""
        self._scope = self._sandbox = None

    def _present(self) -> tuple[CallScope, Sandbox]:
        scope, sandbox = self._scope, self._sandbox
        if scope is None or sandbox is None:
            raise PluginNotReady(
                f"This jn.Caller belongs to a call of {self.imported} by {self.plugin}, and that call is over."
            )
        if threading.get_ident() != self._thread:
            raise PluginNotReady("A jn.Caller is for the thread that calls the function; hand other threads copies.")
        return scope, sandbox

    def _find_memory(self) -> Memory:
        _, sandbox = self._present()
        memory = sandbox.main_memory
        if memory is None:
            raise PluginNotReady(f"{self.plugin} has no memory that could be read: none of its own, or several.")
        return memory

    @property
    def cancelled(self) -> bool:
        """Whether the call is to end: cancelled, interrupted, or beyond a limit of time.

        A function that takes long looks here now and then, and returns.
        """
        scope, _ = self._present()
        return scope.check() is not None

    def log(self, message: str, level: str = "info") -> None:
        """Write a line into the plugin's log: one of trace, debug, info, warning and error.

        Raises
        ------
        QuotaExceeded
            The call may write no more.
        """
        scope, _ = self._present()
        size, room = len(message.encode("utf-8", "replace")), scope.log_room()
        if room is not None and size > room:
            limit = scope.budget.limits.log_bytes or 0
            raise scope.exceeded("log", limit, scope.log_bytes + scope.spent.log_bytes + size, "bytes")
        scope.log_bytes += size
        scope.log(level if level in _LEVELS else "info", message)

    def trap(self, message: str) -> NoReturn:
        """End the call as a trap of the guest, with this message: for an import by which a guest aborts.

        Raises
        ------
        GuestTrap
            Always; let it pass.
        """
        scope, _ = self._present()
        said = printable(message, 500)
        raise GuestTrap(trap="abort", plugin=scope.plugin, function=scope.function, hint=f"It said: {said}")

    def __repr__(self) -> str:
        return f"<Caller {self.plugin}.{printable(self.function, 80)}>"
