"""``judicia:clock``: the time of day, for plugins that may know it.

``frozen`` always tells the same moment and ``stepped`` one a millisecond later each time it is asked, so that a run
can be repeated exactly.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from judicia_notebook.errors import PolicyError
from judicia_notebook.host.dispatcher import Operation

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope

START_UNIX_MS = 1_735_689_600_000
"""Where the clocks that are not real begin: 2025-01-01, midnight UTC."""


def _real() -> Callable[[], tuple[int, float]]:
    began = time.perf_counter_ns()
    return lambda: (time.time_ns() // 1_000_000, (time.perf_counter_ns() - began) // 1000 / 1000)


def _frozen() -> Callable[[], tuple[int, float]]:
    return lambda: (START_UNIX_MS, 0.0)


def _stepped() -> Callable[[], tuple[int, float]]:
    steps = itertools.count()

    def read() -> tuple[int, float]:
        step = next(steps)
        return START_UNIX_MS + step, float(step)

    return read


KINDS = {"real": _real, "frozen": _frozen, "stepped": _stepped}


class ClockService:
    """``judicia:clock`` of one runtime."""

    module = "judicia:clock"

    def __init__(self, kind: str = "real") -> None:
        if kind not in KINDS:
            raise PolicyError(f"clock is one of {', '.join(map(repr, KINDS))}, not {kind!r}.")
        self._read = KINDS[kind]()

    def operations(self) -> Iterable[Operation]:
        yield Operation("now", self.now, capability="wall_clock")

    def now(self, _scope: CallScope, _request: Any) -> dict[str, float]:
        """Milliseconds since 1970 (UTC), and on a clock that never goes back, to the microsecond."""
        unix_ms, monotonic_ms = self._read()
        return {"unix_ms": unix_ms, "monotonic_ms": monotonic_ms}
