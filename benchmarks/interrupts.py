"""How soon a call ends after Ctrl-C, or after a cancel from another thread: milliseconds, and whether any was lost.

Run it as ``python benchmarks/interrupts.py [times]``; 100 times each without it. A call is ended while it computes in
wasm, while it waits in a host service (``poll_oneoff``, asleep), and while it waits in the queue for its turn: each
time at a random moment after it began, the same ones in every run.

- Ctrl-C: another thread takes the time and sends SIGINT to this process; it ends where the main thread catches
  KeyboardInterrupt.
- cancel: this thread takes the time and cancels a call in the background; it ends where `CallHandle.result` raises
  `Cancelled` here.

An interrupt that has not come out when the call's own limit ends it counts as lost, and the exit code is 1. A call that
computes is ended by the next tick, so its times are spread over one tick of 10 ms and more.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import judicia_notebook as jn

LEAST_DELAY, MOST_DELAY = 0.001, 0.05
"""Seconds from the beginning of a call to the earliest and latest of the random moments."""

LIMITS = jn.Quota(cpu="20s", wall="20s")
"""What ends a call whose interrupt is lost."""

FOREVER = {"ms": 3_600_000}


@dataclass(frozen=True)
class Place:
    """Where a call is when it is ended."""

    name: str
    plugin: jn.Plugin
    function: str


def interrupted(place: Place, delay: float) -> float | None:
    """Seconds from Ctrl-C until KeyboardInterrupt is caught; None where it never is."""
    sent: list[float] = []

    def press() -> None:
        time.sleep(delay)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    caught = None
    try:
        finger.start()
        place.plugin.attempt(place.function, FOREVER)
    except KeyboardInterrupt:
        caught = time.perf_counter()
    finger.join()
    return None if caught is None else caught - sent[0]


def cancelled(place: Place, delay: float) -> float | None:
    """Seconds from the cancel of a call in the background until its end is known here; None where it ends otherwise."""
    handle = place.plugin.submit(place.function, FOREVER)
    time.sleep(delay)
    asked = time.perf_counter()
    handle.cancel()
    ended = handle.exception()
    seconds = time.perf_counter() - asked
    return seconds if isinstance(ended, jn.Cancelled) else None


WAYS: dict[str, Callable[[Place, float], float | None]] = {"Ctrl-C": interrupted, "cancel": cancelled}


def row(seconds: list[float | None]) -> str:
    """Count, lost, and the spread in milliseconds."""
    known = sorted(one * 1e3 for one in seconds if one is not None)
    counts = f"{len(seconds):>6} {len(seconds) - len(known):>5}"
    if not known:
        return counts
    late = known[min(len(known) - 1, int(len(known) * 0.95))]
    return f"{counts} {statistics.median(known):>8.2f} {late:>8.2f} {known[-1]:>8.2f}"


def main(times: int) -> int:
    """Print the table; the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    gc.disable()  # an interrupt between two calls that meets a destructor is dropped by Python itself
    moments = random.Random(1)  # noqa: S311
    lost = 0
    print(f"{'milliseconds':<34} {'times':>6} {'lost':>5} {'median':>8} {'95 %':>8} {'most':>8}")
    with jn.Runtime() as rt:
        idle = rt.load("example:specimen", name="idle", quota=LIMITS)
        queue = rt.load("example:specimen", name="queue", quota={"wall": "2min"})
        places = [
            Place("computing in wasm", idle, "spin"),
            Place("waiting in a host service", idle, "sleep"),
            Place("waiting in the queue", queue, "sleep"),
        ]
        for way, end in WAYS.items():
            for place in places:
                first = queue.submit("sleep", FOREVER)  # in whose turn the others wait
                seconds = [end(place, moments.uniform(LEAST_DELAY, MOST_DELAY)) for _ in range(times)]
                first.cancel()
                lost += seconds.count(None)
                print(f"{f'{way}, {place.name}':<34} {row(seconds)}", flush=True)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
