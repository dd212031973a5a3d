"""The part of a call that a host call sees: the plugin, its policy at this moment, the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine.invocation import Invocation, Spent

if TYPE_CHECKING:
    from judicia_notebook.engine.abi import Exchange
    from judicia_notebook.engine.limits import Budget
    from judicia_notebook.errors import GuestError
    from judicia_notebook.host.wasi.process import Process
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.records.recorder import Recorder


class CallScope(Invocation):
    """One call of a plugin, as host services see it.

    `remaining`, `check`, `wait` and `on_cancel` (from `Invocation`) are how a service that takes time stays within
    the call's wall quota and ends when it is cancelled.

    Attributes
    ----------
    policy : Policy
        Live: ask `policy.state` again each time.
    digest : str
        Of the code it runs in, as `Plugin.digest`.
    last_error : str
        The last line of level ``error`` that the guest wrote to its log.
    noted : str
        The service's remark for the user, which goes into the host call's row.
    reported : GuestError or None
        The guest's report through ``judicia:host fail``.
    progress : callable or None
        How many rows came to their end, in a call over rows.
    process : Process or None
        Its arguments, input and output as WASI has them, once it has used any of it.
    """

    exchange: Exchange  # set on the way in
    digest = ""
    denials: Mapping[str, str] = MappingProxyType({})
    escapes: frozenset[tuple[str, str]] = frozenset()
    log_bytes = 0
    last_error = ""
    noted = ""
    reported: GuestError | None = None
    progress: Callable[[], int] | None = None
    process: Process | None = None

    def __init__(
        self, budget: Budget, policy: Policy, recorder: Recorder, plugin: str, function: str, call_id: int
    ) -> None:
        # Every call makes a scope: to repeat `Invocation.__init__` here saves a Python call.
        self.budget = budget
        self.policy = policy
        self.recorder = recorder
        self.plugin = plugin
        self.function = function
        self.call_id = call_id

    @property
    def is_plain(self) -> bool:
        """Whether nothing has happened to it that its end would have to say."""
        return self.reported is None and self.process is None and super().is_plain

    def forget_errors(self) -> None:
        """Let go of what ended it, once that is on its way to the caller; it stays ended."""
        self.reported = None
        super().forget_errors()

    @property
    def denied(self) -> int:
        """Host calls that the policy denied so far."""
        return int(self._fields.denied)

    def note_denial(self, function: str, capability: str) -> bool:
        """Count a denied host call; whether it is the first of this function."""
        self._fields.denied += 1
        if function in self.denials:
            return False
        self.denials = {**self.denials, function: capability}
        return True

    def note_escape(self, function: str, reason: str) -> bool:
        """Whether this is the call's first attempt to leave the sandbox by this function for this reason."""
        if (function, reason) in self.escapes:
            return False
        self.escapes |= {(function, reason)}
        return True

    def count_host_call(self) -> int:
        """Hold a host call, which the core has counted, against its limit. Returns its number in this call.

        Raises
        ------
        QuotaExceeded
            The call may make no more.
        """
        count: int = self._fields.host_calls
        limit = self.budget.limits.host_calls
        if limit is not None and (used := count + self.spent.host_calls) > limit:
            raise self.exceeded("host_calls", limit, used, "host calls")
        return count

    def log_room(self) -> int | None:
        """Bytes of log that the call may still write; None for no limit."""
        limit = self.budget.limits.log_bytes
        return None if limit is None else limit - self.log_bytes - self.spent.log_bytes

    def share_budget(self, part: CallScope) -> None:
        """Give a partial call, which begins now, the rest of this call's limits."""
        part.budget = self.budget
        part.spent = Spent(
            self.wall_used_ns,
            self.cpu_used_ns,
            self.spent.fuel,
            self.spent.host_calls + self.host_calls,
            self.spent.log_bytes + self.log_bytes,
        )

    def take_over(self, part: CallScope, fuel: int) -> None:
        """Count the use of a partial call that is over. Its time is in this call's clocks already."""
        spent = self.spent
        self.spent = spent._replace(
            fuel=spent.fuel + fuel,
            host_calls=spent.host_calls + part.host_calls,
            log_bytes=spent.log_bytes + part.log_bytes,
        )

    def log(self, level: str, message: str, fields: dict[str, Any] | None = None, stream: str = "log") -> None:
        """Write a line to the plugin's log."""
        if level == "error":
            self.last_error = message
        self.recorder.add_log(
            self.call_id, self.plugin, perf_counter_ns() - self.recorder.began_ns, level, message, fields, stream
        )
