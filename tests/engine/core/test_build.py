"""How the core is built: with which compiler, when again, and for which machines a wheel says that it is."""

from __future__ import annotations

import importlib.util
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judicia_notebook.engine.core import CORE

ROOT = Path(__file__).parents[3]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="compilers here are shell scripts; enable: POSIX")


def load_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


builder = load_file(ROOT / "tools" / "build_core.py")


@pytest.fixture(autouse=True)
def no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine whose PATH is one empty folder, and which has no ziglang."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(builder, "zig", lambda: None)
    builder.find_compiler.cache_clear()
    yield folder
    builder.find_compiler.cache_clear()


def add_compiler(folder: Path, name: str, script: str) -> Path:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(stat.S_IRWXU)
    return folder / name


@POSIX
def test_the_compiler_is_the_first_that_works(no_compiler: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert builder.find_compiler() is None
    builder.find_compiler.cache_clear()
    monkeypatch.setattr(builder, "zig", lambda: ["python", "-m", "ziglang", "cc"])
    assert builder.find_compiler() == ["python", "-m", "ziglang", "cc"]
    builder.find_compiler.cache_clear()
    add_compiler(no_compiler, "cc", "echo 'no libc to link with' >&2; exit 1")
    clang = add_compiler(no_compiler, "clang", "exit 0")
    assert builder.find_compiler() == [str(clang)]
    builder.find_compiler.cache_clear()
    monkeypatch.setenv("CC", "ccache gcc-12")
    assert builder.find_compiler() == ["ccache", "gcc-12"]


def test_without_a_compiler_the_sentence_has_the_command_that_brings_one(tmp_path: Path) -> None:
    with pytest.raises(builder.NoCompilerError, match=f"-m pip install {builder.ZIGLANG}"):
        builder.build(tmp_path / "made")


@POSIX
def test_a_compiler_that_refuses_leaves_what_was_there(no_compiler: Path, tmp_path: Path) -> None:
    library = tmp_path / "library" / "judicia_core.so"
    library.parent.mkdir()
    library.write_text("the old one")
    with pytest.raises(builder.CannotBuildError, match="did not build the core"):
        builder.build(library, [str(add_compiler(no_compiler, "gcc", "exit 1"))])
    assert library.read_text() == "the old one"
    assert list(library.parent.iterdir()) == [library]


def test_a_library_is_current_for_its_sources_its_kind_and_its_machine(tmp_path: Path) -> None:
    variant = CORE.build.variant
    assert builder.is_current(builder.LIBRARY, variant)
    assert not builder.is_current(builder.LIBRARY, "another")
    assert not builder.is_current(tmp_path / "none", variant)
    digest = builder.sources.digest(builder.CORE)
    copy = Path(shutil.copyfile(builder.LIBRARY, tmp_path / "copy"))
    copy.write_bytes(copy.read_bytes().replace(digest.encode(), digest[::-1].encode()))
    assert not builder.is_current(copy, variant)
    shutil.copyfile(builder.LIBRARY, copy)
    there = copy.read_bytes()
    copy.write_bytes(
        there.replace(b"target=x86_64-", b"target=riscv6-").replace(b"target=aarch64-", b"target=riscv64-")
    )
    assert not builder.is_current(copy, variant)


# --- the wheel -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="the oldest glibc is asked for on Linux; enable: Linux")
@pytest.mark.parametrize(
    ("asked", "oldest"),
    [
        (b"", "2_17"),
        (b"\x00GLIBC_2.2.5\x00GLIBC_2.4\x00", "2_17"),
        (b"\x00GLIBC_2.2.5\x00GLIBC_2.34\x00GLIBC_2.14\x00", "2_34"),
    ],
)
def test_a_wheel_asks_for_the_glibc_that_its_symbols_need(asked: bytes, oldest: str, tmp_path: Path) -> None:
    library = tmp_path / "judicia_core.so"
    library.write_bytes(b"... target=x86_64-linux-glibc compiler=gcc 12;" + asked)
    assert builder.wheel_platform(library).startswith(f"manylinux_{oldest}_")
    library.write_bytes(b"... target=x86_64-linux-other compiler=gcc 12;" + asked)
    assert builder.wheel_platform(library).startswith("linux_")


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("hatchling", reason="hatchling; enable: pip install hatchling")
    module = load_file(ROOT / "hatch_build.py")
    monkeypatch.setattr(module, "_load_builder", lambda root: builder)
    return module.CoreBuildHook(str(ROOT), {}, None, None, str(ROOT), "wheel")


def test_ziglang_is_a_build_requirement_only_where_nothing_else_helps(
    hook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "is_current", lambda library: library == builder.LIBRARY)
    assert hook.dependencies() == []
    monkeypatch.setattr(builder, "is_current", lambda library: False)
    assert hook.dependencies() == [builder.ZIGLANG]
    builder.find_compiler.cache_clear()
    monkeypatch.setenv("CC", "cc")
    assert hook.dependencies() == []


@POSIX
@pytest.mark.parametrize("target", builder.TARGETS)
def test_a_wheel_for_another_machine_has_its_library_and_its_tag(
    target: str, hook: Any, no_compiler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a compiler that writes down what it was asked for."""
    script = 'words="$*"; while [ "$1" != -o ]; do shift; done; echo "$words" >"$2"'
    monkeypatch.setattr(builder, "zig", lambda: [str(add_compiler(no_compiler, "zig", script))])
    monkeypatch.setenv("JUDICIA_CORE_TARGET", target)
    data: dict[str, Any] = {"force_include": {}}
    assert hook.dependencies() == [builder.ZIGLANG]
    hook.initialize("standard", data)
    assert data["tag"] == f"py3-none-{builder.TARGETS[target]}"
    ((library, inside),) = data["force_include"].items()
    assert f"--target={target}" in Path(library).read_text().split()
    ending = {"linux": "so", "macos": "dylib", "windows": "dll"}[target.split("-")[1].partition(".")[0]]
    assert inside == f"judicia_notebook/engine/core/judicia_core.{ending}"
    hook.finalize("standard", data, "")
    assert not Path(library).exists()


def test_a_wheel_for_an_unknown_machine_is_refused_by_the_names_of_those_known(tmp_path: Path) -> None:
    with pytest.raises(
        builder.CannotBuildError, match="no wheel is made for riscv64-linux-musl: it is one of x86_64-linux-gnu"
    ):
        builder.build_for("riscv64-linux-musl", tmp_path)
