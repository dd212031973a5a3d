"""How a call can end before its time: the plugin said so, it trapped, was denied, broke the ABI or was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from judicia_notebook.errors.call import CallError, joined_runs
from judicia_notebook.reporting import suggestions
from judicia_notebook.text import printable

_MOST_RUNS = 6


class GuestError(CallError):
    """The plugin reported failure itself, through ``judicia:host fail``."""

    outcome = "guest_error"

    def __init__(self, message: str, *, code: str, data: Any = None, **where: Any) -> None:
        super().__init__(message, **where)
        self.code = code
        self.data = data

    def _ending(self) -> list[str]:
        return [f"{self._shown_where()} failed: {printable(self.code, 80)}: {printable(self.message)}"]


class GuestTrap(CallError):
    """The plugin did something WebAssembly forbids, and was stopped on the spot.

    Attributes
    ----------
    trap : str
        The kind, such as ``unreachable`` or ``out_of_bounds_memory``.
    backtrace : tuple of str
        Function names, innermost first.
    """

    outcome = "trap"

    def __init__(self, *, trap: str, backtrace: Sequence[str] = (), **where: Any) -> None:
        super().__init__(trap, **where)
        self.trap = trap
        self.backtrace = tuple(backtrace)

    def _ending(self) -> list[str]:
        return [f"{self._shown_where()} stopped at {self._trap()}.{self._lost()}"]

    def _trap(self) -> str:
        lines = self._shown_lines(_MOST_RUNS)
        frames = lines or joined_runs([printable(name, 80) for name in self.backtrace], _MOST_RUNS)
        unread = f"; its lines cannot be read: {self.frames_note}" if self.frames_note else ""
        return f"`{self.trap.replace('_', ' ')}`" + (f" in {frames}" if frames else "") + unread


class CapabilityDenied(CallError):
    """A host call without its grant ended the call, because ``on_denied="trap"``.

    Attributes
    ----------
    capability, scope : str
        What it lacked. The scope may be what the guest wrote.
    host_function : str
        What it called.
    """

    outcome = "denied"

    def __init__(
        self, *, capability: str, scope: str = "", host_function: str = "", grantable: bool = True, **where: Any
    ) -> None:
        super().__init__(capability, **where)
        if grantable:
            self.hint = suggestions.to_grant(self.plugin, capability + (f"={scope}" if scope else ""))
        self.capability = capability
        self.scope = scope
        self.host_function = host_function

    def _ending(self) -> list[str]:
        return [f"{self._shown_where()} needs {self.capability} for {self.host_function}."]


class HostFailure(CallError):
    """A service or a Python callback of ours raised; ``__cause__`` is that exception. The guest is not resumed."""

    outcome = "host_failure"

    def _ending(self) -> list[str]:
        said = printable(self.message)
        return [f"{self._shown_where()} was ended by an error of the host: {said}.{self._lost()}"]


class AbiViolation(CallError):
    """The guest broke the ABI: a bad pointer, length, UTF-8 or JSON."""

    outcome = "abi_violation"

    def _ending(self) -> list[str]:
        return [f"{self._shown_where()} broke the ABI: {printable(self.message)}.{self._lost()}"]


class Killed(CallError):
    """The child process that ran the call without metering was ended from outside: by the system, or by a person."""

    outcome = "killed"

    def _ending(self) -> list[str]:
        return [f"{self._shown_where()} was lost with its process: {printable(self.message)}."]


class Cancelled(CallError):
    """Ended by ``.cancel()``, the panel or an unload."""

    outcome = "cancelled"

    def _ending(self) -> list[str]:
        return [f"{self._shown_where()} was cancelled{self._reason()}.{self._lost()}"]
