"""Compilers for guests written with the SDKs, and what each needs on its command line."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

import judicia_notebook as jn
from tools import build_plugins

SDK = Path(jn.__file__).parent / "sdk"
ROOT = Path(__file__).parents[2]
FREESTANDING = ["-nostdlib", "-Wl,--no-entry", f"-I{SDK / 'c'}"]
EXAMPLE = """
[package]
name = "example"
version = "1.0.0"
edition = "2021"

[lib]
crate-type = ["cdylib"]

[dependencies]
judicia-guest = {{ path = {sdk} }}
serde = {{ version = "1", features = ["derive"] }}

[profile.release]
opt-level = "s"
panic = "abort"
strip = "debuginfo"
"""


def run(command: Sequence[str | Path], **options: object) -> None:
    """Runs a compiler; what it says stands in the failure."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr


@cache
def zig() -> list[str]:
    """The ziglang that the SDK is written for: beside the tests, or where `make cross` keeps it."""
    for python in (sys.executable, str(ROOT / ".venv" / "zig" / "bin" / "python"), os.environ.get("ZIG_PYTHON", "")):
        asked = [python, "-m", "ziglang", "version"]
        if Path(python).is_file():
            said = subprocess.run(asked, capture_output=True, text=True, check=False)
            if said.stdout.strip() == "0.17.1":
                return asked[:-1]
    pytest.skip("no Zig 0.17.1; enable: make cross (or pip install ziglang==0.17.1)")


def zig_caches(folder: Path) -> dict[str, str]:
    return os.environ | {"ZIG_LOCAL_CACHE_DIR": str(folder / "zig"), "ZIG_GLOBAL_CACHE_DIR": str(folder / "zig")}


def clang(plus: str = "") -> str:
    """clang with its linker for WebAssembly, or clang++ where `plus` is "++"."""
    found = shutil.which(f"clang{plus}") or shutil.which(f"clang{plus}-14")
    if found and (shutil.which("wasm-ld") or shutil.which("wasm-ld-14")):
        return found
    pytest.skip("no clang for wasm32; enable: apt-get install clang lld")


def compile_sanitized(source: Path, *flags: str) -> Path:
    """A program for this machine from C11, which ends where AddressSanitizer or UBSan sees a fault."""
    driver, program = clang(), source.with_suffix("")
    where = subprocess.run([driver, "--print-runtime-dir"], capture_output=True, text=True, check=True).stdout.strip()
    if not any(Path(where).parent.rglob("libclang_rt.asan*")):
        pytest.skip("no sanitizers for clang; enable: apt-get install libclang-rt-14-dev")
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g"]
    run([driver, "-std=c11", *checks, f"-I{SDK / 'c'}", *flags, "-o", program, source])
    return program


def compile_c(source: Path, *flags: str, level: str = "-Oz") -> Path:
    """Freestanding C11 or, of a `.cpp`, C++17; warnings are errors."""
    is_cpp, out = source.suffix == ".cpp", source.with_suffix(".wasm")
    dialect = ["-std=c++17", "-fno-exceptions", "-fno-rtti"] if is_cpp else ["-std=c11"]
    options = [*dialect, level, "-Wall", "-Wextra", "-Werror", *FREESTANDING, *flags]
    if importlib.util.find_spec("ziglang") and not shutil.which("clang"):
        driver = [*zig(), "c++" if is_cpp else "cc", "--target=wasm32-freestanding", "-fno-sanitize=undefined"]
    else:
        driver = [clang("++" if is_cpp else ""), "--target=wasm32"]
    run([*driver, *options, "-o", out, source], env=zig_caches(source.parent))
    return out


def compile_zig(source: Path, mode: str = "ReleaseSmall") -> Path:
    out = source.with_suffix(f".{mode}.wasm")
    options = ["-target", "wasm32-freestanding", "-fno-entry", "-rdynamic", "-O", mode, f"-femit-bin={out}"]
    modules = ["--dep", "judicia", f"-Mroot={source}", f"-Mjudicia={SDK / 'zig' / 'judicia.zig'}"]
    run([*zig(), "build-exe", *options, *modules], env=zig_caches(source.parent))
    return out


def compile_rust(source: Path) -> Path:
    """A crate of one file, without link-time optimization: building serde takes half a minute as it is."""
    try:
        toolchain = build_plugins.find_toolchains()[0]
    except build_plugins.BuildError:
        pytest.skip(
            "no Rust for wasm32; enable: apt-get install cargo rustc libstd-rust-dev-wasm32 lld-14 "
            "librust-serde-json-dev librust-serde-derive-dev"
        )
    folder = source.parent / "crate"
    (folder / "src").mkdir(parents=True, exist_ok=True)
    shutil.copy(source, folder / "src" / "lib.rs")
    (folder / "Cargo.toml").write_text(EXAMPLE.format(sdk=json.dumps(str(SDK / "rust"))))
    env = build_plugins.environment(toolchain, folder)
    run([str(toolchain.cargo), "build", "--release", "--target", build_plugins.TARGET], cwd=folder, env=env)
    return folder / "target" / build_plugins.TARGET / "release" / "example.wasm"
