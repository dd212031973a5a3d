"""Plugins that try to take more than their limits by the ways in which a limit is set, shared or counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.dispatcher import Operation
from judicia_notebook.languages.wat import compile_wat
from tests.support.services import offered
from tests.support.waiting import PATIENCE, in_some_try, until

ANY_NUMBER = pytest.mark.wall(
    {
        "judicia_notebook.runtime.pool:InstancePool.bound": "lambda pool: "
        "functions.slots_bound(pool.pointer, 1000, 1000, pool.kind != 'fresh')"
    }
)
ANY_RATE = pytest.mark.wall({"judicia_notebook.host.host_call:RateMeter.refuse": "lambda *_: 0"})
BUDGETS_OF_THEIR_OWN = pytest.mark.wall(
    {
        "judicia_notebook.host.scope:CallScope.share_budget": "lambda scope, part: None",
        "judicia_notebook.host.scope:CallScope.take_over": "lambda scope, part, fuel: None",
    }
)
AT_EACH_ENTRY = {
    "judicia_notebook.engine.invocation:Invocation.attach": "lambda call: (call.release(), original(call))[1]"
}
CLOCKS_ANEW = pytest.mark.wall(AT_EACH_ENTRY)
CLOCKS_OF_THEIR_OWN = pytest.mark.wall(
    {"judicia_notebook.host.scope:CallScope.share_budget": "lambda scope, part: None", **AT_EACH_ENTRY}
)
NOTHING_OUTSIDE = pytest.mark.wall(
    {
        "judicia_notebook.engine.invocation:Invocation.attach": "lambda call: "
        "(setattr(call, 'outer', None), original(call))[1]",
        "judicia_notebook.engine.invocation:Invocation.ends_with_outer": "lambda call: False",
    }
)
TIME_ANEW = pytest.mark.wall({"judicia_notebook.runtime.deployment:_seconds_left": "lambda until: 1.0"})
TABLES_OF_THE_BEGINNING = pytest.mark.wall(
    {
        "judicia_notebook.engine.limits:LiveLimits.publish": "lambda live, limits, first={}: "
        "original(live, limits._replace(table_elements=first.setdefault(live.pointer, limits.table_elements)))"
    }
)
ROOM_OF_ITS_OWN = pytest.mark.wall(
    {"judicia_notebook.host.delivery.broker:Broker._room": "lambda broker: broker._limits().history_bytes"}
)

POLL = '(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))'
NAP = rf"""{POLL}
(data (i32.const 1040) "\01\00\00\00\00\00\00\00\00\e1\f5\05")
(func $sleep (drop (call $poll (i32.const 1024) (i32.const 512) (i32.const 1) (i32.const 600))))
(func (export "nap") (param i32 i32) (result i64) (call $sleep) (i64.const 0))
"""
BURN = """(func $burn (param $n i32) (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))"""
NOW = "(drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))"
FOREVER = "(loop $on (br $on))"


def hook(name: str, body: str) -> str:
    return f'(func (export "{name}") (param i32 i32) (result i64) {body} (i64.const 0))'


def load(rt: jn.Runtime, *cells: str, name: str = "guest", **options: Any) -> jn.Plugin:
    return rt.load(compile_wat("\n".join(cells)).encode(), name=name, **options)


def at_once(p: jn.Plugin, calls: int) -> int:
    """How many of the last calls were inside at the same moment, at most."""
    rows = p.calls.tail(calls)
    begins, ends = rows["started_ms"], rows["started_ms"] + rows["wall_ms"]
    return max(int(((begins <= moment) & (moment < ends)).sum()) for moment in begins)


def nap(p: jn.Plugin, calls: int) -> int:
    for handle in [p.submit("nap") for _ in range(calls)]:
        handle.result(PATIENCE)
    return at_once(p, calls)


def stopped(p: jn.Plugin, function: str = "go", **options: Any) -> jn.QuotaExceeded:
    """The error of a call that a quota ended, as the call's own record says."""
    outcome = p.attempt(function, **options)
    assert isinstance(outcome.error, jn.QuotaExceeded), outcome
    assert outcome.record is not None
    assert (outcome.record.function, outcome.record.outcome) == (function, f"quota_{outcome.error.quota}")
    return outcome.error


# --- instances -------------------------------------------------------------------------------------------------------


@ANY_NUMBER
def test_a_lowered_number_of_instances_holds_for_fresh_ones(rt: jn.Runtime) -> None:
    p = load(rt, NAP, instances="fresh")
    p.policy.set_quota(instances=1)
    assert nap(p, 4) == 1


@ANY_NUMBER
def test_a_lowered_number_of_instances_holds_for_a_pool_that_has_more(rt: jn.Runtime) -> None:
    p = load(rt, NAP, instances=4)
    assert nap(p, 4) > 1
    p.policy.set_quota(instances=1)
    assert nap(p, 4) == 1
    p.policy.set_quota(instances=4)
    assert nap(p, 4) > 1


@ANY_NUMBER
def test_calls_that_wait_are_let_in_only_as_the_lowered_number_allows(rt: jn.Runtime) -> None:
    p = load(rt, NAP, instances=2)
    handles = [p.submit("nap") for _ in range(6)]
    p.policy.set_quota(instances=1)
    for handle in handles:
        handle.result(PATIENCE)
    assert at_once(p, 3) == 1  # those that were inside may end beside the first that was not


@ANY_NUMBER
def test_a_snapshot_from_elsewhere_brings_no_more_instances_than_the_ceiling() -> None:
    with jn.Runtime() as other:
        snapshot = load(other, NAP).policy.snapshot()
    with jn.Runtime(ceiling=jn.Quota(instances=1)) as rt:
        p = load(rt, NAP, instances="fresh")
        p.policy.restore(snapshot)
        assert nap(p, 4) == 1


def test_calls_that_wait_begin_when_there_may_be_more_instances(rt: jn.Runtime) -> None:
    """Raised, not at the end of the one call that is inside: that one never ends by itself."""
    p = load(rt, NAP, hook("stay", FOREVER), instances=2, quota={"instances": 2, "cpu": "60s", "wall": "60s"})
    p.policy.set_quota(instances=1)
    staying = p.submit("stay")
    waiting = p.submit("nap")
    p.policy.set_quota(instances=2)
    assert waiting.result(PATIENCE) is None
    staying.cancel()
    assert isinstance(staying.exception(PATIENCE), jn.Cancelled)


def test_idle_instances_that_are_too_many_give_their_memory_back(rt: jn.Runtime) -> None:
    p = load(rt, NAP, instances=4)
    nap(p, 4)
    pool = rt._platform.pool
    before = pool.used
    p.policy.set_quota(instances=1)
    assert 0 < pool.used <= before // 2
    assert nap(p, 2) == 1


# --- rates -----------------------------------------------------------------------------------------------------------


@ANY_RATE
def test_the_ceiling_of_a_rate_holds_where_the_plugin_has_none() -> None:
    with jn.Runtime(ceiling=jn.Quota(host_call_rate=5)) as rt:
        p = load(rt, hook("go", NOW * 40), grant=["wall_clock"])
        p.call("go")
        assert p.host_calls["decision"].value_counts()["allowed"] <= 10  # a second may end in the middle


@ANY_RATE
def test_the_ceiling_of_a_rate_holds_for_wasi_too() -> None:
    draw = '(import "wasi_snapshot_preview1" "random_get" (func $draw (param i32 i32) (result i32)))'
    with jn.Runtime(ceiling=jn.Quota(host_call_rate=5)) as rt:
        p = load(rt, draw, hook("go", "(drop (call $draw (i32.const 0) (i32.const 4)))" * 40), grant=["random"])
        p.call("go")
        assert p.host_calls["decision"].value_counts()["allowed"] <= 10


# --- one budget for start function, on_initialize and call -----------------------------------------------------------


@CLOCKS_ANEW
def test_start_function_and_call_have_one_limit_of_cpu() -> None:
    """It lies between the work of one and that of both, as measured; the processor may be faster a moment later."""

    def attempt() -> None:
        with jn.Runtime() as rt:
            p = load(rt, BURN, f"(func $start {burn}) (start $start)", hook("go", burn))  # Python makes the first one
            p.policy.set_quota(cpu=1.6 * used_by_start(rt, burn))
            error = stopped(p)
            assert error.quota == "cpu"
            assert error.record is not None
            assert error.record.cpu_ms >= error.limit * 1000

    burn = "(call $burn (i32.const 150000000))"
    in_some_try(attempt)


def used_by_start(rt: jn.Runtime, burn: str) -> float:
    """Seconds of CPU that a start function alone takes on this machine."""
    p = load(rt, BURN, f"(func $start {burn}) (start $start)", hook("nothing", ""), name="alone", instances="fresh")
    began = time.thread_time()
    p.call("nothing")
    return time.thread_time() - began


@CLOCKS_ANEW
def test_initialize_of_a_reactor_and_call_have_one_limit_of_wall_time(rt: jn.Runtime) -> None:
    p = load(rt, NAP, '(func (export "_initialize") (call $sleep))', quota={"wall": "150ms"})  # likewise
    assert stopped(p, "nap").quota == "wall"


@BUDGETS_OF_THEIR_OWN
def test_a_calls_own_cpu_limit_holds_on_initialize(rt: jn.Runtime) -> None:
    p = load(rt, BURN, hook("on_initialize", "(call $burn (i32.const 500000000))"), hook("go", ""), instances="fresh")
    error = stopped(p, quota={"cpu": "20ms"})
    assert (error.quota, error.per_call, error.limit) == ("cpu", True, 0.02)
    assert p.calls["function"].tolist() == ["on_initialize", "go"]
    assert p.calls["outcome"].tolist() == ["quota_cpu", "quota_cpu"]  # and not only behind on_initialize


@CLOCKS_OF_THEIR_OWN
def test_on_initialize_and_call_have_one_limit_of_wall_time(rt: jn.Runtime) -> None:
    p = load(rt, NAP, hook("on_initialize", "(call $sleep)"), instances="fresh", quota={"wall": "150ms"})
    assert stopped(p, "nap").quota == "wall"


@BUDGETS_OF_THEIR_OWN
def test_on_initialize_and_call_have_one_tank_of_fuel(rt: jn.Runtime) -> None:
    burn = "(call $burn (i32.const 1000))"
    cells = BURN, f"(func $start {burn}) (start $start)", hook("on_initialize", burn), hook("go", burn)
    p = load(rt, *cells, instances="fresh")
    p.call("go")
    assert p.last is not None
    whole = int(p.last.fuel or 0)
    p.call("go", quota={"fuel": whole})
    error = stopped(p, quota={"fuel": whole - 500})  # it is looked at in loops only
    assert (error.quota, error.limit) == ("fuel", whole - 500)
    assert error.record is not None
    assert error.record.fuel == whole - 500


@BUDGETS_OF_THEIR_OWN
def test_host_calls_of_on_initialize_count(rt: jn.Runtime) -> None:
    p = load(rt, hook("on_initialize", NOW * 3), hook("go", NOW * 3), instances="fresh", grant=["wall_clock"])
    p.call("go", quota={"host_calls": 6})
    error = stopped(p, quota={"host_calls": 5})
    assert (error.quota, error.used) == ("host_calls", 6)


@BUDGETS_OF_THEIR_OWN
def test_what_on_initialize_writes_to_the_log_counts(rt: jn.Runtime) -> None:
    line = '{"level":"info","message":"' + "x" * 60 + '"}'
    data = '(data (i32.const 64) "' + line.replace('"', r"\"") + '")'
    write = f"(call $judicia:log.write (i32.const 64) (i32.const {len(line)}))"
    go = f'(func (export "go") (param i32 i32) (result i64) {write})'
    p = load(rt, data, hook("on_initialize", f"(drop {write})"), go, instances="fresh")
    assert "ok" in p.call("go", quota={"log": 120})
    assert p.call("go", quota={"log": 119}).get("error", {}).get("code") == "quota_exceeded"
    assert len(p.logs) == 3


@BUDGETS_OF_THEIR_OWN
def test_a_calls_own_memory_limit_holds_on_initialize(rt: jn.Runtime) -> None:
    grow = "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable))"
    p = load(rt, hook("on_initialize", grow), hook("go", ""), instances="fresh")
    p.call("go")
    assert stopped(p, quota={"memory": "2MiB"}).quota == "memory"
    assert p.calls["outcome"].tolist()[-2:] == ["quota_memory"] * 2


def test_a_call_that_is_cancelled_while_its_instance_initializes_ends(rt: jn.Runtime) -> None:
    p = load(rt, hook("on_initialize", FOREVER), hook("go", ""), quota={"cpu": "60s", "wall": "60s"})
    handle = p.submit("go")
    until(lambda: "tick" in set(rt.samples["event"]))
    handle.cancel()
    assert isinstance(handle.exception(PATIENCE), jn.Cancelled)


# --- calls inside calls ----------------------------------------------------------------------------------------------

Offer = Callable[[Operation], jn.Runtime]


@pytest.fixture
def offering() -> Iterator[Offer]:
    """A runtime with one host function more."""
    with ExitStack() as until_the_end:

        def offer(operation: Operation) -> jn.Runtime:
            until_the_end.enter_context(offered(operation))
            return jn.Runtime()

        yield offer


INNER_SECONDS = 10
INNER = '(func (export "go") (param i32 i32) (result i64) (call $judicia:test.inner (local.get 0) (local.get 1)))'


def ended_in_time(outer: jn.Plugin) -> bool:
    """A call of the outer plugin, which may take 100 ms, ended well before the inner one would have to."""
    began = time.monotonic()
    assert stopped(outer).quota == "wall"
    return time.monotonic() - began < INNER_SECONDS / 2


@NOTHING_OUTSIDE
def test_a_call_inside_a_host_call_ends_with_the_call_around_it(offering: Offer) -> None:
    with offering(Operation("inner", lambda *_: inner.attempt("stay").record is not None)) as rt:
        inner = load(rt, hook("stay", FOREVER), name="inner", quota={"cpu": INNER_SECONDS, "wall": INNER_SECONDS})
        assert ended_in_time(load(rt, INNER, quota={"wall": "100ms"}))
        assert inner.calls["outcome"].tolist() == ["cancelled"]


@NOTHING_OUTSIDE
def test_a_call_inside_a_host_call_waits_for_an_instance_no_longer_than_the_call_around_it(offering: Offer) -> None:
    with offering(Operation("inner", lambda *_: inner.attempt("nothing").ok)) as rt:
        quota = {"cpu": INNER_SECONDS, "wall": INNER_SECONDS}
        inner = load(rt, hook("stay", FOREVER), hook("nothing", ""), name="inner", quota=quota)
        staying = inner.submit("stay")
        assert ended_in_time(load(rt, INNER, quota={"wall": "100ms"}))
        staying.cancel()
        assert isinstance(staying.exception(PATIENCE), jn.Cancelled | jn.QuotaExceeded)


# --- clean-up, tables, history ---------------------------------------------------------------------------------------


@TIME_ANEW
def test_many_instances_that_clean_up_for_ever_delay_an_unload_a_second_in_all(rt: jn.Runtime) -> None:
    def attempt() -> None:
        p = load(rt, NAP, hook("on_cleanup", FOREVER), instances=4)
        nap(p, 4)
        before = len(rt.calls)
        rt.unload("guest")
        cleaned = rt.calls[before:]
        assert set(cleaned["function"]) == {"on_cleanup"}
        assert cleaned["wall_ms"].sum() < 2500

    in_some_try(attempt)


@TABLES_OF_THE_BEGINNING
def test_a_lowered_limit_of_table_elements_holds_for_an_instance_that_is_there(rt: jn.Runtime) -> None:
    p = load(
        rt, '(table $t 1 funcref) (func (export "grow") (result i32) (table.grow $t (ref.null func) (i32.const 9)))'
    )
    assert p.raw("grow")() == 1
    p.policy.set_quota(table_elements=15)
    assert p.raw("grow")() == -1


@ROOM_OF_ITS_OWN
def test_what_is_parked_and_the_history_have_one_limit(rt: jn.Runtime) -> None:
    found, gone = rt.host.events, threading.Event()
    found.set_limits(attempts=1, history_bytes=5000)

    def fail(_: Any) -> None:
        gone.set()
        raise ValueError("x" * 200)

    found.subscribe("a", fail)
    for _ in range(20):
        found.emit("a", "x" * 100)
    found.flush(PATIENCE)
    for _ in range(50):
        found.emit("b", "x" * 100)
    assert gone.is_set()
    assert sum(one.size for one in found.parked) + found.history["bytes"].sum() <= 5000
