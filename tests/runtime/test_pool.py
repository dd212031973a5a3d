"""Whose turn it is: state that lives or does not, a queue that is first come first served, and threads."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.gates import Gate
from tests.support.guests import wat
from tests.support.threads import Start, start
from tests.support.waiting import PATIENCE, in_some_try, until

__all__ = ["start"]

COUNTER = wat(
    """
    (import "env" "hold" (func $hold))
    (global $n (mut i64) (i64.const 0))
    (memory (export "memory") 1)
    (func (export "count") (result i64) (global.set $n (i64.add (global.get $n) (i64.const 1))) (global.get $n))
    (func (export "hold") (param i64) (result i64) (call $hold) (local.get 0))
    (func (export "back") (param i64) (result i64) (local.get 0))
    (func (export "trap") unreachable)
    (func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))
    """
)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


def load(rt: jn.Runtime, gate: Gate, code: bytes = COUNTER, **options: Any) -> jn.Plugin:
    """The counter, whose ``hold`` is over when the gate is open."""
    options["quota"] = {"wall": 5 * PATIENCE, **options.get("quota", {})}
    return rt.load(code, name="counter", imports={"env.hold": gate}, **options)


def under_way(p: jn.Plugin) -> int:
    """How many calls are inside or wait. No frame shows that: a row is written when its call ends."""
    return len(p._deployment.running_calls)


def waiting(p: jn.Plugin) -> int:
    """How many calls stand in the queue, where they come in the order in which they joined it."""
    return int(p._deployment.instances.waiting)


def busy(p: jn.Plugin, start: Start, gate: Gate) -> list[Any]:
    """A call that stays inside `p` until the gate is opened; returns once it is there."""
    came = start(p.raw("hold"), 300)
    gate.wait_for(1)
    return came


# --- one instance ----------------------------------------------------------------------------------------------------


def test_the_state_of_one_instance_lives_between_calls(rt: jn.Runtime, gate: Gate) -> None:
    p = load(rt, gate)
    assert [p.raw("count")() for _ in range(3)] == [1, 2, 3]
    assert list(rt.calls["instance_call"]) == [1, 2, 3]
    assert rt.calls["instance_id"].nunique() == 1


def test_a_trap_costs_the_instance_and_says_so(rt: jn.Runtime, gate: Gate) -> None:
    p = load(rt, gate)
    assert [p.raw("count")() for _ in range(2)] == [1, 2]
    with pytest.raises(jn.GuestTrap, match="Its instance was replaced; its state is lost"):
        p.raw("trap")()
    assert p.raw("count")() == 1
    assert list(rt.calls["instance_call"]) == [1, 2, 3, 1]
    assert rt.calls["instance_id"].nunique() == 2


def test_calls_wait_their_turn_first_come_first_served(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    p = load(rt, gate)
    busy(p, start, gate)
    answers = []
    for number in range(1, 5):
        answers.append(start(p.raw("count")))
        until(lambda n=number: waiting(p) == n)  # type: ignore[misc]
    time.sleep(0.1)
    gate.open()
    until(lambda: all(answers))
    assert [came[0] for came in answers] == [1, 2, 3, 4]
    counts = rt.calls[rt.calls["function"] == "count"]
    assert (counts["queue_ms"] > 100).all()
    assert (counts["wall_ms"] < counts["queue_ms"]).any()  # what it waited is no part of the time it took


def test_waiting_counts_against_no_limit(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    p = load(rt, gate)

    def attempt() -> None:
        gate.close()
        busy(p, start, gate)
        came = start(lambda: p.raw("count")(quota={"wall": "100ms", "cpu": "100ms"}))
        until(lambda: waiting(p))
        time.sleep(0.1)
        gate.open()
        until(lambda: came)
        assert came == [1], came
        assert rt.calls[rt.calls["function"] == "count"].iloc[-1]["queue_ms"] > 100

    in_some_try(attempt)


def test_more_calls_than_may_wait_are_refused_at_once(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    p = load(rt, gate, quota={"queue": 1})
    busy(p, start, gate)
    came = start(p.raw("count"))
    until(lambda: waiting(p) == 1)
    with pytest.raises(jn.ResourceExhausted, match=r"1 calls? of counter"):
        p.raw("count")()
    gate.open()
    until(lambda: came)
    assert came == [1]
    assert p.raw("count")() == 2


def test_a_queue_of_none_refuses_whoever_would_wait(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    p = load(rt, gate, quota={"queue": 0})
    busy(p, start, gate)
    with pytest.raises(jn.ResourceExhausted):
        p.raw("count")()


# --- several instances -----------------------------------------------------------------------------------------------


def test_a_pool_works_at_once_as_often_as_it_has_instances(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    p = load(rt, gate, instances=3)
    meeting = [start(p.raw("hold"), 300) for _ in range(3)]
    gate.wait_for(3)
    gate.open()
    until(lambda: all(meeting))
    assert rt.calls["instance_id"].nunique() == 3
    assert p.instances == 3


def test_fresh_is_a_new_instance_for_every_call(rt: jn.Runtime, gate: Gate) -> None:
    p = load(rt, gate, instances="fresh")
    assert [p.raw("count")() for _ in range(3)] == [1, 1, 1]
    assert list(rt.calls["instance_call"]) == [1, 1, 1]
    assert rt.calls["instance_id"].nunique() == 3
    with pytest.raises(jn.GuestTrap) as trap:
        p.raw("trap")()
    assert "state is lost" not in str(trap.value)


def test_fresh_has_no_more_at_once_than_the_quota(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    p = load(rt, gate, instances="fresh", quota={"instances": 2})
    meeting = [start(p.raw("hold"), 200) for _ in range(3)]
    until(lambda: waiting(p) == 1 and gate.inside == 2)
    time.sleep(0.1)
    assert (waiting(p), gate.inside) == (1, 2)
    gate.open()
    until(lambda: all(meeting))
    assert max(rt.calls["queue_ms"]) > 100


@pytest.mark.parametrize("instances", [0, -1, True, 1.5, "many", 9])
def test_a_number_of_instances_that_makes_no_sense_is_refused(rt: jn.Runtime, gate: Gate, instances: Any) -> None:
    with pytest.raises(jn.PolicyError, match="instances"):
        load(rt, gate, instances=instances)
    assert rt.plugins == {}


def test_more_instances_can_be_had_with_a_higher_quota(rt: jn.Runtime, gate: Gate) -> None:
    assert load(rt, gate, instances=9, quota={"instances": 9}).instances == 9


@pytest.mark.parametrize("instances", [1, 3, "fresh"])
def test_eight_threads_each_get_their_own_answers(rt: jn.Runtime, start: Start, instances: Any) -> None:
    p = rt.load("example:specimen", instances=instances)

    def work(number: int) -> list[Any]:
        return [answer for step in range(200) if (answer := p.call("echo", [number, step])) != [number, step]]

    wrong = [start(work, number) for number in range(8)]
    until(lambda: all(wrong))
    assert wrong == [[[]]] * 8
    rows = rt.calls
    assert len(rows) == 1600
    assert rows["call_id"].is_unique
    assert set(rows["outcome"]) == {"ok"}
    if instances != "fresh":
        assert rows["instance_id"].nunique() <= instances


def test_failures_and_successes_of_threads_do_not_mix(rt: jn.Runtime, start: Start) -> None:
    p = rt.load("example:specimen", instances=2)

    def work(number: int) -> list[Any]:
        wrong: list[object] = []
        for step in range(40):
            code = f"c{number}.{step}"
            error = p.attempt("fail", {"code": code, "message": "m"}).error
            if not isinstance(error, jn.GuestError) or error.code != code:
                wrong.append(error)
            if p.call("echo", code) != code:
                wrong.append(code)
        return wrong

    wrong = [start(work, number) for number in range(4)]
    until(lambda: all(wrong))
    assert wrong == [[[]]] * 4


# --- ending ----------------------------------------------------------------------------------------------------------


def test_unloading_cancels_the_call_inside_and_those_that_wait(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    p = load(rt, gate)
    inside = busy(p, start, gate)
    behind = start(p.raw("count"))
    until(lambda: under_way(p) == 2)
    rt.unload("counter")
    until(lambda: inside and behind)
    (first,), (second,) = inside, behind
    assert isinstance(first, jn.Cancelled)
    assert str(first).startswith("counter.hold was cancelled: unloaded")
    assert first.record is not None
    assert first.record.outcome == "cancelled"
    assert isinstance(second, jn.Cancelled | jn.PluginNotReady)
    assert p.state == "unloaded"


def test_closing_a_runtime_ends_its_calls_and_only_those(start: Start, gate: Gate) -> None:
    with jn.Runtime() as other:
        survivor = busy(load(other, gate), start, gate)
        with jn.Runtime() as rt:
            ended = busy(load(rt, doomed := Gate()), start, doomed)
        until(lambda: ended)
        assert isinstance(ended[0], jn.Cancelled)
        assert (survivor, gate.inside) == ([], 1)
        gate.open()
        until(lambda: survivor)
        assert survivor == [300]


def test_replacing_lets_the_call_inside_finish_in_the_old_code(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    p = load(rt, gate)
    assert p.raw("count")() == 1
    inside = busy(p, start, gate)
    load(rt, gate, COUNTER.replace(b"(i64.const 1)", b"(i64.const 10)"))
    gate.open()
    until(lambda: inside)
    assert inside == [300]
    assert p.raw("count")() == 10
    digests = list(rt.calls["digest"])
    assert digests[-1] == p.digest != digests[0]


def test_a_call_that_waited_while_its_plugin_was_replaced_runs_in_the_new_code(
    rt: jn.Runtime, start: Start, gate: Gate
) -> None:
    p = load(rt, gate)
    busy(p, start, gate)
    behind = [start(p.raw("count")) for _ in range(3)]
    until(lambda: under_way(p) == 4)
    load(rt, gate, COUNTER.replace(b"(i64.const 1)", b"(i64.const 10)"))
    gate.open()
    until(lambda: all(behind))
    assert sorted(came[0] for came in behind) == [10, 20, 30]
    assert p.raw("count")() == 40


def test_a_call_that_waited_is_told_when_its_function_is_gone_or_another(
    rt: jn.Runtime, start: Start, gate: Gate
) -> None:
    p = load(rt, gate)
    for replacement in (
        COUNTER.replace(b'(export "count")', b'(export "tally")'),
        COUNTER.replace(b'(export "count") (result i64)', b'(export "count") (param f64 f64 i32) (result i64)'),
    ):
        load(rt, gate)
        busy(p, start, gate)
        came = start(p.raw("count"))
        until(lambda: under_way(p) == 2)
        load(rt, gate, replacement)
        gate.open()
        until(lambda came=came: came)  # type: ignore[misc]
        assert isinstance(came[0], jn.NoSuchFunction | jn.InvalidPayload), came
        assert p.raw("hold")(0) == 0
        gate.close()


def test_a_larger_pool_takes_in_those_that_wait_already(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    p = load(rt, gate)
    inside = busy(p, start, gate)
    behind = [start(p.raw("back"), 1) for _ in range(2)]
    until(lambda: under_way(p) == 3)
    load(rt, gate, instances=3)
    until(lambda: all(behind))
    assert inside == []
    gate.open()
    until(lambda: inside)


def test_replacing_all_the_time_loses_no_call(rt: jn.Runtime, start: Start, gate: Gate) -> None:
    """Old and new code answer differently; whichever answers, it is one of the two, and the state is its own."""
    versions = [COUNTER.replace(b"(i64.const 1)", f"(i64.const {step})".encode()) for step in (1, 1000)]
    p = load(rt, gate, versions[0])
    over = threading.Event()

    def work() -> list[Any]:
        odd = []
        while not over.is_set():
            count = p.raw("count")()
            if not (count % 1000 == 0 or 0 < count < 1_000_000):
                odd.append(count)
            if p.call("echo", [count]) != [count]:
                odd.append("echo")
        return odd

    workers = [start(work) for _ in range(3)]
    for version in itertools.islice(itertools.cycle(reversed(versions)), 60):
        load(rt, gate, version)
        time.sleep(0.005)
    over.set()
    until(lambda: all(workers))
    assert workers == [[[]]] * 3
    assert set(rt.calls["outcome"]) == {"ok"}
    last = load(rt, gate, versions[1])
    assert last.raw("count")() == 1000
