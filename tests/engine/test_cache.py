"""Compiled modules on disk: used when they are certainly ours, passed over otherwise, never a reason to fail."""

from __future__ import annotations

import errno
import os
import pkgutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import cache
from judicia_notebook.engine.engine import Engine
from tests.support.waiting import PATIENCE

WAT = b'(module (func (export "answer") (result i32) (i32.const 42)))'

pytestmark = pytest.mark.skipif(
    not hasattr(os, "getuid"), reason="files cannot be checked for their owner; enable: run on Linux or macOS"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "modules"
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(folder))
    return folder


def load() -> bool:
    """Whether a load in a runtime of its own came from the cache; it has to work either way."""
    with jn.Runtime() as rt:
        plugin = rt.load(WAT, name="guest")
        assert plugin.raw("answer")() == 42
        return plugin._code.from_cache


def only_file(folder: Path) -> Path:
    """The compiled module; beside it lies what is known of the file it is from."""
    (path,) = folder.glob("*.cwasm")
    return path


def test_the_second_load_comes_from_the_cache(folder: Path) -> None:
    assert [load(), load(), load()] == [False, True, True]
    path = only_file(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not path.stat().st_mode & 0o077
    assert int(path.stem.rpartition("-")[2]) == path.stat().st_size


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def lengthen(path: Path) -> None:
    """Still a module to Wasmtime, but no longer the file that was written."""
    with path.open("ab") as file:
        file.write(bytes(4096))


def empty(path: Path) -> None:
    path.unlink()
    path.touch(0o600)


def open_to_others(path: Path) -> None:
    path.chmod(0o666)


def open_to_the_group(path: Path) -> None:
    path.chmod(0o660)


def link(path: Path) -> None:
    real = path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(real)


def dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def other_content(path: Path) -> None:
    """The right length, and nothing of ours: Wasmtime finds that out by the header."""
    path.write_bytes(b"\x7fELF" + bytes(path.stat().st_size - 4))


@pytest.mark.parametrize(
    "spoil",
    [truncate, lengthen, empty, open_to_others, open_to_the_group, link, dangling_link, directory, other_content],
    ids=lambda spoil: spoil.__name__,
)
def test_a_file_that_is_not_certainly_ours_is_not_used(folder: Path, spoil: Callable[[Path], None]) -> None:
    load()
    spoil(only_file(folder))
    assert load() is False
    assert load() in (True, False)  # whether it was replaced or not: the load works


def test_a_pipe_in_place_of_a_file_is_not_waited_for(folder: Path) -> None:
    load()
    path = only_file(folder)
    path.unlink()
    os.mkfifo(path, 0o600)
    waited = threading.Event()

    def release() -> None:  # whoever waits for a writer
        waited.set()
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))

    watch = threading.Timer(PATIENCE / 2, release)
    watch.start()
    try:
        assert load() is False
    finally:
        watch.cancel()
        watch.join()
    assert not waited.is_set()


def test_a_truncated_file_is_replaced_by_a_whole_one(folder: Path) -> None:
    load()
    truncate(only_file(folder))
    assert [load(), load()] == [False, True]


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755, 0o707])
def test_a_folder_that_others_can_get_into_is_not_used(folder: Path, mode: int) -> None:
    load()
    folder.chmod(mode)
    assert load() is False
    folder.chmod(0o700)
    assert load() is True


def test_a_folder_that_is_a_link_is_not_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "real")
    assert [load(), load()] == [False, False]
    assert list((tmp_path / "real").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(folder: Path) -> None:
    folder.write_text("a file in its place")
    assert [load(), load()] == [False, False]


@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="takes another user's file; enable: run as root")
def test_what_another_user_owns_is_not_used(folder: Path) -> None:
    load()
    os.chown(only_file(folder), 12345, -1)
    assert load() is False
    os.chown(folder, 12345, -1)
    assert load() is False


def test_another_engine_has_another_key(folder: Path) -> None:
    load()
    path = only_file(folder)
    next(folder.glob("*.info")).unlink()
    digest, key = path.stem.split("-", 1)
    for other in (f"{'0' * 64}-{key}", f"{digest}-other-{key}", f"{digest}-{key}".replace("wasmtime-", "wasmtime-9")):
        path = path.rename(path.with_stem(other))
        assert load() is False
        for made in folder.iterdir():
            if made != path:
                made.unlink()


def test_nothing_but_whole_files_is_left_in_the_folder(folder: Path) -> None:
    load()
    assert sorted(path.suffix for path in folder.iterdir()) == [".cwasm", ".info"]


def test_the_oldest_go_first_when_it_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 2500)
    for number in range(4):
        cache.keep(folder, f"{number:064}", "key", bytes(1000))
        os.utime(next(folder.glob(f"{number:064}-*")), (number, number))
    assert sorted(path.name[63] for path in folder.iterdir()) == ["2", "3"]


@pytest.mark.parametrize(("minutes", "touched"), [(10, False), (70, True)])
def test_what_is_used_is_young_again_and_not_touched_at_each_use(folder: Path, minutes: int, touched: bool) -> None:
    load()
    before = int(time.time()) - 60 * minutes
    for path in folder.iterdir():
        os.utime(path, (before, before))
    assert load() is True
    assert {path.stat().st_mtime > before for path in folder.iterdir()} == {touched}


def test_two_processes_at_once_do_not_disturb_each_other(folder: Path) -> None:
    program = f"""
import judicia_notebook as jn
for turn in range(15):
    with jn.Runtime() as rt:
        for number in range(3):
            wat = b'(module (func (export "answer") (result i32) (i32.const %d)))' % number
            assert rt.load(wat, name=f"p{{number}}").raw("answer")() == number
            for path in {str(folder)!r},:
                import pathlib
                if turn % 5 == 4: [path.unlink(missing_ok=True) for path in pathlib.Path(path).glob("*.cwasm")]
print("well")
"""
    both = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60) for process in both]
    assert said == [("well\n", "")] * 2


# --- file systems that do not keep their word, as a home folder over a network may ------------------------------------


@pytest.mark.parametrize(
    "call", ["os.fsync", "os.open", "os.listdir", "os.lstat", "pathlib.Path.rename", "tempfile.mkstemp"]
)
@pytest.mark.parametrize("reason", [errno.ESTALE, errno.EIO, errno.ENOSPC, errno.EACCES])
def test_whatever_the_file_system_refuses_a_load_only_takes_longer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, call: str, reason: int
) -> None:
    load()

    def refuse(path: object = None, *_: object, **__: object) -> object:
        if call in {"os.fsync", "tempfile.mkstemp"} or str(folder) in str(path):
            raise OSError(reason, os.strerror(reason))
        return original(path, *_, **__)

    original = pkgutil.resolve_name(call)
    with jn.Runtime() as rt, monkeypatch.context() as patch:
        patch.setattr(call, refuse)
        assert rt.load(WAT.replace(b"42", b"43"), name="guest").raw("answer")() == 43
    assert {path.suffix for path in folder.iterdir()} == {".cwasm", ".info"}
    assert load() is True


def test_a_cache_that_cannot_be_mapped_is_compiled_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    monkeypatch.setattr(Engine, "deserialize_file", lambda *_: None)
    assert load() is False


def test_a_full_disk_keeps_nothing_in_the_cache_and_no_load_from_working(folder: Path) -> None:
    program = f"""
import resource, signal
import judicia_notebook as jn
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with jn.Runtime() as rt:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # to a process, a disk that is full after a page
    assert rt.load({WAT!r}, name="guest").raw("answer")() == 42
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [said] = done.stderr.splitlines()  # told once: every load compiles
    assert "every load compiles" in said
    assert list(folder.iterdir()) == []
    assert load() is False


def test_what_an_ended_process_left_half_written_goes_with_the_next_file(folder: Path) -> None:
    load()
    for name, age in (("old.part", 7200), ("new.part", 0)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    with jn.Runtime() as rt:
        rt.load(WAT.replace(b"42", b"43"), name="guest")
    assert {path.name for path in folder.glob("*.part")} == {"new.part"}
    assert load() is True
