"""The site, built once in a run of the tests, whichever worker asks first."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import LONG_PATIENCE

ROOT = Path(__file__).resolve().parents[2]
BUILDERS = ("sphinx", "myst_nb", "numpydoc", "sphinx_book_theme")


def build(folder: Path, *options: str) -> Path:
    """The site in this folder, built without a warning. Lessons are shown as saved: other tests run them."""
    missing = [name for name in BUILDERS if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)}: what builds the site is not installed; enable: make .venv/.docs")
    strict = ("--quiet", "--fail-on-warning", "--keep-going", *options)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *strict, "-c", "docs", "-d", folder / "doctrees", ".", folder / "html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * LONG_PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def build_once(base: Path) -> Path:
    """The site that all workers of a run share; `base` is this worker's folder for temporary files."""
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    folder.mkdir(exist_ok=True)
    built = folder / "built"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            build(folder)
            built.touch()
    return folder / "html"
