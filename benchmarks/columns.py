"""How far the times of `Runtime.calls` are from sources that are not the package's own: the errors in docs/columns.md.

Run it as ``python benchmarks/columns.py [rounds]``. A loop in a guest is made so long that it takes about so many
milliseconds, and called again and again.

- *around*: ``time.thread_time_ns`` and ``time.perf_counter_ns`` read around the call, less `cpu_ms` and `wall_ms`. They
  also see the way in and out in Python, which a row leaves out, and which takes several times as long where a guest has
  run meanwhile and the caches have grown cold.
- *spin*: the `cpu_ms` of many such calls together, against what the thread's clock says around one call with as many
  turns of the loop, made before and after them. There the way in and out is little beside 20 ms.

Medians of all rounds: what else the machine does falls on both sides of each.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median, quantiles
from time import perf_counter_ns, thread_time_ns
from typing import NamedTuple

import judicia_notebook as jn

LOOP = """(module (func (export "spin") (param $turns i32)
  (block $done
    (loop $again
      (br_if $done (i32.eqz (local.get $turns)))
      (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
      (br $again)))))"""
LENGTHS_MS = (1, 2, 5, 20)
LONG_MS = 20
ROUNDS = 120
QUOTA = {"cpu": 20.0, "wall": 120.0}


class Seen(NamedTuple):
    """One call, in nanoseconds: what its row says, and what clocks around it say."""

    cpu_row: float
    cpu_around: float
    wall_row: float
    wall_around: float


class Errors(NamedTuple):
    """For each call of this length what clocks around it say beyond the row, and for each round the relative error."""

    cpu_ns: list[float]
    wall_ns: list[float]
    spin: list[float]


class Loop:
    """A plugin that counts down."""

    def __init__(self, runtime: jn.Runtime) -> None:
        self.plugin = runtime.load(LOOP.encode(), name="loop", quota=QUOTA)
        self._spin = self.plugin.raw("spin")

    def see(self, turns: int) -> Seen:
        wall, cpu = perf_counter_ns(), thread_time_ns()
        self._spin(turns)
        cpu, wall = thread_time_ns() - cpu, perf_counter_ns() - wall
        row = self.plugin.last
        if row is None:
            raise RuntimeError("the call left no row")
        return Seen(row.cpu_ms * 1e6, cpu, row.wall_ms * 1e6, wall)

    def turns(self, milliseconds: float) -> int:
        """About how many turns take so long."""
        tried = 1_000_000
        return int(tried * milliseconds * 1e6 / median(self.see(tried).cpu_row for _ in range(9)))

    def empty(self, rounds: int) -> Seen:
        """What an empty call takes in a row of them."""
        seen = [self.see(0) for _ in range(rounds)]
        return Seen(*(median(one[place] for one in seen) for place in range(len(Seen._fields))))

    def errors(self, milliseconds: float, rounds: int) -> Errors:
        """Calls that take about so long, against each source."""
        turns = self.turns(milliseconds)
        times = max(2, round(LONG_MS / milliseconds))
        found = Errors([], [], [])
        before = self.see(turns * times)
        for _ in range(rounds):
            calls = [self.see(turns) for _ in range(times)]
            after = self.see(turns * times)
            found.cpu_ns.extend(one.cpu_around - one.cpu_row for one in calls)
            found.wall_ns.extend(one.wall_around - one.wall_row for one in calls)
            found.spin.append(2 * sum(one.cpu_row for one in calls) / (before.cpu_around + after.cpu_around) - 1)
            before = after
        return found


def _text(numbers: Sequence[float], unit: float, decimals: int) -> str:
    low, _, high = quantiles(numbers, n=4)
    return (
        " to ".join(f"{number / unit:.{decimals}f}" for number in (low, high))
        + f" ({median(numbers) / unit:.{decimals}f})"
    )


def main(rounds: int) -> None:
    with jn.Runtime() as runtime:
        loop = Loop(runtime)
        loop.see(1000)
        empty = loop.empty(2000)
        print("an empty call, microseconds: " + ", ".join(
            f"{name} {value / 1e3:.1f}" for name, value in zip(Seen._fields, empty, strict=True)))  # fmt: skip
        print(f"p25 to p75 (median) of {rounds} rounds")
        print(f"{'ms':>4} {'CPU around, us':>24} {'wall around, us':>24} {'spin, %':>26}")
        for milliseconds in LENGTHS_MS:
            cpu_ns, wall_ns, spin = loop.errors(milliseconds, rounds)
            print(
                f"{milliseconds:>4} {_text(cpu_ns, 1e3, 0):>24} {_text(wall_ns, 1e3, 0):>24} {_text(spin, 0.01, 2):>26}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
