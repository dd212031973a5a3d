"""Programs that know nothing of this package: C and Rust for WASI, compiled by their ordinary compilers and run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import judicia_notebook as jn

GUESTS = Path(__file__).parent / "guests"
Build = Callable[..., Path]


def run(*command: str | Path) -> bool:
    return subprocess.run(list(map(str, command)), capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def build_c(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("c")
    probe = folder / "probe.c"
    probe.write_text('#include <stdio.h>\nint main(void) { return puts(""); }\n')
    clang = shutil.which("clang") or shutil.which("clang-14")
    if not clang or not run(clang, "--target=wasm32-wasi", "-o", folder / "probe.wasm", probe):
        pytest.skip("no C for WASI; enable: apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32")

    def build(name: str, *flags: str) -> Path:
        wasm = folder / f"{name}.wasm"
        subprocess.run([clang, "--target=wasm32-wasi", "-Oz", *flags, "-o", wasm, GUESTS / f"{name}.c"], check=True)
        return wasm

    return build


@pytest.fixture(scope="session")
def build_rust(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("rust")
    probe = folder / "probe.rs"
    probe.write_text("fn main() {}\n")
    for rustc in filter(None, (shutil.which("rustc"), shutil.which("rustc", path="/usr/bin"))):
        for target in ("wasm32-wasip1", "wasm32-wasi"):
            compiler = [rustc, "--target", target, "--edition", "2021", "-O", "-o"]
            if run(*compiler, folder / "probe.wasm", probe):
                break
        else:
            continue
        break
    else:
        pytest.skip("no Rust for WASI; enable: apt-get install rustc lld-14 libstd-rust-dev-wasm32 wasi-libc")

    def build(name: str) -> Path:
        wasm = folder / f"{name}.wasm"
        subprocess.run([*compiler, wasm, GUESTS / f"{name}.rs"], check=True)
        return wasm

    return build


# --- C ---------------------------------------------------------------------------------------------------------------


def test_a_c_program_runs_unchanged(rt: jn.Runtime, build_c: Build) -> None:
    p = rt.load(build_c("greet"), name="greet")
    result = p.run(["x", "y z"], "hello\nworld\n")
    assert result.returncode == 7
    assert result.stdout.decode().splitlines() == [
        "argument 0: greet",
        "argument 1: x",
        "argument 2: y z",
        "HELLO",
        "WORLD",
        "PATH is not set",
        "a terminal: 0",
        "no newline at the end",
    ]
    first, second = result.stderr.decode().splitlines()
    assert first.startswith("fopen: ")
    assert second == "clock_gettime: Capabilities insufficient"
    assert rt.calls["denied"][0] == 1
    logged = rt.logs[rt.logs["stream"] == "stdout"]["message"]
    assert list(logged) == result.stdout.decode().splitlines()
    p.policy.grant("wall_clock")
    assert b"clock_gettime" not in p.run().stderr


def test_every_function_of_libcs_own_declaration_links_and_answers(rt: jn.Runtime, build_c: Build) -> None:
    p = rt.load(build_c("every_function"), name="every", grant=["wall_clock", "random"])
    result = p.run()
    assert result.returncode == 9
    answers = dict(line.split() for line in (result.stdout + result.stderr).decode().splitlines())
    assert result.stderr == b"fd_renumber 0\nfd_close 0\n"
    assert len(answers) == 44
    succeed = {name for name, errno in answers.items() if errno == "0"}
    assert succeed == {
        "args_get", "args_sizes_get", "clock_res_get", "clock_time_get", "environ_get", "environ_sizes_get", "fd_close",
        "fd_fdstat_get", "fd_fdstat_set_flags", "fd_filestat_get", "fd_prestat_dir_name", "fd_prestat_get", "fd_read",
        "fd_renumber", "fd_write", "poll_oneoff", "random_get", "sched_yield",
    }  # fmt: skip


def test_what_a_c_program_would_open_is_in_the_audit(rt: jn.Runtime, build_c: Build) -> None:
    p = rt.load(build_c("nosy"), name="nosy")
    result = p.run()
    assert result.stdout.decode().splitlines() == [
        "fopen /etc/passwd: Capabilities insufficient",
        "fopen ../../.ssh/id_rsa: Capabilities insufficient",
        "fopen notes.txt: Capabilities insufficient",
        "opendir /: Capabilities insufficient",
    ]
    tried = rt.host_calls[rt.host_calls["function"].str.endswith("path_open")]
    assert tried["target"].tolist() == ["/etc/passwd", "/../../.ssh/id_rsa", "/notes.txt", "/."]
    escapes = rt.audit[rt.audit["what"] == "escape"]["detail"].tolist()
    assert [detail.split()[2] for detail in escapes] == ["/etc/passwd:", "/../../.ssh/id_rsa:"]


def test_a_c_reactor_is_a_plugin_of_abi_1(rt: jn.Runtime, build_c: Build) -> None:
    p = rt.load(build_c("reactor", "-mexec-model=reactor"), name="reactor")
    assert p.call("greet", [1, 2]) == "constructed, 5 bytes"
    assert p.call("greet") == "constructed, 0 bytes"
    with pytest.raises(jn.GuestError, match="exited with status 5"):
        p.call("leave")
    assert p.call("greet") == "constructed, 0 bytes"
    once = [("constructor", "stdout"), ("initialized, constructed", "stdout")]
    greeting = ("greeting", "stderr")
    lines = [*rt.logs[["message", "stream"]].itertuples(index=False, name=None)]
    assert sorted(lines) == sorted([*once, greeting, greeting, *once, greeting])


# --- Rust ------------------------------------------------------------------------------------------------------------


def test_a_rust_program_runs_unchanged(rt: jn.Runtime, build_rust: Build) -> None:
    p = rt.load(build_rust("greet"), name="greet")
    result = p.run(["é"], "one\ntwo")
    assert result.returncode == 2
    assert result.stdout.decode().splitlines() == ['arguments: ["greet", "é"]', 'lines: ["one", "two"]', "variables: 0"]
    assert result.stderr.decode().startswith("read: ")
    assert rt.calls["denied"][0] == 0


def test_a_rust_program_without_random_bytes_panics_in_so_many_words(rt: jn.Runtime, build_rust: Build) -> None:
    p = rt.load(build_rust("greet"), name="greet")
    with pytest.raises(jn.GuestTrap, match=r"%plugin grant greet random"):
        p.run(["--map"])
    said = " ".join(rt.logs[rt.logs["stream"] == "stderr"]["message"])
    assert "panicked" in said
    p.policy.grant("random", "wall_clock")
    assert p.run(["--map", "--clock"]).stdout.decode().splitlines()[-2:] == ["map: Some(1)", "elapsed: true"]
