"""The functions about the process itself: arguments, clocks, random bytes, giving way, leaving."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from judicia_notebook.errors import GuestError
from judicia_notebook.host.wasi.errno import Errno, Failed

if TYPE_CHECKING:
    from judicia_notebook.host.wasi.system import SystemCall

REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU = range(4)
_RANDOM_AT_ONCE = 64 << 10


def args_sizes_get(call: SystemCall, count: int, size: int) -> None:
    """How many arguments there are, and how many bytes with the zero after each."""
    _write_sizes(call, call.process.arguments, count, size)


def args_get(call: SystemCall, pointers: int, buffer: int) -> None:
    """The arguments."""
    _write_texts(call, call.process.arguments, pointers, buffer)


def environ_sizes_get(call: SystemCall, count: int, size: int) -> None:
    """There is no environment."""
    _write_sizes(call, (), count, size)


def environ_get(call: SystemCall, pointers: int, buffer: int) -> None:
    """There is no environment."""
    _write_texts(call, (), pointers, buffer)


def _write_sizes(call: SystemCall, texts: Sequence[bytes], count: int, size: int) -> None:
    call.memory.write_size(count, len(texts))
    call.memory.write_size(size, sum(len(text) + 1 for text in texts))


def _write_texts(call: SystemCall, texts: Sequence[bytes], pointers: int, buffer: int) -> None:
    places = []
    for text in texts:
        places.append(buffer)
        call.memory.write(buffer, text + b"\0")
        buffer += len(text) + 1
    call.memory.write(pointers, struct.pack(f"<{len(places)}I", *places))
    call.bytes_out = sum(len(text) + 1 for text in texts)


def clock_res_get(call: SystemCall, clock: int, answer: int) -> None:
    """A clock's resolution, in nanoseconds."""
    call.target = _clock_name(clock)
    call.memory.write_long(answer, call.system.clock.resolution_ns)


def clock_time_get(call: SystemCall, clock: int, _precision: int, answer: int) -> None:
    """A clock's time, in nanoseconds: the same as ``judicia:clock``."""
    call.target = _clock_name(clock)
    call.memory.write_long(answer, read_clock(call, clock))


def read_clock(call: SystemCall, clock: int) -> int:
    """A clock's nanoseconds. CPU time is the call's, unless the runtime's clock is repeatable."""
    source = call.system.clock
    if clock in (PROCESS_CPU, THREAD_CPU) and source.kind == "real":
        return call.scope.cpu_ns
    reading = source.read()
    return reading.unix_ns if clock == REALTIME else reading.monotonic_ns


def _clock_name(clock: int) -> str:
    names = ("realtime", "monotonic", "process CPU time", "thread CPU time")
    if clock >= len(names):
        raise Failed(Errno.INVAL)
    return names[clock]


def random_get(call: SystemCall, buffer: int, length: int) -> None:
    """Random bytes, from the same stream as ``judicia:random``."""
    call.target = f"{length} bytes"
    call.memory.check(buffer, length)
    for done in range(0, length, _RANDOM_AT_ONCE):
        call.go_on()
        data = call.system.random.next_bytes(call.scope.plugin, min(length - done, _RANDOM_AT_ONCE))
        call.memory.write(buffer + done, data)
    call.bytes_out = length


def sched_yield(_: SystemCall) -> None:
    """Do nothing: the guest has no other thread."""


def proc_exit(call: SystemCall, status: int) -> None:
    """End the call: the guest is unwound."""
    scope, process = call.scope, call.process
    call.target = f"status {status}"
    process.status = status
    process.exited = GuestError(
        f"exited with status {status}",
        code="exit",
        data={"status": status},
        plugin=scope.plugin,
        function=scope.function,
    )
    scope.failure = process.exited


def proc_raise(call: SystemCall, signal: int) -> None:
    """There are no signals."""
    call.target = f"signal {signal}"
    raise Failed(Errno.NOTSUP)
