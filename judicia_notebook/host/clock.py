"""``judicia:clock``: the time of day, for plugins that may know it.

A ``frozen`` clock always tells the same moment. A ``stepped`` clock goes on by a millisecond at each reading. With
either, a run can be repeated exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from judicia_notebook.errors import PolicyError
from judicia_notebook.host.dispatcher import Operation

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope

START_UNIX_MS = 1_735_689_600_000
"""Where the clocks that are not real begin: 2025-01-01, midnight UTC."""

_MS = 1_000_000  # nanoseconds
_made: Final = tuple.__new__  # half the time of calling the class


class Reading(NamedTuple):
    """One look at the clocks, in nanoseconds: since 1970 (UTC), and on a clock that never goes back."""

    unix_ns: int
    monotonic_ns: int


def _real() -> Callable[[], Reading]:
    began = perf_counter_ns()
    return lambda: _made(Reading, (time_ns(), perf_counter_ns() - began))


def _frozen() -> Callable[[], Reading]:
    return lambda: Reading(START_UNIX_MS * _MS, 0)


def _stepped() -> Callable[[], Reading]:
    steps = itertools.count()

    def read() -> Reading:
        step = next(steps)
        return Reading((START_UNIX_MS + step) * _MS, step * _MS)

    return read


KINDS = {"real": _real, "frozen": _frozen, "stepped": _stepped}


class ClockService:
    """``judicia:clock`` of one runtime."""

    module = "judicia:clock"

    def __init__(self, kind: str = "real") -> None:
        if kind not in KINDS:
            raise PolicyError(f"clock is one of {', '.join(map(repr, KINDS))}, not {kind!r}.")
        self.kind = kind
        self.read = KINDS[kind]()

    def operations(self) -> Iterable[Operation]:
        yield Operation("now", self.now, capability="wall_clock")

    def now(self, _scope: CallScope, _request: Any) -> dict[str, float]:
        """Milliseconds since 1970 (UTC), and on a clock that never goes back, to the microsecond."""
        unix_ns, monotonic_ns = self.read()
        return {"unix_ms": unix_ns // _MS, "monotonic_ms": monotonic_ns // 1000 / 1000}

    @property
    def resolution_ns(self) -> int:
        """The smallest difference between two readings, in nanoseconds."""
        return 1 if self.kind == "real" else _MS
