"""How much faster a sweep is with two workers than with one: threads, processes, and workers of a Dask cluster.

Run it as ``python benchmarks/sweep.py [rounds]``. Each way has the same cells of ``specimen.spin``, in turns of one
worker and two, with workers that are warm: what starting processes takes is no part of it. Two workers can be twice as
fast only where two cores have nothing else to do, so that is measured as well, without the package: two processes that
count in Python, and two in which Wasmtime counts, against one. The latter is the ceiling for a sweep here. Cells of
``specimen.sleep`` need no core, so they tell what handing out batches and taking rows costs by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import Any

import judicia_notebook as jn

PAYLOADS = [{"ms": 5}, {"ms": 10}, {"ms": 20}]
REPEATS = 60
COUNTS = 2_000_000
SPINS = 300_000_000
SPIN = """(module (func (export "spin") (param i64) (loop
  (local.set 0 (i64.sub (local.get 0) (i64.const 1)))
  (br_if 0 (i64.gt_s (local.get 0) (i64.const 0))))))"""
GOALS = {"threads": 1.7, "processes": 1.8}


def sweep(executor: Executor, function: str = "spin") -> Any:
    return jn.sweep("example:specimen", function, PAYLOADS, repeats=REPEATS, executor=executor, progress=False)


def count(turns: int) -> int:
    """Work for one core that needs nothing of us."""
    total = 0
    for turn in range(turns):
        total += turn & 1
    return total


def count_twice(executor: Executor) -> None:
    for future in [executor.submit(count, COUNTS) for _ in range(8)]:
        future.result()


@cache
def bare() -> Callable[[int], object]:
    """A loop in Wasmtime alone; compiled once in each process."""
    import wasmtime

    store = wasmtime.Store(wasmtime.Engine())
    found: Any = wasmtime.Instance(store, wasmtime.Module(store.engine, SPIN), []).exports(store)["spin"]
    return partial(found, store)


def spin(turns: int) -> None:
    bare()(turns)


def spin_twice(executor: Executor) -> None:
    for future in [executor.submit(spin, SPINS) for _ in range(8)]:
        future.result()


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@contextmanager
def dask(workers: int) -> Iterator[Executor]:
    from distributed import Client, LocalCluster

    start: Callable[..., Any] = LocalCluster
    connect: Callable[..., Any] = Client
    cluster = start(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0")
    with cluster, connect(cluster) as client:
        yield client.get_executor()


WAYS: dict[str, tuple[Callable[[int], Any], Callable[[Executor], object]]] = {
    "bare Python": (processes, count_twice),
    "bare Wasm": (processes, spin_twice),
    "threads": (ThreadPoolExecutor, sweep),
    "processes": (processes, sweep),
    "dask": (dask, sweep),
    "threads, waiting": (ThreadPoolExecutor, partial(sweep, function="sleep")),
    "processes, waiting": (processes, partial(sweep, function="sleep")),
}


def median(numbers: Iterable[float]) -> float:
    return statistics.median(numbers)


def measure(rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds with one worker and with two, of each way in each round."""
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        pools = {way: [stack.enter_context(make(workers)) for workers in (1, 2)] for way, (make, _) in WAYS.items()}
        for turn in range(rounds + 1):  # the first one warms up
            for way, (_, work) in WAYS.items():
                one, two = (seconds(partial(work, pool)) for pool in pools[way])
                if turn:
                    times[way].append((one, two))
    return times


def main(rounds: int) -> None:
    cells = len(PAYLOADS) * REPEATS
    print(f"{cells} cells of specimen.spin, {rounds} rounds, {os.cpu_count()} processors")
    began = os.getloadavg()[0]
    times = measure(rounds)
    print(f"load average {began:.1f} before, {os.getloadavg()[0]:.1f} after; medians (and the range) of all rounds")
    print(f"  {'':<18} {'one, s':>7} {'two, s':>7} {'ratio':>6}")
    for way, found in times.items():
        ratios = [one / two for one, two in found]
        goal = f"  goal {GOALS[way]}" if way in GOALS else ""
        spread = f"({min(ratios):.2f}-{max(ratios):.2f})"
        ones, twos = zip(*found, strict=True)
        print(f"  {way:<18} {median(ones):7.2f} {median(twos):7.2f} {median(ratios):6.2f} {spread}{goal}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
