"""A compiler is bounded, ends with all that it has started, and gets nothing of our environment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import judicia_notebook as jn
from judicia_notebook.languages import build as builds
from judicia_notebook.languages import c, compiler_process, zig
from judicia_notebook.languages.compiler_process import CompilerLimits
from tests.languages.compilers import use
from tests.support.processes import wait_until_gone
from tests.support.waiting import until

# 2^60 tokens: the preprocessor has no end of it.
ENDLESS_C = (
    "#define A(x) x x\n"
    + "".join(f"#define {after}(x) {before}({before}(x))\n" for before, after in zip("ABCDEF", "BCDEFG", strict=True))
    + "int f(void) { G(;) }\n"
)
ENDLESS_ZIG = """\
export fn f() u32 {
    comptime {
        @setEvalBranchQuota(4000000000);
        var n: u64 = 0;
        while (true) n += 1;
    }
}
"""


def processes() -> set[int]:
    """The processes that this one has started, and those have started, other than those that other tests keep."""
    return {child.pid for child in psutil.Process().children(recursive=True)} - _kept


_kept: set[int] = set()


@pytest.fixture(autouse=True)
def kept_by_others() -> Iterator[None]:
    """Kernels and servers of other tests in this worker."""
    _kept.update(processes())
    yield
    _kept.clear()


def test_a_source_that_compiles_for_ever_is_ended(c_compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c, "_SECONDS", 1.0)
    with pytest.raises(jn.BuildError, match="ended after 1 s") as caught:
        jn.build(ENDLESS_C, "c")
    assert "may have no end" in str(caught.value)
    assert not processes()


def test_a_computation_of_zig_that_has_no_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    use("zig", monkeypatch)
    monkeypatch.setattr(zig, "_SECONDS", 3.0)
    with pytest.raises(jn.BuildError, match="ended after 3 s"):
        jn.build(ENDLESS_ZIG, "zig")
    assert not processes()


def test_gigabytes_of_output_are_refused(c_compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler_process, "DEFAULTS", CompilerLimits(file_bytes=16 << 20))
    source = 'char much[256u << 20] = {1};\n__attribute__((export_name("f"))) char f(int n) { return much[n]; }\n'
    with pytest.raises(jn.BuildError) as caught:
        jn.build(source, "c")
    assert "grew larger than it may be" in str(caught.value) or "too large" in str(caught.value).lower(), caught.value


def test_a_compiler_without_end_of_memory_is_ended(c_compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c, "_SECONDS", 20.0)
    monkeypatch.setattr(compiler_process, "DEFAULTS", CompilerLimits(memory_bytes=1 << 30))
    with pytest.raises(jn.BuildError):
        jn.build('__asm__(".incbin \\"/dev/zero\\"");\n', "c")
    assert not processes()


def test_a_device_is_no_header(c_compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c, "_SECONDS", 2.0)
    with contextlib.suppress(jn.BuildError):  # clang takes a device for an empty file
        assert len(jn.build('#include "/dev/zero"\n', "c").wasm) < 1000
    assert not processes()


def test_a_flood_of_messages_is_bounded(c_compiler: str) -> None:
    flood = "".join(f"#warning {n} {'x' * 200}\n" for n in range(20_000))
    built = jn.build(flood, "c", flags=["-ferror-limit=0"])
    assert 100 <= len(built.rows) <= 210


def test_a_module_that_is_too_large_is_refused(c_compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "MOST_WASM", 100)
    with pytest.raises(jn.BuildError, match="a module has at most 100 B"):
        jn.build("int f(void) { return 1; }\n", "c")
    monkeypatch.setattr(builds, "MOST_SOURCE", 10)
    with pytest.raises(jn.BuildError, match="too large"):
        jn.build("int f(void) { return 1; }\n", "c")


def compiles() -> bool:
    """Whether a compiler is at work below this process, and not one that only says its version."""
    with contextlib.suppress(psutil.Error):
        below = [psutil.Process(pid).cmdline() for pid in processes()]
        ours = psutil.Process().cmdline()  # which a new process has, too, until it becomes another program
        return any(len(words) > 5 and words != ours and "supervisor.py" not in " ".join(words) for words in below)
    return False


def test_ctrl_c_ends_the_compiler_with_its_whole_group(c_compiler: str) -> None:
    seen: list[int] = []

    def press() -> None:
        until(compiles)
        seen.extend(processes())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt, match="The compile was interrupted"):
        jn.build(ENDLESS_C, "c")
    thread.join()
    assert seen
    assert not processes()
    wait_until_gone(seen)


def test_ctrl_c_while_the_compiler_is_started_leaves_no_process(
    c_compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, seen = subprocess.Popen, []

    def started(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        process = start(*arguments, **more)
        seen.append(process.pid)
        signal.raise_signal(signal.SIGINT)
        return process

    monkeypatch.setattr(subprocess, "Popen", started)
    with pytest.raises(KeyboardInterrupt, match="The compile was interrupted"):
        jn.build(ENDLESS_C, "c")
    monkeypatch.undo()
    assert seen
    assert not processes()
    wait_until_gone(seen)


# --- a program in the place of a compiler ----------------------------------------------------------------------------


def put_compiler(folder: Path, does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that passes for clang, and does this in the place of compiling."""
    program = folder / "clang"
    program.write_text(
        f"#!/bin/sh\ncase $1$2 in --version) echo clang version 99.0;; *print-prog*) echo /bin/sh;;\n*) {does};; esac\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CLANG", str(program))


def test_what_a_compiler_leaves_running_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_compiler(tmp_path, f"sleep 300 & echo $! >{tmp_path}/pid; sleep 301 & exit 1", monkeypatch)
    with pytest.raises(jn.BuildError, match=r"clang 99\.0 found 1 error"):
        jn.build("int x;\n", "c")
    pid = int((tmp_path / "pid").read_text())
    wait_until_gone([pid])


def test_a_compiler_gets_nothing_of_ours_but_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "1")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    put_compiler(tmp_path, f"env >{tmp_path}/environment; ls -A >{tmp_path}/folder; exit 1", monkeypatch)
    with pytest.raises(jn.BuildError):
        jn.build("int x;\n", "c")
    names = {line.partition("=")[0] for line in (tmp_path / "environment").read_text().splitlines()}
    assert names - {"PWD", "_", "OLDPWD", "SHLVL"} == {"PATH", "LC_ALL", "HOME", "TMPDIR"}
    assert (tmp_path / "folder").read_text().split() == ["cell.c"]


def test_a_compiler_that_says_nothing_is_told_of_with_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for does, told in {
        "kill -9 $$": "it was killed",
        "exit 7": "the compiler ended with exit code 7",
        "exit 0": "the compiler ended with exit code 0",
        "echo LLVM ERROR: out of memory; exit 1": "it ran out of memory",
    }.items():
        put_compiler(tmp_path, does, monkeypatch)
        with pytest.raises(jn.BuildError) as caught:
            jn.build("int x;\n", "c")
        assert told in caught.value.rows[0].message
