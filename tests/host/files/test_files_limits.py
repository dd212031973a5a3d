"""How much plugins may keep in folders, that a file is written whole or not at all, and that requests end on time."""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.host.offload import MOST_ABANDONED
from tests.support.files import caller, held, ok, refused
from tests.support.waiting import PATIENCE, until

KB = 1024

# --- limits ----------------------------------------------------------------------------------------------------------


def test_one_file_may_be_only_so_large(both: jn.Runtime, guest: jn.Plugin, home: Path) -> None:
    both.host.files.set_limits(file_bytes="1KiB")
    ok(guest, "write", path="a", content="x" * KB)
    assert refused(guest, "write", path="a", content="x" * KB + "y")[0] == "quota_exceeded"
    assert ok(guest, "read", path="a") == {"content": "x" * KB}
    (home / "a").write_text("x" * (KB + 1))
    assert refused(guest, "read", path="a")[0] == "quota_exceeded"
    assert list(both.host_calls["decision"]) == ["allowed", "limited", "allowed", "limited"]


def test_a_folder_holds_only_so_many_bytes(both: jn.Runtime, guest: jn.Plugin, home: Path) -> None:
    both.host.files.set_limits(folder_bytes=4 * KB)
    ok(guest, "write", path="a", content="x" * 3 * KB)
    ok(guest, "write", path="d/b", content="x" * KB)
    code, message = refused(guest, "write", path="c", content="x")
    assert (code, "4096" in message) == ("quota_exceeded", True)
    ok(guest, "write", path="empty", content="")
    ok(guest, "write", path="a", content="y" * 3 * KB)  # what is replaced gives its room
    assert refused(guest, "write", path="a", content="y" * (3 * KB + 1))[0] == "quota_exceeded"
    ok(guest, "write", path="a", content="y")
    ok(guest, "write", path="c", content="x" * (3 * KB - 1))
    assert held(home) == ["a", "c", "d", "d/b", "empty"]


def test_a_folder_over_a_lowered_limit_can_still_be_made_smaller(both: jn.Runtime, guest: jn.Plugin) -> None:
    ok(guest, "write", path="a", content="x" * KB)
    both.host.files.set_limits(folder_bytes=100, folder_files=1)
    assert refused(guest, "write", path="a", content="x" * (KB + 1))[0] == "quota_exceeded"
    ok(guest, "write", path="a", content="x" * 900)
    ok(guest, "delete", path="a")
    ok(guest, "write", path="a", content="x" * 100)


def test_a_folder_holds_only_so_many_files_and_folders(both: jn.Runtime, guest: jn.Plugin, home: Path) -> None:
    both.host.files.set_limits(folder_files=4)
    ok(guest, "write", path="a/b/c", content="")
    assert refused(guest, "write", path="d/e", content="")[0] == "quota_exceeded"
    assert held(home) == ["a", "a/b", "a/b/c"]
    ok(guest, "write", path="d", content="")
    ok(guest, "write", path="d", content="again")
    assert refused(guest, "write", path="e", content="")[0] == "quota_exceeded"


def test_a_list_gives_only_so_many_entries(both: jn.Runtime, guest: jn.Plugin) -> None:
    both.host.files.set_limits(entries=2)
    for name in "abc":
        assert len(ok(guest, "list", path="")) == "abc".index(name)
        ok(guest, "write", path=name, content="")
    assert refused(guest, "list", path="")[0] == "quota_exceeded"


def test_of_a_mapped_folder_only_what_plugins_wrote_counts(both: jn.Runtime, shelf: Path) -> None:
    (shelf / "large").write_bytes(b"x" * 100 * KB)
    both.host.files.set_limits(folder_bytes=2 * KB, folder_files=2)
    one, other = (both.load(caller(), name=name, grant=[f"write_files={shelf}@out"]) for name in ("one", "other"))
    ok(one, "write", path="out/a", content="x" * KB)
    assert refused(other, "write", path="out/b", content="x" * (KB + 1))[0] == "quota_exceeded"
    ok(other, "write", path="out/b", content="x" * KB)
    assert refused(one, "write", path="out/c", content="")[0] == "quota_exceeded"
    ok(one, "delete", path="out/b")
    ok(one, "write", path="out/c", content="x")
    (shelf / "a").unlink()  # somebody else makes room
    ok(one, "write", path="out/d", content="x" * KB)


@pytest.mark.parametrize("mapped", [False, True], ids=["private", "mapped"])
def test_exactly_as_many_files_fit_when_many_write_at_once(rt: jn.Runtime, shelf: Path, *, mapped: bool) -> None:
    rt.host.files.set_limits(folder_bytes=10 * KB + 512, folder_files=1000)
    grants = [f"write_files={shelf}@out"] if mapped else ["file_storage"]
    p = rt.load(caller(), name="guest", grant=grants, instances=8)
    prefix = "out/" if mapped else ""

    def write(number: int) -> bool:
        return "ok" in p.call("write", {"path": f"{prefix}f{number}", "content": "x" * KB})

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(write, range(40))) == 10
    folder = shelf if mapped else rt.host.files.folder("guest")
    assert len([name for name in held(folder) if name.startswith("f")]) == 10
    assert not [name for name in held(folder) if name.startswith(".")]


def test_processes_that_share_a_data_folder_share_its_limits(tmp_path: Path) -> None:
    with jn.Runtime(tmp_path) as one, jn.Runtime(tmp_path) as other:
        plugins = []
        for runtime in (one, other):
            runtime.host.files.set_limits(folder_bytes=10 * KB + 512)
            plugins.append(runtime.load(caller(), name="guest", grant=["file_storage"], instances=4))

        def write(number: int) -> bool:
            request = {"path": f"f{number}", "content": "x" * KB}
            return "ok" in plugins[number % 2].call("write", request)

        with ThreadPoolExecutor(6) as threads:
            assert sum(threads.map(write, range(30))) == 10


def test_a_write_waits_for_another_process_that_measures(guest: jn.Plugin, home: Path) -> None:
    ok(guest, "write", path="a", content="x")
    with (home.parent / "lock").open("rb+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        outcome = guest.attempt("write", {"path": "b", "content": "x"}, quota={"wall": "200ms"})
        assert isinstance(outcome.error, jn.QuotaExceeded)
        assert ok(guest, "read", path="a") == {"content": "x"}
    ok(guest, "write", path="b", content="x")


# --- all or nothing --------------------------------------------------------------------------------------------------


def test_readers_see_the_old_file_or_the_new_one(both: jn.Runtime, shelf: Path) -> None:
    p = both.load(caller(), name="guest", grant=[f"write_files={shelf}@out"])
    whole = {letter * 50_000 for letter in "ab"}
    ok(p, "write", path="out/f", content="a" * 50_000)
    over = threading.Event()
    seen: set[str] = set()

    def look() -> None:
        while not over.is_set():
            seen.add((shelf / "f").read_text())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for letter in "ba" * 15:
            ok(p, "write", path="out/f", content=letter * 50_000)
    finally:
        over.set()
        watcher.join()
    assert seen <= whole


def test_what_a_dead_process_left_half_written_is_cleared_away(guest: jn.Plugin, home: Path) -> None:
    ok(guest, "write", path="a", content="x")
    old, young = home / ".judicia-old", home / ".judicia-young"
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (time.time() - 7200,) * 2)
    ok(guest, "write", path="b", content="x")
    assert held(home) == [".judicia-young", "a", "b"]
    assert [entry["name"] for entry in ok(guest, "list", path="")] == ["a", "b"]


WRITER = """
import sys
import judicia_notebook as jn
sys.path.insert(0, {root!r})
from tests.support.files import caller
rt = jn.Runtime({data!r})
p = rt.load(caller(), name="guest", grant=["file_storage"])
for number in range(100_000):
    request = {{"path": f"f{{number % 20}}", "content": f"{{number}} " * 500}}
    assert "ok" in p.call("write", request)
    print(number, flush=True)
"""


def test_what_was_acknowledged_is_there_after_a_sigkill(tmp_path: Path) -> None:
    program = WRITER.format(root=str(Path(__file__).parents[3]), data=str(tmp_path))
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                last = int(line)
                if last >= 40:
                    break
            child.send_signal(signal.SIGKILL)
            last = max([last, *(int(line) for line in child.stdout.read().split("\n") if line)])
        with jn.Runtime(tmp_path) as rt:
            p = rt.load(caller(), name="guest", grant=["file_storage"])
            for number in range(last - 18, last + 1):  # what came after the last one is another file
                assert ok(p, "read", path=f"f{number % 20}")["content"] == f"{number} " * 500


# --- ends on time ----------------------------------------------------------------------------------------------------


class Stalled:
    """A file system that does not answer: whoever asks it to sync waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()
        real = os.fsync

        def fsync(descriptor: int) -> None:
            if threading.current_thread().name == "judicia-files" and not self.go_on.is_set():
                self.entered.release()
                assert self.go_on.wait(PATIENCE * 4)
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch, guest: jn.Plugin) -> Iterator[Stalled]:
    """Files are there, and then the file system stalls."""
    ok(guest, "write", path="a", content="before")
    found = Stalled(monkeypatch)
    yield found
    found.go_on.set()


def settled(rt: jn.Runtime, home: Path) -> None:
    """Wait until nothing is being written any more."""
    until(lambda: not any(name.startswith(".judicia-") for name in held(home)))


def test_a_stalled_write_ends_at_the_wall_limit_and_never_happens(
    both: jn.Runtime, guest: jn.Plugin, home: Path, stalled: Stalled
) -> None:
    began = time.monotonic()
    outcome = guest.attempt("write", {"path": "a", "content": "after"}, quota={"wall": "200ms"})
    assert isinstance(outcome.error, jn.QuotaExceeded)
    assert outcome.error.quota == "wall"
    assert time.monotonic() - began < PATIENCE
    stalled.go_on.set()
    settled(both, home)
    assert ok(guest, "read", path="a") == {"content": "before"}
    assert held(home) == ["a"]


def test_a_stalled_write_can_be_cancelled(both: jn.Runtime, guest: jn.Plugin, home: Path, stalled: Stalled) -> None:
    handle = guest.submit("write", {"path": "a", "content": "after"})
    assert stalled.entered.acquire(timeout=PATIENCE)
    handle.cancel()
    with pytest.raises(jn.Cancelled):
        handle.result(PATIENCE)
    stalled.go_on.set()
    settled(both, home)
    assert ok(guest, "read", path="a") == {"content": "before"}


def test_a_plugin_whose_files_hang_gets_no_more_threads_and_others_work_on(
    both: jn.Runtime, guest: jn.Plugin, home: Path, stalled: Stalled, shelf: Path
) -> None:
    for number in range(MOST_ABANDONED):
        handle = guest.submit("write", {"path": f"f{number}", "content": ""})
        assert stalled.entered.acquire(timeout=PATIENCE)
        handle.cancel()
        with pytest.raises(jn.Cancelled):
            handle.result(PATIENCE)
    assert "still waits" in refused(guest, "read", path="a")[1]
    other = both.load(caller(), name="other", grant=[f"read_files={shelf}@a"])
    assert ok(other, "read", path="a/one.txt") == {"content": "one"}
    stalled.go_on.set()
    settled(both, home)
    until(lambda: "error" not in guest.call("read", {"path": "a"}))
    assert held(home) == ["a"]


def test_a_large_read_can_be_cancelled_between_its_pieces(
    both: jn.Runtime, guest: jn.Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok(guest, "write", path="a", content="x" * 4_000_000)
    pieces = itertools.count()
    first, go_on = threading.Event(), threading.Event()
    real = os.read

    def read(descriptor: int, size: int) -> bytes:
        if threading.current_thread().name == "judicia-files":
            next(pieces)
            first.set()
            assert go_on.wait(PATIENCE)
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    handle = guest.submit("read", {"path": "a"})
    assert first.wait(PATIENCE)
    handle.cancel()
    with pytest.raises(jn.Cancelled):
        handle.result(PATIENCE)
    go_on.set()
    assert ok(guest, "stat", path="a")["bytes"] == 4_000_000
    both.host.files.close()  # its thread is through when the next test begins; so is its reading, after one piece
    until(lambda: not any(thread.name == "judicia-files" for thread in threading.enumerate()))
    assert next(pieces) == 1
