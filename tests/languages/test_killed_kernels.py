"""A kernel that is killed while it compiles leaves no process and no folder; two first uses at once are one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from judicia_notebook.errors import BuildError
from judicia_notebook.languages import build_folder, rust
from judicia_notebook.languages.build_folder import PREFIX, held
from judicia_notebook.languages.language import Job
from tests.languages.compilers import need_serde
from tests.languages.test_compiler_process import ENDLESS_C
from tests.support.processes import wait_until_gone
from tests.support.waiting import PATIENCE, until

FORKING = """\
import os, threading, time
threading.Thread(target=lambda: jn.build(SOURCE, "c"), daemon=True).start()
while not list(__import__("pathlib").Path(os.environ["TMPDIR"]).glob("judicia-build-*/cell.c")): time.sleep(0.05)
time.sleep(0.3)
if (child := os.fork()) == 0:
    time.sleep(300)
    os._exit(0)
print(child, flush=True)
time.sleep(300)
"""


def kernel(program: str, folder: Path) -> subprocess.Popen[bytes]:
    text = f"import judicia_notebook as jn\nSOURCE = {ENDLESS_C!r}\n{program}"
    variables = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen([sys.executable, "-c", text], env=variables, stdout=subprocess.PIPE)


def compiling(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes below it, once the compiler is one of them."""

    def found() -> list[int]:
        children = psutil.Process(process.pid).children(recursive=True)
        with contextlib.suppress(psutil.Error):
            if any(len(child.cmdline()) > 5 and "supervisor.py" not in " ".join(child.cmdline()) for child in children):
                return [child.pid for child in children]
        return []

    return until(found)  # looked for once more, a child may just have ended, and all of them are not found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_kernel_leaves_no_compiler_and_no_folder(number: int, tmp_path: Path, c_compiler: str) -> None:
    with kernel('jn.build(SOURCE, "c")', tmp_path) as process:
        pids = compiling(process)
        assert list(tmp_path.glob(f"{PREFIX}*"))
        process.send_signal(number)
        process.wait()
        wait_until_gone(pids)
        until(lambda: not list(tmp_path.glob(f"{PREFIX}*")))


def test_a_process_that_was_forked_from_the_kernel_keeps_no_compiler_alive(tmp_path: Path, c_compiler: str) -> None:
    with kernel(FORKING, tmp_path) as process:
        assert process.stdout is not None
        forked = int(process.stdout.readline())
        pids = [pid for pid in compiling(process) if pid != forked]
        try:
            process.kill()
            process.wait()
            wait_until_gone(pids)
            assert psutil.pid_exists(forked)
        finally:
            os.kill(forked, signal.SIGKILL)
            wait_until_gone([forked])


def test_folders_of_owners_that_are_gone_are_removed(temporary: Path, tmp_path: Path) -> None:
    old = time.time() - 3600
    names = ("lost", "young", "held", "open", "file")
    lost, young, kept, others, file = (temporary / f"{PREFIX}{name}" for name in names)
    for folder in (lost, young, kept, others):
        folder.mkdir(mode=0o700)
        (folder / "cell.c").write_text("")
    others.chmod(0o777)
    file.write_text("")
    (tmp_path / "precious").mkdir()
    link = temporary / f"{PREFIX}link"
    link.symlink_to(tmp_path / "precious")
    for path in (lost, kept, others, file, tmp_path / "precious"):
        os.utime(path, (old, old))
    descriptor = build_folder._lock(str(kept))
    with build_folder.build_folder() as here:
        os.utime(here, (old, old))
        with build_folder.build_folder():
            assert here.is_dir()
        left = {path.name.removeprefix(PREFIX) for path in temporary.iterdir()} - {here.name.removeprefix(PREFIX)}
    assert left == {"young", "held", "open", "file", "link"}
    assert not here.exists()
    os.close(descriptor)
    for path in (young, kept, others):
        (path / "cell.c").unlink()
        path.rmdir()
    link.unlink()
    file.unlink()


def test_what_is_built_once_is_built_by_one(tmp_path: Path) -> None:
    stamp, order = tmp_path / "complete", []
    waits = threading.Event()

    def second() -> None:
        with held(stamp, 60, lambda _: waits.set()):
            order.append("second")

    thread = threading.Thread(target=second)
    with held(stamp, 60, lambda _: None):
        thread.start()
        assert waits.wait(30)
        with pytest.raises(BuildError, match="another process has been building"), held(stamp, 0, lambda _: None):
            pass
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_what_cargo_reads_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_serde()
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "cache"))
    job = Job("use serde::Serialize;", "cell.rs", None, "z", ())
    toolchain = rust.LANGUAGE.toolchain(job)
    rust.LANGUAGE.prepare(toolchain, job)
    manifest = rust.LANGUAGE._built(toolchain) / "cells" / "Cargo.toml"
    before = manifest.stat()
    rust.LANGUAGE.prepare(toolchain, job)
    assert (manifest.stat().st_ino, manifest.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    is_over, has_read, torn = threading.Event(), threading.Event(), []

    def read() -> None:
        while not is_over.is_set():
            torn.append("[workspace]" not in manifest.read_text())
            has_read.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert has_read.wait(PATIENCE)
    for number in range(300):
        rust._put(manifest, f"# {number}\n{'x' * 100_000}\n[workspace]\n")
    is_over.set()
    thread.join()
    assert torn
    assert not any(torn)
    assert {path.name for path in manifest.parent.iterdir()} == {"Cargo.toml", "empty.rs"}
