"""What each monitor costs: five kernels, monitored in each way.

Run it as ``python benchmarks/monitors.py [--rounds N] [--processes N] [--only NAME,...] [--json FILE]``; ``make
bench`` does. It needs a clang that knows wasm32, or the package ziglang.

- *Kernels.* The three of guests/kernels.c, compiled with ``-O2``; Fibonacci's numbers by two calls of itself, which is
  little more than calls; and the bundled checker's comparison of two texts, JSON included. Every answer is compared.
- *Ways.* A call of ours as it is by default, which is 1; the same with metering ``epochs``, since the engine counts no
  fuel in monitored code; and inside of `Plugin.monitoring` for each monitor.
- *Interleaved.* In each round each way has its turn with each kernel. The time is the CPU time of the calling thread.
- *Placements.* Where the stack and the counters come to lie changes what many calls take, by up to a third, and is
  another place in each process. So all is measured in a few processes, one after the other. Shown is the median of the
  processes' medians, with the least and the most of them.
- The instance is made before, and the counters are read behind each call: that is in the time, as it is in a user's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import judicia_notebook as jn
from benchmarks import meterings
from judicia_notebook.experiments.monitors import monitor_names

FIBONACCI = """(module
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"""
TEXT = "\n".join(f"{number * 7919 % 10_007} {number / 8}" for number in range(30_000))
LONG = 60.0  # seconds: no limit is to end a call here
LIMITS = {"cpu": LONG, "wall": LONG}
UNMONITORED, EPOCHS = "unmonitored", "epochs"
OPTIONS = {"watch": "watch=judicia_alloc|run", "path": "path=1000"}


class Kernel(NamedTuple):
    """A module, how its export is called, and its answer."""

    title: str
    module: bytes | str
    call: Callable[[jn.Plugin], Any]
    answer: Any


def raw(function: str, argument: int) -> Callable[[jn.Plugin], Any]:
    return lambda plugin: plugin.raw(function)(argument)


def kernels() -> list[Kernel]:
    with tempfile.TemporaryDirectory() as folder:
        made = meterings.build("-O2", meterings.PLACEMENTS[0], Path(folder))
    texts = {"output": TEXT, "answer": TEXT + "\n"}
    found = [Kernel(each.title, made, raw(each.function, each.argument), each.answer) for each in meterings.kernels()]
    found.append(Kernel("Fibonacci", FIBONACCI, raw("fib", 30), 832_040))
    found.append(
        Kernel("checker", "example:checker", lambda plugin: plugin.call("check", texts)["verdict"], "accepted")
    )
    return found


def ways(runtime: jn.Runtime, kernel: Kernel, number: int, names: list[str], stack: ExitStack) -> Iterator[Any]:
    """The name of each way, and a call of it."""

    def load(name: str, **options: Any) -> jn.Plugin:
        return runtime.load(kernel.module, name=f"{name}-{number}", quota=LIMITS, **options)

    yield UNMONITORED, load(UNMONITORED)
    yield EPOCHS, load(EPOCHS, metering="epochs")
    for name in names:
        plugin = load(name)
        stack.enter_context(plugin.monitoring(what=OPTIONS.get(name, name)))
        yield name, plugin


Taken = dict[tuple[str, str], list[float]]
"""Milliseconds of each call, by kernel and way."""


def measure(rounds: int, names: list[str]) -> Taken:
    """Make all calls, round by round.

    Raises
    ------
    SystemExit
        A wrong answer.
    """
    taken: Taken = {}
    with jn.Runtime() as runtime, ExitStack() as stack:
        calls = [
            (kernel, way, plugin)
            for number, kernel in enumerate(kernels())
            for way, plugin in ways(runtime, kernel, number, names, stack)
        ]
        for turn in range(-1, rounds):  # the first one makes the instance
            for kernel, way, plugin in calls:
                began = time.thread_time_ns()
                answer = kernel.call(plugin)
                milliseconds = (time.thread_time_ns() - began) / 1e6
                if answer != kernel.answer:
                    raise SystemExit(f"a wrong answer of {kernel.title}, {way}: {answer}")
                if turn >= 0:
                    taken.setdefault((kernel.title, way), []).append(milliseconds)
    return taken


def ratio(taken: Taken, title: str, way: str) -> float:
    """The median of a way's multiples of the unmonitored call of the same round."""
    pairs = zip(taken[title, way], taken[title, UNMONITORED], strict=True)
    return statistics.median(monitored / plain for monitored, plain in pairs)


def show(processes: list[Taken]) -> None:
    """Print a table: the milliseconds of the unmonitored call, and of each other way the ratio to it."""
    titles, found = (list(dict.fromkeys(key[place] for key in processes[0])) for place in (0, 1))
    print("| | " + " | ".join(titles) + " |\n|---|" + "---:|" * len(titles))
    plain = [statistics.median(statistics.median(taken[title, UNMONITORED]) for taken in processes) for title in titles]
    print("| unmonitored, ms | " + " | ".join(f"{each:.1f}" for each in plain) + " |")
    for way in found[1:]:
        cells = []
        for title in titles:
            ratios = [ratio(taken, title, way) for taken in processes]
            cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        print(f"| {way} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description="What each monitor costs.")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--only", metavar="NAME,...", help="these monitors alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the milliseconds there too")
    chosen = parser.parse_args()
    if not meterings.compiler():
        print("There is no C compiler for wasm32: apt-get install clang lld, or pip install ziglang.")
        return
    names = chosen.only.split(",") if chosen.only else [name for name in monitor_names() if name != "watch"]
    processes = []
    for _ in range(chosen.processes):
        with ProcessPoolExecutor(1, get_context("spawn")) as executor:
            processes.append(executor.submit(measure, chosen.rounds, names).result())
    show(processes)
    if chosen.json:
        plain = [
            {"process": number, "kernel": title, "way": way, "ms": times}
            for number, taken in enumerate(processes)
            for (title, way), times in taken.items()
        ]
        chosen.json.write_text(json.dumps(plain) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
