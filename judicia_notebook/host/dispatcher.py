"""The one way from a guest to the platform.

Every host call of every service takes the same steps, in this order, and leaves one row in `Runtime.host_calls`:

1. count it against the call's quota;
2. ask the plugin's policy, as it is at this moment;
3. count it against the rate of its capability;
4. read the request out of the guest's memory and check its shape, field by field;
5. let the service work, within what is left of the call's time;
6. write the answer into memory that the guest allocates.

A service says what went wrong by raising `ServiceError`: the guest gets code and message. Anything else it raises is a
bug of the host: the call ends as HostFailure and the guest is not resumed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import msgspec

from judicia_notebook.engine import abi, wire
from judicia_notebook.engine.sandbox import HostFunction, Sandbox
from judicia_notebook.errors import CapabilityDenied, QuotaExceeded

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.host.scope import CallScope

Code = Literal["capability_denied", "quota_exceeded", "bad_request", "not_found", "conflict", "timeout", "failed"]

_MAX_REQUEST = 16 << 20


class ServiceError(Exception):
    """A service's answer to a request it cannot fulfil. The text goes to the guest: no paths, addresses or secrets."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Empty(msgspec.Struct, forbid_unknown_fields=True):
    """A request without fields."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One host function.

    Parameters
    ----------
    name : str
        Its import name, such as ``now``.
    handle : callable
        ``handle(scope, request) -> value``; the value is written as JSON.
    capability : str or None
        What it takes; None where anybody may.
    request : type of msgspec.Struct
        The request's shape; unknown fields are refused.
    target : callable, optional
        ``target(request) -> text``: what the trace row names.
    answers : bool
        Whether there is an answer at all; if not, the guest gets 0.
    """

    name: str
    handle: Callable[[CallScope, Any], Any]
    capability: str | None = None
    request: type[msgspec.Struct] = Empty
    target: Callable[[Any], str] | None = None
    answers: bool = True


class Service(Protocol):
    """A module of host functions."""

    module: str

    def operations(self) -> Iterable[Operation]: ...


class RateMeter:
    """Host calls of each plugin and capability in the current second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, str], tuple[int, int]] = {}

    def admit(self, plugin: str, capability: str, limit: int) -> bool:
        now = int(monotonic())
        with self._lock:
            second, count = self._seconds.get((plugin, capability), (now, 0))
            count = count + 1 if second == now else 1
            if count > limit:
                return False
            self._seconds[plugin, capability] = (now, count)
            return True


class Dispatcher:
    """The host functions of one runtime."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._functions: dict[tuple[str, str], HostFunction] = {}
        self._capabilities: dict[tuple[str, str], str | None] = {}
        self._rates = RateMeter()
        for service in services:
            for operation in service.operations():
                key = (service.module, operation.name)
                self._capabilities[key] = operation.capability
                self._functions[key] = HostFunction(*key, *abi.CALL, self._entry(service.module, operation))

    def add_functions(self, functions: Iterable[HostFunction]) -> None:
        """Offer host functions whose types are not the ABI's own, such as WASI's."""
        for function in functions:
            key = (function.module, function.name)
            self._functions[key] = function
            self._capabilities[key] = None

    @property
    def modules(self) -> list[str]:
        """The modules a plugin can import from."""
        return sorted({module for module, _ in self._functions})

    @property
    def capabilities(self) -> Mapping[tuple[str, str], str | None]:
        """What each function takes, by (module, name)."""
        return self._capabilities

    def find(self, module: str, name: str) -> HostFunction | None:
        return self._functions.get((module, name))

    def _entry(self, module: str, operation: Operation) -> Callable[..., int]:
        function = f"{module} {operation.name}"

        def entry(_: Sandbox, invocation: Invocation, pointer: int, length: int) -> int:
            return _HostCall(cast("CallScope", invocation), operation, function, self._rates).answer(pointer, length)

        return entry


class _HostCall:
    """One host call on its way through the steps."""

    __slots__ = ("bytes_in", "bytes_out", "decision", "detail", "function", "operation", "rates", "scope", "target")

    def __init__(self, scope: CallScope, operation: Operation, function: str, rates: RateMeter) -> None:
        self.scope = scope
        self.operation = operation
        self.function = function
        self.rates = rates
        self.bytes_in = self.bytes_out = 0
        self.decision = "allowed"
        self.detail = self.target = ""

    def answer(self, pointer: int, length: int) -> int:
        """Take all steps; the packed answer."""
        began = perf_counter_ns()
        scope = self.scope
        self.bytes_in = length
        try:
            self._count()
            value = self._decide(pointer, length)
            return self._write(value) if self.operation.answers else 0
        except BaseException as error:
            if self.decision == "allowed":
                self.decision = "failed"
                self.detail = f"{type(error).__name__}: {error}"
            raise
        finally:
            scope.recorder.add_host_call(
                scope.call_id,
                scope.plugin,
                scope.host_calls,
                self.operation.capability or "",
                self.function,
                self.target,
                began - scope.recorder.began_ns,
                perf_counter_ns() - began,
                self.bytes_in,
                self.bytes_out,
                self.decision,
                self.detail,
            )

    def _count(self) -> None:
        try:
            self.scope.count_host_call()
        except QuotaExceeded:
            self.decision = "limited"
            raise

    def _decide(self, pointer: int, length: int) -> dict[str, Any]:
        """Steps 2 to 5: what the guest is to be told."""
        try:
            self._ask_policy()
            request = self._read(pointer, length)
            return {"ok": self.operation.handle(self.scope, request)}
        except ServiceError as error:
            if self.decision == "allowed":
                self.decision = "limited" if error.code == "quota_exceeded" else "failed"
            self.detail = error.message
            if not self.operation.answers:  # there is nobody to tell, so it may not pass for success
                raise abi.violation(self.scope, f"its request to {self.function}: {error.message}") from None
            return {"error": {"code": error.code, "message": error.message}}

    def _ask_policy(self) -> None:
        capability = self.operation.capability
        if capability is None:
            return
        scope, state = self.scope, self.scope.policy.state
        if not state.allows(capability):
            self._deny(capability, trap=state.on_denied == "trap")
        rate = state.quota.host_call_rate
        if isinstance(rate, int) and not self.rates.admit(scope.plugin, capability, rate):
            self.decision = "limited"
            raise ServiceError("quota_exceeded", f"more than {rate} host calls a second with {capability}")

    def _deny(self, capability: str, *, trap: bool) -> None:
        scope = self.scope
        self.decision = "denied"
        scope.denied += 1
        if self.function not in scope.denials:  # one audit row a call and function; host_calls has them all
            scope.denials[self.function] = capability
            scope.recorder.add_audit("denied", scope.plugin, f"{capability} for {self.function}", "plugin")
        if trap:
            self.detail = 'on_denied="trap"'
            raise CapabilityDenied(
                capability=capability, host_function=self.function, plugin=scope.plugin, function=scope.function
            )
        raise ServiceError("capability_denied", f"{self.function} needs the capability {capability}")

    def _read(self, pointer: int, length: int) -> Any:
        if length > _MAX_REQUEST:
            raise ServiceError("quota_exceeded", f"a request of {length} bytes; at most {_MAX_REQUEST}")
        data = (
            self.scope.exchange.read(pointer, length, self.scope, f"its request to {self.function}")
            if length
            else b"{}"
        )
        try:
            value = wire.decode(data, self.scope.budget.limits.json_depth)
            request = msgspec.convert(value, self.operation.request)
        except (ValueError, msgspec.ValidationError) as error:
            raise ServiceError("bad_request", _without_offsets(str(error))) from None
        if self.operation.target is not None:
            self.target = self.operation.target(request)
        return request

    def _write(self, value: dict[str, Any]) -> int:
        data = wire.encode(value)
        self.bytes_out = len(data)
        stop = self.scope.check()
        if stop is not None:
            raise stop
        return (self.scope.exchange.write(data, self.scope) << 32) | len(data)


def _without_offsets(text: str) -> str:
    """The decoder's message in one piece: ``Expected `int`, got `str` - at `$.length```."""
    return text.replace(" - at `$.", " in field `").replace(" - at `$", " in `$")
