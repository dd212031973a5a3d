"""Guests as cells of WebAssembly text, and how they are loaded."""

from __future__ import annotations

from typing import Any

import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat

ECHO = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'


def wat(*cells: str) -> bytes:
    """The module that these cells are together, as text."""
    return compile_wat("\n".join(cells)).encode()


def load(rt: jn.Runtime, *cells: str, name: str | None = "guest", **options: Any) -> jn.Plugin:
    """A plugin of these cells; the options are those of `Runtime.load`."""
    return rt.load(wat(*cells), name=name, **options)


def forwarder(**exports: str) -> str:
    """
    A cell whose exports hand their request to a host function and answer what it answered.

    ``forwarder(now="clock.now")`` exports ``now``, which calls ``judicia:clock.now``.
    """
    return "\n".join(
        f'(func (export "{name}") (param i32 i32) (result i64) (call $judicia:{function} (local.get 0) (local.get 1)))'
        for name, function in exports.items()
    )


def service_forwarder(service: str, *operations: str) -> str:
    """A cell with an export for each of a service's operations, under the operation's name."""
    return forwarder(**{operation: f"{service}.{operation}" for operation in operations})


COMMAND = """
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (func $print (param $fd i32) (param $ptr i32) (param $len i32)
    (i32.store (i32.const 0) (local.get $ptr))
    (i32.store (i32.const 4) (local.get $len))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
"""
"""The head of a WASI command's text: what it imports, and ``$print``, which keeps its list at the address 0."""
