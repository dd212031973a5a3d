"""Ways out of a plugin's folders: names, links, pipes, devices, mounts, and a process that exchanges them all the time.

Outside lie canaries. Whatever is tried, they are whole afterwards, nothing is beside them, and no guest has read one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.files.beneath import Opening
from tests.support.files import OPENINGS, OPERATIONS, caller, opened_by

CANARY = "canary"
INSIDE = "inside"
WALL, SLACK = 10, 10  # seconds a call may take beyond its wall quota on a machine that is busy with other things
READS, WRITES = 3000, 400

MODULE = caller()


def tree(folder: Path) -> dict[str, str]:
    """Everything beneath a folder, with the files' content."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else "folder" for path in folder.rglob("*")
    }


class Ground:
    """A folder for the guest, and one outside that nobody may reach."""

    def __init__(self, place: Path) -> None:
        self.inside, self.outside = place / "inside", place / "outside"
        for folder in (self.inside, self.outside):
            (folder / "sub").mkdir(parents=True)
        (self.inside / "file").write_text(INSIDE)
        (self.inside / "sub" / "file").write_text(INSIDE)
        for path in (self.outside / "file", self.outside / "sub" / "file", place / "file"):
            path.write_text(CANARY)
        self.place = place
        self._before = tree(self.outside)

    def check(self) -> None:
        assert tree(self.outside) == self._before
        assert (self.place / "file").read_text() == CANARY
        assert sorted(path.name for path in self.place.iterdir()) == ["file", "inside", "outside"]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    place = tmp_path / "ground"
    place.mkdir()
    found = Ground(place)
    yield found
    found.check()


@pytest.fixture(params=OPENINGS)
def both(request: pytest.FixtureRequest, rt: jn.Runtime) -> jn.Runtime:
    return opened_by(rt, request.param)


@pytest.fixture
def guest(both: jn.Runtime, ground: Ground) -> jn.Plugin:
    """Has everything that can be granted, in `inside` and in a private folder."""
    grants = ["file_storage", f"read_files={ground.inside}@in", f"write_files={ground.inside}@in"]
    return both.load(MODULE, name="guest", grant=grants)


def attempts(p: jn.Plugin, path: str) -> list[dict[str, Any]]:
    """What each operation answers for a path; each in time."""
    answers = []
    for operation in OPERATIONS:
        request = {"path": path, "content": "mine"} if operation == "write" else {"path": path}
        began = time.monotonic()
        answers.append(p.call(operation, request, quota={"wall": f"{WALL}s"}))
        assert time.monotonic() - began < WALL + SLACK
    return answers


def assert_all_refused(p: jn.Plugin, path: str, *, but: tuple[str, ...] = ()) -> None:
    for operation, answer in zip(OPERATIONS, attempts(p, path), strict=True):
        assert ("error" in answer) == (operation not in but), (operation, answer)
        assert CANARY not in str(answer)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../file",
        "in/..",
        "in/../file",
        "in/../../file",
        "in/../outside/file",
        "in/sub/../../file",
        "in/./file",
        "./file",
        "in//file",
        "in/",
        "/",
        "//etc/passwd",
        "/etc/passwd",
        "in//etc/passwd",
        "a\0b",
        "in/file\0.txt",
        "in/a\nb",
        "in/\x7f",
        "in/\x85",
        "in/\u202efile",
        "in/\u2066file",
        "in/a\u2028b",
        "in/.judicia-x",
        ".JUDICIA-x/y",
        "in/" + "x" * 256,
        "in/" + "é" * 128,
        "in/" + "/".join("x" * 16),
        "x/" * 2000 + "y",
        "in/" + "a" * 2_000_000,
    ],
)
def test_a_name_that_could_mean_another_place_is_refused_by_its_text(guest: jn.Plugin, path: str) -> None:
    for answer in attempts(guest, path):
        assert answer["error"]["code"] == "bad_request"
        assert len(answer["error"]["message"]) < 1000


@pytest.mark.parametrize(
    "path", ["..\\file", "in\\..\\file", "~/file", "$HOME", "%2e%2e/file", "C:\\file", "in/...", "．．/file"]
)
def test_a_name_that_only_looks_like_another_place_is_a_name(guest: jn.Plugin, both: jn.Runtime, path: str) -> None:
    assert guest.call("write", {"path": path, "content": "mine"}) == {"ok": {"bytes": 4}}
    assert guest.call("read", {"path": path}) == {"ok": {"content": "mine"}}
    assert guest.call("delete", {"path": path}) == {"ok": {}}


def test_a_list_leaves_out_names_that_deceive(guest: jn.Plugin, ground: Ground) -> None:
    for name in (b"\xff\xfe", b"a\nb", "\u202egnp.exe".encode(), b".judicia-x"):
        (Path(os.fsdecode(os.fsencode(ground.inside) + b"/" + name))).write_text("x")
    assert [entry["name"] for entry in guest.call("list", {"path": "in"})["ok"]] == ["file", "sub"]


# --- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to", ["{outside}/file", "../outside/file", "/etc/passwd", "file", "sub/file", "/proc/self/environ", "none", "link"]
)
def test_a_link_in_a_files_place_is_not_followed(guest: jn.Plugin, ground: Ground, to: str) -> None:
    target = to.format(outside=ground.outside)
    (ground.inside / "link").symlink_to(target)
    assert_all_refused(guest, "in/link", but=("stat",))
    assert guest.call("stat", {"path": "in/link"})["ok"]["type"] == "other"
    assert str((ground.inside / "link").readlink()) == target


@pytest.mark.parametrize("to", ["{outside}", "../outside", "/", ".", "..", "sub", "/proc/self/cwd", "/proc/self/root"])
def test_a_link_in_a_folders_place_is_not_followed(guest: jn.Plugin, ground: Ground, to: str) -> None:
    (ground.inside / "link").symlink_to(to.format(outside=ground.outside))
    for path in ("in/link/file", "in/link/new", "in/link/sub/file", "in/link/sub/new/newer"):
        assert_all_refused(guest, path)
    assert_all_refused(guest, "in/link", but=("stat",))


def test_the_private_folder_exchanged_for_a_link_is_not_used(
    both: jn.Runtime, guest: jn.Plugin, ground: Ground
) -> None:
    guest.call("write", {"path": "file", "content": "mine"})
    home = both.host.files.folder("guest")
    for path in (home, home.parent):
        path.rename(path.with_name("away"))
        path.symlink_to(ground.outside)
        if path == home.parent:
            (ground.inside / "content").mkdir()
        assert_all_refused(guest, "file")
        path.unlink()
        path.with_name("away").rename(path)
    assert guest.call("read", {"path": "file"}) == {"ok": {"content": "mine"}}


def test_a_hard_link_is_not_written(guest: jn.Plugin, ground: Ground) -> None:
    (ground.inside / "hard").hardlink_to(ground.outside / "file")
    answer = guest.call("write", {"path": "in/hard", "content": "mine"})
    assert answer["error"]["code"] == "failed"
    assert "hard links" in answer["error"]["message"]
    guest.call("delete", {"path": "in/hard"})
    assert not (ground.inside / "hard").exists()


# --- what is no file -------------------------------------------------------------------------------------------------


def test_a_pipe_is_not_opened_and_does_not_hold_up_the_call(guest: jn.Plugin, ground: Ground) -> None:
    os.mkfifo(ground.inside / "pipe")
    assert_all_refused(guest, "in/pipe", but=("stat",))
    assert_all_refused(guest, "in/pipe/x")


def test_a_socket_is_not_opened(guest: jn.Plugin, ground: Ground) -> None:
    folder = os.open(ground.inside, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{folder}/socket")  # an address has room for 108 bytes only
    finally:
        os.close(folder)
    assert_all_refused(guest, "in/socket", but=("stat",))


def test_devices_are_not_opened(both: jn.Runtime) -> None:
    p = both.load(MODULE, name="guest", grant=["read_files=/dev@dev", "write_files=/dev@dev"])
    for name in ("zero", "null", "urandom"):
        for operation in ("read", "write", "delete"):
            request = {"path": f"dev/{name}", **({"content": ""} if operation == "write" else {})}
            assert p.call(operation, request)["error"]["code"] == "failed"
    assert Path("/dev/null").is_char_device()


def test_the_systems_magic_links_lead_nowhere(both: jn.Runtime, ground: Ground) -> None:
    p = both.load(MODULE, name="guest", grant=["read_files=/proc@proc"])
    descriptor = os.open(ground.outside / "file", os.O_RDONLY)
    try:
        own = f"proc/{os.getpid()}"
        for path in (f"{own}/fd/{descriptor}", f"{own}/root{ground.outside}/file", f"{own}/cwd/pyproject.toml"):
            for operation in ("read", "list"):
                answer = p.call(operation, {"path": path})
                assert "error" in answer
    finally:
        os.close(descriptor)


def test_another_file_system_beneath_a_folder_is_not_entered(both: jn.Runtime) -> None:
    p = both.load(MODULE, name="guest", grant=["read_files=/@root"])
    for path in ("proc/version", "proc/self/status", "proc/1/status"):
        assert "error" in p.call("read", {"path": f"root/{path}"})
    assert "error" in p.call("list", {"path": "root/proc"})


# --- floods ----------------------------------------------------------------------------------------------------------


def test_a_flood_of_folders_ends_at_the_limit(both: jn.Runtime, guest: jn.Plugin) -> None:
    both.host.files.set_limits(folder_files=50)
    for number in range(60):
        guest.call("write", {"path": "/".join(f"{number}x{level}" for level in range(15)), "content": ""})
    assert len(list(both.host.files.folder("guest").rglob("*"))) <= 50


def test_writing_again_and_again_leaves_one_file(both: jn.Runtime, guest: jn.Plugin) -> None:
    both.host.files.set_limits(folder_bytes=1000)
    for _ in range(60):
        assert guest.call("write", {"path": "a", "content": "x" * 1000}) == {"ok": {"bytes": 1000}}
    assert [path.name for path in both.host.files.folder("guest").iterdir()] == ["a"]


# --- races -----------------------------------------------------------------------------------------------------------

THRASHER = """
import os, sys
inside, outside = sys.argv[1:]
os.chdir(inside)
os.rename("sub", "kept")  # the real folder, which comes and goes
os.mkdir("empty")
print("ready", flush=True)
parent = os.getppid()

def put_folder(): os.rename("kept", "sub")
def take_folder(): os.rename("sub", "kept")
def link_folder(): os.symlink(outside, "sub")
def link_up(): os.symlink("../outside", "sub")
def fifo(): os.mkfifo("file")
def link_file(): os.symlink(outside + "/file", "file")
def hard(): os.link(outside + "/file", "file")
def plain():
    with open("file.new", "w") as new: new.write("inside")
    os.rename("file.new", "file")

def clear(name):
    try:
        os.unlink(name)
    except FileNotFoundError:
        pass

while os.getppid() == parent:
    for step in (put_folder, take_folder, link_folder, lambda: clear("sub"), link_up, lambda: clear("sub")):
        try:
            step()
        except OSError:
            pass
    for step in STEPS:
        try:
            clear("file")
            step()
        except OSError:  # the guest was faster
            pass
"""


@pytest.fixture
def thrasher(ground: Ground, request: pytest.FixtureRequest) -> Iterator[None]:
    """A process that exchanges `inside/sub` and `inside/file` for links, pipes and back, as fast as it can."""
    program = THRASHER.replace("STEPS", request.param)
    command = [sys.executable, "-c", program, str(ground.inside), str(ground.outside)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield
            problem = process.poll() is not None and process.stderr.read()
        finally:
            process.kill()
    assert not problem, problem


@pytest.mark.parametrize("thrasher", ["(fifo, link_file, plain)"], indirect=True)
@pytest.mark.usefixtures("thrasher")
def test_no_exchange_at_any_moment_makes_a_guest_read_a_canary(guest: jn.Plugin, ground: Ground) -> None:
    seen: set[str] = set()
    for _ in range(READS):
        for path in ("in/file", "in/sub/file"):
            answer = guest.call("read", {"path": path})
            seen.add(answer["ok"]["content"] if "ok" in answer else answer["error"]["code"])
        names = [entry["name"] for entry in guest.call("list", {"path": "in/sub"}).get("ok", [])]
        assert set(names) <= {"file"}
    assert seen <= {INSIDE, "", "not_found", "conflict", "failed"}
    assert seen & {"not_found", "conflict", "failed"}
    ground.check()


@pytest.mark.parametrize("thrasher", ["(fifo, link_file, plain, hard)"], indirect=True)
@pytest.mark.usefixtures("thrasher")
def test_no_exchange_at_any_moment_makes_a_guest_write_or_delete_outside(guest: jn.Plugin, ground: Ground) -> None:
    codes: set[str] = set()
    for number in range(WRITES):
        for request in (
            {"path": "in/file", "content": "mine"},
            {"path": "in/sub/file", "content": "mine"},
            {"path": f"in/sub/new{number % 5}", "content": "mine"},
            {"path": f"in/sub/deep/new{number % 5}", "content": "mine"},
        ):
            answer = guest.call("write", request)
            codes.add("ok" if "ok" in answer else answer["error"]["code"])
        for path in ("in/file", "in/sub/file", "in/sub/sub"):
            guest.call("delete", {"path": path})
        if number % 50 == 0:
            ground.check()
    assert "failed" in codes or "conflict" in codes
    ground.check()


class Late:
    """An opening that is too late: the file is exchanged just before it is opened."""

    name = "late"

    def __init__(self, real: Opening, exchange: Callable[[], None]) -> None:
        self._real = real
        self._exchange = exchange

    def open(self, folder: int, path: str, flags: int, *, across: bool = False) -> int:
        if not flags & os.O_DIRECTORY:
            self._exchange()
        return self._real.open(folder, path, flags, across=across)


@pytest.mark.parametrize("kind", ["pipe", "link", "device", "folder"])
def test_what_is_exchanged_in_the_last_moment_is_not_read(
    both: jn.Runtime, guest: jn.Plugin, ground: Ground, kind: str
) -> None:
    def exchange() -> None:
        (ground.inside / "file").unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(ground.inside / "file")
        elif kind == "folder":
            (ground.inside / "file").mkdir()
        else:
            (ground.inside / "file").symlink_to(ground.outside / "file" if kind == "link" else "/dev/zero")

    assert both.host.files.opening is not None
    both.host.files.opening = Late(both.host.files.opening, exchange)
    answer = guest.call("read", {"path": "in/file"}, quota={"wall": f"{WALL}s"})
    assert answer["error"]["code"] == ("conflict" if kind == "folder" else "failed")


def test_a_root_exchanged_for_a_link_is_not_followed(guest: jn.Plugin, ground: Ground) -> None:
    assert guest.call("read", {"path": "in/file"}) == {"ok": {"content": INSIDE}}
    away = ground.inside.with_name("away")
    ground.inside.rename(away)
    ground.inside.symlink_to(ground.outside)
    try:
        assert_all_refused(guest, "in/file")
        assert_all_refused(guest, "in/new")
        assert_all_refused(guest, "in/sub")
    finally:
        ground.inside.unlink()
        with suppress(FileNotFoundError):
            away.rename(ground.inside)


def test_the_folder_a_file_is_written_in_may_not_leave_meanwhile(
    guest: jn.Plugin, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if (ground.inside / "sub").exists():
            (ground.inside / "sub").rename(ground.inside / "elsewhere")
            (ground.inside / "sub").symlink_to(ground.outside)

    monkeypatch.setattr(os, "fsync", fsync)
    answer = guest.call("write", {"path": "in/sub/file", "content": "mine"})
    assert answer["error"]["code"] == "conflict"
    assert (ground.inside / "elsewhere" / "file").read_text() == INSIDE
    assert [path.name for path in (ground.inside / "elsewhere").iterdir()] == ["file"]
