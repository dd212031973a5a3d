"""The lecture demo: what is saved in it, and that each of its walls stands in a run without anybody at the mouse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from judicia_notebook.__main__ import copy_lessons
from tests.support.waiting import LONG_PATIENCE

ROOT = Path(__file__).parents[2]
NAME = "02-live.ipynb"


def said(lesson: Any, cell_id: str) -> str:
    """All that a cell showed, as text."""
    cell = next(each for each in lesson.cells if each.id == cell_id)
    return "\n".join(
        output.text if output.output_type == "stream" else output.data["text/plain"] for output in cell.outputs
    )


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("lessons")
    copy_lessons(ROOT / "notebooks", folder)
    lesson = nbformat.read(folder / NAME, as_version=4)
    NotebookClient(lesson, timeout=LONG_PATIENCE, resources={"metadata": {"path": str(folder)}}).execute()
    return lesson


def test_what_is_saved_is_fit_to_be_read() -> None:
    command = [sys.executable, str(ROOT / "tools" / "build_notebooks.py"), "--check", NAME]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_PATIENCE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("panel", ["wall_clock", "random", "Memory", "CPU time"]),
        ("charts", ["Charts of specimen"]),
        ("asking", ["specimen.call_host in the background"]),
        ("deny", ["'failed': ", "capability_denied"]),
        ("denied", ["allowed", "denied"]),
        ("cpu", ["QuotaExceeded", "of 800 ms CPU and was stopped"]),
        ("raise", ["'iterations': "]),
        ("memory", ["ok", "quota_memory"]),
        ("cancel", ["Cancelled"]),
        ("strict", ["CapabilityDenied", "wall_clock"]),
        ("audit", ["revoke", "denied", "grant", "on_denied"]),
        ("alive", ["'still': 'here'"]),
    ],
)
def test_each_wall_stands(lesson: Any, cell: str, words: list[str]) -> None:
    shown = said(lesson, cell)
    assert [word for word in words if word not in shown] == [], shown
    saved = nbformat.read(ROOT / "notebooks" / NAME, as_version=4)
    assert [word for word in words if word not in said(saved, cell)] == []


def test_the_panel_and_the_charts_can_be_read_without_a_kernel(lesson: Any) -> None:
    for name in ("panel", "charts", "asking"):
        cell = next(each for each in lesson.cells if each.id == name)
        (data,) = [output.data for output in cell.outputs if output.output_type in {"execute_result", "display_data"}]
        assert "<table" in data["text/html"]
        assert "<script" not in data["text/html"]
