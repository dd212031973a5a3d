"""How often the product's 95 % intervals hold what is true: each statement against 2000 simulated sets a size.

Run it as ``python benchmarks/coverage.py [--sets N] [--only TEXT] [--workers N]``; a quarter of an hour with none.
It prints the table of docs/statistics.md, and ends with an error where an interval covers too little: from 20 numbers
on less than 93.5 %, or of a statement whose coverage can be computed more than 1.5 points from that.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.analysis.estimates.simulations import STATEMENTS, Coverage, simulate

LEAST, NEAR, MANY = 0.935, 0.015, 20


def measured(task: tuple[int, int], sets: int) -> Coverage:
    """One statement, by its place, at one size."""
    place, size = task
    return simulate(STATEMENTS[place], size, sets)


def is_fine(found: Coverage, size: int, exact: float | None) -> bool:
    if exact is not None:
        return abs(found.share - exact) <= NEAR
    return size < MANY or found.share >= LEAST


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sets", type=int, default=2000)
    options.add_argument("--only", default="", help="statements with this in their names")
    options.add_argument("--workers", type=int, default=1)
    given = options.parse_args()
    chosen = [place for place, statement in enumerate(STATEMENTS) if given.only in statement.name]
    tasks = [(place, size) for place in chosen for size in STATEMENTS[place].sizes]
    began, failed = perf_counter(), 0
    print("| statement | n | coverage | exactly | stated |\n|---|---|---|---|---|")
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        for (place, size), found in zip(tasks, pool.map(partial(measured, sets=given.sets), tasks), strict=True):
            statement = STATEMENTS[place]
            exact = statement.exact(size) if statement.exact else None
            fine = is_fine(found, size, exact)
            failed += not fine
            computed = "" if exact is None else f"{exact * 100:.1f} %"
            print(f"| {statement.name} | {size} | {found.share * 100:.1f} % | {computed} | "
                  f"{found.stated / found.sets * 100:.1f} % |{'' if fine else '  <- too far'}", flush=True)  # fmt: skip
    print(f"{given.sets} sets each, {perf_counter() - began:.0f} s", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
