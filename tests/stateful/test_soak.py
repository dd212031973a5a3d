"""`tools/soak.py`, a fiftieth of it: it finds nothing that grows, and would find it if there were something.

It runs in a process of its own: it counts what a whole process holds and presses Ctrl-C at random moments, and pytest
and Hypothesis have hooks of their own in which an interrupt would be lost.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import judicia_notebook
from tests.support.waiting import LONG_PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts what /proc tells; enable: run on Linux")

TOOL = Path(__file__).parents[2] / "tools" / "soak.py"
PACKAGE = Path(judicia_notebook.__file__).parents[1]
SHARE = "0.02"

LEAK_DESCRIPTORS = """
import os
kept = []
soak.PARTS["leak"] = 10, lambda rt, turns: kept.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(turns))
soak.SETTLE_SECONDS = 0.1
"""
LEAK_MEMORY = """
soak.PARTS["book"] = 1, lambda rt, turns: setattr(rt._platform.pool._pool, "used", rt._platform.pool.used + 65_536)
soak.SETTLE_SECONDS = 0.1
"""
LOSE_INTERRUPTS = """
import contextlib
soak.interrupted_after = lambda seconds: contextlib.nullcontext()
soak.LOST_SECONDS = 0.1
"""


def soak(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """The tool, after `before`; its idle threads leave sooner than they would."""
    program = f"""
import sys
sys.path[:0] = [{str(TOOL.parent)!r}, {str(PACKAGE)!r}]
import soak
from judicia_notebook.engine import workers
workers.IDLE_SECONDS = 0.05
{before}
sys.exit(soak.main({arguments!r}))
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LONG_PATIENCE)


@pytest.mark.parametrize("part", ["load and unload", "call", "cancel", "interrupt", "change a cell"])
def test_nothing_is_kept(part: str) -> None:
    done = soak("--share", SHARE, "--part", part)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{part}, " in done.stdout
    assert done.stdout.endswith("\nflat\n")


def test_what_is_kept_is_found_and_named() -> None:
    done = soak("--part", "leak", before=LEAK_DESCRIPTORS)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line.endswith("GREW")] == ["descriptors"]


def test_memory_that_stays_booked_is_found() -> None:
    done = soak("--part", "book", before=LEAK_MEMORY)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "bytes of guests' memory are still booked" in done.stdout


def test_an_interrupt_that_does_not_come_out_is_found() -> None:
    done = soak("--share", SHARE, "--part", "interrupt", before=LOSE_INTERRUPTS)
    assert done.returncode == 1
    assert "interrupt 0 was lost" in done.stderr


def test_the_benchmark_of_interrupts_loses_none() -> None:
    env = os.environ | {"PYTHONPATH": str(PACKAGE)}
    program = TOOL.parents[1] / "benchmarks" / "interrupts.py"
    done = subprocess.run(
        [sys.executable, program, "17"], env=env, capture_output=True, text=True, timeout=LONG_PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split()[-5:-3] for line in done.stdout.splitlines()[1:]]
    assert rows == [["17", "0"]] * 6


def test_the_tool_is_a_program() -> None:
    env = os.environ | {"PYTHONPATH": str(PACKAGE)}
    done = subprocess.run(
        [sys.executable, TOOL, "--help"], env=env, capture_output=True, text=True, timeout=LONG_PATIENCE
    )
    assert "--share" in done.stdout
