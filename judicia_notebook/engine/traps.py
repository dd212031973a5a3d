"""Wasmtime's traps, as errors of ours.

Several things can be true at once when a call ends badly: a guest whose allocation was refused aborts with
``unreachable``; a guest that is being cancelled dies in a host function. The order here decides which error the caller
gets: an end from outside comes first, then the guest's own report, then a refusal, and only then the bare trap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from judicia_notebook.errors import CallError, GuestTrap, HostFailure, JudiciaError, QuotaExceeded
from judicia_notebook.wasm.rust_symbols import demangle

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.engine.memory import MemoryAccount

TRAPS = {
    0: "stack_overflow",
    1: "out_of_bounds_memory",
    2: "misaligned_atomic",
    3: "out_of_bounds_table",
    4: "indirect_call_to_null",
    5: "indirect_call_type_mismatch",
    6: "integer_overflow",
    7: "integer_division_by_zero",
    8: "invalid_conversion_to_integer",
    9: "unreachable",
    10: "interrupt",
    11: "out_of_fuel",
    12: "atomic_wait_on_unshared_memory",
    13: "null_reference",
    14: "out_of_bounds_array",
    15: "allocation_too_large",
    16: "cast_failure",
}
"""Wasmtime's trap codes that a core module can cause, by the name a `GuestTrap` carries."""

FUEL_IS_KNOWN = frozenset({"unreachable", "out_of_fuel"})
"""After these Wasmtime still knows the fuel used; after others it answers 0, which would be a lie."""

_MEMORY_TRAPS = frozenset({"unreachable", "out_of_bounds_memory"})
"""How a guest dies of an allocation that was refused: it aborts, or uses what it did not get."""

_PANIC_MACHINERY = re.compile(
    r"_*(rust_|rustc|__rust)|std::(panicking|sys)|core::(panicking|result|option)|<std::panicking"
)


def backtrace(frames: Sequence[tuple[int, str | None]], exports: Mapping[int, str]) -> tuple[str, ...]:
    """Readable names of frames, innermost first; a Rust panic's own machinery is left out."""
    names = [demangle(name) if name else exports.get(index, f"function {index}") for index, name in frames]
    for position, name in enumerate(names):
        if not _PANIC_MACHINERY.match(name):
            return tuple(names[position:])
    return tuple(names)


def explain(
    code: int | None,
    message: str,
    frames: Sequence[tuple[int, str | None]],
    *,
    invocation: Invocation,
    account: MemoryAccount,
    exports: Mapping[int, str],
) -> JudiciaError:
    """The error to raise for a guest that did not return."""
    where = {"plugin": invocation.plugin, "function": invocation.function}
    if invocation.ended is not None:
        return invocation.ended
    failure = invocation.failure
    if isinstance(failure, GuestTrap) and not failure.backtrace and failure.record is None:
        failure.backtrace = backtrace(frames, exports)
    if isinstance(failure, CallError) and failure.record is None:
        return failure  # of this call; an error with a record ended another plugin's call, inside a service
    if failure is not None:
        error = HostFailure(f"{type(failure).__name__}: {failure}", **where)
        error.__cause__ = failure
        return error
    name = TRAPS.get(code, f"trap {code}") if code is not None else message.splitlines()[0] if message else "unknown"
    if name == "out_of_fuel":
        limit = invocation.budget.limits.fuel or 0
        return invocation.exceeded("fuel", limit, limit, "fuel")
    if account.refused is not None and (code is None or name in _MEMORY_TRAPS):
        return memory_exceeded(invocation, account)
    return GuestTrap(trap=name, backtrace=backtrace(frames, exports), **where)


def memory_exceeded(invocation: Invocation, account: MemoryAccount) -> QuotaExceeded:
    """The error for an instance that was refused memory and could not live without it."""
    wanted, limit, whose = account.refused or (account.used, account.used, "plugin")
    error = invocation.exceeded("memory", limit, wanted, "bytes")
    if whose == "runtime":
        error.hint = "This is the ceiling for all instances together; unload a plugin you no longer need."
    elif whose == "system":
        error.hint = "It was the system that gave no more; see jn.doctor()."
    return error
