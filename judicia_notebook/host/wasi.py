"""``wasi_snapshot_preview1``: for now the one function a plugin needs to sleep.

Wasmtime's own WASI can be neither gated nor interrupted, so this is a shim: waiting counts as wall time, ends with the
call, and leaves a trace row like any other host call. A clock that is waited for but never read tells a guest nothing,
so relative waits take no capability; absolute ones need ``wall_clock``, because they do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ctypes import memmove
from time import perf_counter_ns
from typing import TYPE_CHECKING, cast

from judicia_notebook.engine.sandbox import HostFunction, Sandbox

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.host.scope import CallScope

MODULE = "wasi_snapshot_preview1"
_SUCCESS, _BADF, _FAULT, _INVAL, _NOTCAPABLE = 0, 8, 21, 28, 76
_SUBSCRIPTION, _EVENT = 48, 32
_CLOCK, _ABSOLUTE = 0, 1
_MAX_SUBSCRIPTIONS = 64


def functions() -> Iterable[HostFunction]:
    """The functions of the shim."""
    yield HostFunction(MODULE, "poll_oneoff", ("i32", "i32", "i32", "i32"), ("i32",), poll_oneoff)


def poll_oneoff(
    sandbox: Sandbox, invocation: Invocation, subscriptions: int, events: int, count: int, done: int
) -> int:
    """Wait for the first of some clocks; an errno."""
    scope = cast("CallScope", invocation)
    began = perf_counter_ns()
    decision, detail, target = "allowed", "", ""
    try:
        scope.count_host_call()
        memory = sandbox.memory
        if memory is None or not 0 < count <= _MAX_SUBSCRIPTIONS:
            return _INVAL
        if max(subscriptions + count * _SUBSCRIPTION, events + count * _EVENT, done + 4) > memory.size:
            return _FAULT
        raw = scope.exchange.read(subscriptions, count * _SUBSCRIPTION, scope, "its subscriptions")
        waits = [_read_subscription(raw[start : start + _SUBSCRIPTION]) for start in range(0, len(raw), _SUBSCRIPTION)]
        if any(kind == _CLOCK and flags & _ABSOLUTE for _, kind, _, flags in waits):
            decision, detail = "denied", "only relative waits"
            return _NOTCAPABLE
        ready, seconds = _first(waits)
        target = f"{seconds * 1000:g} ms"
        stop = scope.wait(seconds)
        if stop is not None:
            decision = "failed"
            detail = type(stop).__name__
            raise stop
        answer = b"".join(struct.pack("<QHB21x", userdata, errno, kind) for userdata, errno, kind in ready)
        memmove(memory.base + events, answer, len(answer))
        memmove(memory.base + done, struct.pack("<I", len(ready)), 4)
        return _SUCCESS
    finally:
        scope.recorder.add_host_call(
            scope.call_id,
            scope.plugin,
            scope.host_calls,
            "",
            f"{MODULE} poll_oneoff",
            target,
            began - scope.recorder.began_ns,
            perf_counter_ns() - began,
            0,
            0,
            decision,
            detail,
        )


def _read_subscription(raw: bytes) -> tuple[int, int, int, int]:
    """userdata, kind, nanoseconds, flags"""
    userdata, kind = struct.unpack_from("<QB", raw)
    timeout, flags = struct.unpack_from("<Q8xH", raw, 24)
    return userdata, kind, timeout, flags


def _first(waits: list[tuple[int, int, int, int]]) -> tuple[list[tuple[int, int, int]], float]:
    """What will be ready first, as (userdata, errno, kind), and in how many seconds. No file is ever ready."""
    others = [(userdata, _BADF, kind) for userdata, kind, _, _ in waits if kind != _CLOCK]
    if others:
        return others, 0.0
    soonest = min(timeout for _, _, timeout, _ in waits)
    return [(userdata, _SUCCESS, _CLOCK) for userdata, _, timeout, _ in waits if timeout == soonest], soonest / 1e9
