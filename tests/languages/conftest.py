"""A cache of compilers for the tests of one run, apart from the user's, and temporary folders that are counted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.languages.compilers import COMPILERS, cache_folder, use


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of this run."""
    folder = cache_folder(tmp_path_factory.getbasetemp())
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, in which a compile leaves nothing."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(params=COMPILERS)
def c_compiler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each compiler of C and C++."""
    name: str = request.param
    use(name, monkeypatch)
    return name


@pytest.fixture(
    params=[("c", "clang"), ("c", "zig"), ("cpp", "clang"), ("cpp", "zig"), ("zig", "zig"), ("rust", "rustc")]
)
def lang(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each language with each of its compilers."""
    name, compiler = request.param
    use(compiler, monkeypatch)
    return str(name)
