"""From a Python function to the host function that a module links to, through the steps of every host call."""

from __future__ import annotations

import inspect
import operator
import struct
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from judicia_notebook.capabilities import IMPORTS
from judicia_notebook.engine.linkage import HostFunction
from judicia_notebook.engine.slots import NUMBERS, pack_number
from judicia_notebook.errors import AbiMismatch, CallError, LoadError
from judicia_notebook.host.host_call import FOR_EVER, HostCall, Refusal
from judicia_notebook.host.imports.caller import Caller
from judicia_notebook.host.imports.functions import Import
from judicia_notebook.policy.grants import import_scope, is_grant
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection

    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.host.host_call import RateMeter
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.policy.policy import PolicyState
    from judicia_notebook.wasm.info import FuncType

_REFERENCES: Final = frozenset({"externref", "funcref"})
_REFUSED_NS: Final = 50_000_000
_LONGEST = 200  # characters of a module and a name together: they are a scope, in rows and on cards


class ImportOffer:
    """An import that a Python function answers.

    Attributes
    ----------
    supplied : Import
        The function that answers it now; exchanged where one is registered anew.
    scope : str
        Its scope as a grant has it.
    is_registered : bool
        Whether it is for every plugin of the runtime, and may be exchanged.
    """

    __slots__ = ("capability", "function", "is_registered", "module", "name", "rates", "scope", "supplied")

    def __init__(
        self, module: str, name: str, supplied: Import, rates: RateMeter, *, is_registered: bool = False
    ) -> None:
        if len(module) + len(name) > _LONGEST:
            raise LoadError(
                f"an import's module and name have {len(module) + len(name)} characters, and a Python function can "
                f"answer those of {_LONGEST} at most"
            )
        try:
            f"{module}{name}".encode()
        except UnicodeEncodeError:
            raise LoadError("an import's name is text that can be written in UTF-8") from None
        self.module = module
        self.name = name
        self.supplied = supplied
        self.rates = rates
        self.is_registered = is_registered
        self.scope = import_scope(module, name)
        self.function = printable(f"{module} {name}", _LONGEST)
        self.capability = supplied.capability or IMPORTS
        if not is_grant(self.grant):  # it could be neither granted nor revoked by itself
            raise LoadError(
                f"{printable(f'{module}.{name}', 80)} cannot be written as a grant, so no Python function can answer it"
            )

    @property
    def grant(self) -> str:
        """What allows it: ``imports=env.now``."""
        return f"{IMPORTS}={self.scope}"

    def is_allowed(self, state: PolicyState, supplied: Import | None = None) -> bool:
        """Whether a policy allows it; with this function, if another may be registered meanwhile."""
        named = (supplied or self.supplied).capability
        return self.grant in state.granted or IMPORTS in state.granted or (named is not None and named in state.granted)

    def allowing(self, granted: Collection[str]) -> tuple[str, ...]:
        """Which of these grants allow it: its own, all imports, or the capability that it names."""
        named = self.supplied.capability
        return tuple(grant for grant in granted if grant in (self.grant, IMPORTS, named))

    def host_function(self, kind: FuncType) -> HostFunction:
        """The host function for an import of this type.

        Raises
        ------
        AbiMismatch, LoadError
            The type has values that Python has not, or the value for a denied call does not fit it.
        """
        shown = printable(f"{self.module}.{self.name}", 160)
        others = {*kind.params, *kind.results} - NUMBERS - _REFERENCES
        if others:
            raise AbiMismatch(
                f"it imports {shown} as {kind}; a Python function takes and gives i32, i64, f32, f64 and references"
            )
        denied = self.supplied.denied
        if denied is not None:
            if len(kind.results) != 1 or kind.results[0] in _REFERENCES:
                raise LoadError(f"denied= is for an import with one numeric result, and {shown} is {kind}")
            try:
                pack_number(kind.results[0], denied)
            except ValueError as error:
                raise LoadError(f"denied= of {shown} {error}") from None

        def entry(sandbox: Sandbox, scope: CallScope, *numbers: Any) -> Any:
            return ImportCall(self, kind, sandbox, scope, numbers).take()

        return HostFunction(self.module, self.name, kind.params, kind.results, entry, is_signed=True)


class ImportCall(HostCall):
    """One call of a Python function by a guest."""

    def __init__(
        self, offer: ImportOffer, kind: FuncType, sandbox: Sandbox, scope: CallScope, numbers: tuple[Any, ...]
    ) -> None:
        self.scope = scope
        self.function = offer.function
        self.capability = offer.capability
        self.rates = offer.rates
        self.offer = offer
        self.kind = kind
        self.sandbox = sandbox
        self.numbers = numbers
        self.supplied = offer.supplied  # the one that the policy is asked about is the one that is called

    def answer(self) -> Any:
        """Ask the policy, call the function, check what it returns."""
        scope = self.scope
        if scope.recorder.captures.limit:
            self.capture("request", ", ".join(map(str, self.numbers)).encode())
        refusal = self.ask_policy()
        if refusal is not None:
            return self._refuse(refusal)
        try:
            value = self._call()
        except CallError as error:
            if error.record is None and error.plugin != scope.plugin:  # nor does it say where it comes from
                raise RuntimeError(f"{self.function} raised {type(error).__name__}") from error
            raise
        results = self._results(value)
        if scope.recorder.captures.limit:
            self.capture("answer", printable(repr(results), 1000).encode())
        return results

    def _call(self) -> Any:
        supplied = self.supplied
        if not supplied.takes_caller:
            return supplied.function(*self.numbers)
        caller = Caller(self.scope, self.sandbox, self.offer.function.replace(" ", ".", 1))
        try:
            return supplied.function(caller, *self.numbers)
        finally:
            caller.end()

    def ask_policy(self) -> Refusal | None:
        """The refusal, if the policy does not allow the call at this moment.

        Raises
        ------
        CapabilityDenied
            Under ``on_denied="trap"``, and where the import has no value for a denied call.
        """
        scope = self.scope
        state = scope.policy.state
        if not self.offer.is_allowed(state, self.supplied):
            # No policy changes where a function is registered anew, so that the core alone refuses for a moment only.
            self.refused_until_ns = perf_counter_ns() + _REFUSED_NS if self.offer.is_registered else FOR_EVER
            return self.deny(f"{self.function} is not granted", self.offer.scope, IMPORTS)
        return self.ask_rate(state)

    def _refuse(self, refusal: Refusal) -> float:
        """The value for a denied call, or the end of the call where there is none."""
        self.detail = refusal.message
        value = self.supplied.denied
        try:  # another function may have been registered since the load
            (kind,) = self.kind.results
            packed = None if value is None else pack_number(kind, value)
        except (TypeError, ValueError):
            packed = None
        if value is None or packed is None:
            if refusal.code == "quota_exceeded":
                rate = self.scope.policy.limits.host_call_rate or 0
                raise self.scope.exceeded("host_call_rate", rate, rate + 1, "host calls a second")
            raise self.denial(self.offer.scope, IMPORTS)
        self.refuse_again(*struct.unpack_from("<q", packed))
        return value

    def _results(self, value: Any) -> Any:
        """What the function returned, as the core writes it.

        Raises
        ------
        TypeError
            It does not fit the import's type.
        """
        results = self.kind.results
        if inspect.iscoroutine(value):
            value.close()
            raise TypeError(f"{self.function} returned a coroutine, which nothing awaits")
        if not results:
            return None
        if len(results) == 1:
            return self._result(results[0], value)
        if not isinstance(value, tuple | list) or len(value) != len(results):
            raise TypeError(f"{self.function} is {self.kind}: it returns a tuple of {len(results)} values")
        return tuple(map(self._result, results, value))

    def _result(self, kind: str, value: Any) -> Any:
        if kind in _REFERENCES:
            if value is not None:
                raise TypeError(f"{self.function} returns a reference, and only None can be one: null")
            return None
        if kind == "f64" and type(value) is float:
            return value
        try:
            pack_number(kind, value)
        except ValueError as error:
            raise TypeError(f"{self.function} returned a value that {error}") from None
        return operator.index(value) if kind in {"i32", "i64"} else float(value)
