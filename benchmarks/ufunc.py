"""What a row of a numeric function costs: over columns, over rows in one call, and through wasmtime-py.

Run it as ``python benchmarks/ufunc.py [--rounds N] [--rows N] [--json FILE]``; ``make bench`` does.

- *Same work.* All call one export of the same bytes, and every answer is compared with NumPy's.
- *As always.* Here fuel is counted, ticks are armed, quotas hold, and each call leaves its row. wasmtime-py meters
  nothing.
- *Interleaved.* In each round each way has its turn. What is shown is the median of the rounds with the quarter of them
  below and above; a ratio is that of each round. A way that takes microseconds a row does fewer rows in a turn.
- *One by one* is `ufunc` under a limit of fuel: the core calls row by row, since the generated loop could use fuel of
  rows that are not its turn yet.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import wasmtime

import judicia_notebook as jn

GUEST = """(module
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "blend") (param f64 f64 f64) (result f64)
    (f64.add (f64.mul (local.get 0) (local.get 2))
      (f64.mul (local.get 1) (f64.sub (f64.const 1) (local.get 2))))))"""

GOAL = 1 / 1000
OVER_COLUMNS, ONE_BY_ONE, MAP, PEER = "ufunc", "ufunc, one by one", "raw(...).map", "wasmtime-py"
SLOW = {MAP: 50_000, PEER: 20_000}
"""Rows of a turn, of the ways that take microseconds for each."""

Columns = tuple[Any, ...]
Way = Callable[[Columns], Any]


class Work(NamedTuple):
    """A function, its columns, and NumPy's answer."""

    function: str
    columns: Columns
    answer: Any


def works(rows: int) -> list[Work]:
    chance = np.random.default_rng(7)
    whole = tuple(chance.integers(-(2**30), 2**30, rows, dtype="int32") for _ in range(2))
    real = tuple(chance.random(rows) for _ in range(3))
    return [
        Work("add", whole, whole[0] + whole[1]),
        Work("blend", real, real[0] * real[2] + real[1] * (1 - real[2])),
    ]


def ways(plugin: jn.Plugin, function: str) -> dict[str, Way]:
    """How each calls the function for all rows."""
    over_columns, raw = plugin.ufunc(function), plugin.raw(function)
    store = wasmtime.Store()
    instance = wasmtime.Instance(store, wasmtime.Module(store.engine, GUEST), [])
    export: Any = instance.exports(store)[function]
    return {
        OVER_COLUMNS: lambda columns: over_columns(*columns),
        ONE_BY_ONE: lambda columns: over_columns(*columns, quota={"fuel": 1 << 40}),
        MAP: lambda columns: raw.map(zip(*(column.tolist() for column in columns), strict=True)),
        PEER: lambda columns: [
            export(store, *row) for row in zip(*(column.tolist() for column in columns), strict=True)
        ],
    }


def measure(plugin: jn.Plugin, work: Work, rounds: int) -> dict[str, list[float]]:
    """Nanoseconds a row of each way in each round.

    Raises
    ------
    SystemExit
        A way gave a wrong answer.
    """
    taken: dict[str, list[float]] = {}
    for number in range(-1, rounds):  # the first one compiles
        for name, way in ways(plugin, work.function).items():
            columns = tuple(column[: SLOW.get(name)] for column in work.columns)
            began = time.perf_counter_ns()
            found = way(columns)
            nanoseconds = (time.perf_counter_ns() - began) / len(columns[0])
            if not np.array_equal(found, work.answer[: len(columns[0])]):
                raise SystemExit(f"{name} gave a wrong answer to {work.function}")
            if number >= 0:
                taken.setdefault(name, []).append(nanoseconds)
    return taken


def quarters(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def main() -> None:
    parser = argparse.ArgumentParser(description="What a row of a numeric function costs.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    with jn.Runtime() as runtime:
        plugin = runtime.load(GUEST, name="guest", quota={"wall": "60s", "cpu": "60s"})
        for work in works(chosen.rows):
            taken = measure(plugin, work, chosen.rounds)
            print(f"\n{work.function}, {chosen.rows:,} rows: ns a row, median (p25-p75)")
            for name, values in taken.items():
                low, middle, high = quarters(values)
                print(f"  {name:<20}{middle:>12,.1f} ({low:,.1f}-{high:,.1f})")
            ratio = quarters([mine / theirs for mine, theirs in zip(taken[OVER_COLUMNS], taken[PEER], strict=True)])
            met = "met" if ratio[1] <= GOAL else "missed"
            print(
                f"  {OVER_COLUMNS} / {PEER}: 1/{1 / ratio[1]:,.0f} (1/{1 / ratio[2]:,.0f}-1/{1 / ratio[0]:,.0f})",
                end="",
            )
            print(f", goal 1/{1 / GOAL:,.0f}: {met}")
            found[work.function] = {
                "nanoseconds": {name: quarters(values) for name, values in taken.items()},
                "ratio": ratio,
            }
    if chosen.json:
        chosen.json.write_text(
            json.dumps({"rows": chosen.rows, "rounds": chosen.rounds, "work": found}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
