"""How late the core stops a guest while another Python thread holds Python's lock for 250 ms at a time: milliseconds.

Run it as ``python benchmarks/limits_under_load.py [times]``; 100 times each without it, which takes two minutes. The
guest computes for ever, on the main thread, whose ticks also look for signals, and on another one. The times are the
core's own: from the moment that a limit of 50 ms was reached, or that a cancel or `set_quota` told the core, to the
moment that the guest had ended. Then its thread waits for the lock, and that wait is ``lock_ms`` of its row: it must
not be in the row's ``guest_ms``. The holder lets go of the lock 20 ms after the guest has ended: what it would hold on
for has nothing to tell.

``CPU`` is what the guest's thread computed at most from then on: since the last tick before that moment. It tells what
the core does also where other programs have the processors, and all times on the wall are longer.

A guest that was stopped more than two ticks late gets a line of its own. It has the last ticks that the guest's thread
took notice of, as milliseconds of wall and of CPU since the one before, and what the processors had to do. A tick that
is late on both clocks came late. One that is late on the wall alone found the guest without a processor, or its thread
waiting for Python's lock: run this where little else runs.

The exit code is 1 if a guest was stopped more than two ticks late, or had more ``guest_ms`` than it ran.
"""

from __future__ import annotations

import operator
import os
import queue
import statistics
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import c_int64
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise, repeat, starmap
from pathlib import Path
from typing import Any

import judicia_notebook as jn
from judicia_notebook.engine import ticks
from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.memory import Box
from judicia_notebook.languages.wat import compile_wat
from judicia_notebook.runtime.call import Call

HELD_SECONDS = 0.25
HELD_FIRST_SECONDS = 0.045
"""A cancel from Python needs the lock, too: it comes between two holds."""

HELD_BEHIND_SECONDS = 0.02
LIMIT_MS = 50
MOST_LATE_MS = 2 * ticks.TICK * 1e3
SHOWN_TICKS = 8
LONG = jn.Quota(cpu="60s", wall="60s", memory="8MiB")
SPIN = '(func (export "spin") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)'
_NUMBER = struct.Struct("=q")


class Hog:
    """A thread that holds Python's lock for so long at a time, from `begin` until a guest has ended."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[c_int64, int, float] | None] = queue.SimpleQueue()
        self.idle = threading.Event()
        self.idle.set()
        count = 1_000_000
        began = time.perf_counter()
        _hold(c_int64(), 0, count)
        self._turns_a_second = count / (time.perf_counter() - began)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def begin(self, box: Box, first_seconds: float = HELD_SECONDS) -> None:
        """Hold the lock until the guest of this box has ended, which runs now."""
        left_ns = c_int64.from_address(box.pointer + structs.Box.left_ns.offset)
        self.idle.clear()
        self._jobs.put((left_ns, left_ns.value, first_seconds))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            number, before, seconds = job
            while not _hold(number, before, int(seconds * self._turns_a_second)):
                seconds = HELD_SECONDS  # and here another thread may take the lock
            _hold(c_int64(), 0, int(HELD_BEHIND_SECONDS * self._turns_a_second))
            self.idle.set()

    def end(self) -> None:
        """Give the lock back for good."""
        self._jobs.put(None)
        self._thread.join()


def _hold(number: c_int64, before: int, turns: int) -> bool:
    """Keep Python's lock until `number` is not `before`, for so many looks at most: one step of the interpreter.

    Whether it ended so.
    """
    return not all(map((before,).__eq__, starmap(_NUMBER.unpack_from, repeat((number,), turns))))


class Caller:
    """Makes calls for the measuring thread: on the thread that is in `serve`."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.errors: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self.begin = self._jobs.put

    def serve(self) -> None:
        """Make them until there is a None instead."""
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except jn.CallError as error:
                self.errors.put(error)
            else:
                self.errors.put(None)


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


@dataclass
class Times:
    """Of one way to be stopped, in milliseconds."""

    late: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    guest_beyond: list[float] = field(default_factory=list)
    lock: list[float] = field(default_factory=list)


class Machine:
    """What the processors had to do since this was made, and how the ticker came round meanwhile."""

    def __init__(self) -> None:
        self._stolen, self._turns, self._at = _stolen_ms(), _ticker().turns, time.perf_counter()

    @property
    def stolen_ms(self) -> float:
        """Of all processors together, by the system that this one is a guest of; in steps of 10 ms."""
        return _stolen_ms() - self._stolen

    @property
    def tick_ms(self) -> float:
        """From one turn of the ticker to the next, on average; only where it did not park."""
        turns = _ticker().turns - self._turns
        return (time.perf_counter() - self._at) * 1e3 / turns if turns else float("nan")

    def __str__(self) -> str:
        return f"a turn of the ticker each {self.tick_ms:.1f} ms, {self.stolen_ms:.0f} ms stolen, {load()}"


def load() -> str:
    """How many threads wanted a processor lately."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def _ticker() -> Any:
    return structs.Ticker.from_address(functions.ticker_state())


def _stolen_ms() -> float:
    try:
        return int(Path("/proc/stat").read_text().split()[8]) * 1e3 / os.sysconf("SC_CLK_TCK")
    except OSError:  # only Linux says
        return float("nan")


def running(plugin: jn.Plugin) -> tuple[Call, Box]:
    """The call that runs now, and its box."""
    while True:
        for call in plugin._deployment.running_calls:  # as the panel looks
            account = call.scope.account
            if isinstance(call, Call) and account is not None and call.scope.started_ns:
                return call, account._box  # noqa: SLF001
        time.sleep(0.0005)


def ticks_since(rt: jn.Runtime, first: int) -> list[tuple[float, float]]:
    """Ticks from the sample at position `first` on: instants on the wall (``perf_counter``) and of CPU, in ms."""
    import numpy as np

    recorder: Any = rt._recorder
    table, began_ns = recorder.samples, recorder.began_ns
    found: list[tuple[float, float]] = []
    for run in table.rows(first):
        rows = np.frombuffer(run.data, table.layout.array(run).dtype)
        found.extend(((began_ns + row["at_ns"]) / 1e6, row["cpu_ns"] / 1e6) for row in rows if row["event"] == 0)
    return found


class Bench:
    """The guest, what holds the lock, and the callers."""

    def __init__(self) -> None:
        self.rt = jn.Runtime()
        echo = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'
        self.plugin = self.rt.load(compile_wat(SPIN + echo).encode(), name="guest", quota=LONG)
        self.hog = Hog()
        self.cancelled, self.published = Told("cancel"), Told("limits_publish")
        self.longest_gaps = (0.0, 0.0)
        self.ways: dict[str, tuple[jn.Quota, Callable[[Call], int] | None]] = {
            f"a CPU limit of {LIMIT_MS} ms": (jn.Quota(cpu=f"{LIMIT_MS}ms"), None),
            f"a wall limit of {LIMIT_MS} ms": (jn.Quota(wall=f"{LIMIT_MS}ms"), None),
            "a cancel": (jn.Quota(), self._cancel),
            "a memory limit, lowered": (jn.Quota(), self._lower_memory),
        }

    def _cancel(self, call: Call) -> int:
        call.scope.cancel("by the benchmark")
        return self.cancelled.at_ns

    def _lower_memory(self, _call: Call) -> int:
        self.plugin.policy.set_quota(memory="1KiB")
        return self.published.at_ns

    def stop_once(self, caller: Caller, way: str, found: Times) -> str:
        """Have one call stopped; what there is to say about it, if it was late."""
        quota, end = self.ways[way]
        plugin = self.plugin
        plugin.call("echo", 1)  # it has an instance
        first = self.rt._recorder.samples.end
        machine = Machine()
        caller.begin(partial(plugin.call, "spin", quota=quota))
        call, box = running(plugin)
        began_ns = call.scope.started_ns
        time.sleep(0.01)  # its thread may have entered the box and not the guest, which takes Python's lock once more
        self.hog.begin(box, HELD_SECONDS if end is None else HELD_FIRST_SECONDS)
        asked_ns = began_ns + LIMIT_MS * 1_000_000
        if end is not None:
            time.sleep(HELD_FIRST_SECONDS)  # it comes back when the hog lets go of the lock for a moment
            asked_ns = end(call)
        error = caller.errors.get()
        meanwhile = str(machine)
        self.hog.idle.wait()
        ended_ns = box.fields.left_ns
        record = plugin.last
        if record is None or error is None:
            raise SystemExit("the guest was not stopped")
        instants = ticks_since(self.rt, first)
        late = (ended_ns - asked_ns) / 1e6
        cpu_before = [cpu for wall, cpu in instants if wall <= asked_ns / 1e6]
        if isinstance(error, jn.QuotaExceeded) and error.quota == "cpu":  # by the CPU clock, which may be behind
            late = (error.used - error.limit) * 1e3
            cpu_before = [cpu for _, cpu in instants if cpu <= LIMIT_MS]
        found.late.append(late)
        found.cpu.append(instants[-1][1] - max(cpu_before, default=0))
        found.guest_beyond.append(record.guest_ms - (ended_ns - began_ns) / 1e6)
        found.lock.append(record.lock_ms)
        plugin.policy.set_quota(memory="8MiB")
        gaps = [(wall - earlier, cpu - used) for (earlier, used), (wall, cpu) in pairwise(instants)]
        self.longest_gaps = tuple(map(max, self.longest_gaps, *gaps))
        seen = " ".join(f"{wall:.0f}/{cpu:.0f}" for wall, cpu in gaps[-SHOWN_TICKS:])
        return f"    {late:.1f} ms late; last ticks, wall/CPU: {seen}; {meanwhile}" if late > MOST_LATE_MS else ""

    def end(self) -> None:
        """Let everything go."""
        self.hog.end()
        self.rt.close()


@contextmanager
def another_thread() -> Iterator[Caller]:
    """A caller on a thread of its own."""
    caller = Caller()
    thread = threading.Thread(target=caller.serve, daemon=True)
    thread.start()
    yield caller
    caller.begin(None)
    thread.join()


def measure(times: int, on_main: Caller) -> bool:
    """Whether all was in time."""
    bench, machine, good = Bench(), Machine(), True
    print(f"{'ms late, of ' + str(times):<38}{'median':>8}{'p95':>7}{'most':>7}", end="")
    print(f"{f'> {MOST_LATE_MS:.0f} ms':>9}{'CPU, most':>11}{'guest_ms beyond':>17}{'lock_ms':>9}", flush=True)
    with another_thread() as on_another:
        for place, caller in (("main thread", on_main), ("another thread", on_another)):
            for way in bench.ways:
                found = Times()
                notes = [bench.stop_once(caller, way, found) for _ in range(times)]
                late = sorted(found.late)
                p95, beyond = late[int(len(late) * 0.95)], max(found.guest_beyond)
                count = sum(ms > MOST_LATE_MS for ms in late)
                good = good and count == 0 and beyond <= 1
                print(
                    f"{way + ', ' + place:<38}{statistics.median(late):>8.1f}{p95:>7.1f}{late[-1]:>7.1f}{count:>9}"
                    f"{max(found.cpu):>11.1f}{beyond:>17.2f}{statistics.median(found.lock):>9.0f}",
                    flush=True,
                )
                print(*filter(None, notes), sep="\n", end="\n" if any(notes) else "")
    wall, cpu = bench.longest_gaps
    print(f"from tick to tick in the guest at most {wall:.0f} ms of wall, {cpu:.0f} ms of CPU; {machine}")
    bench.end()
    return good


def main(times: int) -> int:
    """Measure from a thread of its own, since the main thread makes calls."""
    on_main, good = Caller(), list[bool]()
    print(load())

    def work() -> None:
        try:
            good.append(measure(times, on_main))
        finally:
            on_main.begin(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    on_main.serve()
    thread.join()
    return int(good != [True])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
