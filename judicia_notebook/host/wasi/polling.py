"""``poll_oneoff``: how a guest sleeps, and how it asks which descriptors can be read or written.

Waiting counts as wall time, and ends with the call. A relative wait tells the guest nothing of the time, so it takes no
capability. An absolute wait does tell it, so it needs ``wall_clock``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.host.wasi.environment import MONOTONIC, REALTIME, read_clock
from judicia_notebook.host.wasi.errno import Errno, Failed
from judicia_notebook.host.wasi.system import ROOT

if TYPE_CHECKING:
    from judicia_notebook.host.wasi.system import SystemCall

MAX_SUBSCRIPTIONS = 64

_EVENT = struct.Struct("<QHB5xQH6x")
_SUBSCRIPTION_BYTES = 48
_CLOCK, _READ, _WRITE = range(3)
_ABSOLUTE = 1
_HANGUP = 1
_PIPE_ROOM = 64 << 10


class Subscription(NamedTuple):
    """An event to wait for: a time on a clock, or a ready descriptor (both in `subject`)."""

    userdata: int
    kind: int
    subject: int
    timeout_ns: int
    absolute: bool

    def event(self, errno: Errno = Errno.SUCCESS, count: int = 0, flags: int = 0) -> bytes:
        """The record that tells the guest that it happened."""
        return _EVENT.pack(self.userdata, errno, self.kind, count, flags)


def poll_oneoff(call: SystemCall, subscriptions: int, events: int, count: int, happened: int) -> None:
    """Wait for the first of some clocks and descriptors."""
    if not 0 < count <= MAX_SUBSCRIPTIONS:
        raise Failed(Errno.INVAL)
    raw = call.memory.read(subscriptions, count * _SUBSCRIPTION_BYTES)
    call.memory.check(events, count * _EVENT.size)
    call.memory.check(happened, 4)  # before the wait, so that a bad pointer fails at once
    wanted = [_parse(raw[start : start + _SUBSCRIPTION_BYTES]) for start in range(0, len(raw), _SUBSCRIPTION_BYTES)]
    clocks = [(_until(call, subscription), subscription) for subscription in wanted if subscription.kind == _CLOCK]
    ready = [_readiness(call, subscription) for subscription in wanted if subscription.kind != _CLOCK]
    if ready:
        passed = 0  # a pipe of ours never blocks, and a clock may have run out as well
        call.target = "stdio"
    else:
        passed = min(nanoseconds for nanoseconds, _ in clocks)
        _sleep(call, passed / 1e9)
    ready += [subscription.event() for nanoseconds, subscription in clocks if nanoseconds <= passed]
    call.memory.write(events, b"".join(ready))
    call.memory.write_size(happened, len(ready))


def _parse(raw: bytes) -> Subscription:
    userdata, kind, subject = struct.unpack_from("<QB7xI", raw)
    timeout, flags = struct.unpack_from("<Q8xH", raw, 24)
    if kind > _WRITE or (kind == _CLOCK and (subject not in (REALTIME, MONOTONIC) or flags & ~_ABSOLUTE)):
        raise Failed(Errno.INVAL)
    return Subscription(userdata, kind, subject, timeout, bool(flags & _ABSOLUTE))


def _until(call: SystemCall, subscription: Subscription) -> int:
    """Nanoseconds from now."""
    if not subscription.absolute:
        return subscription.timeout_ns
    call.require("wall_clock")
    return max(0, subscription.timeout_ns - read_clock(call, subscription.subject))


def _readiness(call: SystemCall, subscription: Subscription) -> bytes:
    found = call.system.descriptors(call.sandbox).get(subscription.subject)
    if found is None or found.stream == ROOT or (found.stream == "stdin") is not (subscription.kind == _READ):
        return subscription.event(Errno.BADF)
    if subscription.kind == _WRITE:
        return subscription.event(count=_PIPE_ROOM)
    unread = call.process.unread
    return subscription.event(count=unread, flags=0 if unread else _HANGUP)


def _sleep(call: SystemCall, seconds: float) -> None:
    call.target = f"{seconds * 1000:g} ms"
    if call.scope.wait(seconds) is not None:
        raise call.scope.reason
