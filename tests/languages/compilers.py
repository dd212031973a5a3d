"""The real compilers for tests, and the smallest plugin in each language, which needs no SDK."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from judicia_notebook.languages import toolchain

ROOT = Path(__file__).resolve().parents[2]
COMPILERS = ("clang", "zig")  # of C and C++

C = """\
typedef unsigned long long u64;
typedef unsigned u32;
extern unsigned char __heap_base;
static unsigned char *top = &__heap_base;
#define EXPORT(name) __attribute__((export_name(name)))
EXPORT("judicia_alloc") void *judicia_alloc(u32 size) { unsigned char *at = top; top += (size + 7) & ~7u; return at; }
EXPORT("judicia_free") void judicia_free(void *at, u32 size) { (void)at, (void)size; }
EXPORT("seven") u64 seven(const char *request, u32 size) {
    (void)request, (void)size;
    char *answer = judicia_alloc(1);
    *answer = '7';
    return (u64)(u32)(unsigned long)answer << 32 | 1;
}
"""
CPP = C.replace("EXPORT(name) ", 'EXPORT(name) extern "C" ').replace("= judicia_alloc(1)", "= (char *)judicia_alloc(1)")
ZIG = """\
const heap = @import("std").heap.wasm_allocator;
export fn judicia_alloc(size: u32) ?[*]u8 {
    return (heap.alloc(u8, size) catch return null).ptr;
}
export fn judicia_free(at: [*]u8, size: u32) void {
    heap.free(at[0..size]);
}
export fn seven(_: [*]const u8, _: u32) u64 {
    const answer = judicia_alloc(1).?;
    answer[0] = '7';
    return @as(u64, @intFromPtr(answer)) << 32 | 1;
}
"""
RUST = """\
#[no_mangle]
pub extern "C" fn judicia_alloc(size: u32) -> *mut u8 {
    Box::leak(vec![0u8; size as usize].into_boxed_slice()).as_mut_ptr()
}
#[no_mangle]
pub extern "C" fn judicia_free(_at: *mut u8, _size: u32) {}
#[no_mangle]
pub extern "C" fn seven(_request: *const u8, _size: u32) -> u64 {
    (Box::leak(Box::new(*b"7")).as_ptr() as u64) << 32 | 1
}
"""
SOURCES = {"c": C, "cpp": CPP, "zig": ZIG, "rust": RUST}


def zig() -> str:
    """Zig's path; what ``make cross`` has installed will do."""
    found = toolchain.find_zig()
    if found is not None:
        return found.program
    for program in sorted((ROOT / ".venv" / "zig").glob("lib/python*/site-packages/ziglang/zig")):
        return str(program)
    pytest.skip("there is no Zig; enable: pip install 'judicia-notebook[c]' (or make cross)")


def clang() -> str:
    found = toolchain.find_clang()
    if found is None:
        pytest.skip("there is no clang with wasm-ld; enable: apt-get install clang lld")
    return found.program


def use(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this compiler compile: clang, zig or rustc."""
    if name == "clang":
        monkeypatch.setenv("JUDICIA_NOTEBOOK_CLANG", clang())
    elif name == "zig":
        monkeypatch.setenv("JUDICIA_NOTEBOOK_ZIG", zig())
        monkeypatch.delenv("JUDICIA_NOTEBOOK_CLANG", raising=False)
    elif toolchain.find_rustc() is None:
        pytest.skip("there is no Rust for wasm32; enable: apt-get install rustc libstd-rust-dev-wasm32 lld-14")


def need_serde() -> None:
    rustc = toolchain.find_rustc()
    if rustc is None or not toolchain.has_serde(rustc):
        pytest.skip(
            "there is no serde for Rust; enable: apt-get install cargo rustc libstd-rust-dev-wasm32 lld-14 "
            "librust-serde-json-dev librust-serde-derive-dev"
        )


def cache_folder(base: Path) -> Path:
    """Where the workers of one run keep what compilers build once: its own folder, and not the user's."""
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compilers"
