"""Load, call, cancel, interrupt and compile many times over, and see that nothing of the system is kept.

    python tools/soak.py                 10 000 loads, 100 000 calls, 10 000 cancels, 2000 interrupts, 1000 compiles
    python tools/soak.py --share 0.02    a fiftieth of that

What is counted before and after each part is what the system gives a process: memory, address space, mappings, threads,
file descriptors, child processes. Each part is warmed up first, so that what is allocated once is there already. What
the records of all these calls take is not counted: a runtime keeps a million rows by design, and each part has a
runtime of its own. The exit code is 1 if anything grew beyond what an allocator may round up to.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import judicia_notebook as jn
from judicia_notebook.engine import memory
from judicia_notebook.engine.finalizers import sweep
from judicia_notebook.languages import build, toolchain

MIB = 1 << 20
ECHO = b"""(module (memory (export "memory") 2)
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "judicia_free") (param i32 i32))
  (func (export "echo") (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
  (func (export "spin") (param i32 i32) (result i64) (loop $more (br $more)) (i64.const 0)))"""
WARM_UP = 0.1
"""How much of a part is done before anything is counted."""

LOST_SECONDS = 20.0
"""An interrupt that has not come out by then never will."""

SETTLE_SECONDS = 15.0
"""How long idle threads have to leave, and ended calls to give their memory back."""


@dataclass(frozen=True)
class Held:
    """What this process holds of the system; sizes in bytes."""

    resident: int
    address_space: int
    mappings: int
    threads: int
    descriptors: int
    children: int

    @classmethod
    def now(cls) -> Self:
        gc.collect()
        sweep()  # what it found is in a queue now, which the next load would free
        pages = Path("/proc/self/statm").read_text().split()
        space, resident = (int(count) * os.sysconf("SC_PAGE_SIZE") for count in pages[:2])
        kept = memory.recycled_bytes()
        return cls(
            resident,
            space - kept,
            Path("/proc/self/maps").read_bytes().count(b"\n"),
            len(list(Path("/proc/self/task").iterdir())),
            len(list(Path("/proc/self/fd").iterdir())),
            sum(map(_children, Path("/proc/self/task").iterdir())),
        )

    def over(self, before: Held) -> list[str]:
        """What has grown by more than its slack.

        A thread's arena is 64 MiB of address space and stays with glibc, a kept linear memory is 4 GiB; less than that
        is rounding. One leaked memory, thread, descriptor or process in each turn is far above it.
        """
        slack = Held(resident=48 * MIB, address_space=1024 * MIB, mappings=100, threads=0, descriptors=0, children=0)
        names = [one.name for one in fields(self)]
        return [name for name in names if getattr(self, name) - getattr(before, name) > getattr(slack, name)]


def _children(task: Path) -> int:
    try:
        return len((task / "children").read_text().split())
    except OSError:  # the thread has ended since
        return 0


def settled(before: Held | None = None) -> Held:
    """What is held once the idle threads of calls in the background have left, and what lags behind has gone."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        idle = any(thread.name.startswith("judicia-call") for thread in threading.enumerate())
        held = Held.now()
        if time.monotonic() > deadline or not (idle or (before is not None and held.over(before))):
            return held
        time.sleep(0.05)


# --- the parts -------------------------------------------------------------------------------------------------------


def load_and_unload(rt: jn.Runtime, turns: int) -> None:
    for turn in range(turns):
        plugin = rt.load(ECHO, name="guest", instances="fresh" if turn % 3 == 0 else 1)
        if plugin.call("echo", turn) != turn:
            raise AssertionError(turn)
        rt.unload("guest")


def call(rt: jn.Runtime, turns: int) -> None:
    """Half of them on this thread, half in the background."""
    plugin = rt.load(ECHO, name="guest", instances=4)
    for start in range(0, turns, 100):
        handles = [plugin.submit("echo", start + number) for number in range(50)]
        answers = [plugin.call("echo", start + number) for number in range(50, 100)]
        if [handle.result(60) for handle in handles] + answers != list(range(start, start + 100)):
            raise AssertionError(start)


def cancel(rt: jn.Runtime, turns: int) -> None:
    """Some while they wait, some in a host service, some in wasm, some just as they end."""
    sleeper = rt.load("example:specimen", instances=4)
    chance = random.Random(7)  # noqa: S311  # the same moments every time
    for start in range(0, turns, 20):
        count = min(20, turns - start)
        asked = [
            sleeper.submit("sleep", {"ms": 5000})
            if number % 3
            else sleeper.submit("spin", {"ms": 60_000}, quota={"cpu": "900ms"})
            for number in range(count)
        ]
        time.sleep(chance.random() * 0.004)
        chance.shuffle(asked)
        for handle in asked:
            handle.cancel()
        for handle in asked:
            if not isinstance(handle.exception(60), jn.Cancelled):
                raise AssertionError(handle)


def interrupt(rt: jn.Runtime, turns: int) -> None:
    """Ctrl-C at random moments of calls on the main thread; each has to come out as KeyboardInterrupt.

    Between two calls it may meet a destructor, and what is raised in there Python itself drops; that one is let go.
    """
    plugin = rt.load("example:specimen", quota={"cpu": "10s"})
    chance = random.Random(8)  # noqa: S311
    plugin.call("echo", 1)
    with dropped_interrupts() as dropped:
        for turn in range(turns):
            dropped.clear()
            deadline = time.monotonic() + LOST_SECONDS
            with contextlib.suppress(KeyboardInterrupt), interrupted_after(chance.random() * 0.004):
                while time.monotonic() < deadline and not dropped:
                    plugin.attempt(*(("spin", {"ms": 3000}), ("sleep", {"ms": 3000}), ("echo", turn))[turn % 3])
                if not dropped:
                    raise AssertionError(f"interrupt {turn} was lost")


@contextlib.contextmanager
def dropped_interrupts() -> Iterator[list[str]]:
    """What Python says of each KeyboardInterrupt that it could not raise, other than in a callback of the engine."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    report, dropped = sys.unraisablehook, []

    def note(unraisable: sys.UnraisableHookArgs) -> None:
        text = unraisable.err_msg or ""
        if issubclass(unraisable.exc_type, KeyboardInterrupt) and "ctypes" not in text:
            dropped.append(text)
        else:
            report(unraisable)

    sys.unraisablehook = note
    try:
        yield dropped
    finally:
        sys.unraisablehook = report
        signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Have SIGINT sent to this process so soon; what it raises is the block's business."""
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


CELL = """#include "judicia.h"
JUDICIA_EXPORT(number) {{ jn_put_int(answer, {number}); }}
static const char kept[100000] __attribute__((used)) = "{number}";
"""
MOST_BUILDS = 4 * MIB
"""Bytes of compiled sources that this part keeps: few enough that it has to let some go."""


@contextlib.contextmanager
def builds_in(folder: str) -> Iterator[None]:
    """Have compilers work in folders in here, where those of other processes are not."""
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before


def change_a_cell(rt: jn.Runtime, turns: int) -> None:
    """Compile a source in C, load it under one name and call it, each time with a change; the folders stay small."""
    if toolchain.find_c() is None:
        print("no compiler for C: nothing is compiled; enable: apt-get install clang lld")
        return
    with tempfile.TemporaryDirectory(prefix="judicia-soak-") as folder, kept_in(Path(folder)), builds_in(folder):
        for number in range(turns):
            plugin = rt.load(jn.build(CELL.format(number=number), "c").wasm, name="cell")
            if plugin.call("number") != number:
                raise AssertionError(number)
        kept = sum(path.stat().st_size for path in Path(folder, "builds").iterdir())
        left = [path.name for path in Path(folder).glob("judicia-build-*")]
        if kept > MOST_BUILDS or left:
            raise AssertionError(f"{kept} bytes are kept, and {left} are left")


@contextlib.contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Have what is compiled kept in this folder, and little of it."""
    name, most = "JUDICIA_NOTEBOOK_CACHE", build.MOST_CACHE
    before = os.environ.get(name)
    os.environ[name], build.MOST_CACHE = str(folder), MOST_BUILDS
    try:
        yield
    finally:
        build.MOST_CACHE = most
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


PARTS: dict[str, tuple[int, Callable[[jn.Runtime, int], None]]] = {
    "load and unload": (10_000, load_and_unload),
    "call": (100_000, call),
    "cancel": (10_000, cancel),
    "interrupt": (2000, interrupt),
    "change a cell": (1000, change_a_cell),
}


# --- the table -------------------------------------------------------------------------------------------------------


def soak(part: Callable[[jn.Runtime, int], None], turns: int) -> tuple[Held, Held, int]:
    """What was held before and after, and how many bytes of guests' memory were booked at the end."""

    def once(count: int) -> int:
        with jn.Runtime() as rt:
            part(rt, count)
            pool = rt._platform.pool  # noqa: SLF001  # no public number says what is booked
            rt.clear()
            deadline = time.monotonic() + SETTLE_SECONDS
            while pool.used and time.monotonic() < deadline:
                time.sleep(0.01)
            return pool.used

    once(max(1, int(turns * WARM_UP)))
    before = settled()
    booked = once(turns)
    return before, settled(before), booked


def shown(name: str, value: int) -> str:
    return f"{value / MIB:,.1f}" if name in ("resident", "address_space") else f"{value:,}"


def report(title: str, seconds: float, before: Held, after: Held, booked: int) -> bool:
    """Print one part's table; whether it stayed as it was."""
    print(f"\n{title}: {seconds:.1f} s")
    grown = after.over(before)
    for name in (one.name for one in fields(Held)):
        then, now = getattr(before, name), getattr(after, name)
        unit = " MiB" if name in ("resident", "address_space") else ""
        mark = "   GREW" if name in grown else ""
        columns = f"{shown(name, then):>14} {shown(name, now):>14} {shown(name, now - then):>12}"
        print(f"  {name + unit:<20} {columns}{mark}")
    if booked:
        print(f"  {booked} bytes of guests' memory are still booked   GREW")
    sys.stdout.flush()
    return not grown and not booked


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; the exit code."""
    parser = argparse.ArgumentParser(description="Run plugins many times over and see that nothing is kept.")
    parser.add_argument("--share", type=float, default=1.0, help="how much of it, 1.0 being all")
    parser.add_argument("--part", choices=tuple(PARTS), action="append", help="only this; can be given again")
    options = parser.parse_args(arguments)
    if not Path("/proc/self/statm").exists() or threading.current_thread() is not threading.main_thread():
        parser.error("this counts what /proc tells, on the main thread: it runs on Linux")
    print(f"{'':<22} {'before':>14} {'after':>14} {'difference':>12}")
    flat = True
    for name, (most, part) in PARTS.items():
        if options.part and name not in options.part:
            continue
        turns = max(1, int(most * options.share))
        began = time.monotonic()
        measured = soak(part, turns)
        flat &= report(f"{name}, {turns} times", time.monotonic() - began, *measured)
    print("\nflat" if flat else "\nsomething grew")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
