"""Limits and grants that change while a call runs hold for that call: within a tick, or at its next host call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.waiting import PATIENCE, in_some_try, until

PAGE = 1 << 16

Load = Callable[..., jn.Plugin]


class Running:
    """A call in a thread of its own."""

    def __init__(self, plugin: jn.Plugin, function: str, payload: Any = None, **options: Any) -> None:
        self.outcome: jn.Outcome | None = None

        def call() -> None:
            self.outcome = plugin.attempt(function, payload, **options)

        self._thread = threading.Thread(target=call)
        self._thread.start()

    def result(self) -> jn.Outcome:
        self._thread.join(PATIENCE)
        assert self.outcome is not None, "the call is still running"
        return self.outcome


@contextmanager
def running(plugin: jn.Plugin, function: str, payload: Any = None, **options: Any) -> Iterator[Running]:
    """A call that has really begun, and that is over when the block is left."""
    before = len(plugin._platform.recorder.samples)  # ticks arrive only from inside a guest
    call = Running(plugin, function, payload, **options)
    until(lambda: len(plugin._platform.recorder.samples) > before)
    yield call
    call.result()


FOREVER = "(loop $again (br $again))"
SPIN = f'(func (export "spin") (param i32 i32) (result i64) {FOREVER} (i64.const 0))'


def test_lowering_cpu_ends_a_running_call(load: Load) -> None:
    plugin = load(SPIN, quota={"cpu": "15s", "wall": "30s"})
    with running(plugin, "spin") as call:
        plugin.policy.set_quota(cpu="10ms")
    error = call.result().error
    assert isinstance(error, jn.QuotaExceeded)
    assert (error.quota, error.limit) == ("cpu", 0.01)
    assert error.used < 15
    until(lambda: plugin.attempt("echo", 1).value == 1)


def test_raising_cpu_lets_a_running_call_go_on(specimen: jn.Plugin) -> None:
    def attempt() -> None:
        specimen.policy.set_quota(cpu="150ms")
        with running(specimen, "spin", {"ms": 400}) as call:
            specimen.policy.set_quota(cpu="15s")
        assert call.result().error is None  # or this thread had its turn too late
        record = call.result().record
        assert record is not None
        assert record.cpu_ms is not None
        assert record.cpu_ms > 150
        assert record.limit_cpu_ms == 15_000

    specimen.call("echo")
    in_some_try(attempt)


def test_lowering_wall_wakes_a_guest_that_sleeps(specimen: jn.Plugin) -> None:
    specimen.call("echo")
    specimen.policy.set_quota(wall="300s")
    call = Running(specimen, "sleep", {"ms": 2e6 * PATIENCE})  # longer than its result is waited for
    until(lambda: specimen._deployment.running_calls)
    time.sleep(0.1)
    specimen.policy.set_quota(wall="50ms")
    error = call.result().error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == "wall"


def test_lowering_memory_below_what_is_held_ends_a_running_call(load: Load) -> None:
    plugin = load(
        '(func (export "hold") (param i32 i32) (result i64) (drop (memory.grow (i32.const 99)))'
        f" {FOREVER} (i64.const 0))",
        quota={"cpu": "15s", "wall": "30s"},
    )
    with running(plugin, "hold") as call:
        plugin.policy.set_quota(memory=50 * PAGE)
    error = call.result().error
    assert isinstance(error, jn.QuotaExceeded)
    assert (error.quota, error.used, error.limit) == ("memory", 100 * PAGE, 50 * PAGE)
    assert plugin.call("echo", 1) == 1


def test_lowering_memory_ends_a_call_that_sleeps_on_it(specimen: jn.Plugin) -> None:
    specimen.call("grow", {"bytes": 100 * PAGE})
    specimen.policy.set_quota(wall="300s")
    call = Running(specimen, "sleep", {"ms": 2e6 * PATIENCE})
    until(lambda: specimen._deployment.running_calls)
    time.sleep(0.1)
    specimen.policy.set_quota(memory=50 * PAGE)
    error = call.result().error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == "memory"


def test_raising_memory_lets_the_next_grow_through(load: Load) -> None:
    plugin = load(
        """(func (export "insist") (param i32 i32) (result i64)
          (loop $again (br_if $again (i32.eq (memory.grow (i32.const 10)) (i32.const -1)))) (i64.const 0))""",
        quota={"cpu": "15s", "wall": "30s", "memory": 5 * PAGE},
    )
    with running(plugin, "insist") as call:
        plugin.policy.set_quota(memory=50 * PAGE)
    outcome = call.result()
    assert (outcome.error, outcome.value) == (None, None)
    assert outcome.record is not None
    assert outcome.record.grows_refused > 0
    assert outcome.record.memory_peak_bytes == 11 * PAGE


def test_a_call_keeps_the_fuel_it_began_with(load: Load) -> None:
    plugin = load(SPIN, quota={"cpu": "300ms"})
    with running(plugin, "spin") as call:
        plugin.policy.set_quota(fuel=1)
    error = call.result().error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == "cpu"
    late = plugin.attempt("spin").error
    assert isinstance(late, jn.QuotaExceeded)
    assert late.quota == "fuel"


def decisions(plugin: jn.Plugin, call_id: int) -> list[str]:
    rows = plugin.host_calls
    return list(rows[(rows.call_id == call_id) & (rows.function == "judicia:clock now")].decision)


@pytest.mark.parametrize("granted_first", [False, True])
def test_a_grant_holds_from_the_next_host_call_on(specimen: jn.Plugin, granted_first: bool) -> None:
    policy = specimen.policy
    if granted_first:
        policy.grant("wall_clock")
    specimen.call("echo")
    assert specimen.host_calls.empty  # pandas is imported now, which takes longer than the call
    call = Running(specimen, "call_host", {"service": "clock", "n": 150, "every_ms": 10})
    until(lambda: len(specimen.host_calls) >= 10)
    (policy.revoke if granted_first else policy.grant)("wall_clock")
    outcome = call.result()
    assert outcome.record is not None
    seen = decisions(specimen, outcome.record.call_id)
    first, second = ("allowed", "denied") if granted_first else ("denied", "allowed")
    turn = seen.index(second)
    assert 0 < turn < 150
    assert seen == [first] * turn + [second] * (150 - turn)  # never back
    assert outcome.value["ok"] == seen.count("allowed")
    assert outcome.record.denied == seen.count("denied")
    assert outcome.record.outcome == "ok"


def test_on_denied_trap_holds_for_a_running_call(specimen: jn.Plugin) -> None:
    specimen.call("echo")
    specimen.policy.set_quota(wall="60s")
    with running(specimen, "call_host", {"service": "clock", "n": 3000, "every_ms": 10}) as call:
        specimen.policy.on_denied = "trap"
    error = call.result().error
    assert isinstance(error, jn.CapabilityDenied)
    assert error.capability == "wall_clock"


def test_unloading_ends_a_running_call_as_cancelled(rt: jn.Runtime, load: Load) -> None:
    plugin = load(SPIN, quota={"cpu": "15s", "wall": "30s"})
    with running(plugin, "spin") as call:
        rt.unload(plugin.name)
    assert isinstance(call.result().error, jn.Cancelled)
    assert rt._platform.pool.used == 0


def test_cancelling_one_call_leaves_the_others_alone(rt: jn.Runtime, load: Load) -> None:
    first = load(SPIN, name="first", quota={"cpu": "15s", "wall": "30s"})
    second = load(SPIN, name="second", quota={"cpu": "300ms"})
    with running(first, "spin") as doomed, running(second, "spin") as other:
        rt.unload("first")
    assert isinstance(doomed.result().error, jn.Cancelled)
    error = other.result().error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == "cpu"
