"""Lessons: a run of a notebook, and what its cells show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from tests.support.waiting import LONG_PATIENCE, PATIENCE

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"


def execute(path: Path) -> Any:
    """The notebook after a run of it, in a kernel of its own, in its folder."""
    lesson = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    # By default, what a cell says later than four seconds after its reply is left out without a word.
    NotebookClient(lesson, timeout=LONG_PATIENCE, iopub_timeout=PATIENCE, resources=resources).execute()
    return lesson


def check_saved(name: str) -> None:
    """What is saved in it is fit to be read."""
    command = [sys.executable, str(ROOT / "tools" / "build_notebooks.py"), "--check", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG_PATIENCE)
    assert done.returncode == 0, done.stdout


def cell_of(lesson: Any, cell_id: str) -> Any:
    """The cell with this id."""
    return next(cell for cell in lesson.cells if cell.id == cell_id)


def said(lesson: Any, cell_id: str) -> str:
    """All that a cell showed, as text."""
    outputs = cell_of(lesson, cell_id).outputs
    return "\n".join(output.text if output.output_type == "stream" else output.data["text/plain"] for output in outputs)
