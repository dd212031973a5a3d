"""The lesson on measuring: what is saved in it, and that a run shows what its text says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import judicia_notebook as jn
from judicia_notebook.__main__ import copy_lessons
from tests.support.waiting import LONG_PATIENCE

ROOT = Path(__file__).parents[2]
NAME = "04-measuring.ipynb"


def said(lesson: Any, cell_id: str) -> str:
    """All that a cell showed, as text."""
    cell = next(each for each in lesson.cells if each.id == cell_id)
    return "\n".join(
        output.text if output.output_type == "stream" else output.data["text/plain"] for output in cell.outputs
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lessons")
    copy_lessons(ROOT / "notebooks", made)
    return made


@pytest.fixture(scope="module")
def lesson(folder: Path) -> Any:
    lesson = nbformat.read(folder / NAME, as_version=4)
    NotebookClient(lesson, timeout=LONG_PATIENCE, resources={"metadata": {"path": str(folder)}}).execute()
    return lesson


@pytest.fixture(scope="module")
def saved() -> Any:
    return nbformat.read(ROOT / "notebooks" / NAME, as_version=4)


def test_what_is_saved_is_fit_to_be_read() -> None:
    command = [sys.executable, str(ROOT / "tools" / "build_notebooks.py"), "--check", NAME]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_PATIENCE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("load", ["kendall_1 1.0.0", "kendall_2 2.0.0", "kendall_3 3.0.0"]),
        ("same", ["200  200"]),
        ("time", ["cold", "warm", "8 750 958"]),
        ("sweep", ["quota_fuel", "kendall_3"]),
        ("profile-2", ["kendall_2::merge", "memcpy", "dlmalloc"]),
        ("profile-3", ["kendall_3::merge"]),
        ("shares", ["allocator", "copying", "merge"]),
        ("compare", ["95 % bootstrap interval", "0.4083"]),
        ("save", ["anonymous run", "plugin-3"]),
        ("kept", ["bench", "profile", "user"]),
    ],
)
def test_each_step_shows_what_it_is_about(lesson: Any, saved: Any, cell: str, words: list[str]) -> None:
    for run in (lesson, saved):
        shown = said(run, cell)
        assert [word for word in words if word not in shown] == [], shown


def test_figures_and_flame_graphs_are_there_without_a_kernel(lesson: Any, saved: Any) -> None:
    for run in (lesson, saved):
        kinds = {
            cell.id: {kind for one in cell.outputs for kind in one.get("data", {})}
            for cell in run.cells
            if "outputs" in cell
        }
        assert [name for name in ("growth", "success", "effect") if "image/png" not in kinds[name]] == []
        assert [name for name in ("profile-2", "profile-3", "compare") if "text/html" not in kinds[name]] == []


def test_what_the_text_says_of_costs_holds(folder: Path) -> None:
    """In fuel, which is the same on every machine."""
    with jn.Runtime() as rt:
        versions = [
            rt.load(folder / "measuring" / name / f"{name}.wasm") for name in ("kendall_1", "kendall_2", "kendall_3")
        ]
        fuel = {}
        for teams in (64, 128, 256, 512, 1024, 2048, 4096):
            ranking = list(range(teams, 0, -1))
            for version in versions:
                assert version.call("distance", ranking) == teams * (teams - 1) // 2
                assert version.last is not None
                fuel[version.name[-1], teams] = version.last.fuel or 0
    assert fuel["1", 64] < fuel["3", 64] * 1.1
    assert fuel["3", 128] < fuel["1", 128]
    assert fuel["3", 4096] < 10_000_000 < fuel["1", 2048]
