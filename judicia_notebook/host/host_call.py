"""One host call on its way: counted against the quota, decided on by the policy, and left behind as one row.

This is what every host call has in common. The dispatcher puts JSON requests and services on top, and the WASI shim
numbers and error codes; this module knows neither. It writes the row on every way out, also when the call is ended in
the middle.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Literal, NamedTuple

from judicia_notebook.errors import CapabilityDenied, QuotaExceeded
from judicia_notebook.policy.grants import is_grant

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope


class RateMeter:
    """Host calls of each plugin and capability in the current second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, str], tuple[int, int]] = {}

    def clear(self) -> None:
        """Have every plugin begin anew."""
        with self._lock:
            self._seconds.clear()

    def admit(self, plugin: str, capability: str, limit: int) -> bool:
        now = int(monotonic())
        with self._lock:
            second, count = self._seconds.get((plugin, capability), (now, 0))
            count = count + 1 if second == now else 1
            if count > limit:
                return False
            self._seconds[plugin, capability] = (now, count)
            return True


class Refusal(NamedTuple):
    """Why the policy does not let a host call through, for the guest to read."""

    code: Literal["capability_denied", "quota_exceeded"]
    message: str


class HostCall:
    """One host call.

    Attributes
    ----------
    capability : str
        The capability it takes; ``""`` where every plugin may call it.
    target, detail : str
        Its subject and its outcome, for the row.
    bytes_in, bytes_out : int
        From the guest and to it.
    decision : str
        ``allowed``, ``denied``, ``limited`` or ``failed``.
    """

    __slots__ = ("bytes_in", "bytes_out", "capability", "decision", "detail", "function", "rates", "scope", "target")

    def __init__(self, scope: CallScope, function: str, capability: str | None, rates: RateMeter) -> None:
        self.scope = scope
        self.function = function
        self.capability = capability or ""
        self.rates = rates
        self.bytes_in = self.bytes_out = 0
        self.decision = "allowed"
        self.detail = self.target = ""

    def take(self, work: Callable[..., int], *arguments: int) -> int:
        """Count the call, do the work, leave the row."""
        began = perf_counter_ns()
        scope = self.scope
        host_ns = scope.host_ns
        try:
            self._count()
            return work(*arguments)
        except BaseException as error:
            if self.decision == "allowed":  # otherwise a denial or a limit has decided
                self.decision = "failed"
                self.detail = f"{type(error).__name__}: {error}"
            raise
        finally:
            scope.recorder.add_host_call(
                scope.call_id,
                scope.plugin,
                scope.host_calls,
                self.capability,
                self.function,
                self.target,
                began - scope.recorder.began_ns,
                perf_counter_ns() - began + (scope.host_ns - host_ns),  # without the guest's allocator
                self.bytes_in,
                self.bytes_out,
                self.decision,
                self.detail,
            )

    def capture(self, part: str, data: bytes) -> None:
        """Keep the beginning of a request or an answer, while the user has capturing on."""
        scope = self.scope
        if scope.recorder.captures.limit:
            scope.recorder.captures.add(scope.call_id, scope.host_calls, part, data)

    def _count(self) -> None:
        try:
            self.scope.count_host_call()
        except QuotaExceeded:
            self.decision = "limited"
            raise

    def ask_policy(self) -> Refusal | None:
        """The refusal, if the policy does not allow the call at this moment.

        Raises
        ------
        CapabilityDenied
            Under ``on_denied="trap"``.
        """
        capability = self.capability
        if not capability:
            return None
        scope, state = self.scope, self.scope.policy.state
        if not state.allows(capability):
            return self.deny(self._needs)
        rate = state.limits.host_call_rate
        if rate is not None and not self.rates.admit(scope.plugin, capability, rate):
            self.decision = "limited"
            return Refusal("quota_exceeded", f"more than {rate} host calls a second with {capability}")
        return None

    @property
    def _needs(self) -> str:
        return f"{self.function} needs the capability {self.capability}"

    def deny(self, message: str, wanted: str = "", capability: str = "") -> Refusal:
        """Count and audit a denial of the policy's, or of a service's that misses the scope `wanted`.

        The scope may belong to another `capability` than the operation's own.

        Raises
        ------
        CapabilityDenied
            Under ``on_denied="trap"``.
        """
        scope, capability = self.scope, capability or self.capability
        self.decision = "denied"
        grant = f"{capability}={wanted}" if wanted else capability
        if scope.note_denial(self.function, grant):  # one audit row a call and function; host_calls has them all
            scope.recorder.add_audit("denied", scope.plugin, f"{grant} for {self.function}", "plugin")
        if scope.policy.state.on_denied == "trap":
            self.detail = 'on_denied="trap"'
            raise CapabilityDenied(
                capability=capability,
                scope=wanted,
                host_function=self.function,
                grantable=is_grant(grant),
                plugin=scope.plugin,
                function=scope.function,
            )
        return Refusal("capability_denied", message)
