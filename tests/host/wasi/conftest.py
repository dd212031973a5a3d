"""A guest that is the whole of preview 1: every function is an export as it is, so each number is the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn

MODULE = "wasi_snapshot_preview1"
TYPES = {
    "args_get": "ii",
    "args_sizes_get": "ii",
    "environ_get": "ii",
    "environ_sizes_get": "ii",
    "clock_res_get": "ii",
    "clock_time_get": "iIi",
    "fd_advise": "iIIi",
    "fd_allocate": "iII",
    "fd_close": "i",
    "fd_datasync": "i",
    "fd_fdstat_get": "ii",
    "fd_fdstat_set_flags": "ii",
    "fd_fdstat_set_rights": "iII",
    "fd_filestat_get": "ii",
    "fd_filestat_set_size": "iI",
    "fd_filestat_set_times": "iIIi",
    "fd_pread": "iiiIi",
    "fd_prestat_get": "ii",
    "fd_prestat_dir_name": "iii",
    "fd_pwrite": "iiiIi",
    "fd_read": "iiii",
    "fd_readdir": "iiiIi",
    "fd_renumber": "ii",
    "fd_seek": "iIii",
    "fd_sync": "i",
    "fd_tell": "ii",
    "fd_write": "iiii",
    "path_create_directory": "iii",
    "path_filestat_get": "iiiii",
    "path_filestat_set_times": "iiiiIIi",
    "path_link": "iiiiiii",
    "path_open": "iiiiiIIii",
    "path_readlink": "iiiiii",
    "path_remove_directory": "iii",
    "path_rename": "iiiiii",
    "path_symlink": "iiiii",
    "path_unlink_file": "iii",
    "poll_oneoff": "iiii",
    "proc_exit": "i",
    "proc_raise": "i",
    "sched_yield": "",
    "random_get": "ii",
    "sock_accept": "iii",
    "sock_recv": "iiiiii",
    "sock_send": "iiiii",
    "sock_shutdown": "ii",
}


def numbers(letters: str) -> str:
    return "(param" + "".join({"i": " i32", "I": " i64"}[letter] for letter in letters) + ")"


def source_of(memory: dict[int, bytes] | None = None, more: str = "") -> bytes:
    """Every function of preview 1 as an export, one page of memory, and ``peek`` to read 64 bits of it."""
    lines = []
    for name, letters in TYPES.items():
        result = "" if name == "proc_exit" else " (result i32)"
        lines.append(f'(import "{MODULE}" "{name}" (func ${name} {numbers(letters)}{result}))')
        lines.append(f'(export "{name}" (func ${name}))')
    lines += [
        '(memory (export "memory") 1)',
        '(func (export "peek") (param i32) (result i64) (i64.load (local.get 0)))',
    ]
    for address, data in (memory or {}).items():
        lines.append(f'(data (i32.const {address}) "{"".join(f"{chr(92)}{byte:02x}" for byte in data)}")')
    return "\n".join(["(module", *lines, more, ")"]).encode()


class Guest:
    """A loaded guest: called by the function's name, with a look into its memory."""

    def __init__(self, plugin: jn.Plugin) -> None:
        self.plugin = plugin

    def __call__(self, name: str, *arguments: int) -> Any:
        return self.plugin.raw(name)(*arguments)

    def peek(self, address: int, size: int = 8) -> int:
        return int(self.plugin.raw("peek")(address)) % (1 << 8 * size)


@pytest.fixture
def load(rt: jn.Runtime) -> Callable[..., Guest]:
    """``load({address: bytes}, more_wat, **how)``: a guest with these bytes in its memory."""

    def load_guest(
        memory: dict[int, bytes] | None = None,
        more: str = "",
        *,
        into: jn.Runtime = rt,
        name: str = "guest",
        **how: Any,
    ) -> Guest:
        return Guest(into.load(source_of(memory, more), name=name, **how))

    return load_guest
