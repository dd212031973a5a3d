"""The lesson that a module of tests is about, which it calls `NAME`: as it is saved, and after a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from judicia_notebook.command_line.lessons import copy_lessons
from tests.support.lessons import NOTEBOOKS, execute


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's copy of the lessons."""
    made = tmp_path_factory.mktemp("lessons")
    copy_lessons(NOTEBOOKS, made)
    return made


@pytest.fixture(scope="module")
def lesson(request: pytest.FixtureRequest, folder: Path) -> Any:
    return execute(folder / request.module.NAME)


@pytest.fixture(scope="module")
def saved(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(NOTEBOOKS / request.module.NAME, as_version=4)
