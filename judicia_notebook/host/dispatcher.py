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
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.engine import abi, wire
from judicia_notebook.engine.linkage import HostFunction
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.host.host_call import HostCall, RateMeter
from judicia_notebook.host.imports.registry import ImportRegistry
from judicia_notebook.wasm.json_shape import TooManyValues

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope

Code = Literal["capability_denied", "quota_exceeded", "bad_request", "not_found", "conflict", "timeout", "failed"]

_MAX_REQUEST = 16 << 20
_NO_FIELDS = b"{}"


class ServiceError(Exception):
    """A service's answer to a request it cannot fulfil. The text goes to the guest: no paths, addresses or secrets.

    With the code ``capability_denied`` it is a denial like the policy's own: counted, audited, and the end of the call
    under ``on_denied="trap"``. `scope` is the scope that the user would have to grant, and `capability` its capability
    if that is not the operation's own. `escape` is set where the request would have left the sandbox, and says by what
    and what stopped it: a text of ours, none of the guest's. Only the user sees these three.
    """

    def __init__(self, code: Code, message: str, *, scope: str = "", capability: str = "", escape: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.scope = scope
        self.capability = capability
        self.escape = escape


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

    Attributes
    ----------
    rates : RateMeter
    imports : ImportRegistry
        The Python functions that answer imports which the platform does not offer.

    Raises
    ------
    ValueError
        Two functions have the same name, or a function takes a capability that cannot be granted.
    """

    def __init__(self, services: Iterable[Service]) -> None:
        self._functions: dict[tuple[str, str], HostFunction] = {}
        self._capabilities: dict[tuple[str, str], str | None] = {}
        self.rates = RateMeter()
        self.imports = ImportRegistry(self.rates, lambda module, name: self.find(module, name) is not None)
        for service in services:
            for operation in service.operations():
                key = (service.module, operation.name)
                if key in self._functions:
                    raise ValueError(f"there are two host functions {service.module} {operation.name}")
                if operation.capability not in (None, *CAPABILITIES):
                    raise ValueError(f"{service.module} {operation.name} takes {operation.capability}, no capability")
                self._capabilities[key] = operation.capability
                self._functions[key] = HostFunction(
                    *key, *abi.CALL, self._entry(service.module, operation), takes_bytes=True
                )

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
        offer = _Offer(operation, f"{module} {operation.name}", self.rates)
        make = _ServiceCall

        def entry(_: Sandbox, scope: CallScope, request: bytes | None, pointer: int, length: int) -> int:
            return make(scope, offer, request, pointer, length).take()

        return entry


class _Offer:
    """An operation with all that its calls have in common.

    Attributes
    ----------
    empty : Empty or None
        What a request without fields is read as; None where the operation's request has fields.
    """

    __slots__ = ("capability", "empty", "function", "operation", "rates", "request")

    def __init__(self, operation: Operation, function: str, rates: RateMeter) -> None:
        self.operation = operation
        self.function = function
        self.request = f"its request to {function}"
        self.capability = operation.capability or ""
        self.rates = rates
        self.empty = Empty() if operation.request is Empty else None


class _ServiceCall(HostCall):
    """A host call that a service answers, on its way through the steps."""

    def __init__(self, scope: CallScope, offer: _Offer, request: bytes | None, pointer: int, length: int) -> None:
        self.scope = scope
        self.function = offer.function
        self.capability = offer.capability
        self.rates = offer.rates
        self.offer = offer
        self.request = request
        self.pointer = pointer
        self.bytes_in = length

    def answer(self) -> int:
        """Steps 2 to 6; the packed answer."""
        scope, capability, operation = self.scope, self.capability, self.offer.operation
        try:
            refusal = self.ask_policy()
            if refusal is not None:
                raise ServiceError(*refusal)
            request = self._read()
            # Another thread may have revoked it while a long request was read. Between this look and the service no
            # thread of Python comes in: keep the two side by side.
            if capability and capability not in scope.policy.state.capabilities:
                raise ServiceError(*self.deny(self.needs))
            answer = {"ok": operation.handle(scope, request)}
            if scope.noted:
                self.detail = self._noted()
        except ServiceError as error:
            answer = self._refuse(error)
        if not operation.answers:
            return 0
        data = wire.encode(answer, "the answer")
        self.bytes_out = length = len(data)
        if scope.recorder.captures.limit:
            self.capture("answer", data)
        if scope.ended is not None:  # not `check`: time and memory are checked when the call is done
            raise scope.ended
        if self.refused_until_ns:
            self.refuse_again(data, partial(scope.exchange.raise_unwritten, scope, length))
        return (scope.exchange.write(data, scope) << 32) | length

    def _refuse(self, error: ServiceError) -> dict[str, Any]:
        """The answer that says so to the guest."""
        if error.code == "capability_denied" and self.decision == "allowed":
            self.deny(error.message, error.scope, error.capability)
        if self.decision == "allowed":
            self.decision = "limited" if error.code == "quota_exceeded" else "failed"
        if error.escape:
            self.note_escape(error.escape)
        self.detail = f"{error.message} ({self._noted()})" if self.scope.noted else error.message
        if not self.offer.operation.answers:  # without an answer the guest would take this for success
            raise abi.violation(self.scope, f"{self.offer.request}: {error.message}") from None
        return {"error": {"code": error.code, "message": error.message}}

    def _noted(self) -> str:
        """The service's remark, which is read once."""
        noted, self.scope.noted = self.scope.noted, ""
        return noted

    def _fetch(self) -> bytes:
        """A request that the core left where it is: too long, or not there at all."""
        length = self.bytes_in
        if length > _MAX_REQUEST:
            raise ServiceError("quota_exceeded", f"a request of {length} bytes; at most {_MAX_REQUEST}")
        return self.scope.exchange.read(self.pointer, length, self.scope, self.offer.request)

    def _read(self) -> Any:
        """The request, checked field by field."""
        scope, offer, length = self.scope, self.offer, self.bytes_in
        data = self.request
        if not data:
            data = self._fetch() if data is None else _NO_FIELDS
        if scope.recorder.captures.limit:
            self.capture("request", data)
        if data == _NO_FIELDS and offer.empty is not None and scope.budget.limits.json_values > 1:
            return offer.empty  # what it would be read as: an empty object counts as two values
        try:
            request = msgspec.convert(scope.read_json(data), offer.operation.request)
        except TooManyValues as error:
            raise ServiceError("quota_exceeded", str(error)) from None
        except MemoryError:
            raise ServiceError("failed", "there is no memory to read the request") from None
        except msgspec.ValidationError as error:
            raise ServiceError("bad_request", _without_offsets(str(error))) from None
        except ValueError as error:
            doubt = abi.suspicion(self.pointer, length) if length else ""
            raise ServiceError("bad_request", f"{_without_offsets(str(error))}{doubt}") from None
        if offer.operation.target is not None:
            self.target = offer.operation.target(request)
        return request


def _without_offsets(text: str) -> str:
    """The decoder's message in one piece: ``Expected `int`, got `str` - at `$.length```."""
    return text.replace(" - at `$.", " in field `").replace(" - at `$", " in `$")
