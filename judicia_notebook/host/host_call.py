"""One host call on its way: counted against the quota, decided on by the policy, and left behind as one row.

This is what every host call has in common. The dispatcher puts JSON requests and services on top, and the WASI shim
numbers and error codes; this module knows neither. It writes the row on every way out, also when the call is ended in
the middle.
"""

from __future__ import annotations

import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from judicia_notebook.engine.core.builtin import refuse_again
from judicia_notebook.engine.core.structs import NO_LIMIT
from judicia_notebook.engine.core_rows import CoreRows
from judicia_notebook.errors import CapabilityDenied, QuotaExceeded
from judicia_notebook.policy.grants import is_grant
from judicia_notebook.records.recorder import cut
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.policy.policy import PolicyState

_SECOND: Final = 1_000_000_000
FOR_EVER: Final = (1 << 63) - 1
_SHOWN_OF_A_TARGET: Final = 60  # of the 200 characters that an audit row keeps
_SHOWN_OF_A_NAME: Final = 30


class RateMeter:
    """Host calls of each plugin and capability in the current second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, str], tuple[int, int]] = {}

    def clear(self) -> None:
        """Have every plugin begin anew."""
        with self._lock:
            self._seconds.clear()

    def refuse(self, plugin: str, capability: str, limit: int) -> int:
        """Count a host call: 0, or until when it is refused, as ``perf_counter_ns``."""
        now = perf_counter_ns() // _SECOND
        with self._lock:
            second, count = self._seconds.get((plugin, capability), (now, 0))
            count = count + 1 if second == now else 1
            if count > limit:
                return (now + 1) * _SECOND
            self._seconds[plugin, capability] = (now, count)
            return 0


class Refusal(NamedTuple):
    """Why the policy does not let a host call through, for the guest to read."""

    code: Literal["capability_denied", "quota_exceeded"]
    message: str


class HostCall:
    """One host call: its way through the steps in `take`, and what its row will say.

    Attributes
    ----------
    scope : CallScope
        The call that makes it.
    function : str
        Such as ``judicia:clock now``.
    capability : str
        The capability it takes; ``""`` where every plugin may call it.
    target, detail : str
        Its subject and its outcome, for the row.
    bytes_in, bytes_out : int
        From the guest and to it.
    decision : str
        ``allowed``, ``denied``, ``limited`` or ``failed``.
    refused_until_ns : int
        Until when the policy refuses it, as ``perf_counter_ns``, if the policy stays as it is; 0 where it does not.
    rates : RateMeter
        Of the runtime.
    """

    # Every host call makes an object. So the kinds of host calls set these four themselves, without a call of this
    # class, and defaults stand on the class: what a call never touches costs it nothing.
    scope: CallScope
    function: str
    capability: str
    rates: RateMeter
    target = detail = ""
    bytes_in = bytes_out = refused_until_ns = 0
    decision = "allowed"

    def answer(self) -> int:
        """The steps between the count and the row; the number for the guest."""
        raise NotImplementedError

    def take(self) -> int:
        """Count the call, answer it, leave the row."""
        scope = self.scope
        try:
            try:
                scope.count_host_call()
            except QuotaExceeded:
                self.decision = "limited"
                raise
            return self.answer()
        except BaseException as error:
            if self.decision == "allowed":  # otherwise a denial or a limit has decided
                self.decision = "failed"
                self.detail = f"{type(error).__name__}: {error}"
            raise
        finally:
            target, detail = self.target, self.detail
            if target or detail:
                target, detail = cut(target), cut(detail)
            rows: Any = scope.recorder.host_calls  # whose class this room's callers choose: the core writes them
            key = (scope.plugin, self.capability, self.function, target, self.decision, detail)
            rows.add_own(key, self.bytes_in, self.bytes_out)

    def capture(self, part: str, data: bytes) -> None:
        """Keep the beginning of a request or an answer; the caller looks first whether the user has capturing on."""
        scope = self.scope
        scope.recorder.captures.add(scope.call_id, scope.host_calls, part, data)

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
        scope = self.scope
        state = scope.policy.state
        if capability not in state.capabilities:
            self.refused_until_ns = FOR_EVER
            return self.deny(self.needs)
        return self.ask_rate(state)

    def ask_rate(self, state: PolicyState) -> Refusal | None:
        """Count the call against the rate of its capability: the refusal beyond it."""
        rate = state.limits.host_call_rate
        if rate is not None and (until := self.rates.refuse(self.scope.plugin, self.capability, rate)):
            self.decision, self.refused_until_ns = "limited", until
            return Refusal("quota_exceeded", f"more than {rate} host calls a second with {self.capability}")
        return None

    def refuse_again(self, answer: bytes | int, fail: Callable[[int], NoReturn] | None = None) -> None:
        """Have the core give the policy's refusal to this import again, alone, while it stands (``core/refusals.c``).

        Parameters
        ----------
        answer : bytes or int
            What the guest gets.
        fail : callable, optional
            ``fail(status)`` raises the error where the guest has no room for the bytes.
        """
        scope, rows = self.scope, self.scope.recorder.host_calls
        # Who captures payloads said so before the call began: of its host calls each passes through here.
        if not isinstance(rows, CoreRows) or scope.recorder.captures.limit:
            return
        place = rows.place((scope.plugin, self.capability, self.function, self.target, self.decision, self.detail))
        limit = scope.budget.limits.host_calls
        most = NO_LIMIT if limit is None else limit - scope.spent.host_calls
        refuse_again(rows.pointer, place, self.decision == "denied", self.refused_until_ns, most, answer, fail)

    @property
    def needs(self) -> str:
        """The message of a denial."""
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
            scope.recorder.add_audit("denied", scope.plugin, f"{grant} for {self.function}", "plugin", scope.call_id)
        if scope.policy.state.on_denied == "trap":
            self.detail = 'on_denied="trap"'
            raise self.denial(wanted, capability)
        return Refusal("capability_denied", message)

    def note_escape(self, reason: str) -> None:
        """Audit an attempt to leave the sandbox, which has been stopped; `reason` says what it was, and by what.

        One audit row a call, function and reason, with the first target: a guest may try a million times.
        ``host_calls`` has them all. Reasons are texts of ours, so that a guest cannot make up new ones.
        """
        scope = self.scope
        if scope.note_escape(self.function, reason):
            where = f"in call {scope.call_id} of {printable(scope.function, _SHOWN_OF_A_NAME)}"
            tried = printable(self.target, _SHOWN_OF_A_TARGET)
            detail = f"{self.function} {tried}: {reason}; {where}"
            scope.recorder.add_audit("escape", scope.plugin, detail, "plugin", scope.call_id)

    def denial(self, wanted: str = "", capability: str = "") -> CapabilityDenied:
        """The error that ends the call for want of a grant."""
        capability = capability or self.capability
        return CapabilityDenied(
            capability=capability,
            scope=wanted,
            host_function=self.function,
            grantable=is_grant(f"{capability}={wanted}" if wanted else capability),
            plugin=self.scope.plugin,
            function=self.scope.function,
        )
