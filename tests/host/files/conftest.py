"""A guest with a private folder, for each way to open what is in it, and a folder of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest

import judicia_notebook as jn
from tests.support.files import OPENINGS, caller, opened_by


@pytest.fixture(params=OPENINGS)
def both(request: pytest.FixtureRequest, rt: jn.Runtime) -> jn.Runtime:
    """A runtime for each way to open beneath a folder."""
    return opened_by(rt, request.param)


@pytest.fixture
def guest(both: jn.Runtime) -> jn.Plugin:
    """May do everything in its private folder."""
    return both.load(caller(), name="guest", grant=["file_storage"])


@pytest.fixture
def home(rt: jn.Runtime) -> Path:
    """The guest's private folder, as the host sees it."""
    return rt.host.files.folder("guest")


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder of the user's."""
    folder = tmp_path / "shelf"
    (folder / "inner").mkdir(parents=True)
    (folder / "one.txt").write_text("one")
    (folder / "inner" / "two.txt").write_text("two")
    return folder
