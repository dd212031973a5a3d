"""Calls that the core makes alone: their rows, their ends, and what other threads and handlers do to them meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

import judicia_notebook as jn
from judicia_notebook.context import via
from judicia_notebook.engine.core import functions
from judicia_notebook.host.clock import ClockService
from judicia_notebook.records.recorder import Recorder
from judicia_notebook.runtime import pool, way
from judicia_notebook.runtime.deployment import Deployment
from tests.support.guests import forwarder, wat
from tests.support.programs import survives
from tests.support.threads import start
from tests.support.waiting import PATIENCE, until

__all__ = ["start", "survives"]

CELLS = (
    """
    (func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))
    (func (export "nothing") (param i32 i32) (result i64) (i64.const 0))
    (func (export "large") (param i32 i32) (result i64)
      (if (i32.lt_u (memory.size) (i32.const 8)) (then (drop (memory.grow (i32.const 6)))))
      (i64.or (i64.shl (i64.extend_i32_u (call $judicia_alloc (i32.const 100000))) (i64.const 32)) (i64.const 100000)))
    (func (export "spin") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)
    (func (export "add") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
    (func (export "swap") (param i32 f64) (result f64 i32) (local.get 1) (local.get 0))
    (func (export "drop") (param i32))
    (func (export "work") (param $turns i32) (result i32)
      (loop $next (br_if $next (local.tee $turns (i32.sub (local.get $turns) (i32.const 1))))) (local.get $turns))
    """,
    forwarder(now="clock.now"),
    """
    (func (export "later") (param i32) (result i32)
      (drop (call $judicia:clock.now (i32.const 0) (i32.const 0))) (local.get 0))
    """,
)
GUEST = wat(*CELLS)
LONG: dict[str, Any] = {"cpu": "60s", "wall": "60s", "host_calls": None}
FOREVER = 0  # turns of `work`, as good as
OF_ITS_OWN = {"call_id", "started_at", "limit_cpu_ms"}


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., jn.Runtime]]:
    """A runtime whose clock calls a function of the test's with the scope: ``serve(function)``."""
    with contextlib.ExitStack() as stack:

        def make(function: Callable[[Any], Any]) -> jn.Runtime:
            monkeypatch.setattr(ClockService, "now", lambda _, scope, __: function(scope))
            return stack.enter_context(jn.Runtime())

        yield make


def load(rt: jn.Runtime, name: str = "guest", **options: Any) -> jn.Plugin:
    """The guest, with an instance that waits for a call."""
    p = rt.load(GUEST, name=name, grant=["wall_clock"], **{"quota": LONG, **options})
    p.raw("add")(1, 2)
    return p


def other_code(turn: int = 0) -> bytes:
    """The guest as it was changed so often."""
    return wat(*CELLS, f'(func (export "more{turn}"))')


def walks(p: jn.Plugin, call: Callable[[], object]) -> bool:
    """Whether the core makes this call alone, up to its row."""
    before = p._deployment.instances.last
    call()
    return p._deployment.instances.last > before


def inside(p: jn.Plugin) -> bool:
    """Whether a call is in the core."""
    return bool(p._deployment.instances.walkers())


def nothing_pends(p: jn.Plugin, instances: int = 1) -> None:
    """All slots and instances are back, and no call is left in any list."""
    deployment = p._deployment
    pool = deployment.instances
    assert (deployment.running_calls, pool.walkers(), pool.waiting, pool.idle) == ((), [], 0, instances)
    assert not any(each.halves or each._budgets for each in deployment._ways.values() if each)
    assert walks(p, lambda: p.raw("add")(1, 2))


# --- rows ------------------------------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[jn.Plugin], object]] = {
    "json": lambda p: p.call("echo", {"a": [1, 2]}),
    "no payload": lambda p: p.call("nothing"),
    "bytes": lambda p: p.call_bytes("echo", b"xy"),
    "a large answer": lambda p: p.call_bytes("large", b"xy"),
    "an answer that the host copies": lambda p: p.call("echo", "x" * 100_000),
    "a number": lambda p: p.raw("add")(1, -2),
    "numbers": lambda p: p.raw("swap")(1, 0.5),
    "no number": lambda p: p.raw("drop")(1),
    "a host call": lambda p: p.call("now"),
    "with limits of its own": lambda p: p.call("echo", 1, quota={"cpu": "50ms"}),
}


def row_of(p: jn.Plugin, call: Callable[[jn.Plugin], object]) -> tuple[object, dict[str, Any]]:
    """The answer, and the row without its times and its place among the rows."""
    answer = call(p)
    assert p.last is not None
    row = msgspec.structs.asdict(p.last)
    return answer, {
        name: value
        for name, value in row.items()
        if (not name.endswith("_ms") or name.startswith("limit")) and name not in {"call_id", "started_at", "started"}
    }


@pytest.mark.parametrize("name", CALLS)
def test_a_row_is_as_python_writes_it(
    serve: Callable[..., jn.Runtime], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    p, call = load(serve(lambda _: {"said": 1})), CALLS[name]
    call(p)  # its memory has grown
    monkeypatch.setattr(threading.current_thread(), "name", "renamed")
    with jn.label(variant="A"), via("bench"):
        call(p)
        assert walks(p, lambda: call(p))
        ours = row_of(p, call)
        monkeypatch.setattr(Deployment, "way", lambda *_: None)  # Python makes all calls then
        assert not walks(p, lambda: call(p))
        theirs = row_of(p, call)
    assert theirs[1].pop("instance_call") == ours[1].pop("instance_call") + 2
    assert ours == theirs
    assert (ours[1]["thread"], ours[1]["label"], ours[1]["origin"]) == ("renamed", "variant=A", "bench")


def test_a_call_inside_a_host_call_names_the_call_around_it(serve: Callable[..., jn.Runtime]) -> None:
    inner: jn.Plugin
    rt = serve(lambda _: inner.call("echo", 1))
    inner, p = load(rt, "inner"), load(rt, "outer")
    p.raw("later")(1)
    rt._recorder.clear()
    assert walks(inner, lambda: p.raw("later")(1))
    assert walks(p, lambda: p.call("now"))
    rows = rt.calls
    assert list(rows["plugin"]) == ["inner", "outer"] * 2
    assert list(rows["parent_call_id"][::2]) == list(rows["call_id"][1::2])
    assert rows["parent_call_id"][1::2].isna().all()


@pytest.mark.parametrize("call", [lambda p: p.call("now"), lambda p: p.raw("later")(1)])
def test_the_policy_of_a_row_is_that_of_its_end(
    serve: Callable[..., jn.Runtime], call: Callable[[jn.Plugin], object]
) -> None:
    def change(_scope: object) -> dict[str, object]:
        p.policy.set_quota(cpu=next(seconds))
        return {}

    seconds = iter(range(10, 60))
    rt = serve(change)
    p = load(rt)
    for _ in range(3):
        assert walks(p, lambda: call(p))
        assert p.last is not None
        assert (p.last.policy_version, p.last.limit_cpu_ms) == (p.policy.version, (p.policy.limits.cpu_ns or 0) / 1e6)
    p.policy.revoke("wall_clock")
    walks(p, lambda: p.raw("add")(1, 2))
    assert p.last is not None
    assert p.last.policy_version == p.policy.version
    call(p)
    assert rt.calls["denied"].iloc[-1] == 1


def test_two_threads_of_one_name_never_pair_a_version_with_the_key_of_another(rt: jn.Runtime) -> None:
    """Both renew one key; one of them is cut in between, and the policy changes."""
    p = load(rt)
    key = next(iter(next(each for each in p._deployment._ways.values() if each)._keys.values()))
    rows, place = key.way.rows, key.way.rows.place

    def cut(parts: Any) -> int:
        found = place(parts)
        if not changed:
            changed.append(True)
            p.policy.set_quota(cpu=7)
            key.renew()
        return found

    changed: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "place", cut)
        key.renew()
    p.raw("add")(1, 2)
    assert p.last is not None
    assert p.last.policy_version == p.policy.version


def test_a_call_that_was_refused_at_its_entry_names_no_instance(specimen: jn.Plugin) -> None:
    for _ in range(3):
        specimen.call("echo", 1)
    refused = specimen.attempt("echo", 1, quota={"memory": 1})
    assert isinstance(refused.error, jn.QuotaExceeded)
    assert refused.record is not None
    assert (refused.record.instance_id, refused.record.instance_call) == (None, None)
    assert specimen.call("echo", 2) == 2
    assert specimen.last is not None
    assert specimen.last.instance_call == 4


# --- limits that change ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "low"), [("cpu", "10ms"), ("wall", "10ms"), ("memory", 1 << 16)])
def test_a_limit_that_is_lowered_while_the_core_makes_a_call_ends_it(
    rt: jn.Runtime, start: Callable[..., list[Any]], kind: str, low: Any
) -> None:
    p = load(rt)
    p.call_bytes("large", b"xy")  # it holds more than the memory of below
    came = start(p.attempt, "spin")
    until(lambda: inside(p))
    p.policy.set_quota(**{kind: low})
    error = until(lambda: came)[0].error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == kind
    assert error.record is not None
    assert error.record.policy_version == p.policy.version
    p.policy.set_quota(**LONG, memory="64MiB")
    p.raw("add")(1, 2)
    nothing_pends(p)


def test_code_that_goes_twice_is_held_to_its_own_limits(rt: jn.Runtime, start: Callable[..., list[Any]]) -> None:
    """The second replace is of other code: the first code's call keeps what held for the first code."""
    p = load(rt, quota={**LONG, "cpu": "300ms"})
    digest = p.digest
    came = start(p.attempt, "spin")
    until(lambda: inside(p) or came)
    for turn in range(2):
        rt.load(other_code(turn), name="guest", grant=["wall_clock"], quota=LONG)
    outcome = until(lambda: came)[0]
    assert isinstance(outcome.error, jn.QuotaExceeded)
    assert outcome.error.limit == 0.3
    assert (outcome.record.digest, outcome.record.limit_cpu_ms) == (digest, 300)


def test_a_call_that_ends_well_after_a_replace_has_the_policy_of_its_code(
    serve: Callable[..., jn.Runtime], start: Callable[..., list[Any]]
) -> None:
    def wait(_scope: object) -> dict[str, object]:
        waits.append(True)
        assert replaced.wait(PATIENCE)
        return {}

    waits: list[bool] = []
    replaced = threading.Event()
    rt = serve(wait)
    p = load(rt, quota={**LONG, "cpu": "30s"}, instances=2)
    came = start(p.raw("later"), 5), start(p.attempt, "now")
    until(lambda: len(waits) == 2)
    rt.load(other_code(), name="guest", grant=["wall_clock"], quota=LONG)
    replaced.set()
    until(lambda: all(came))
    assert came[0] == [5]
    assert came[1][0].ok
    assert set(rt.calls[rt.calls["function"] != "add"]["limit_cpu_ms"]) == {30_000}


def test_no_call_walks_while_code_is_about_to_be_replaced(rt: jn.Runtime) -> None:
    p = load(rt)
    p._deployment.hold_back(SimpleNamespace(digest="of other code"))  # type: ignore[arg-type]
    assert not walks(p, lambda: p.raw("add")(1, 2))
    p._deployment.hold_back(p._code)
    assert walks(p, lambda: p.raw("add")(1, 2))


# --- the table -------------------------------------------------------------------------------------------------------


def test_chunks_roll_over_and_a_clear_comes_between(rt: jn.Runtime) -> None:
    p = load(rt)
    add = p.raw("add")
    assert [add(turn, 1) for turn in range(9000)] == list(range(1, 9001))
    assert list(rt.calls["call_id"]) == list(range(1, 9002))
    rt._recorder.clear()
    assert [add(turn, 1) for turn in range(5000)] == list(range(1, 5001))
    assert [p.call("echo", turn) for turn in range(100)] == list(range(100))
    assert list(rt.calls["call_id"]) == list(range(9002, 14102))
    assert set(rt.calls["function"]) == {"add", "echo"}


def test_the_oldest_rows_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("judicia_notebook.runtime.platform.Recorder", partial(Recorder, capacity=1000))
    with jn.Runtime() as rt:
        p = load(rt)
        add = p.raw("add")
        for turn in range(4999):
            add(turn, 1)
        assert len(rt._recorder.calls) + rt._recorder.dropped["calls"] == 5000
        assert list(rt.calls["call_id"])[-1] == 5000
        assert 800 < len(rt.calls) <= 1000


@pytest.mark.parametrize("instances", [1, 2, 8])
def test_many_threads_cross_no_answers_and_have_a_row_each(rt: jn.Runtime, instances: int) -> None:
    def calls(thread: int) -> None:
        try:
            for turn in range(1000):
                assert add(thread << 32, turn) == (thread << 32) + turn
                assert p.call("echo", [thread, turn]) == [thread, turn]
        except BaseException as error:
            failed.append(error)

    def read() -> None:
        while not over.is_set():
            ids = list(rt.calls["call_id"])
            assert len(set(ids)) == len(ids)
            p._deployment.running_calls  # noqa: B018

    p = load(rt, instances=instances)
    add, over = p.raw("add"), threading.Event()
    failed: list[BaseException] = []
    reader = threading.Thread(target=read)
    threads = [threading.Thread(target=calls, args=(number,)) for number in range(8)]
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    reader.join()
    assert not failed
    assert sorted(rt.calls["call_id"]) == list(range(1, 16_002))
    assert set(rt.calls["outcome"]) == {"ok"}
    assert (p._deployment.running_calls, p._deployment.instances.waiting) == ((), 0)
    assert not any(each.halves for each in p._deployment._ways.values() if each)


def test_a_row_is_there_although_the_table_is_cleared_all_the_time(rt: jn.Runtime) -> None:
    """Each key is new then; and between its renewal and the row another thread may clear again."""
    p = load(rt)
    way_of = p._deployment.way("add", "raw")
    assert way_of is not None
    renew = way._Key.renew
    seen: list[way._Key] = []

    def cleared(key: way._Key) -> None:
        renew(key)
        if len(seen) % 3:
            rt._recorder.clear()
        seen.append(key)

    before = rt._recorder.calls.end
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(way._Key, "renew", cleared)
        for turn in range(20):
            rt._recorder.clear()
            assert p.raw("add")(turn, 1) == turn + 1
            rt._recorder.clear()
            assert p.call("echo", turn) == turn
    assert len(seen) > 60
    assert rt._recorder.calls.end == before + 40
    nothing_pends(p)


# --- ends from outside -----------------------------------------------------------------------------------------------

ENDS: dict[str, Callable[[jn.Runtime, jn.Plugin], object]] = {
    "cancel": lambda _, p: p.cancel_calls("for a test"),
    "unload": lambda rt, _: rt.unload("guest"),
    "close": lambda rt, _: rt.close(),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("call", [lambda p: p.call("spin"), lambda p: p.raw("work")(FOREVER)])
def test_a_call_is_ended_while_the_core_makes_it(
    start: Callable[..., list[Any]], end: str, call: Callable[[jn.Plugin], object]
) -> None:
    with jn.Runtime() as rt:
        p = load(rt)
        rows = rt._recorder.calls
        came = start(call, p)
        until(lambda: inside(p) or came)
        before = rows.end
        ENDS[end](rt, p)
        error = until(lambda: came)[0]
        assert isinstance(error, jn.Cancelled)
        assert rows.end == before + 1
        assert error.record is not None
        assert error.record.outcome == "cancelled"
        assert not p._deployment.running_calls
        if end == "cancel":
            p.raw("add")(1, 2)
            nothing_pends(p)


def test_asking_for_running_calls_loses_and_doubles_no_row(rt: jn.Runtime) -> None:
    def ask() -> None:
        while not over.is_set():
            for call in p._deployment.running_calls:
                seen.add(call.scope.call_id)

    def calls() -> None:
        for turn in range(700):
            assert work(3000) == 0
            assert p.call("echo", turn) == turn
            assert p.call_bytes("echo", b"x" * 70_000)[:1] == b"x"

    p = load(rt, instances=2)
    work, over = p.raw("work"), threading.Event()
    seen: set[int] = set()
    asking = [threading.Thread(target=ask) for _ in range(2)]
    calling = [threading.Thread(target=calls) for _ in range(2)]
    for thread in (*asking, *calling):
        thread.start()
    for thread in calling:
        thread.join()
    over.set()
    for thread in asking:
        thread.join()
    assert seen
    assert sorted(rt.calls["call_id"]) == list(range(1, 4202))
    assert set(rt.calls["outcome"]) == {"ok"}
    nothing_pends(p, rt.calls["instance_id"].nunique())  # the second is made when two calls overlap, which few may do


# --- whose turn it is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["work", "cancel"])
def test_a_call_that_waits_gets_the_instance_when_the_core_gives_it_back(
    rt: jn.Runtime, start: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(pool, "LOOK_SECONDS", 10 * PATIENCE)
    p = load(rt)
    came = start(p.raw("work"), FOREVER if ending == "cancel" else 300_000_000)
    until(lambda: inside(p) or came)
    waiting = [start(p.call, "echo", turn) for turn in range(3)]
    until(lambda: p._deployment.instances.waiting == 3 or came)  # on a busy machine the work may be over before
    if ending == "cancel":
        for call in p._deployment.running_calls:
            if call.started_ns:
                call.scope.cancel("for a test")
    until(lambda: came and all(waiting))
    assert [answer[0] for answer in waiting] == [0, 1, 2]
    nothing_pends(p)


def test_an_instance_beyond_a_lowered_limit_goes_when_its_call_ends(
    rt: jn.Runtime, start: Callable[..., list[Any]]
) -> None:
    p = load(rt, instances=3)
    came = [start(p.raw("work"), 100_000_000) for _ in range(3)]
    until(lambda: len(p._deployment.running_calls) == 3 or any(came))  # a busy machine may not run all three at once
    p.policy.set_quota(instances=1)
    until(lambda: all(came))
    assert p._deployment.instances.idle == 1
    assert len(p._deployment.instances._kept) == 1
    assert p.raw("add")(1, 2) == 3


@pytest.mark.parametrize("through", ["itself", "another"])
def test_a_plugin_that_calls_itself_is_refused(serve: Callable[..., jn.Runtime], through: str) -> None:
    def call(scope: Any) -> object:
        if scope.plugin == "other" or through == "itself":
            refused.append(p.attempt("echo", 1).error)
        else:
            other.call("now")
        return {}

    refused: list[Any] = []
    rt = serve(call)
    p, other = load(rt), load(rt, "other")
    p.call("now")
    assert [type(error) for error in refused] == [jn.PluginNotReady]
    assert "its own host call" in str(refused[0])
    assert set(rt.calls["outcome"]) == {"ok"}
    nothing_pends(p)
    nothing_pends(other)


def test_what_an_exception_took_from_the_counts_comes_back(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of another thread may come between the core's count of slots and Python's."""
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.01)
    p = load(rt)
    assert functions.slots_take(p._deployment.instances.pointer, False) > 0
    assert functions.slots_take(p._deployment.instances.pointer, True) == -1
    assert p.call("echo", 1) == 1
    assert walks(p, lambda: p.call("echo", 2))


# --- Python's lock ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quota", [None, {"cpu": "10s"}])
def test_a_function_that_was_short_gives_the_lock_away_when_it_is_long(rt: jn.Runtime, quota: Any) -> None:
    """Nothing but another thread of Python, once it has had a few turns, ends the function before its limit does."""

    def cancel() -> None:
        until(lambda: p._deployment.running_calls)
        for _ in range(10):
            time.sleep(0.001)
        p.cancel_calls("enough")

    p = load(rt)
    p.policy.set_quota(cpu="10s")
    work = p.raw("work")
    work(1)
    assert walks(p, lambda: work(1))
    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(jn.Cancelled):
        work(FOREVER, **({} if quota is None else {"quota": quota}))
    thread.join()


# --- exceptions at odd places ----------------------------------------------------------------------------------------


def test_frames_that_are_used_up_lose_no_instance(rt: jn.Runtime) -> None:
    def deeper(depth: int) -> None:
        with contextlib.suppress(RecursionError):
            assert p.call("echo", depth) == depth
        with contextlib.suppress(RecursionError):
            assert p.raw("later")(depth) == depth
        with contextlib.suppress(RecursionError):
            deeper(depth + 1)

    p = load(rt)
    p.raw("later")(1)
    deeper(0)
    ids = list(rt.calls["call_id"])
    assert len(set(ids)) == len(ids)
    p.raw("add")(1, 2)
    nothing_pends(p)


@pytest.mark.parametrize("place", ["publish", "decode", "collected"])
@pytest.mark.parametrize("kind", [MemoryError, KeyError])
def test_an_exception_behind_the_guest_leaves_a_row_and_an_instance(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch, place: str, kind: type[BaseException]
) -> None:
    def fail(*_: Any) -> Any:
        raise kind("for a test")

    p = load(rt)
    p.call("echo", 1)
    before = rt._recorder.calls.end
    target = "judicia_notebook.engine.wire.decode" if place == "decode" else f"judicia_notebook.runtime.way.{place}"
    with monkeypatch.context() as patch:
        patch.setattr(target, fail)
        rt._recorder.clear()  # the key of a row that Python cannot write is of no use any more
        with pytest.raises((kind, jn.ResourceExhausted, jn.CallError)):
            p.call("echo", 1)
    is_short = (place, kind) == ("decode", MemoryError)  # as ever: then there is no record
    assert rt._recorder.calls.end == before + (0 if is_short else 1)
    assert list(rt.calls["outcome"]) == ([] if is_short else ["ok" if place == "collected" else "host_failure"])
    p.raw("add")(1, 2)
    nothing_pends(p)


# --- what may end the process ----------------------------------------------------------------------------------------

PROGRAM = f"""
import ctypes
from judicia_notebook.engine import interrupts, ticks
from judicia_notebook.host.clock import ClockService
served = lambda: None
ClockService.now = lambda self, scope, request: served() or {{}}
rt.close()
rt = jn.Runtime()
GUEST = {GUEST!r}
LONG = {LONG!r}
def load(name="guest", **options):
    p = rt.load(GUEST, name=name, grant=["wall_clock"], quota=LONG, **options)
    p.raw("add")(1, 2)
    return p
def pending(p):
    d = p._deployment
    return d.running_calls, d.instances.walkers(), [w.halves for w in d._ways.values() if w and w.halves]
faulthandler.dump_traceback_later(50, exit=True)
"""

SENT = """
class Thrown(BaseException): pass
threading.excepthook = sys.unraisablehook = lambda _: None
def calls(work):
    turn = 0
    while not over:
        turn += 1
        try: work(turn)
        except jn.CallError: pass
def body(work):
    while not over:  # the exception may also come here, and ends the thread then
        try: calls(work)
        except Thrown: caught.append(1)
p = load(instances=4)
over, caught = [], []
works = [
    lambda turn: p.call("echo", turn),
    lambda turn: p.raw("later")(turn & 1023),
    lambda turn: p.raw("add")(turn, 1),
    lambda turn: p.attempt("spin", quota={"cpu": "1ms"}),
]
threads = [threading.Thread(target=body, args=(work,)) for work in works]
for thread in threads: thread.start()
for turn in range(1200):
    at = turn % 4
    if not threads[at].is_alive():
        threads[at] = threading.Thread(target=body, args=(works[at],))
        threads[at].start()
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threads[at].ident), ctypes.py_object(Thrown))
    time.sleep(0.0005)
    if turn % 50 == 0: rt._recorder.clear()
over.append(1)
for thread in threads: thread.join(20)
assert not any(thread.is_alive() for thread in threads)
assert len(caught) > 100, len(caught)
ids = list(rt.calls.call_id)
assert len(set(ids)) == len(ids)
for turn in range(5): assert p.call("echo", turn) == turn
assert pending(p) == ((), [], []), pending(p)
assert ticks.running() == 0
alive(p)
"""


def test_exceptions_that_other_threads_send_lose_nothing(survives: Callable[[str], list[str]]) -> None:
    assert survives(PROGRAM + SENT) == ["alive"]


BEHIND_THE_ENTRY = """
class Alarm(Exception): pass
def raise_alarm(number, frame): raise Alarm
signal.signal(signal.SIGALRM, raise_alarm)
p = load()
p.raw("work")(1)
enter = interrupts.enter_passing
def entered(owner):
    passing = enter(owner)
    os.kill(os.getpid(), signal.SIGALRM)  # between the entry and the guest: the handler has run when the guest begins
    return passing
interrupts.enter_passing = entered
try: p.raw("work")(0, quota={"cpu": "3s"})
except Alarm: print("alarm")
interrupts.enter_passing = enter
print(p.last.outcome)
alive(p)
"""


def test_a_handler_that_raises_just_before_the_guest_begins_ends_it(survives: Callable[[str], list[str]]) -> None:
    assert survives(PROGRAM + BEHIND_THE_ENTRY) == ["alarm", "cancelled", "alive"]


HANDLER_CALLS = """
HERE = os.path.dirname(jn.__file__)
lines = chosen = 0
answers, depth = [], 0
def handler(number, frame):
    tracer = sys.gettrace()
    sys.settrace(None)
    try: answers.append(q.call("echo", lines)) if lines % 2 else answers.append(q.raw("add")(lines, 1))
    except jn.PluginNotReady as error:
        assert "signal handler" in str(error) or "its own host call" in str(error), error
        answers.append("refused")
    finally: sys.settrace(tracer)
signal.signal(signal.SIGALRM, handler)
def trace(frame, event, argument):
    global lines
    if not frame.f_code.co_filename.startswith(HERE): return None
    if event == "line":
        lines += 1
        if lines == chosen: os.kill(os.getpid(), signal.SIGALRM)
    return trace
for instances in (1, 2):
    p = q = load(f"with{instances}", instances=instances)
    if instances == 2: threads = [threading.Thread(target=p.raw("work"), args=(3_000_000,)) for _ in "12"]
    if instances == 2: [t.start() for t in threads], [t.join() for t in threads]  # two instances are there
    served = lambda: None
    works = {
        "echo": lambda: p.call("echo", 1), "later": lambda: p.raw("later")(1), "add": lambda: p.raw("add")(1, 2),
        "of its own": lambda: p.call("echo", 1, quota={"cpu": "9s"}),
        "trap": lambda: p.attempt("spin", quota={"cpu": 0.001}),
        "cleared": lambda: (rt._recorder.calls.clear(), p.call("echo", 1)),
        "waits": lambda: p.submit("echo", 1).result(),
    }
    for name, work in works.items():
        chosen, ended = 0, False
        work()
        while not ended:
            chosen += 1 if chosen < 60 else 7
            lines, came = 0, len(answers)
            sys.settrace(trace)
            try: work()
            finally: sys.settrace(None)
            ended = lines < chosen
            assert ended or len(answers) == came + 1, (name, chosen)
            assert pending(p) == ((), [], []), (name, chosen, pending(p))
    assert p.call("echo", 1) == 1
    if instances == 2: assert len([a for a in answers if a == "refused"]) == before, "there is another instance"
    before = len([a for a in answers if a == "refused"])
ids = list(rt.calls.call_id)
assert len(set(ids)) == len(ids)
print(len(answers) > 300)
alive(p)
"""


def test_a_handler_calls_the_same_plugin_at_each_line_of_a_call(survives: Callable[[str], list[str]]) -> None:
    """With one instance it may be refused where that one is taken; it never waits for the call that it interrupts."""
    assert survives(PROGRAM + HANDLER_CALLS) == ["True", "alive"]


TICK_CALLS = """
said = []
def handler(number, frame):
    try: said.append(p.call("echo", 1))
    except jn.PluginNotReady as error: said.append("refused" if "signal handler" in str(error) else str(error))
signal.signal(signal.SIGALRM, handler)
p = load()
for call in (lambda: p.raw("work")(60_000_000),
             lambda: p.submit("echo", 1) and p.attempt("spin", quota={"cpu": "80ms"})):
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    call()
print(said)
alive(p)
"""


def test_a_handler_that_calls_the_plugin_inside_its_only_instance_is_refused(
    survives: Callable[[str], list[str]],
) -> None:
    assert survives(PROGRAM + TICK_CALLS) == ["['refused', 'refused']", "alive"]


FINALIZERS = """
class Last:
    def __init__(self): self.itself = self
    def __del__(self):
        done.append(1)
        try: p.raw("add")(1, 2), p.call("echo", 1)
        except jn.PluginNotReady: refused.append(1)
done, refused = [], []
p = load(instances=1)
gc.set_threshold(3, 3, 3)
for turn in range(3000):
    Last()
    assert p.call("echo", [[turn]]) == [[turn]]
    assert p.raw("swap")(1, 2.5) == (2.5, 1)
    assert p.raw("later")(turn & 1) == turn & 1
    if turn % 500 == 0: p.attempt("spin", quota={"cpu": "1ms"})
gc.set_threshold(700, 10, 10)
assert len(done) > 1000
ids = list(rt.calls.call_id)
assert len(set(ids)) == len(ids)
assert len(ids) + rt._recorder.dropped["calls"] >= 9000 + 2 * (len(done) - len(refused))
assert pending(p) == ((), [], [])
alive(p)
"""


def test_finalizers_call_the_plugin_whose_call_they_interrupt(survives: Callable[[str], list[str]]) -> None:
    assert survives(PROGRAM + FINALIZERS) == ["alive"]


def test_a_child_forked_inside_a_host_service_is_refused_at_once(survives: Callable[[str], list[str]]) -> None:
    """Another thread may hold any lock of Python's at the fork, and a call whose row needs a new key takes one."""
    said = survives(
        """
from judicia_notebook.host.clock import ClockService
told = ClockService.now
def now(*arguments):
    if threading.current_thread().name == "forker" and (child := os.fork()) == 0:
        faulthandler.dump_traceback_later(20, exit=True)
        try: p.raw("echo")(0, 0)
        except jn.ResourceExhausted: os._exit(0)
        finally: os._exit(1)
    elif threading.current_thread().name == "forker": print(os.waitpid(child, 0)[1], flush=True)
    return told(*arguments)
ClockService.now = now
rt = jn.Runtime()
p = rt.load("example:specimen", grant=["wall_clock"], instances=4)
going = True
def call():
    while going: p.call("echo", 1)
threads = [threading.Thread(target=call) for _ in range(3)]
for thread in threads: thread.start()
forker = threading.Thread(target=lambda: [p.call("call_host", {"service": "clock", "n": 1}) for _ in range(6)])
forker.name = "forker"
forker.start()
forker.join()
going = False
for thread in threads: thread.join()
alive(p)
"""
    )
    assert said == ["0"] * 6 + ["alive"]
