"""How much more two workers get done than one: threads of one process beside processes, and bare Wasmtime beside both.

Run it as ``python benchmarks/threads.py [--rounds N] [--seconds S]``; a minute without options.

- *Works.* ``add`` is a numeric call, as short as a call can be; ``echo`` has 100 bytes of JSON in and out; ``spin``
  computes for a millisecond in the guest, with as many turns as take each way that long.
- *Ways.* Threads share one plugin, as ``jn.sweep`` with a thread pool does. Processes have each their own. Bare
  Wasmtime is wasmtime-py with nothing around it, neither metered nor recorded. Its two processes tell what two
  processors give here: the ceiling. Its threads tell what Python's lock takes from wasmtime-py.
- *Same rounds.* In each round each way works for the same time with one worker, then with two. What is shown is the
  median of the rounds, with the least and the most: ``us``, of a call with one worker; ``two / one``, the calls of two
  workers by those of one; and the calls of two workers of this way by those of two processes of the same make. Run it
  where nothing else runs: where other programs have the processors, two workers of any way get done what one does.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import repeat
from typing import Any, Protocol

import wasmtime

import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat

GUEST = """(func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))
(func (export "spin") (param i64) (result i64) (loop
  (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
  (br_if 0 (i64.gt_s (local.get 0) (i64.const 0)))) (local.get 0))"""
SPIN_SECONDS = 1e-3
VALUE = {"text": "x" * 89}
CHUNKS = {"add": 20, "echo": 20, "spin": 1}
"""The works, and how many calls there are between two looks at the clock."""

START_SECONDS = 0.02
Works = dict[str, Callable[[], object]]
Job = tuple[str, int, float]
"""A work, when it begins (``perf_counter_ns``, which all processes share), and for how many seconds."""


def calls_of(works: Works, job: Job) -> float:
    """Work for so long; calls in a second."""
    work, start_ns, seconds = job
    call, chunk, count = works[work], CHUNKS[work], 0
    time.sleep(max(0.0, (start_ns - time.perf_counter_ns()) / 1e9))
    began = time.perf_counter_ns()
    until = began + int(seconds * 1e9)
    while (now := time.perf_counter_ns()) < until:
        for _ in repeat(None, chunk):
            call()
        count += chunk
    return count * 1e9 / (now - began)


def turns_of(spin: Callable[[int], object]) -> int:
    """How many take a millisecond."""

    def seconds(turns: int) -> float:
        began = time.thread_time()
        spin(turns)
        return time.thread_time() - began

    few, many = (min(seconds(turns) for _ in range(7)) for turns in (1_000, 501_000))
    return int(500_000 * SPIN_SECONDS / (many - few))


def ours() -> Works:
    """The calls, through this package."""
    plugin = jn.Runtime().load(compile_wat(GUEST).encode(), name="guest", instances=2)
    add, spin = plugin.raw("add"), plugin.raw("spin")
    return {
        "add": partial(add, 1, 2),
        "echo": partial(plugin.call, "echo", VALUE),
        "spin": partial(spin, turns_of(spin)),
    }


def bare() -> Works:
    """The calls, through wasmtime-py alone, and an instance for them."""
    store = wasmtime.Store(wasmtime.Engine())
    module = wasmtime.Module(store.engine, compile_wat(GUEST).encode())
    exports: Any = wasmtime.Instance(store, module, []).exports(store)
    memory, alloc, free = exports["memory"], exports["judicia_alloc"], exports["judicia_free"]
    echo, spin = exports["echo"], partial(exports["spin"], store)

    def echoed() -> object:
        data = json.dumps(VALUE).encode()
        at = alloc(store, len(data))
        memory.write(store, data, at)
        packed = echo(store, at, len(data)) & (1 << 64) - 1
        where, length = packed >> 32, packed & 0xFFFFFFFF
        answer = json.loads(memory.read(store, where, where + length))
        free(store, at, len(data))
        return answer

    return {"add": partial(exports["add"], store, 1, 2), "echo": echoed, "spin": partial(spin, turns_of(spin))}


class Workers(Protocol):
    """Two of them."""

    def work(self, job: Job, count: int) -> float:
        """Have `count` of them work at the same time; their calls in a second together."""


class Threads:
    """Two threads of this process."""

    def __init__(self, works: Callable[[], list[Works]]) -> None:
        self._answers: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._jobs: list[queue.SimpleQueue[Job]] = []
        for each in works():
            jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
            self._jobs.append(jobs)
            threading.Thread(target=self._serve, args=(each, jobs), daemon=True).start()

    def _serve(self, works: Works, jobs: queue.SimpleQueue[Job]) -> None:
        while True:
            self._answers.put(calls_of(works, jobs.get()))

    def work(self, job: Job, count: int) -> float:
        """As `Workers` says."""
        for jobs in self._jobs[:count]:
            jobs.put(job)
        return sum(self._answers.get() for _ in range(count))


def _serve_process(make: Callable[[], Works], pipe: Any) -> None:
    works = make()
    pipe.send(None)
    while (job := pipe.recv()) is not None:
        pipe.send(calls_of(works, job))


class Processes:
    """Two processes."""

    def __init__(self, make: Callable[[], Works]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Any] = []
        for _ in range(2):
            pipe, theirs = context.Pipe()
            context.Process(target=_serve_process, args=(make, theirs), daemon=True).start()
            theirs.close()  # or the end of the process would end no `recv`
            pipe.recv()  # one after the other, so that each finds out alone how many turns take a millisecond
            self._pipes.append(pipe)

    def work(self, job: Job, count: int) -> float:
        """As `Workers` says."""
        for pipe in self._pipes[:count]:
            pipe.send(job)
        rates: list[float] = [pipe.recv() for pipe in self._pipes[:count]]
        return sum(rates)

    def end(self) -> None:
        """Let them end."""
        for pipe in self._pipes:
            pipe.send(None)


def _shared() -> list[Works]:
    return [ours()] * 2


def _apart() -> list[Works]:
    return [bare(), bare()]


THREADS, PROCESSES, BARE_THREADS, BARE = "threads", "processes", "bare threads", "bare processes"
PEERS = {THREADS: PROCESSES, PROCESSES: PROCESSES, BARE_THREADS: BARE, BARE: BARE}


@contextmanager
def workers() -> Iterator[dict[str, Workers]]:
    """All ways, ready to work."""
    with ExitStack() as stack:
        processes = {PROCESSES: Processes(ours), BARE: Processes(bare)}
        for each in processes.values():
            stack.callback(each.end)
        yield {THREADS: Threads(_shared), BARE_THREADS: Threads(_apart), **processes}


Rates = dict[tuple[str, str], list[tuple[float, float]]]
"""Of a work and a way: calls in a second of one worker and of two, in each round."""


def measure(rounds: int, seconds: float) -> Rates:
    """Take turns."""
    rates: Rates = {}
    with workers() as ways:
        for turn in range(rounds + 1):  # the first one warms up
            for work in CHUNKS:
                for name in PEERS:
                    start = time.perf_counter_ns() + int(START_SECONDS * 1e9)
                    one = ways[name].work((work, start, seconds), 1)
                    start = time.perf_counter_ns() + int(START_SECONDS * 1e9)
                    two = ways[name].work((work, start, seconds), 2)
                    if turn:
                        rates.setdefault((work, name), []).append((one, two))
    return rates


def _spread(numbers: list[float]) -> str:
    return f"{statistics.median(numbers):5.2f} ({min(numbers):.2f}-{max(numbers):.2f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.25, help="of each turn")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    rates = measure(options.rounds, options.seconds)
    print(f"{options.rounds} rounds, {os.cpu_count()} processors, load average {before:.1f} before", end="")
    print(f" and {os.getloadavg()[0]:.1f} after")
    print(f"| {'work':<5} | {'way':<14} | {'us':>7} | {'two / one':<18} | {'by two processes':<18} |")
    print(f"|{'-' * 7}|{'-' * 16}|{'-' * 8}:|{'-' * 20}|{'-' * 20}|")
    for (work, way), found in rates.items():
        one = statistics.median(1e6 / rate for rate, _ in found)
        gains = [two / alone for alone, two in found]
        beside = [two / theirs for (_, two), (_, theirs) in zip(found, rates[work, PEERS[way]], strict=True)]
        compared = "" if PEERS[way] == way else _spread(beside)
        print(f"| {work:<5} | {way:<14} | {one:>7.1f} | {_spread(gains):<18} | {compared:<18} |")


if __name__ == "__main__":
    main()
