"""The exercises: each is passed by its solution and by nothing less, and is what its solution's notebook makes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.support.kernels import Kernel, Reply
from tests.support.lessons import NOTEBOOKS, ROOT
from tests.support.waiting import LONG_PATIENCE

EXERCISES = NOTEBOOKS / "exercises"
NAMES = sorted(path.name for path in (EXERCISES / "solutions").glob("*.ipynb"))


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One for all of them: each begins by clearing its runtime."""
    made = Kernel(tmp_path_factory.mktemp("kernels") / "exercises")
    try:
        yield made
    finally:
        made.close()


def run(kernel: Kernel, path: Path) -> dict[str, Reply]:
    """What came of each cell. Every cell is run, also behind one that failed."""
    lesson = nbformat.read(path, as_version=4)
    return {cell.id: kernel.run(cell.source) for cell in lesson.cells if cell.cell_type == "code"}


def test_there_are_twelve_and_each_is_what_its_solution_makes() -> None:
    assert len(NAMES) == 12
    assert sorted(path.name for path in EXERCISES.glob("*.ipynb")) == NAMES
    command = [sys.executable, str(ROOT / "tools" / "build_exercises.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_solution_passes_and_the_empty_cell_does_not(kernel: Kernel, name: str) -> None:
    solved = run(kernel, EXERCISES / "solutions" / name)
    assert {cell: reply.traceback for cell, reply in solved.items() if reply.status != "ok"} == {}
    checks = solved["check"].output
    assert ": passed · 1 of 1 point" in checks
    assert "not met" not in checks
    assert solved["check"].stderr == ""  # nbgrader takes it for a failure
    empty = run(kernel, EXERCISES / name)
    assert {cell for cell, reply in empty.items() if reply.status != "ok"} == {"check"}
    assert empty["check"].error == "CheckFailed", empty["check"].traceback
