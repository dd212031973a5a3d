"""Compiling in a child: the same module, limits that end the child, and nothing left of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import judicia_notebook as jn
from judicia_notebook.engine import compile_apart, startup
from judicia_notebook.engine.compile_apart import DEFAULT_ABOVE, CompileLimits
from judicia_notebook.engine.compiler import assemble
from judicia_notebook.runtime import linking
from tests.support.waiting import PATIENCE, until

WAT = b'(module (func (export "answer") (result i32) (i32.const 42)))'
WAT_BYTES = assemble(WAT)
MIB = 1 << 20

pytestmark = [
    pytest.mark.address_space,
    pytest.mark.skipif(
        sys.platform == "win32", reason="limits of a process are those of POSIX; enable: run on Linux or macOS"
    ),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache: what was compiled before would not be compiled here."""
    folder = tmp_path / "modules"
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(folder))
    return folder


@pytest.fixture
def compilers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process ids of the compilers that were started."""
    started: list[int] = []
    real = subprocess.Popen

    class Counted(real):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self.pid)

    monkeypatch.setattr(subprocess, "Popen", Counted)
    return started


def gone(started: list[int]) -> bool:
    return not any(psutil.pid_exists(one) for one in started)


def leb(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def module(functions: int, turns: int, padding: int = 0) -> bytes:
    """A module whose functions are `turns` additions long, the first exported as ``sum``; and data of no use."""
    body = b"\x01\x01\x7e" + b"\x20\x01\x20\x00\x7c\x20\x00\x84\x21\x01" * turns + b"\x20\x01\x0b"
    code = leb(len(body)) + body
    return (
        b"\0asm\1\0\0\0"
        + section(1, b"\x01\x60\x01\x7e\x01\x7e")
        + section(3, leb(functions) + b"\x00" * functions)
        + section(5, b"\x01\x00" + leb(1 + padding // 65536))
        + section(7, b"\x01\x03sum\x00\x00")
        + section(10, leb(functions) + code * functions)
        + (section(11, b"\x01\x00\x41\x00\x0b" + leb(padding) + bytes(padding)) if padding else b"")
    )


SLOW = module(120, 12_000)
"""Takes the compiler some seconds of CPU time; its process is ready for it in a fraction of one."""


# --- the same module -------------------------------------------------------------------------------------------------


def test_a_module_that_was_compiled_apart_is_the_same(rt: jn.Runtime, compilers: list[int]) -> None:
    apart = rt.load("example:specimen", name="apart", isolate_compile=True)
    assert len(compilers) == 1
    assert gone(compilers)
    assert not apart._code.from_cache
    here = rt.load("example:specimen", name="here", isolate_compile=False)
    assert (apart.digest, apart.exports, apart.imports) == (here.digest, here.exports, here.imports)
    assert apart.call("echo", [1, {"a": None}]) == here.call("echo", [1, {"a": None}])
    apart.call("log", {"n": 2})
    here.call("log", {"n": 2})
    assert rt.calls["fuel"].iloc[-1] == rt.calls["fuel"].iloc[-2]
    error = apart.attempt("spin", {"ms": 20_000}, quota={"cpu": "20ms"}).error
    assert isinstance(error, jn.QuotaExceeded)
    trap = apart.attempt("trap").error
    assert isinstance(trap, jn.GuestTrap)
    assert trap.backtrace


def test_what_child_and_parent_compile_is_the_same_to_the_byte() -> None:
    engine = startup.get_engine()
    wasm = module(3, 20)
    compiled = compile_apart.compile_apart(wasm, engine.reservation, CompileLimits())
    assert compiled == engine.serialize(engine.compile_here(wasm))


def test_the_second_load_comes_from_the_cache_whoever_compiled(rt: jn.Runtime, compilers: list[int]) -> None:
    assert rt.load(WAT, name="first", isolate_compile=True)._code.from_cache is False
    for number, apart in enumerate((True, False, None)):
        again = rt.load(WAT, name=f"again{number}", isolate_compile=apart)
        assert again._code.from_cache is True
        assert again.raw("answer")() == 42
    assert len(compilers) == 1


def test_only_big_modules_are_compiled_apart_unless_it_is_said(rt: jn.Runtime, compilers: list[int]) -> None:
    small, big = module(1, 5, DEFAULT_ABOVE - 1000), module(1, 5, DEFAULT_ABOVE + 1000)
    assert len(small) < DEFAULT_ABOVE < len(big)
    for wasm, isolate, count in ((small, None, 0), (big, False, 0), (big + section(0, b"\1a"), None, 1)):
        plugin = rt.load(wasm, name=f"p{count}", isolate_compile=isolate, quota={"memory": "16MiB"})
        assert plugin.raw("sum")(1) >= 1
        assert len(compilers) == count
    assert gone(compilers)


def test_several_compilers_at_once_do_not_disturb_each_other(rt: jn.Runtime) -> None:
    came: list[Any] = []

    def load(number: int) -> None:
        wat = WAT.replace(b"42", b"%d" % number)
        came.append((number, rt.load(wat, name=f"p{number}", isolate_compile=True).raw("answer")()))

    threads = [threading.Thread(target=load, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came) == [(0, 0), (1, 1), (2, 2)]


# --- refused ---------------------------------------------------------------------------------------------------------


def test_what_the_engine_refuses_is_refused_in_its_own_words(rt: jn.Runtime, compilers: list[int]) -> None:
    invalid = module(1, 1).replace(b"\x7c", b"\x6a")  # i32.add of two i64
    with pytest.raises(jn.CompileError) as here:
        rt.load(invalid, name="guest", isolate_compile=False)
    with pytest.raises(jn.CompileError) as apart:
        rt.load(invalid, name="guest", isolate_compile=True)
    assert not isinstance(apart.value, jn.CompileLimit)
    assert str(apart.value) == str(here.value)
    assert len(compilers) == 1
    assert gone(compilers)
    assert rt.plugins == {}


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (CompileLimits(wall_seconds=0.5), "more than 500 ms"),
        (CompileLimits(cpu_seconds=1), "1.* s of CPU time"),
        (CompileLimits(memory_bytes=64 * MIB), "64.* MiB of memory"),
    ],
    ids=["wall", "cpu", "memory"],
)
def test_a_limit_ends_the_compiler(
    rt: jn.Runtime,
    compilers: list[int],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    limits: CompileLimits,
    text: str,
) -> None:
    monkeypatch.setattr(linking, "CompileLimits", lambda: limits)
    with pytest.raises(jn.CompileLimit, match=text):
        rt.load(SLOW, name="guest", isolate_compile=True)
    assert len(compilers) == 1
    assert gone(compilers)
    assert not list(folder.glob("*"))
    assert rt.plugins == {}
    monkeypatch.undo()
    assert rt.load(WAT, name="guest", isolate_compile=True).raw("answer")() == 42


def test_a_small_file_that_would_take_gigabytes_is_compiled_apart_and_given_up(
    rt: jn.Runtime, compilers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = rt.load("example:specimen", name="keeper", isolate_compile=False)
    monkeypatch.setattr(linking, "CompileLimits", lambda: CompileLimits(memory_bytes=512 * MIB))
    wide = b"\x60" + leb(1000) + b"\x7f" * 1000 + leb(1000) + b"\x7f" * 1000
    source = b"\x60\x00" + leb(1000) + b"\x7f" * 1000
    loops = b"\x00\x10\x00" + b"\x03\x00" * 1000 + b"\x0b" * 1000 + b"\x00\x0b"  # each hands a thousand values on
    bomb = (
        b"\0asm\1\0\0\0"
        + section(1, b"\x03" + wide + source + b"\x60\0\0")
        + section(3, b"\x02\x01\x02")
        + section(10, b"\x02\x03\x00\x00\x0b" + leb(len(loops)) + loops)
    )
    assert len(bomb) < 10_000
    with pytest.raises(jn.CompileLimit, match=r"512.* MiB of memory"):
        rt.load(bomb, name="bomb")
    assert len(compilers) == 1
    assert gone(compilers)
    assert keeper.call("echo", 1) == 1


def test_the_compiler_may_not_take_all_the_memory_there_is(
    rt: jn.Runtime, compilers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "memory_limit", lambda: 64 * MIB)
    with pytest.raises(jn.CompileLimit, match=r"48.* MiB of memory"):
        rt.load(SLOW, name="guest", isolate_compile=True)
    monkeypatch.setattr(linking, "memory_limit", lambda: None)
    assert rt.load(WAT, name="guest", isolate_compile=True).raw("answer")() == 42
    assert gone(compilers)


def test_the_compiler_has_no_more_threads_than_its_memory_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAYON_NUM_THREADS", "64")  # as on a machine with as many cores
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    engine = startup.get_engine()
    assert compile_apart.compile_apart(module(200, 10), engine.reservation, CompileLimits(memory_bytes=256 * MIB))


def test_what_ends_the_compiler_says_what_else_there_is(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "CompileLimits", lambda: CompileLimits(wall_seconds=0.3))
    with pytest.raises(jn.CompileLimit) as error:
        rt.load(SLOW, name="guest", isolate_compile=True)
    assert "isolate_compile=False" in error.value.hint
    assert "300 ms" in error.value.message
    assert rt.load(SLOW, name="guest", isolate_compile=False).raw("sum")(1) >= 1
    assert rt.load(SLOW, name="again")._code.from_cache  # as the hint says


def test_what_comes_back_from_the_compiler_is_bounded() -> None:
    engine = startup.get_engine()
    compiled = compile_apart.compile_apart(WAT_BYTES, engine.reservation, CompileLimits())
    least = CompileLimits(compiled_bytes=len(compiled))
    assert compile_apart.compile_apart(WAT_BYTES, engine.reservation, least) == compiled
    with pytest.raises(jn.CompileLimit):
        compile_apart.compile_apart(WAT_BYTES, engine.reservation, CompileLimits(compiled_bytes=len(compiled) - 1))


@pytest.mark.skipif(sys.platform != "linux", reason="it asks Linux who goes first; enable: run on Linux")
def test_where_memory_ends_the_compiler_goes_first(
    rt: jn.Runtime, compilers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        with contextlib.suppress(jn.CompileError):
            rt.load(WAT, name="guest", isolate_compile=True)

    stays = "import time; compile_apart.Compiler.compile_here = lambda *_: time.sleep(600); compile_apart.child()"
    monkeypatch.setattr(compile_apart, "_CHILD", f"from judicia_notebook.engine import compile_apart; {stays}")
    loader = threading.Thread(target=load)
    loader.start()
    try:
        until(lambda: compilers)
        score = Path(f"/proc/{compilers[0]}/oom_score_adj")
        until(lambda: score.read_text().strip() == "1000")
    finally:
        for one in compilers:
            os.kill(one, signal.SIGKILL)
        loader.join()


def test_limits_that_are_lower_already_are_kept(folder: Path) -> None:
    program = f"""
import contextlib, ctypes, resource, sys
import judicia_notebook as jn
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(24, 24, 0, 0, 0)  # even a child of root may raise none then
resource.setrlimit(resource.RLIMIT_CPU, (60, 90))
with jn.Runtime() as rt:
    assert rt.load({WAT!r}, name="guest", isolate_compile=True).raw("answer")() == 42
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_where_no_compiler_can_be_limited_none_is_started(
    rt: jn.Runtime, compilers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("judicia_notebook.engine.compile_apart._BOUNDED", False)  # as on Windows
    with pytest.raises(jn.errors.CompileLimit, match="isolate_compile=False"):
        rt.load(b"(module)", name="guest", isolate_compile=True)
    assert rt.load(b"(module)", name="guest", isolate_compile=False).abi == "raw"
    assert compilers == []


def test_a_compiler_that_cannot_be_started_is_a_load_error(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(Path(os.sep) / "nowhere" / "python"))
    with pytest.raises(jn.LoadError):
        rt.load(WAT, name="guest", isolate_compile=True)


def test_a_compiler_that_breaks_for_another_reason_is_not_called_a_limit(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compile_apart, "_CHILD", "import no_such_module_here")
    with pytest.raises(jn.CompileError, match="no_such_module_here") as error:
        rt.load(WAT, name="guest", isolate_compile=True)
    assert not isinstance(error.value, jn.CompileLimit)


# --- interrupted -----------------------------------------------------------------------------------------------------


@pytest.fixture
def slow_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that would take a minute."""
    monkeypatch.setattr(compile_apart, "_CHILD", "import sys, time; sys.stdin.buffer.read(); time.sleep(60)")


def test_ctrl_c_ends_the_compiler(rt: jn.Runtime, compilers: list[int], slow_child: None) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        deadline = time.monotonic() + PATIENCE
        while not compilers and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        signal.pthread_kill(main, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        rt.load(WAT, name="guest", isolate_compile=True)
    assert time.monotonic() - began < PATIENCE
    presser.join()
    assert len(compilers) == 1
    assert gone(compilers)
    assert rt.plugins == {}


# --- progress --------------------------------------------------------------------------------------------------------


class Prompt(threading.Timer):
    """A timer that waits no second."""

    def __init__(self, _: float, function: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(0, function, *arguments, **options)


def test_a_slow_compile_says_so_and_when_it_is_over(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(threading, "Timer", Prompt)
    path = tmp_path / "slow.wasm"
    path.write_bytes(module(20, 2000))
    rt.load(path, name="guest", isolate_compile=True)
    first, second = capfd.readouterr().err.splitlines()
    assert first.startswith("Compiling slow.wasm (")
    assert first.endswith("iB) ...")
    assert second.startswith("... it took ")
    assert second.endswith("; the next load is quick.")


def test_a_quick_compile_says_nothing(rt: jn.Runtime, capfd: pytest.CaptureFixture[str]) -> None:
    rt.load(WAT, name="guest")
    assert capfd.readouterr() == ("", "")


def test_a_slow_compile_that_fails_promises_no_quick_load(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(threading, "Timer", Prompt)
    monkeypatch.setattr(linking, "CompileLimits", lambda: CompileLimits(wall_seconds=0.3))
    with pytest.raises(jn.CompileLimit):
        rt.load(SLOW, name="guest", isolate_compile=True)
    assert "the next load is quick" not in capfd.readouterr().err
