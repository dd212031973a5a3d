"""Calls in the background: what a handle tells, how it ends, and that ending one never touches another."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import workers
from judicia_notebook.runtime.handle import CallHandle
from tests.support.gates import Gate, load_held
from tests.support.guests import wat
from tests.support.waiting import PATIENCE, until

COUNTER = wat(
    """
    (global $n (mut i32) (i32.const 48))
    (memory (export "memory") 1)
    (func (export "count") (param i32 i32) (result i64)
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (i32.store8 (i32.const 16) (global.get $n))
      (call $reply (i32.const 16) (i32.const 1)))
    """
)


@pytest.fixture(autouse=True)
def _threads_leave_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.05)


def inside(handle: CallHandle, p: jn.Plugin) -> CallHandle:
    """The handle, once its call is inside the guest."""

    def entered() -> bool:
        call = {call.scope.call_id: call for call in p._deployment.running_calls}.get(handle._call.scope.call_id)
        return call is not None and call.memory_before >= 0

    until(entered)
    return handle


def sleeper(p: jn.Plugin) -> CallHandle:
    """A call that waits in a host service, and is there; it would wait for longer than any test."""
    return inside(p.submit("sleep", {"ms": 2e6 * PATIENCE}), p)


def spinner(p: jn.Plugin) -> CallHandle:
    """A call that is busy in wasm, and is there."""
    return inside(p.submit("spin", {"ms": 2e6 * PATIENCE}), p)


QUOTA = {"cpu": PATIENCE, "wall": 5 * PATIENCE}


@pytest.fixture
def p(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:specimen", quota=QUOTA)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def held(rt: jn.Runtime, gate: Gate) -> jn.Plugin:
    """Its ``hold`` is over when the test opens the gate."""
    return load_held(rt, gate)


def at_the_gate(p: jn.Plugin, gate: Gate) -> CallHandle:
    """A call that is there."""
    handle = p.submit("hold")
    gate.wait_for(1)
    return handle


# --- results ---------------------------------------------------------------------------------------------------------


def test_a_handle_gives_the_answer_and_the_record_of_its_call(rt: jn.Runtime, p: jn.Plugin) -> None:
    handle = p.submit("echo", {"a": [1, 2]})
    assert handle.result(PATIENCE) == {"a": [1, 2]}
    assert handle.exception(PATIENCE) is None
    assert (handle.done(), handle.running()) == (True, False)
    assert (handle.plugin, handle.function) == ("specimen", "echo")
    assert handle.record == p.last == rt.last
    assert handle.record is not None
    assert handle.record.outcome == "ok"
    assert handle.record.thread.startswith("judicia-call")
    assert rt.calls["call_id"].tolist().count(handle.record.call_id) == 1


def test_a_call_that_fails_raises_from_the_handle_what_call_would_have_raised(p: jn.Plugin) -> None:
    handle = p.submit("fail", {"code": "no", "message": "not today"})
    with pytest.raises(jn.GuestError, match="not today"):
        handle.result(PATIENCE)
    error = handle.exception(PATIENCE)
    assert isinstance(error, jn.GuestError)
    assert error.code == "no"
    assert error.record == handle.record
    assert p.submit("echo", 1).result(PATIENCE) == 1


def test_a_timeout_ends_the_waiting_and_not_the_call(held: jn.Plugin, gate: Gate) -> None:
    handle = at_the_gate(held, gate)
    for wait in (handle.result, handle.exception):
        with pytest.raises(TimeoutError):
            wait(0.01)
    assert (handle.done(), handle.running(), handle.record) == (False, True, None)
    gate.open()
    assert handle.result(PATIENCE) is None
    assert handle.record is not None
    assert handle.record.outcome == "ok"


def test_what_cannot_be_submitted_is_said_at_once(p: jn.Plugin) -> None:
    with pytest.raises(jn.NoSuchFunction):
        p.submit("ecko", 1)
    with pytest.raises(jn.InvalidPayload):
        p.submit("echo", object())
    p.unload()
    with pytest.raises(jn.PluginNotReady):
        p.submit("echo", 1)


def test_a_payload_above_the_quota_leaves_a_row_as_that_of_a_call_does(rt: jn.Runtime, p: jn.Plugin) -> None:
    p.policy.set_quota(payload=10)
    error = p.submit("echo", "x" * 100).exception(PATIENCE)
    assert isinstance(error, jn.QuotaExceeded)
    assert error.record is not None
    p.attempt("echo", "x" * 100)
    assert list(rt.calls["outcome"]) == ["quota_payload"] * 2
    assert p.submit("echo", 1).result(PATIENCE) == 1


def test_its_representation_says_how_it_stands(held: jn.Plugin, gate: Gate) -> None:
    first = at_the_gate(held, gate)
    began = time.perf_counter()
    second = held.submit("echo", 1)
    assert "guest.hold running" in repr(first)
    assert "guest.echo waiting" in repr(second)
    time.sleep(0.05)
    gate.open()
    second.result(PATIENCE)
    assert "guest.echo ended" in repr(second)
    assert 0.05 < second.elapsed < time.perf_counter() - began
    elapsed = second.elapsed
    time.sleep(0.02)
    assert second.elapsed == elapsed


# --- cancelling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [sleeper, spinner], ids=["in a host service", "in wasm"])
def test_a_running_call_can_be_cancelled(p: jn.Plugin, start: Callable[[jn.Plugin], CallHandle]) -> None:
    handle = start(p)  # which goes on for longer than is waited for it
    assert handle.cancel() is True
    with pytest.raises(jn.Cancelled, match="by its handle"):
        handle.result(PATIENCE)
    assert handle.record is not None
    assert handle.record.outcome == "cancelled"
    assert handle.cancel() is False
    assert p.submit("echo", 1).result(PATIENCE) == 1


def test_a_call_that_waits_can_be_cancelled_and_never_enters(rt: jn.Runtime, p: jn.Plugin) -> None:
    first = sleeper(p)
    second, third = p.submit("echo", 2), p.submit("echo", 3)
    assert second.cancel() is True
    assert isinstance(second.exception(PATIENCE), jn.Cancelled)
    assert second.record is not None
    assert second.record.instance_id is None
    assert not first.done()
    assert not third.done()
    first.cancel()
    assert third.result(PATIENCE) == 3
    assert sorted(rt.calls["outcome"]) == ["cancelled", "cancelled", "ok"]


def test_cancelling_one_of_two_running_calls_never_touches_the_other(rt: jn.Runtime, gate: Gate) -> None:
    p = load_held(rt, gate, instances=2)
    for _ in range(5):
        doomed, other = p.submit("hold"), p.submit("hold")
        gate.wait_for(2)
        doomed.cancel()
        assert isinstance(doomed.exception(PATIENCE), jn.Cancelled)
        assert (gate.inside, other.done()) == (1, False)
        gate.open()
        assert other.exception(PATIENCE) is None
        gate.close()


def test_a_cancel_after_the_end_changes_nothing(p: jn.Plugin) -> None:
    handle = p.submit("echo", 1)
    assert handle.result(PATIENCE) == 1
    assert handle.cancel() is False
    assert handle.result(PATIENCE) == 1
    assert p.last is not None
    assert p.last.outcome == "ok"


def test_cancels_from_many_threads_at_once_end_a_call_once(rt: jn.Runtime, p: jn.Plugin) -> None:
    for _ in range(10):
        first, *waiting = sleeper(p), p.submit("echo", 1), p.submit("echo", 2)
        for doomed in (waiting, [first]):  # whoever waits would get its turn when the first ends
            threads = [threading.Thread(target=handle.cancel) for handle in doomed for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert [type(handle.exception(PATIENCE)) for handle in (first, *waiting)] == [jn.Cancelled] * 3
    assert list(rt.calls["outcome"]) == ["cancelled"] * 30
    assert rt.calls["call_id"].is_unique


def test_ctrl_c_while_waiting_for_a_handle_leaves_the_call_running(held: jn.Plugin, gate: Gate) -> None:
    handle = at_the_gate(held, gate)
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        handle.result(PATIENCE)
    timer.join()
    assert not handle.done()
    gate.open()
    assert handle.exception(PATIENCE) is None


# --- event loops -----------------------------------------------------------------------------------------------------


def test_handles_can_be_awaited_together(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", instances=3)

    async def main() -> tuple[Any, ...]:
        good, bad = p.submit("echo", 1), p.submit("fail", {"code": "no"})
        results = await asyncio.gather(good, p.call_async("echo", 2), bad, return_exceptions=True)
        return (*results, await good)

    one, two, error, again = asyncio.run(main())
    assert (one, two, again) == (1, 2, 1)
    assert isinstance(error, jn.GuestError)


def test_the_event_loop_goes_on_while_a_call_runs(held: jn.Plugin, gate: Gate) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(held.call_async("hold"))
        await asyncio.to_thread(gate.wait_for)
        for _ in range(10):
            await asyncio.sleep(0.005)
        assert (gate.inside, task.done()) == (1, False)
        gate.open()
        await asyncio.wait_for(task, PATIENCE)

    asyncio.run(main())


def test_cancelling_the_task_cancels_its_call_and_no_other(rt: jn.Runtime, gate: Gate) -> None:
    p = load_held(rt, gate, instances=2)
    p.call("echo", 1)

    async def main() -> Any:
        doomed = asyncio.ensure_future(p.call_async("spin"))
        other = asyncio.ensure_future(p.call_async("hold"))
        waits = asyncio.ensure_future(p.call_async("echo", "in turn"))
        await asyncio.to_thread(until, lambda: len(p._deployment.running_calls) == 2 and gate.inside)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        gate.open()
        return await asyncio.gather(other, waits)

    assert asyncio.run(main()) == [None, "in turn"]
    until(lambda: len(rt.calls) == 4)
    assert dict(zip(rt.calls["function"], rt.calls["outcome"], strict=True)) == {
        "echo": "ok",
        "spin": "cancelled",
        "hold": "ok",
    }


def test_cancelling_a_task_that_awaits_a_handle_leaves_the_call_to_its_handle(held: jn.Plugin, gate: Gate) -> None:
    handle = at_the_gate(held, gate)

    async def wait() -> Any:
        return await handle

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wait(), 0.05)

    asyncio.run(main())
    assert not handle.done()
    gate.open()
    assert handle.exception(PATIENCE) is None


# --- what follows a call ---------------------------------------------------------------------------------------------


def test_labels_are_those_of_the_place_of_submission(rt: jn.Runtime, p: jn.Plugin) -> None:
    with jn.label(variant="A"):
        first = p.submit("sleep", {"ms": 50})
        with jn.label(size=3):
            second = p.submit("echo", 1)
    third = p.submit("echo", 1)
    for handle in (first, second, third):
        handle.result(PATIENCE)
    labels = [handle.record.label for handle in (first, second, third) if handle.record is not None]
    assert labels == ["variant=A", "variant=A, size=3", None]


def test_the_parent_is_the_call_it_was_submitted_from(monkeypatch: pytest.MonkeyPatch) -> None:
    from judicia_notebook.host.clock import ClockService

    submitted: list[CallHandle] = []

    def now(*_: Any) -> dict[str, int]:
        submitted.append(other.submit("echo", 1))
        return {"unix_ms": 0, "monotonic_ms": 0}

    monkeypatch.setattr(ClockService, "now", now)
    with jn.Runtime() as own:  # its services are made after the patch
        caller = own.load("example:specimen", grant=["wall_clock"])
        other = own.load("example:specimen", name="other")
        handle = caller.submit("call_host", {"service": "clock"})
        assert handle.result(PATIENCE)["ok"] == 1
        submitted[0].result(PATIENCE)
        parent, child = handle.record, submitted[0].record
        assert parent is not None
        assert child is not None
        assert (parent.parent_call_id, child.parent_call_id) == (None, parent.call_id)


def test_done_callbacks_get_the_handle_once_and_what_they_raise_is_contained(
    held: jn.Plugin, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    handle = at_the_gate(held, gate)
    came: list[tuple[CallHandle, bool, str]] = []

    def callback(ended: CallHandle) -> None:
        came.append((ended, ended.record is not None, threading.current_thread().name))
        raise ValueError("mine")

    handle.add_done_callback(callback)
    handle.add_done_callback(callback)
    gate.open()
    handle.result(PATIENCE)
    until(lambda: len(came) == 2)
    assert [(one is handle, recorded) for one, recorded, _ in came] == [(True, True)] * 2
    assert came[0][2].startswith("judicia-call")
    handle.add_done_callback(lambda _: came.append((handle, True, "")))
    assert len(came) == 3
    assert held.submit("echo", 1).result(PATIENCE) == 1
    caplog.clear()


def test_a_done_callback_may_call_the_plugin_it_was_called_for(held: jn.Plugin, gate: Gate) -> None:
    answers: list[Any] = []
    handle = at_the_gate(held, gate)
    handle.add_done_callback(lambda _: answers.append(held.call("echo", "again")))
    gate.open()
    until(lambda: answers)
    assert answers == ["again"]


def test_what_a_handle_held_goes_with_it(p: jn.Plugin) -> None:
    handle = p.submit("echo", 1)
    handle.result(PATIENCE)
    gone = weakref.ref(handle)
    del handle
    until(lambda: gc.collect() >= 0 and gone() is None)


# --- turns, unloading, replacing -------------------------------------------------------------------------------------


def test_submitted_calls_come_in_the_order_in_which_they_were_submitted(
    rt: jn.Runtime, held: jn.Plugin, gate: Gate
) -> None:
    first = at_the_gate(held, gate)
    handles = [held.submit("echo", number) for number in range(30)]
    gate.open()
    assert [handle.result(PATIENCE) for handle in handles] == list(range(30))
    ids = [handle.record.call_id for handle in (first, *handles) if handle.record is not None]
    begun = rt.calls.sort_values("started_ms")  # a row is written after the next call has its turn
    assert begun["call_id"].tolist() == ids == sorted(ids)
    assert (begun["queue_ms"].iloc[1:] > 0).all()


def test_more_than_may_wait_are_refused_at_once_and_the_others_go_on(rt: jn.Runtime, gate: Gate) -> None:
    p = load_held(rt, gate, quota={"queue": 2})
    first = at_the_gate(p, gate)
    waiting = [p.submit("echo", number) for number in range(2)]
    with pytest.raises(jn.ResourceExhausted):
        p.submit("echo", 2)
    gate.open()
    assert first.exception(PATIENCE) is None
    assert [handle.result(PATIENCE) for handle in waiting] == [0, 1]
    assert len(rt.calls) == 3


def test_a_cancelled_call_gives_its_place_in_the_queue_back(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", quota={**QUOTA, "queue": 1})
    first = sleeper(p)
    for _ in range(5):
        waiting = p.submit("echo", 1)
        waiting.cancel()
        assert isinstance(waiting.exception(PATIENCE), jn.Cancelled)
    first.cancel()


@pytest.mark.parametrize("instances", [1, 2, "fresh"])
def test_unloading_ends_what_runs_and_what_waits(rt: jn.Runtime, instances: Any) -> None:
    p = rt.load("example:specimen", instances=instances, quota={**QUOTA, "instances": 2})
    running = [sleeper(p) for _ in range(1 if instances == 1 else 2)]
    waiting = [p.submit("echo", number) for number in range(5)]
    rt.unload("specimen")
    for handle in running:
        assert isinstance(handle.exception(PATIENCE), jn.Cancelled)
    for handle in waiting:
        assert isinstance(handle.exception(PATIENCE), jn.Cancelled | jn.PluginNotReady)
    until(lambda: rt._platform.pool.used == 0)


def test_a_call_that_waits_while_its_plugin_is_replaced_runs_in_the_new_code(rt: jn.Runtime, gate: Gate) -> None:
    p = load_held(rt, gate)
    first = at_the_gate(p, gate)
    waiting = p.submit("echo", 1)
    rt.load(COUNTER, name="guest")
    gate.open()
    assert isinstance(waiting.exception(PATIENCE), jn.NoSuchFunction)
    assert first.exception(PATIENCE) is None
    assert [p.submit("count").result(PATIENCE) for _ in range(3)] == [1, 2, 3]


def test_handles_outlive_their_runtime() -> None:
    with jn.Runtime() as rt:
        p = rt.load("example:specimen", quota=QUOTA)
        ended, running, waiting = p.submit("echo", 1), p.submit("sleep", {"ms": 2e6 * PATIENCE}), p.submit("echo", 2)
        assert ended.result(PATIENCE) == 1
        inside(running, p)
    assert ended.result() == 1
    assert isinstance(running.exception(PATIENCE), jn.Cancelled)
    assert isinstance(waiting.exception(PATIENCE), jn.Cancelled | jn.PluginNotReady)
    assert running.cancel() is False
    with pytest.raises(jn.PluginNotReady):
        p.submit("echo", 3)
