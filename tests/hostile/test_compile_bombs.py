"""Small files that would keep the compiler busy: in the kernel's own process, nothing could stop it.

The bound is lowered to a sixth, and each bomb is above that: it would take this process a second or more. The
compiler's process is ended soon, and this one must have had nothing to do.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.compile_apart import CompileLimits
from judicia_notebook.runtime import linking
from judicia_notebook.wasm.compile_cost import HEAVY
from tests.engine.bomb_instructions import INSTRUCTIONS
from tests.engine.bomb_parts import Make
from tests.engine.bombs import SECTIONS, SHAPES

pytestmark = [
    pytest.mark.address_space,
    pytest.mark.skipif(
        sys.platform == "win32", reason="limits of a process are those of POSIX; enable: run on Linux or macOS"
    ),
]

SHARE = 1 / 6
MOST = 0.7  # seconds of CPU that this process may have: it reads the file, and counts what is in it
SOON = CompileLimits(wall_seconds=0.3)

DATA = pytest.mark.wall({"judicia_notebook.wasm.compile_cost:data_work": "lambda module, limits=None: 0.0"})
TYPES = pytest.mark.wall({"judicia_notebook.wasm.compile_cost:types_work": "lambda module: 0.0"})
ELEMENTS = pytest.mark.wall({"judicia_notebook.wasm.compile_cost:elements_work": "lambda module: 0.0"})
FUNCTIONS = pytest.mark.wall({"judicia_notebook.wasm.compile_cost:functions_work": "lambda module: 0.0"})
GLOBALS = pytest.mark.wall({"judicia_notebook.wasm.compile_cost:globals_work": "lambda module: 0.0"})
BODIES = pytest.mark.wall(
    {"judicia_notebook.wasm.compile_cost:bodies_work": "lambda module, limits=None, enough=0: 0.0"}
)

Kept = Callable[[Make, int], None]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compiled before would not be compiled here."""
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "modules"))


@pytest.fixture
def kept_out(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """``kept_out(make, count)``: such a bomb is not compiled in this process."""
    monkeypatch.setattr(linking, "HEAVY", HEAVY * SHARE)
    monkeypatch.setattr(linking, "CompileLimits", lambda: SOON)

    def kept_out(make: Make, count: int) -> None:
        bomb = make(count)
        assert len(bomb) < 1 << 20
        began = time.process_time()
        with contextlib.suppress(jn.CompileLimit):
            rt.load(bomb, name="bomb", abi="raw", unknown_imports="trap")
        assert time.process_time() - began < MOST
        assert rt.plugins == {}

    return kept_out


# --- sections --------------------------------------------------------------------------------------------------------


@DATA
def test_many_data_segments_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["data segments"], 9_000)


@DATA
def test_data_segments_that_name_their_memory_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["data segments of memory 0 by number"], 9_000)


@DATA
def test_data_segments_of_many_bytes_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["data segments of 60 bytes"], 9_000)


@TYPES
def test_types_that_nothing_uses_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["types"], 17_000)


@TYPES
def test_types_of_a_thousand_parameters_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["types of 1000 parameters"], 220)


@ELEMENTS
def test_elements_that_are_expressions_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["elements that are expressions"], 40_000)


@ELEMENTS
def test_elements_that_do_not_fit_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["elements past the end"], 32_000)


@FUNCTIONS
def test_exported_functions_and_their_trampolines_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["functions that are exported"], 10_000)


@FUNCTIONS
def test_functions_that_are_elements_and_take_many_values_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["functions of 100 parameters"], 2_500)


@GLOBALS
def test_globals_that_refer_to_functions_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SECTIONS["globals that refer to a function"], 180_000)


# --- instructions ----------------------------------------------------------------------------------------------------


@BODIES
def test_table_get_is_not_compiled_here(kept_out: Kept) -> None:
    kept_out(INSTRUCTIONS["table.get"], 70_000)


@BODIES
def test_table_copy_is_not_compiled_here(kept_out: Kept) -> None:
    kept_out(INSTRUCTIONS["table.copy"], 60_000)


@BODIES
def test_calls_through_a_table_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(INSTRUCTIONS["call_indirect"], 50_000)


@BODIES
def test_loops_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(INSTRUCTIONS["loop"], 50_000)


@BODIES
def test_rotations_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(INSTRUCTIONS["i64.rotl (local.get $j)"], 80_000)


@BODIES
def test_table_copies_beside_many_locals_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SHAPES["table.copy beside locals"], 3_000)


@BODIES
def test_loops_that_hand_ten_values_on_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SHAPES["loops that hand 10 on"], 1_700)


@BODIES
def test_loops_in_loops_that_join_locals_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SHAPES["locals that are joined in loops"], 1_100)


@BODIES
def test_calls_that_hand_a_thousand_values_on_are_not_compiled_here(kept_out: Kept) -> None:
    kept_out(SHAPES["calls that hand 1000 on"], 220)
