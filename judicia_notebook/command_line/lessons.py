"""The lessons that came with the package: where they lie, and copies of them.

They lie in ``notebooks/`` of a checkout and in ``judicia_notebook/_notebooks/`` of an installed wheel; only this module
knows that. They are always worked on as a copy.
"""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator
from pathlib import Path

QUICKSTART = "01-quickstart.ipynb"
_LEFTOVERS = ("__pycache__", ".ipynb_checkpoints", "*.pyc")


def bundled_notebooks() -> Path:
    """The folder of the lessons that came with this package.

    Raises
    ------
    FileNotFoundError
        The package was taken out of its wheel or checkout without them.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if (folder / QUICKSTART).is_file():
            return folder
    raise FileNotFoundError(f"the notebooks are not beside the package in {package}")


def lesson_files(folder: Path) -> Iterator[Path]:
    """The files of the lessons, relative to `folder`, without what Python and Jupyter leave behind."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not any(Path(part).match(leftover) for part in relative.parts for leftover in _LEFTOVERS):
            yield relative


def copy_lessons(source: Path, target: Path) -> list[Path]:
    """Copies the lessons; answers the files left alone because the user changed them."""
    kept = []
    for relative in lesson_files(source):
        copy = target / relative
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / relative, copy)
        elif not filecmp.cmp(source / relative, copy, shallow=False):
            kept.append(relative)
    return kept
