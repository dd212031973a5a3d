"""Modules that nobody wrote: rewritten they do what they did, and their counts are those that the engine's fuel tells.

With SOAK=1, as `make soak` sets it, ten thousand of them from another seed each time; a module that fails is named by
its seed, and `smith.generate` makes it again.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wasm.rewriting.smith import check, find_wasm_tools, generate

FEW, MANY = 60, 10_000


def play(first: int, count: int) -> Counter[str]:
    """How many modules were compared in which way."""
    program, ways = find_wasm_tools(), Counter[str]()
    with ThreadPoolExecutor(2) as pool:  # their making takes another process
        made = pool.map(lambda seed: generate(seed, program), range(first, first + count))
        for seed, wasm in enumerate(made, first):
            try:
                ways[check(wasm, seed)] += 1
            except Exception as error:
                error.add_note(f"the module of seed {seed}")
                raise
    return ways


def test_rewritten_modules_do_what_they_did_and_count_what_they_cost() -> None:
    ways = play(0, FEW)
    assert ways["compared by fuel"] >= 5
    assert ways["compared by fuel after a trap"] >= 5
    assert ways["compared by what it did"] >= 10


@pytest.mark.soak
def test_ten_thousand_of_them_do() -> None:
    count = MANY if os.environ.get("SOAK") else FEW
    ways = play(random.randrange(1 << 40) if os.environ.get("SOAK") else FEW, count)
    print(dict(ways))
    assert ways.total() == count
