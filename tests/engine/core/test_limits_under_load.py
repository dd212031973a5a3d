"""Limits and cancels hold while another Python thread has Python's lock: by the core's clocks, in error and row.

A guest that waited for the lock would take as long as the other thread has it: its time is compared with that, in a few
tries, since the machine may pause in one. How late a guest is stopped, ``benchmarks/limits_under_load.py`` measures.
"""

from __future__ import annotations

import ctypes
import faulthandler
import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.core import CORE, functions, structs
from judicia_notebook.engine.core.structs import Kind, Owner, Stop
from judicia_notebook.engine.limits import Limits, LiveLimits
from judicia_notebook.runtime.handle import CallHandle
from tests.support.waiting import in_some_try

Load = Callable[..., jn.Plugin]

HELD_SECONDS = 1.5
SPIN = '(func (export "spin") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)'


@pytest.fixture
def plugin(load: Load) -> jn.Plugin:
    plugin = load(SPIN, quota={"cpu": "60s", "wall": "60s", "memory": "8MiB"})
    plugin.call("echo", 1)  # it has an instance
    turns()
    return plugin


@functools.cache
def turns() -> int:
    """What takes so long; found out before there is a call, or the lock would be free for a moment meanwhile."""
    began = time.perf_counter()
    sum(range(5_000_000))
    return int(5_000_000 * HELD_SECONDS / (time.perf_counter() - began))


def hold() -> float:
    """Keep Python's lock for more than a second, in one step of the interpreter; how many seconds."""
    began = time.perf_counter()
    sum(range(turns()))
    return time.perf_counter() - began


def begun(plugin: jn.Plugin, **quota: Any) -> CallHandle:
    """A call whose guest computes in another thread."""
    plugin.policy.set_quota(memory="8MiB")
    assert plugin.call("echo", 1) == 1
    handle = plugin.submit("spin", quota=quota)
    while not (running := plugin._deployment.running_calls) or running[0].scope.started_ns == 0:
        time.sleep(0.001)
    time.sleep(0.02)
    return handle


def ended(handle: CallHandle) -> jn.CallError:
    error = handle.exception(30)
    assert isinstance(error, jn.CallError)
    return error


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["cpu", "wall"])
def test_a_limit_of_time_holds_while_another_thread_has_the_lock(plugin: jn.Plugin, kind: str) -> None:
    def attempt() -> None:
        handle = begun(plugin, **{kind: "200ms"})
        held = hold()
        error = ended(handle)
        assert isinstance(error, jn.QuotaExceeded)
        assert (error.quota, error.limit, error.per_call) == (kind, 0.2, True)
        assert 0.2 < error.used < held / 2

    in_some_try(attempt)


@pytest.mark.alone
def test_the_wait_for_the_lock_behind_a_guest_is_not_the_guests(plugin: jn.Plugin) -> None:
    def attempt() -> None:
        before = time.perf_counter()
        handle = begun(plugin, wall="200ms")
        held_ms = hold() * 1e3
        record = ended(handle).record
        outside_ms = (time.perf_counter() - before) * 1e3
        assert record is not None
        assert 150 < record.guest_ms < held_ms / 2
        assert record.wall_ms < held_ms / 2
        assert record.lock_ms > held_ms / 4
        assert record.wall_ms + record.lock_ms <= outside_ms

    in_some_try(attempt)


@pytest.mark.alone
@pytest.mark.parametrize("way", ["cancel", "memory"])
def test_a_running_guest_is_stopped_while_another_thread_has_the_lock(plugin: jn.Plugin, way: str) -> None:
    def attempt() -> None:
        handle = begun(plugin)
        if way == "cancel":
            handle.cancel()
        else:
            plugin.policy.set_quota(memory="1KiB")
        held = hold()
        error = ended(handle)
        assert isinstance(error, jn.Cancelled if way == "cancel" else jn.QuotaExceeded)
        record = error.record
        assert record is not None
        assert record.guest_ms < held * 500

    in_some_try(attempt)


def held_up(
    plugin: jn.Plugin, quota: dict[str, str], tell: Callable[[], object] = lambda: None
) -> tuple[jn.CallError, float]:
    """How a call on this thread ends, whose guest computes while another thread has the lock, and for how long."""
    held: list[float] = []

    def meanwhile() -> None:
        while not (running := plugin._deployment.running_calls) or running[0].scope.started_ns == 0:
            time.sleep(0.001)
        time.sleep(0.02)
        tell()
        held.append(hold())

    plugin.policy.set_quota(memory="8MiB")
    assert plugin.call("echo", 1) == 1
    thread = threading.Thread(target=meanwhile)
    thread.start()
    try:
        error = plugin.attempt("spin", quota=quota).error
    finally:
        thread.join()
    assert isinstance(error, jn.CallError)
    return error, held[0]


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["cpu", "wall"])
def test_a_limit_of_time_holds_on_the_main_thread_while_another_one_has_the_lock(plugin: jn.Plugin, kind: str) -> None:
    assert threading.current_thread() is threading.main_thread()  # whose ticks look for signals

    def attempt() -> None:
        error, held = held_up(plugin, {kind: "200ms"})
        assert isinstance(error, jn.QuotaExceeded)
        assert error.quota == kind
        assert 0.2 < error.used < held / 2

    in_some_try(attempt)


@pytest.mark.alone
@pytest.mark.parametrize("way", ["cancel", "memory"])
def test_a_guest_on_the_main_thread_is_stopped_while_another_one_has_the_lock(plugin: jn.Plugin, way: str) -> None:
    def tell() -> None:
        if way == "cancel":
            plugin.cancel_calls()
        else:
            plugin.policy.set_quota(memory="1KiB")

    def attempt() -> None:
        error, held = held_up(plugin, {}, tell)
        assert isinstance(error, jn.Cancelled if way == "cancel" else jn.QuotaExceeded)
        assert error.record is not None
        assert error.record.guest_ms < held * 500

    in_some_try(attempt)


@pytest.mark.alone
def test_a_short_call_is_not_held_up_by_a_handler_that_stands_before_pythons(plugin: jn.Plugin) -> None:
    """There Python is asked for signals now and then, which takes the lock."""
    faulthandler.register(signal.SIGINT, chain=True)

    def attempt() -> None:
        error, held = held_up(plugin, {"wall": "60ms"})
        assert isinstance(error, jn.QuotaExceeded)
        assert error.used < held / 2

    try:
        for _ in range(4):
            in_some_try(attempt)
    finally:
        faulthandler.unregister(signal.SIGINT)


def test_all_limits_of_one_change_are_one_version(plugin: jn.Plugin) -> None:
    limits = structs.Limits.from_address(plugin.policy.live.plugin.pointer)
    before = limits.version
    plugin.policy.set_quota(cpu="1s", wall="2s", fuel=3, memory="4MiB")
    assert (before % 2, limits.version - before) == (0, 2)
    assert tuple(limits.most)[: structs.Kind.ANSWER] == (10**9, 2 * 10**9, 4 << 20, 3)


# --- the core alone --------------------------------------------------------------------------------------------------

NONE = structs.NO_LIMIT
look = CORE.function("jc_look", ctypes.c_int, ctypes.c_void_p)  # it lets go of Python's lock


class Alone:
    """A call that nothing is inside of, with 100 s of either clock used, and live limits for two owners."""

    def __init__(self) -> None:
        self.live = {owner: LiveLimits(Limits()) for owner in (Owner.PLUGIN, Owner.OWN)}
        plugin, own = (self.live[owner].pointer for owner in (Owner.PLUGIN, Owner.OWN))
        self.pointer = functions.call_new(1, -1, None, plugin, own, None)
        self.call = structs.Call.from_address(self.pointer)
        functions.call_start(self.pointer)
        self.call.spent_wall_ns = self.call.spent_cpu_ns = 100 * 10**9

    @property
    def stopped(self) -> tuple[int, int, int, int]:
        """Why it was stopped: the kind, its owner, its limit, and the seconds used."""
        call = self.call
        return call.kind, call.owner, call.limit, call.used // 10**9


@pytest.fixture
def alone() -> Iterator[Alone]:
    alone = Alone()
    yield alone
    functions.call_free(alone.pointer)


def test_a_look_waits_until_a_change_is_whole(alone: Alone) -> None:
    """Half of a change would be limits that never were in force: here none, where each version has one."""
    alone.live[Owner.PLUGIN].publish(Limits(cpu_ns=1))
    limits = structs.Limits.from_address(alone.live[Owner.PLUGIN].pointer)
    limits.version += 1  # as in the middle of `publish`
    limits.most[Kind.CPU] = NONE
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(look(alone.pointer)))
    thread.start()
    thread.join(0.2)
    assert found == []
    limits.most[Kind.WALL] = 2
    limits.version += 1
    thread.join(30)
    assert found == [Stop.EXCEEDED]
    assert alone.stopped == (Kind.WALL, Owner.PLUGIN, 2, 100)


def test_why_a_call_was_stopped_is_kept_as_it_was_seen(alone: Alone) -> None:
    alone.live[Owner.PLUGIN].publish(Limits(wall_ns=60 * 10**9))
    alone.live[Owner.OWN].publish(Limits(wall_ns=50 * 10**9))
    assert look(alone.pointer) == Stop.EXCEEDED
    seen = alone.stopped, alone.call.used
    assert seen[0] == (Kind.WALL, Owner.OWN, 50 * 10**9, 100)
    alone.live[Owner.PLUGIN].publish(Limits(wall_ns=1, cpu_ns=1))
    functions.cancel(alone.pointer, alone.call.token)
    assert look(alone.pointer) == Stop.EXCEEDED
    assert (alone.stopped, alone.call.used) == seen


def test_no_limit_is_no_number_that_a_clock_reaches(alone: Alone) -> None:
    alone.call.spent_wall_ns = alone.call.spent_cpu_ns = 1 << 62
    assert look(alone.pointer) == Stop.GOES_ON
    alone.live[Owner.PLUGIN].publish(Limits(wall_ns=1 << 80))
    assert look(alone.pointer) == Stop.GOES_ON
