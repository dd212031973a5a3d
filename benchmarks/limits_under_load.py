"""How late the core stops a guest while another Python thread holds Python's lock for 250 ms at a time: milliseconds.

Run it as ``python benchmarks/limits_under_load.py [times]``; 100 times each without it. The guest computes for ever.
The times are the core's own: from the moment that a limit of 50 ms was reached, or that `cancel` or `set_quota` told
the core, to the moment that the guest had ended. Then its thread waits for the lock, and that wait is ``lock_ms`` of
its row: it must not be in the row's ``guest_ms``. Where the guest's thread or the ticker gets no processor the times
are longer: run it where little else runs.

The exit code is 1 if any of them was later than two ticks and a half, or had more ``guest_ms`` than it ran.
"""

from __future__ import annotations

import operator
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import judicia_notebook as jn
from judicia_notebook.engine import ticks
from judicia_notebook.engine.core import functions
from judicia_notebook.engine.memory import Box
from judicia_notebook.languages.wat import compile_wat
from judicia_notebook.runtime.call import Call
from judicia_notebook.runtime.handle import CallHandle

HELD_SECONDS = 0.25
LIMIT_MS = 50
MOST_LATE_MS = 2.5 * ticks.TICK * 1e3
LONG = jn.Quota(cpu="60s", wall="60s", memory="8MiB")
SPIN = '(func (export "spin") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)'


class Hog:
    """A thread that holds Python's lock for so long at a time, while it is told to."""

    def __init__(self) -> None:
        self._turns = self._calibrated()
        self.wanted = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    @staticmethod
    def _calibrated() -> int:
        began = time.perf_counter()
        sum(range(10_000_000))
        return int(10_000_000 * HELD_SECONDS / (time.perf_counter() - began))

    def _work(self) -> None:
        while not self._over:
            self.wanted.wait()
            sum(range(self._turns))  # one step of the interpreter, however long

    def end(self) -> None:
        """Give the lock back for good."""
        self._over = True
        self.wanted.set()
        self._thread.join()


@dataclass
class Times:
    """Of one way to be stopped, in milliseconds."""

    late: list[float] = field(default_factory=list)
    guest_beyond: list[float] = field(default_factory=list)
    lock: list[float] = field(default_factory=list)


class Told:
    """When the core was last told by one of its functions (``perf_counter_ns``); it keeps Python's lock meanwhile."""

    def __init__(self, name: str) -> None:
        self._function = getattr(functions, name)
        self.at_ns = 0
        setattr(functions, name, self)

    def __call__(self, *arguments: Any) -> Any:
        # Without a step of the interpreter in between, at which another thread might take the lock.
        steps: tuple[Callable[[], Any], ...] = (time.perf_counter_ns, partial(self._function, *arguments))
        self.at_ns, result = map(operator.call, steps)
        return result


def running(plugin: jn.Plugin) -> tuple[Box, int]:
    """The box of the call that runs now, and when its clocks began (``perf_counter_ns``)."""
    while True:
        for call in tuple(plugin._activity.running.values()):  # noqa: SLF001  # as the panel looks
            if isinstance(call, Call) and call.instance is not None and call.instance.sandbox.invocation is not None:
                return call.instance.sandbox.box, call.scope.started_ns
        time.sleep(0.0005)


def stopped_once(plugin: jn.Plugin, hog: Hog, quota: jn.Quota, end: Callable[[CallHandle], int] | None) -> Times:
    """Have one call stopped."""
    plugin.call("echo", 1)  # it has an instance
    handle = plugin.submit("spin", quota=quota)
    box, began_ns = running(plugin)
    time.sleep(0.01)  # its thread may have entered the box and not the guest yet, which takes Python's lock once more
    hog.wanted.set()
    asked_ns = began_ns + LIMIT_MS * 1_000_000
    if end is not None:
        time.sleep(LIMIT_MS / 1e3)  # it comes back when the hog lets go of the lock for a moment
        asked_ns = end(handle)
    error = handle.exception()
    hog.wanted.clear()
    ended_ns = box.fields.left_ns
    record = plugin.last
    if record is None or error is None:
        raise SystemExit("the guest was not stopped")
    late = (ended_ns - asked_ns) / 1e6
    if isinstance(error, jn.QuotaExceeded) and error.quota == "cpu":  # by the CPU clock, which may be behind
        late = (error.used - error.limit) * 1e3
    return Times([late], [record.guest_ms - (ended_ns - began_ns) / 1e6], [record.lock_ms])


def main(times: int) -> int:
    rt = jn.Runtime()
    echo = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'
    plugin = rt.load(compile_wat(SPIN + echo).encode(), name="guest", quota=LONG)
    limit = f"{LIMIT_MS}ms"

    cancelled, published = Told("cancel"), Told("limits_publish")

    def cancel(handle: CallHandle) -> int:
        handle.cancel()
        return cancelled.at_ns

    def lower_memory(_handle: CallHandle) -> int:
        plugin.policy.set_quota(memory="1KiB")
        return published.at_ns

    ways: dict[str, tuple[jn.Quota, Callable[[CallHandle], int] | None]] = {
        f"a CPU limit of {limit}": (jn.Quota(cpu=limit), None),
        f"a wall limit of {limit}": (jn.Quota(wall=limit), None),
        "cancel()": (jn.Quota(), cancel),
        "a memory limit, lowered": (jn.Quota(), lower_memory),
    }
    hog, failed = Hog(), False
    print(f"{'ms late, of ' + str(times):<28}{'median':>8}{'p95':>8}{'most':>8}{'guest_ms beyond':>17}{'lock_ms':>9}")
    for name, (quota, end) in ways.items():
        found = Times()
        for _ in range(times):
            once = stopped_once(plugin, hog, quota, end)
            found.late += once.late
            found.guest_beyond += once.guest_beyond
            found.lock += once.lock
            plugin.policy.set_quota(memory="8MiB")
        late = sorted(found.late)
        p95, beyond = late[int(len(late) * 0.95)], max(found.guest_beyond)
        failed = failed or late[-1] > MOST_LATE_MS or beyond > 1
        print(
            f"{name:<28}{statistics.median(late):>8.1f}{p95:>8.1f}{late[-1]:>8.1f}{beyond:>17.2f}"
            f"{statistics.median(found.lock):>9.0f}"
        )
    hog.end()
    rt.close()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
