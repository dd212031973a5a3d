"""The one way from a guest to the platform.

Every host call of every service takes the same steps, in this order, and leaves one row in `Runtime.host_calls`:

1. count it against the call's quota;
2. ask the plugin's policy, as it is at this moment;
3. count it against the rate of its capability;
4. read the request out of the guest's memory and check its shape, field by field;
5. let the service work, within what is left of the call's time;
6. write the answer into memory that the guest allocates.

A service raises `ServiceError` to say what went wrong: the guest gets code and message. Any other exception is a bug of
the host: the call ends as HostFailure, and the guest does not go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import msgspec

from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.engine import abi, wire
from judicia_notebook.engine.sandbox import HostFunction, Sandbox
from judicia_notebook.host.host_call import HostCall, RateMeter
from judicia_notebook.wasm.json_shape import TooManyValues

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.host.scope import CallScope

Code = Literal["capability_denied", "quota_exceeded", "bad_request", "not_found", "conflict", "timeout", "failed"]

_MAX_REQUEST = 16 << 20


class ServiceError(Exception):
    """A service's answer to a request it cannot fulfil. The text goes to the guest: no paths, addresses or secrets.

    With the code ``capability_denied`` it is a denial like the policy's own: counted, audited, and the end of the call
    under ``on_denied="trap"``. `scope` is the scope that the user would have to grant, and `capability` its capability
    if that is not the operation's own. Only the user sees them.
    """

    def __init__(self, code: Code, message: str, *, scope: str = "", capability: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.scope = scope
        self.capability = capability


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
        The capability it takes; None where every plugin may call it.
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


class Dispatcher:
    """The host functions of one runtime.

    Raises
    ------
    ValueError
        Two functions have the same name, or a function takes a capability that cannot be granted.
    """

    def __init__(self, services: Iterable[Service]) -> None:
        self._functions: dict[tuple[str, str], HostFunction] = {}
        self._capabilities: dict[tuple[str, str], str | None] = {}
        self.rates = RateMeter()
        for service in services:
            for operation in service.operations():
                key = (service.module, operation.name)
                if key in self._functions:
                    raise ValueError(f"there are two host functions {service.module} {operation.name}")
                if operation.capability not in (None, *CAPABILITIES):
                    raise ValueError(f"{service.module} {operation.name} takes {operation.capability}, no capability")
                self._capabilities[key] = operation.capability
                self._functions[key] = HostFunction(*key, *abi.CALL, self._entry(service.module, operation))

    def add_functions(self, functions: Iterable[tuple[HostFunction, str | None]]) -> None:
        """Offer host functions whose types are not the ABI's own, such as WASI's, with the capability each takes."""
        for function, capability in functions:
            key = (function.module, function.name)
            self._functions[key] = function
            self._capabilities[key] = capability

    @property
    def modules(self) -> list[str]:
        """The modules a plugin can import from."""
        return sorted({module for module, _ in self._functions})

    @property
    def capabilities(self) -> Mapping[tuple[str, str], str | None]:
        """The capability that each function takes, by (module, name)."""
        return self._capabilities

    def find(self, module: str, name: str) -> HostFunction | None:
        return self._functions.get((module, name))

    def _entry(self, module: str, operation: Operation) -> Callable[..., int]:
        function = f"{module} {operation.name}"

        def entry(_: Sandbox, invocation: Invocation, pointer: int, length: int) -> int:
            call = _ServiceCall(cast("CallScope", invocation), operation, function, self.rates)
            return call.answer(pointer, length)

        return entry


class _ServiceCall(HostCall):
    """A host call that a service answers, on its way through the steps."""

    __slots__ = ("operation",)

    def __init__(self, scope: CallScope, operation: Operation, function: str, rates: RateMeter) -> None:
        super().__init__(scope, function, operation.capability, rates)
        self.operation = operation

    def answer(self, pointer: int, length: int) -> int:
        """Take all steps; the packed answer."""
        self.bytes_in = length
        return self.take(self._serve, pointer, length)

    def _serve(self, pointer: int, length: int) -> int:
        value = self._decide(pointer, length)
        return self._write(value) if self.operation.answers else 0

    def _decide(self, pointer: int, length: int) -> dict[str, Any]:
        """Steps 2 to 5: the answer for the guest."""
        try:
            refusal = self.ask_policy()
            if refusal is not None:
                raise ServiceError(*refusal)
            request = self._read(pointer, length)
            value = self.operation.handle(self.scope, request)
            if self.scope.noted:
                self.detail = self._noted()
            return {"ok": value}
        except ServiceError as error:
            if error.code == "capability_denied" and self.decision == "allowed":
                self.deny(error.message, error.scope, error.capability)
            if self.decision == "allowed":
                self.decision = "limited" if error.code == "quota_exceeded" else "failed"
            self.detail = f"{error.message} ({self._noted()})" if self.scope.noted else error.message
            if not self.operation.answers:  # without an answer the guest would take this for success
                raise abi.violation(self.scope, f"its request to {self.function}: {error.message}") from None
            return {"error": {"code": error.code, "message": error.message}}

    def _noted(self) -> str:
        """The service's remark, which is read once."""
        noted, self.scope.noted = self.scope.noted, ""
        return noted

    def _read(self, pointer: int, length: int) -> Any:
        if length > _MAX_REQUEST:
            raise ServiceError("quota_exceeded", f"a request of {length} bytes; at most {_MAX_REQUEST}")
        data = (
            self.scope.exchange.read(pointer, length, self.scope, f"its request to {self.function}")
            if length
            else b"{}"
        )
        self.capture("request", data)
        try:
            request = msgspec.convert(self.scope.read_json(data), self.operation.request)
        except TooManyValues as error:
            raise ServiceError("quota_exceeded", str(error)) from None
        except MemoryError:
            raise ServiceError("failed", "there is no memory to read the request") from None
        except msgspec.ValidationError as error:
            raise ServiceError("bad_request", _without_offsets(str(error))) from None
        except ValueError as error:
            doubt = abi.suspicion(pointer, length) if length else ""
            raise ServiceError("bad_request", f"{_without_offsets(str(error))}{doubt}") from None
        if self.operation.target is not None:
            self.target = self.operation.target(request)
        return request

    def _write(self, value: dict[str, Any]) -> int:
        data = wire.encode(value, "the answer")
        self.bytes_out = len(data)
        self.capture("answer", data)
        if self.scope.ended is not None:  # not `check`: time and memory are checked when the call is done
            raise self.scope.ended
        return (self.scope.exchange.write(data, self.scope) << 32) | len(data)


def _without_offsets(text: str) -> str:
    """The decoder's message in one piece: ``Expected `int`, got `str` - at `$.length```."""
    return text.replace(" - at `$.", " in field `").replace(" - at `$", " in `$")
