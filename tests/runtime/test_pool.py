"""Whose turn it is: state that lives or does not, a queue that is first come first served, and threads."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.guests import wat
from tests.support.waiting import PATIENCE, until

COUNTER = wat(
    """
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (global $n (mut i64) (i64.const 0))
    (memory (export "memory") 1)
    (func (export "count") (result i64) (global.set $n (i64.add (global.get $n) (i64.const 1))) (global.get $n))
    (func (export "sleep_ms") (param i64) (result i64)
      (i64.store (i32.const 24) (i64.mul (local.get 0) (i64.const 1000000)))
      (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
      (local.get 0))
    (func (export "trap") unreachable)
    (func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))
    """
)

Start = Callable[..., "list[Any]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Run something in a thread; what it returns or raises goes into the list that comes back."""
    threads: list[threading.Thread] = []

    def run(work: Callable[..., Any], *arguments: Any) -> list[Any]:
        came: list[Any] = []

        def body() -> None:
            try:
                came.append(work(*arguments))
            except Exception as error:
                came.append(error)

        thread = threading.Thread(target=body)
        threads.append(thread)
        thread.start()
        return came

    yield run
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def under_way(p: jn.Plugin) -> int:
    """How many calls are inside or wait. No frame shows that: a row is written when its call ends."""
    return len(p._activity.running)


def busy(p: jn.Plugin, start: Start, ms: int, inside: int = 1) -> list[Any]:
    """A call that sleeps inside `p`; returns once it is there."""
    before = p.attempt("echo").ok  # an instance is there, so that the sleeper is inside at once
    assert before
    came = start(p.raw("sleep_ms"), ms)
    until(lambda: under_way(p) >= inside)
    return came


# --- one instance ----------------------------------------------------------------------------------------------------


def test_the_state_of_one_instance_lives_between_calls(rt: jn.Runtime) -> None:
    p = rt.load(COUNTER, name="counter")
    assert [p.raw("count")() for _ in range(3)] == [1, 2, 3]
    assert list(rt.calls["instance_call"]) == [1, 2, 3]
    assert rt.calls["instance_id"].nunique() == 1


def test_a_trap_costs_the_instance_and_says_so(rt: jn.Runtime) -> None:
    p = rt.load(COUNTER, name="counter")
    assert [p.raw("count")() for _ in range(2)] == [1, 2]
    with pytest.raises(jn.GuestTrap, match="Its instance was replaced; its state is lost"):
        p.raw("trap")()
    assert p.raw("count")() == 1
    assert list(rt.calls["instance_call"]) == [1, 2, 3, 1]
    assert rt.calls["instance_id"].nunique() == 2


def test_calls_wait_their_turn_first_come_first_served(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter")
    busy(p, start, 300)
    answers = []
    for number in range(1, 5):
        answers.append(start(p.raw("count")))
        until(lambda n=number: under_way(p) == n + 1)  # type: ignore[misc]
        time.sleep(0.01)  # running is noted before the place in the queue is taken
    until(lambda: all(answers))
    assert [came[0] for came in answers] == [1, 2, 3, 4]
    counts = rt.calls[rt.calls["function"] == "count"]
    assert (counts["queue_ms"] > 100).all()
    assert counts["queue_ms"].is_monotonic_decreasing
    assert (counts["wall_ms"] < counts["queue_ms"]).all()


def test_waiting_counts_against_no_limit(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter")
    busy(p, start, 200)
    assert p.raw("count")(quota={"wall": "100ms", "cpu": "100ms"}) == 1
    assert rt.calls.iloc[-1]["queue_ms"] > 100


def test_more_calls_than_may_wait_are_refused_at_once(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter", quota={"queue": 1})
    busy(p, start, 400)
    waiting = start(p.raw("count"))
    until(lambda: under_way(p) == 2)
    time.sleep(0.01)
    with pytest.raises(jn.ResourceExhausted, match=r"1 calls? of counter"):
        p.raw("count")()
    until(lambda: waiting)
    assert waiting == [1]
    assert p.raw("count")() == 2


def test_a_queue_of_none_refuses_whoever_would_wait(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter", quota={"queue": 0})
    busy(p, start, 200)
    with pytest.raises(jn.ResourceExhausted):
        p.raw("count")()


# --- several instances -----------------------------------------------------------------------------------------------


def test_a_pool_works_at_once_as_often_as_it_has_instances(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter", instances=3)
    meeting = [start(p.raw("sleep_ms"), 300) for _ in range(3)]
    until(lambda: all(meeting))
    rows = rt.calls
    assert rows["instance_id"].nunique() == 3
    assert (rows["queue_ms"] < 200).all()
    assert p.instances == 3


def test_fresh_is_a_new_instance_for_every_call(rt: jn.Runtime) -> None:
    p = rt.load(COUNTER, name="counter", instances="fresh")
    assert [p.raw("count")() for _ in range(3)] == [1, 1, 1]
    assert list(rt.calls["instance_call"]) == [1, 1, 1]
    assert rt.calls["instance_id"].nunique() == 3
    with pytest.raises(jn.GuestTrap) as trap:
        p.raw("trap")()
    assert "state is lost" not in str(trap.value)


def test_fresh_has_no_more_at_once_than_the_quota(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter", instances="fresh", quota={"instances": 2})
    meeting = [start(p.raw("sleep_ms"), 200) for _ in range(3)]
    until(lambda: all(meeting))
    assert max(rt.calls["queue_ms"]) > 100
    assert sorted(rt.calls["queue_ms"])[1] < 100


@pytest.mark.parametrize("instances", [0, -1, True, 1.5, "many", 9])
def test_a_number_of_instances_that_makes_no_sense_is_refused(rt: jn.Runtime, instances: Any) -> None:
    with pytest.raises(jn.PolicyError, match="instances"):
        rt.load(COUNTER, name="counter", instances=instances)
    assert rt.plugins == {}


def test_more_instances_can_be_had_with_a_higher_quota(rt: jn.Runtime) -> None:
    assert rt.load(COUNTER, name="counter", instances=9, quota={"instances": 9}).instances == 9


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


def test_unloading_cancels_the_call_inside_and_those_that_wait(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter")
    inside = busy(p, start, 20_000)
    waiting = start(p.raw("count"))
    until(lambda: under_way(p) == 2)
    rt.unload("counter")
    until(lambda: inside and waiting)
    (first,), (second,) = inside, waiting
    assert isinstance(first, jn.Cancelled)
    assert str(first).startswith("counter.sleep_ms was cancelled: unloaded")
    assert first.record is not None
    assert first.record.outcome == "cancelled"
    assert isinstance(second, jn.Cancelled | jn.PluginNotReady)
    assert p.state == "unloaded"


def test_closing_a_runtime_ends_its_calls_and_only_those(start: Start) -> None:
    with jn.Runtime() as other:
        survivor = other.load(COUNTER, name="counter")
        asleep = busy(survivor, start, 500)
        with jn.Runtime() as rt:
            ended = busy(rt.load(COUNTER, name="counter"), start, 20_000)
        until(lambda: ended and asleep)
        assert isinstance(ended[0], jn.Cancelled)
        assert asleep == [500]


def test_replacing_lets_the_call_inside_finish_in_the_old_code(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter")
    assert p.raw("count")() == 1
    inside = busy(p, start, 300)
    rt.load(COUNTER.replace(b"(i64.const 1)", b"(i64.const 10)"), name="counter")
    until(lambda: inside)
    assert inside == [300]
    assert p.raw("count")() == 10
    digests = list(rt.calls["digest"])
    assert digests[-1] == p.digest != digests[0]


def test_a_call_that_waited_while_its_plugin_was_replaced_runs_in_the_new_code(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter")
    busy(p, start, 300)
    waiting = [start(p.raw("count")) for _ in range(3)]
    until(lambda: under_way(p) == 4)
    rt.load(COUNTER.replace(b"(i64.const 1)", b"(i64.const 10)"), name="counter")
    until(lambda: all(waiting))
    assert sorted(came[0] for came in waiting) == [10, 20, 30]
    assert p.raw("count")() == 40


def test_a_call_that_waited_is_told_when_its_function_is_gone_or_another(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter")
    for replacement in (
        COUNTER.replace(b'(export "count")', b'(export "tally")'),
        COUNTER.replace(b'(export "count") (result i64)', b'(export "count") (param f64 f64 i32) (result i64)'),
    ):
        rt.load(COUNTER, name="counter")
        busy(p, start, 300)
        waiting = start(p.raw("count"))
        until(lambda: under_way(p) == 2)
        rt.load(replacement, name="counter")
        until(lambda came=waiting: came)  # type: ignore[misc]
        assert isinstance(waiting[0], jn.NoSuchFunction | jn.InvalidPayload), waiting
        assert p.raw("sleep_ms")(0) == 0


def test_a_larger_pool_takes_in_those_that_wait_already(rt: jn.Runtime, start: Start) -> None:
    p = rt.load(COUNTER, name="counter")
    inside = busy(p, start, 2000)
    waiting = [start(p.raw("sleep_ms"), 1) for _ in range(2)]
    until(lambda: under_way(p) == 3)
    rt.load(COUNTER, name="counter", instances=3)
    until(lambda: all(waiting))
    assert inside == []
    until(lambda: inside)


def test_replacing_all_the_time_loses_no_call(rt: jn.Runtime, start: Start) -> None:
    """Old and new code answer differently; whichever answers, it is one of the two, and the state is its own."""
    versions = [COUNTER.replace(b"(i64.const 1)", f"(i64.const {step})".encode()) for step in (1, 1000)]
    p = rt.load(versions[0], name="counter")
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
        rt.load(version, name="counter")
        time.sleep(0.005)
    over.set()
    until(lambda: all(workers))
    assert workers == [[[]]] * 3
    assert set(rt.calls["outcome"]) == {"ok"}
    last = rt.load(versions[1], name="counter")
    assert last.raw("count")() == 1000
