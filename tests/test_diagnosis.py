"""The doctor's report and the versions a bug report needs."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import platform
from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import cache, safety, startup
from judicia_notebook.engine.core import CORE, sources
from judicia_notebook.languages import toolchain

TOPICS = [
    "python",
    "core",
    "engine",
    "memory",
    "thread stack",
    "CPU clock",
    "memory ceiling",
    "cache",
    "files",
    "ipykernel",
    *(f"compiler of {language}" for language in ("WAT", "C", "C++", "Zig", "Rust")),
]


def finding(topic: str) -> tuple[bool, str]:
    found = next(one for one in jn.doctor().findings if one.topic == topic)
    return found.good, found.text


def test_the_doctor_looks_at_everything_that_can_be_degraded() -> None:
    report = jn.doctor()
    assert [one.topic for one in report.findings] == TOPICS
    assert all(one.text for one in report.findings)
    assert report.good == all(one.good for one in report.findings)


def test_the_report_is_a_line_each_with_its_verdict() -> None:
    report = jn.doctor()
    lines = str(report).splitlines()
    assert [line[:4] for line in lines] == ["ok  " if one.good else "look" for one in report.findings]
    assert [line[6 : 6 + len(topic)] for line, topic in zip(lines, TOPICS, strict=True)] == TOPICS
    assert repr(report) == str(report)


def test_the_engine_and_the_versions_are_named() -> None:
    assert finding("engine") == (True, f"wasmtime {importlib.metadata.version('wasmtime')}, checked at its start")
    assert platform.python_version() in finding("python")[1]


def test_the_core_its_build_and_its_compiler_are_named() -> None:
    good, text = finding("core")
    assert good
    assert text.startswith(f"{CORE.build.path.name} {sources.digest()[:12]} for ")  # type: ignore[index]  # a checkout
    assert text.endswith(f", by {CORE.build.compiler}")


def test_a_small_address_space_is_told_with_its_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup.get_engine(), "reservation", 64 << 20)
    good, text = finding("memory")
    assert not good
    assert "64 MiB" in text
    assert "slower" in text
    assert not jn.doctor().good


def test_a_system_without_safe_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding("files")[1].startswith("paths are resolved by ")
    monkeypatch.setattr(os, "supports_dir_fd", set[object]())
    assert finding("files") == (False, "this system cannot open beneath a folder safely: plugins get no files")


@pytest.mark.parametrize(
    ("there", "good", "text"),
    [
        (None, True, "1 GiB for a plugin"),
        (64 << 30, True, "1 GiB for a plugin"),
        (2 << 30, True, "512 MiB for a plugin, a quarter of the 2 GiB that this process may have"),
        (128 << 20, False, "32 MiB for a plugin, a quarter of the 128 MiB that this process may have"),
    ],
)
def test_a_small_container_is_told(monkeypatch: pytest.MonkeyPatch, there: int | None, good: bool, text: str) -> None:
    monkeypatch.setattr("judicia_notebook.engine.system_memory.memory_limit", lambda: there)
    assert finding("memory ceiling") == (good, text)


def test_a_hub_is_told_with_the_way_of_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    assert "hub" not in {one.topic for one in jn.doctor().findings}
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/lund/")
    assert finding("hub") == (
        True,
        "what plugins serve is at /user/lund/proxy/PORT/ of this hub, through jupyter-server-proxy",
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    good, text = finding("hub")
    assert not good
    assert "pip install jupyter-server-proxy" in text


def test_a_rust_without_the_wasm_target_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rustc = tmp_path / "rustc"
    (tmp_path / "libstd-1.rlib").touch()
    monkeypatch.setenv("RUSTC", str(rustc))
    there = f"case $1 in --version) echo rustc 1.99.0;; *) echo {tmp_path};; esac"
    without = "rustc 1.99.0 without serde: "
    for answer, expected in ((there, without), ("echo /nowhere", "none: "), ("exit 1", "none: ")):
        rustc.write_text(f"#!/bin/sh\n{answer}\n")
        rustc.chmod(0o755)
        assert finding("compiler of Rust")[1].startswith(expected)
    assert "rustup target add wasm32-unknown-unknown" in finding("compiler of Rust")[1]


def test_compilers_of_c_are_told_with_the_line_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("judicia_notebook.languages.toolchain._zigs", lambda: iter(()))
    for language in ("C", "C++", "Zig"):
        way = toolchain.WAYS["zig" if language == "Zig" else "c"]
        assert finding(f"compiler of {language}") == (True, f"none: {way}")


def test_a_cache_that_others_can_write_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "modules"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setattr(cache, "default_folder", lambda: folder)
    good, text = finding("cache")
    assert not good
    assert str(folder) in text
    assert "every load compiles" in text


def test_a_user_without_a_home_is_told_and_gets_no_folder_called_tilde(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_CACHE_HOME", "JUDICIA_NOTEBOOK_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    with jn.Runtime() as rt:
        assert rt.load("(module)", name="guest").abi == "raw"
    good, text = finding("cache")
    assert not good
    assert "JUDICIA_NOTEBOOK_CACHE" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["tempfile.mkstemp", "os.fsync", "pathlib.Path.rename", "mmap.mmap"])
def test_a_cache_whose_file_system_refuses_is_told_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: str
) -> None:
    folder = tmp_path / "modules"
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(folder))
    assert finding("cache") == (True, str(folder))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(call, refuse)
    good, text = finding("cache")
    assert not good
    assert os.strerror(errno.ENOSPC) in text
    assert "every load compiles" in text
    assert list(folder.iterdir()) == []


def test_a_thread_too_small_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise jn.ResourceExhausted("a stack of 256 KiB")

    monkeypatch.setattr(safety, "check_thread", refuse)
    assert finding("thread stack") == (False, "a stack of 256 KiB")


def test_an_engine_that_does_not_start_ends_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ImportError("wasmtime 51 does not fit")

    monkeypatch.setattr("judicia_notebook.engine.startup.get_engine", refuse)
    report = jn.doctor()
    assert [one.topic for one in report.findings] == ["python", "core", "engine"]
    assert not report.good
    assert "wasmtime 51 does not fit" in str(report)


@pytest.mark.parametrize(
    ("version", "said"), [("7.4.0", "widgets of others"), ("7.3.0", "7.3.0"), (None, "not installed")]
)
def test_the_kernel_that_loses_clicks_is_told(monkeypatch: pytest.MonkeyPatch, version: str | None, said: str) -> None:
    real = importlib.metadata.version

    def installed(package: str) -> str:
        if package != "ipykernel":
            return real(package)
        if version is None:
            raise importlib.metadata.PackageNotFoundError(package)
        return version

    monkeypatch.setattr(importlib.metadata, "version", installed)
    good, text = finding("ipykernel")[:2]
    assert good
    assert said in text


def test_versions_are_printed_for_a_bug_report(capsys: pytest.CaptureFixture[str]) -> None:
    jn.show_versions()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"python {platform.python_version()}  ")
    named = {line.split()[0]: line.split()[-1] for line in lines[1:]}
    assert named["wasmtime"] == importlib.metadata.version("wasmtime")
    assert {"judicia-notebook", "msgspec", "ipykernel", "pandas", "numpy", "matplotlib", "jupyterlab"} <= set(named)


def test_a_paper_gets_one_paragraph_with_machine_kernel_versions_engine_and_metering(
    capsys: pytest.CaptureFixture[str],
) -> None:
    jn.show_versions("paper")
    printed = capsys.readouterr().out
    text = " ".join(printed.split())
    assert "\n\n" not in printed
    assert max(map(len, printed.splitlines())) <= 100
    for said in (
        f"{platform.system()} {platform.release()} ({platform.machine()})",
        f"{os.cpu_count()} CPUs",
        platform.python_version(),
        f"wasmtime {importlib.metadata.version('wasmtime')}",
        f"judicia-notebook {importlib.metadata.version('judicia-notebook')}",
        "Cranelift, optimized for speed",
        "bulk memory, multi value",
        "full (fuel and epochs, canonical NaNs)",
        "CPU time is Python's thread_time",
    ):
        assert said in text
    assert platform.node() not in text.split()
    with pytest.raises(ValueError, match="not 'poster'"):
        jn.show_versions("poster")  # type: ignore[arg-type]
