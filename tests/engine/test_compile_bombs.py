"""No construct takes the compiler much more than its estimate says: one bomb each, compiled in a child and measured."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from judicia_notebook.engine.compile_apart import DEFAULT_ABOVE
from judicia_notebook.wasm.compile_cost import HEAVY, UNIT_BYTES, compile_work
from judicia_notebook.wasm.sections import read_module
from tests.engine.bomb_instructions import INSTRUCTIONS
from tests.engine.bombs import BOMBS, SECTIONS, SHAPES, Compiler, sized

pytestmark = [
    pytest.mark.address_space,
    pytest.mark.skipif(
        sys.platform != "linux", reason="peaks of memory are read from Linux's /proc; enable: run on Linux"
    ),
]

UNITS = HEAVY / 150
"""Small: a tenth of a second for the dearest. `benchmarks/compile_work.py --share 1` is for the whole of it."""
BEGINNING = 5 << 20
"""Bytes that any compiling may take: some of the compiler's memory is there for the first time."""


@pytest.fixture(scope="module")
def compiler() -> Iterator[Compiler]:
    with Compiler() as compiler:
        yield compiler


@pytest.mark.parametrize("name", BOMBS)
def test_the_estimate_is_not_less_than_a_third_of_what_compiling_takes(name: str, compiler: Compiler) -> None:
    module = sized(BOMBS[name], UNITS)
    cost = compiler.measure(module)
    assert not cost.refused
    estimate = 3 * compile_work(read_module(module))
    assert cost.seconds < estimate / 1_000_000 + 0.02
    assert cost.memory_bytes < estimate * UNIT_BYTES + BEGINNING


@pytest.mark.parametrize("name", [name for name in SECTIONS if name.startswith(("data", "element", "globals"))])
def test_a_file_of_nothing_but_that_is_compiled_apart_at_last(name: str) -> None:
    module = sized(SECTIONS[name], HEAVY)
    assert len(module) < DEFAULT_ABOVE
    assert compile_work(read_module(module), enough=HEAVY) >= HEAVY


def test_each_kind_of_bomb_is_there() -> None:
    assert len(INSTRUCTIONS) > 150
    assert len(SHAPES) > 40
