"""Rewritten modules on disk: the same counts as without them, and nothing is taken from what cannot be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.experiments.monitoring import kept_modules, plan
from judicia_notebook.experiments.monitors import monitor_names
from judicia_notebook.wasm.rewriting import rewriter

GUEST = """(module
  (memory (export "memory") 1)
  (table funcref (elem $half))
  (func $half (param i32) (result i32) (i32.shr_u (local.get 0) (i32.const 1)))
  (func (export "malloc") (param i32) (result i32) (i32.const 64))
  (func $grown (export "run") (param $n i32) (result i32)
    (loop $again
      (i32.store (i32.const 64) (local.get $n))
      (br_if $again (local.tee $n (call_indirect (param i32) (result i32) (local.get $n) (i32.const 0)))))
    (block $b (br_table 0 $b (local.get $n)))
    (drop (memory.grow (i32.const 1)))
    (i32.div_u (i32.const 1) (local.get $n))))"""
WHAT = tuple("watch=half" if name == "watch" else name for name in monitor_names())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "rewritten"


@pytest.fixture
def rewritten(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The module of each rewriting, by its digest."""
    seen: list[str] = []

    def rewrite(original: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(original.digest)
        return plain(original, *arguments, **options)

    plain = rewriter.rewrite
    monkeypatch.setattr(plan, "rewrite", rewrite)
    yield seen
    plan._kept.clear()


def count(what: Any = WHAT, quota: Any = None) -> dict[str, Any]:
    """The frames of a call that traps, in a kernel that has rewritten nothing yet."""
    plan._kept.clear()
    with jn.Runtime() as rt:
        made = rt.load(GUEST).monitor("run", numbers=[20], what=what, quota=quota)
        assert made.record is not None
        assert made.record.outcome == "trap"
        return {name: made.frame(name) for name in made.monitors}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(one[name].equals(other[name]) for name in one)


@pytest.mark.usefixtures("folder")
def test_a_new_kernel_finds_the_module_and_counts_the_same_by_every_monitor(rewritten: list[str]) -> None:
    for quota in (None, {"fuel": 10_000}):
        first = count(quota=quota)
        assert same(count(quota=quota), first)
    assert len(rewritten) == 2
    assert first["loops"]["iterations"].tolist() == [5]


def test_other_monitors_other_options_and_other_sources_are_other_modules(
    folder: Path, rewritten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in ("coverage", "loops", "path=5", "path=6"):
        count(what)
    assert len(rewritten) == len(list(folder.iterdir())) == 4
    monkeypatch.setattr(kept_modules, "_writers", lambda: "0" * 16)
    count("coverage")
    assert len(rewritten) == 5
    monkeypatch.setattr(kept_modules, "_writers", lambda: "")  # sources that cannot be read: nothing is known of them
    count("coverage")
    assert len(rewritten) == 6
    assert len(list(folder.iterdir())) == 5


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def take_another(path: Path) -> None:
    """Lay a file that is whole, of another module, under this name."""
    count("loops")
    other = next(each for each in path.parent.iterdir() if each != path)
    other.replace(path)


def link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


@pytest.mark.parametrize(
    "spoil",
    [cut, damage, take_another, link, lambda path: path.chmod(0o666), lambda path: path.parent.chmod(0o770)],
    ids=["cut", "damaged", "another's", "a link", "a file others may write", "a folder others may write"],
)
def test_what_cannot_be_trusted_is_not_used(
    folder: Path, rewritten: list[str], spoil: Callable[[Path], object]
) -> None:
    first = count("coverage")
    spoil(next(folder.iterdir()))
    rewritten.clear()
    assert same(count("coverage"), first)
    assert len(rewritten) == 1


def test_the_folder_and_its_files_are_bounded(
    folder: Path, rewritten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    count("coverage")
    size = next(folder.iterdir()).stat().st_size
    monkeypatch.setattr(kept_modules, "MOST_BYTES", 2 * size)
    for what in ("loops", "functions", "branches"):
        count(what)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2 * size
    monkeypatch.setattr(kept_modules, "MOST_FILE", 100)
    before = set(folder.iterdir())
    count("opcodes")
    assert set(folder.iterdir()) == before
    assert len(rewritten) == 5
