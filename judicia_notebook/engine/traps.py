"""Wasmtime's traps, as errors of ours.

Several things can be true at once when a call ends badly: a guest whose allocation was refused aborts with
``unreachable``; a guest that is being cancelled dies in a host function. The order here decides which error the caller
gets: an end from outside comes first, then the guest's own report, then a refusal, and only then the bare trap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from judicia_notebook.engine.backtraces import names_of
from judicia_notebook.errors import CallError, GuestTrap, HostFailure, JudiciaError, QuotaExceeded

if TYPE_CHECKING:
    from judicia_notebook.engine.capi import Frame
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.memory import EndedAccount, MemoryAccount

STACK_OVERFLOW, OUT_OF_BOUNDS, OUT_OF_FUEL = 0, 1, 11
AT_A_TICK = frozenset({STACK_OVERFLOW, OUT_OF_FUEL})
"""Where these stop a guest the engine looks at the head of a function or loop, and not at what it was to do next."""

TRAPS = {
    STACK_OVERFLOW: "stack_overflow",
    OUT_OF_BOUNDS: "out_of_bounds_memory",
    2: "misaligned_atomic",
    3: "out_of_bounds_table",
    4: "indirect_call_to_null",
    5: "indirect_call_type_mismatch",
    6: "integer_overflow",
    7: "integer_division_by_zero",
    8: "invalid_conversion_to_integer",
    9: "unreachable",
    10: "interrupt",
    OUT_OF_FUEL: "out_of_fuel",
    12: "atomic_wait_on_unshared_memory",
    13: "null_reference",
    14: "out_of_bounds_array",
    15: "allocation_too_large",
    16: "cast_failure",
}
"""Wasmtime's trap codes that a core module can cause, by the name a `GuestTrap` carries."""

FUEL_IS_KNOWN = frozenset({"unreachable", "out_of_fuel"})
"""After these Wasmtime still knows the fuel used; after others it answers 0, which would be a lie."""

_CAUSES = {" thrown Wasm exception": "uncaught_exception", " has not been defined": "unknown_import"}
"""How Wasmtime's message of an error without a code ends: an exception that nobody caught is no trap to it."""

_MEMORY_TRAPS = frozenset({"unreachable", "out_of_bounds_memory"})
"""How a guest dies of an allocation that was refused: it aborts, or uses what it did not get."""


def explain(
    code: int | None,
    message: str,
    frames: Sequence[Frame],
    *,
    invocation: Invocation,
    account: MemoryAccount | EndedAccount,
    exports: Mapping[int, str],
) -> JudiciaError:
    """The error to raise for a guest that did not return."""
    where = {"plugin": invocation.plugin, "function": invocation.function}
    if invocation.ended is not None:
        return invocation.ended
    failure = invocation.failure
    if isinstance(failure, GuestTrap) and not failure.backtrace and failure.record is None:
        failure.backtrace = names_of(frames, exports)
    if isinstance(failure, CallError) and failure.record is None:
        return failure  # of this call; an error with a record ended another plugin's call, inside a service
    if failure is not None:
        error = HostFailure(f"{type(failure).__name__}: {failure}", **where)
        error.__cause__ = failure
        return error
    name = _name(code, message)
    if name == "out_of_fuel":
        limit = invocation.budget.limits.fuel or 0
        return invocation.exceeded("fuel", limit, limit, "fuel")
    if account.refused is not None and (code is None or name in _MEMORY_TRAPS):
        return memory_exceeded(invocation, account)
    return GuestTrap(trap=name, backtrace=names_of(frames, exports), **where)


def _name(code: int | None, message: str) -> str:
    """The trap, by the name a `GuestTrap` carries; without a code, the first line of Wasmtime's message."""
    if code is not None:
        return TRAPS.get(code, f"trap {code}")
    said = message.rstrip("\0\n ")
    for ending, name in _CAUSES.items():
        if said.endswith(ending):  # before it stand names that the guest chose
            return name
    return message.splitlines()[0] if message else "unknown"


def memory_exceeded(invocation: Invocation, account: MemoryAccount | EndedAccount) -> QuotaExceeded:
    """The error for an instance that was refused memory and could not live without it."""
    wanted, limit, whose = account.refused or (account.used, account.used, "plugin")
    error = invocation.exceeded("memory", limit, wanted, "bytes")
    if whose == "runtime":
        error.hint = "This is the ceiling for all instances together; unload a plugin you no longer need."
    elif whose == "system":
        error.hint = "It was the system that gave no more; see jn.doctor()."
    return error
