"""An instance for each call, made by the core alone: what comes of it is what Python's own way of making one gives."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
import time
from typing import Any, NamedTuple

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import entry, finalizers, ticks
from judicia_notebook.engine.memory import recycled_bytes
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.notebook.live.activity import memory_of
from judicia_notebook.runtime.call import Call
from judicia_notebook.runtime.way import NotTaken, Way
from tests.support.guests import ECHO, wat
from tests.support.threads import start
from tests.support.waiting import until

__all__ = ["start"]

POLL = '(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))'
MEMORY = '(memory (export "memory") 1)'
NAP = """
(func $nap (param i64)
  (i64.store (i32.const 24) (i64.mul (local.get 0) (i64.const 1000000)))
  (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200))))
"""
COUNT = """
(global $n (mut i64) (i64.const 0))
(func (export "count") (result i64) (global.set $n (i64.add (global.get $n) (i64.const 1))) (global.get $n))
(func (export "trap") unreachable)
(func (export "spin") (loop $again (br $again)))
(func (export "grow") (result i32) (memory.grow (i32.const 1000)))
(func (export "two") (param i32) (result i32 i64) (local.get 0) (i64.const 7))
"""
CLOCK = """
(func (export "now") (param i32 i32) (result i64) (call $judicia:clock.now (local.get 0) (local.get 1)))
"""
UP_TO = """(loop $again
  (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {}))))"""
SPIN_AT_START = "(func $start (loop $again (br $again))) (start $start)"


class Case(NamedTuple):
    """A guest, and a call of one of its functions."""

    cells: tuple[str, ...]
    function: str = "echo"
    options: dict[str, Any] = {}  # noqa: RUF012  # never written
    raw: tuple[int, ...] | None = None
    quota: dict[str, Any] | None = None  # of the call


def raw(cell: str, function: str, *numbers: int, **options: Any) -> Case:
    return Case((cell,), function, options, numbers)


CASES = {
    "request": Case((ECHO,)),
    "host call": Case((ECHO, CLOCK), "now", {"grant": ["wall_clock"]}),
    "denied": Case((ECHO, CLOCK), "now"),
    "denied, and stopped": Case((ECHO, CLOCK), "now", {"on_denied": "trap"}),
    "number": raw(MEMORY + COUNT, "count"),
    "numbers": raw(MEMORY + COUNT, "two", 5),
    "refused grow": raw(MEMORY + COUNT, "grow", quota={"memory": "128KiB"}),
    "trap": raw(MEMORY + COUNT, "trap"),
    "fuel": raw(MEMORY + COUNT, "spin", quota={"fuel": 10_000}),
    "start": Case((ECHO, "(func $start (drop (memory.grow (i32.const 3)))) (start $start)")),
    "start refused a grow": Case(
        (ECHO, "(func $start (drop (memory.grow (i32.const 999)))) (start $start)"),
        options={"quota": {"memory": "1MiB"}},
    ),
    "start refused a grow, then a trap": Case(
        (
            ECHO,
            "(func $start (drop (memory.grow (i32.const 999)))) (start $start)",
            '(func (export "bad") (param i32 i32) (result i64) unreachable)',
        ),
        "bad",
        {"quota": {"memory": "1MiB"}},
    ),
    "start traps": Case((ECHO, "(func $start unreachable) (start $start)")),
    "start dies of a refused grow": Case(
        (
            ECHO,
            "(func $start (if (i32.eq (memory.grow (i32.const 999)) (i32.const -1)) (then unreachable)))",
            "(start $start)",
        ),
        options={"quota": {"memory": "1MiB"}},
    ),
    "start calls the host": Case(
        (ECHO, "(func $start (drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))) (start $start)")
    ),
    "start has no fuel": Case((ECHO, SPIN_AT_START), options={"quota": {"fuel": 10_000}}),
    "start takes fuel, and the function has too little": Case(
        (
            ECHO,
            f"(func $start (local $n i32) {UP_TO.format(500)}) (start $start)",
            f'(func (export "long") (param i32 i32) (result i64) (local $n i32) {UP_TO.format(900)} (i64.const 0))',
        ),
        "long",
        {"quota": {"fuel": 9_000}},
    ),
    "memory beyond the limit": raw('(memory (export "memory") 64) (func (export "f"))', "f", quota={"memory": "1MiB"}),
    "table beyond the limit": raw('(table 5000 funcref) (func (export "f"))', "f", quota={"table_elements": 100}),
    "data beyond the memory": raw('(memory 1) (data (i32.const 65535) "ab") (func (export "f"))', "f"),
    "no memory": raw('(func (export "f") (result i32) (i32.const 3))', "f"),
    "two memories": raw(
        '(memory 1) (memory $b 1) (data $b (i32.const 7) "x")'
        ' (func (export "f") (result i32) (i32.load8_u $b (i32.const 7)))',
        "f",
    ),
    "reactor": raw(
        '(global $n (mut i32) (i32.const 0)) (func (export "_initialize") (global.set $n (i32.const 9)))'
        ' (func (export "f") (result i32) (global.get $n))',
        "f",
    ),
    "reactor traps": raw('(func (export "_initialize") unreachable) (func (export "f"))', "f"),
    "reactor calls the host": Case(
        (
            ECHO,
            '(func (export "_initialize") (drop (call $judicia:clock.now (i32.const 0) (i32.const 0))))',
        ),
        options={"grant": ["wall_clock"]},
    ),
    "reactor is denied": Case(
        (
            ECHO,
            '(func (export "_initialize") (drop (call $judicia:clock.now (i32.const 0) (i32.const 0))))',
        ),
        options={"on_denied": "trap"},
    ),
    "refused grow, and a report": Case(
        (
            ECHO,
            '(data (i32.const 8) "{\\"code\\":\\"full\\",\\"message\\":\\"no room for it\\"}")',
            """(func (export "fails") (param i32 i32) (result i64)
              (drop (memory.grow (i32.const 999)))
              (drop (call $judicia:host.fail (i32.const 8) (i32.const 42))) (i64.const 0))""",
        ),
        "fails",
        {"quota": {"memory": "1MiB"}},
    ),
    "fuel of the call, at its start": Case((ECHO, SPIN_AT_START), quota={"fuel": 10_000}),
    "fuel of the call, in the function": raw(MEMORY + COUNT, "spin")._replace(quota={"fuel": 10_000}),
    "memory of the call": raw('(memory (export "memory") 64) (func (export "f"))', "f")._replace(
        quota={"memory": "1MiB"}
    ),
    "request too large": Case((ECHO,), options={"quota": {"payload": 1}}),
    "answer too large": Case((ECHO,), options={"quota": {"answer": 1}}),
}
OF_ONE_CALL = {"call_id", "instance_id", "run_id", "digest"}


def call(case: Case, p: jn.Plugin) -> Any:
    if case.raw is not None:
        return p.raw(case.function)(*case.raw, quota=case.quota)
    return p.call(case.function, "hello" if case.function != "now" else {}, quota=case.quota)


def told(case: Case, p: jn.Plugin, rt: jn.Runtime) -> tuple[Any, ...]:
    """What a call comes to: its value or its error, the state of the plugin, and its row without times."""
    before = len(rt.calls)
    try:
        value = call(case, p)
        if case.function == "now" and "ok" in value:
            value = "a time"
        came: Any = ("value", value)
    except jn.JudiciaError as error:
        came = (type(error), str(error), error.hint, getattr(error, "facts", ()), getattr(error, "state_lost", None))
        record = getattr(error, "record", None)
        assert record is None or record.call_id == rt.calls["call_id"].iloc[-1]
    rows = rt.calls.iloc[before:]
    varies = {"bytes_out"} if case.function == "now" else set()  # the time has as many digits as it has
    kept = [name for name in rows.columns if name not in OF_ONE_CALL | varies and not name.endswith(("_ms", "started"))]
    limits = [name for name in rows.columns if name.startswith("limit_")]
    named = rows["instance_id"].notna().tolist()
    hosts = rt.host_calls.drop(columns=["call_id", "run_id", "digest"], errors="ignore")
    words = hosts[[name for name in hosts.columns if not name.endswith(("_ms", "started", "bytes_out"))]].astype(str)
    return (
        came,
        p.state,
        named,
        rows[kept].astype(str).values.tolist(),
        rows[limits].astype(str).values.tolist(),
        (words.values.tolist()),
    )


@pytest.mark.parametrize("name", CASES)
def test_it_comes_to_what_pythons_way_comes_to(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case, found = CASES[name], []
    for alone in (True, False):
        with jn.Runtime() as rt, monkeypatch.context() as patch:
            if alone:
                patch.setattr(Call, "_make", lambda _: pytest.fail("Python made the instance"))
            else:
                patch.setattr(Way, "go", lambda *_, **__: NotTaken(0))
            p = rt.load(wat(*case.cells), name="guest", instances="fresh", **case.options)
            if name == "request too large":
                patch.undo()
            found.append([told(case, p, rt) for _ in range(2)])
            assert rt._platform.pool.used == 0
            assert (
                ticks.running(),
                p._deployment.running_calls,
                p._deployment.instances._busy,
                p._deployment.instances._kept,
            ) == (0, (), {}, {})
    assert found[0] == found[1]


def test_its_row_has_the_time_and_the_fuel_of_its_making(rt: jn.Runtime) -> None:
    work = f"(func $start (local $n i32) {UP_TO.format(20_000_000)}) (start $start)"
    light = rt.load(wat(ECHO), name="light", instances="fresh")
    heavy = rt.load(wat(ECHO, work), name="heavy", instances="fresh")
    for p in (light, heavy, light, heavy):
        p.call("echo", 1)
    rows = rt.calls.set_index("plugin")
    assert (rows.loc["heavy", "fuel"] > rows.loc["light", "fuel"].max() + 100_000).all()
    assert rows.loc["heavy", "guest_ms"].min() < rows.loc["heavy", "setup_ms"].min()  # a millionth of the work
    assert rt.calls["instance_id"].is_unique
    total = rt.calls[["setup_ms", "encode_ms", "guest_ms", "host_ms", "decode_ms"]].sum(axis="columns")
    assert (total - rt.calls["wall_ms"]).abs().max() < 1e-3


def test_it_is_cancelled_from_another_thread_while_it_is_made(rt: jn.Runtime, start: Any) -> None:
    p = rt.load(wat(ECHO, SPIN_AT_START), name="spinner", instances="fresh", quota={"cpu": "60s", "wall": "60s"})
    for _ in range(2):
        came = start(p.call, "echo", 1)
        until(lambda: p._deployment.running_calls)
        until(lambda: memory_of(p._deployment.running_calls[0]) == 1 << 16)
        p.cancel_calls("enough")
        until(lambda: came)  # noqa: B023  # of this round
        assert isinstance(came[0], jn.Cancelled)
        assert "enough" in str(came[0])
    assert list(rt.calls["outcome"]) == ["cancelled"] * 2
    assert rt.calls["instance_id"].isna().all()
    assert (p.state, p._deployment.instances._kept, rt._platform.pool.used) == ("failed", {}, 0)


def test_it_is_cancelled_where_its_plugin_is_unloaded_meanwhile(rt: jn.Runtime, start: Any) -> None:
    p = rt.load(wat(ECHO, SPIN_AT_START), name="spinner", instances="fresh", quota={"cpu": "60s", "wall": "60s"})
    came = start(p.call, "echo", 1)
    until(lambda: p._deployment.running_calls)
    p.unload()
    until(lambda: came)
    assert isinstance(came[0], jn.Cancelled)
    with pytest.raises(jn.PluginNotReady):
        p.call("echo", 1)
    assert rt._platform.pool.used == 0


def test_it_ends_in_its_own_code_where_that_is_replaced_meanwhile(rt: jn.Runtime, start: Any) -> None:
    def code(answer: int) -> bytes:
        told = f'(func (export "told") (param i64) (result i32) (call $nap (local.get 0)) (i32.const {answer}))'
        return wat(POLL, MEMORY, NAP, told)

    p = rt.load(code(1), name="guest", instances="fresh")
    assert p.raw("told")(0) == 1
    old = p._deployment.way("told", "raw")
    came = start(p.raw("told"), 300)
    until(lambda: p._deployment.running_calls)
    rt.load(code(2), name="guest")
    assert not came
    assert p.raw("told")(0) == 2
    assert old is not None
    assert isinstance(old.go(bytes(16)), NotTaken)  # the old code makes no instance any more
    until(lambda: came)
    assert came == [1]
    assert rt.calls["digest"].nunique() == 2
    assert rt._platform.pool.used == 0


def test_threads_get_an_instance_each_and_no_more_than_there_may_be(rt: jn.Runtime, start: Any) -> None:
    p = rt.load(
        wat(POLL, MEMORY, NAP, COUNT, '(func (export "nap") (call $nap (i64.const 0)))'),
        name="counter",
        instances="fresh",
        quota={"instances": 3},
    )
    most = 0

    def many(turns: int) -> set[int]:
        nonlocal most
        found = set()
        for turn in range(turns):
            found.add(p.raw("count")())
            if turn % 16 == 0:
                p.raw("nap")()
            most = max(most, rt._platform.pool.used >> 16)
        return found

    came = [start(many, 400) for _ in range(6)]
    until(lambda: all(came))
    assert [answer[0] for answer in came] == [{1}] * 6
    assert most <= 3
    assert len(rt.calls) == 6 * 425
    assert rt.calls["instance_id"].is_unique
    assert (rt.calls["instance_call"] == 1).all()
    assert (p._deployment.instances._kept, p._deployment.instances._busy, ticks.running()) == ({}, {}, 0)


def test_calls_that_wait_get_the_slot(rt: jn.Runtime, start: Any) -> None:
    nap = '(func (export "nap") (param i64) (result i64) (call $nap (local.get 0)) (local.get 0))'
    p = rt.load(wat(POLL, MEMORY, NAP, nap), name="napper", instances="fresh", quota={"instances": 1})
    first = start(p.raw("nap"), 200)
    until(lambda: p._deployment.running_calls)
    others = [start(p.raw("nap"), 1) for _ in range(3)]
    until(lambda: all([first, *others]))
    assert [first, *others] == [[200], [1], [1], [1]]


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals; enable: run on Linux or macOS")
@pytest.mark.parametrize("place", ["start", "_initialize", "function"])
def test_ctrl_c_ends_it_wherever_it_is(rt: jn.Runtime, place: str) -> None:
    spin = "(loop $again (br $again))"
    cells = {
        "start": f'(func $start {spin}) (start $start) (func (export "f"))',
        "_initialize": f'(func (export "_initialize") {spin}) (func (export "f"))',
        "function": f'(func (export "f") {spin})',
    }
    p = rt.load(wat(MEMORY, cells[place]), name="spinner", instances="fresh", quota={"cpu": "60s", "wall": "60s"})
    f = p.raw("f")

    def press() -> None:
        until(ticks.running)
        time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)

    for _ in range(3):
        presser = threading.Thread(target=press)
        with pytest.raises(KeyboardInterrupt):
            presser.start()
            f()
        presser.join()
    assert list(rt.calls["outcome"]) == ["cancelled"] * 3
    assert (ticks.running(), p._deployment.running_calls, p._deployment.instances._kept) == (0, (), {})
    assert rt._platform.pool.used == 0


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals; enable: run on Linux or macOS")
def test_a_handler_that_does_not_raise_lets_its_making_go_on(rt: jn.Runtime) -> None:
    work = f"(func $start (local $n i32) {UP_TO.format(300_000_000)}) (start $start)"
    p = rt.load(wat(ECHO, work), name="guest", instances="fresh", quota={"cpu": "60s", "wall": "60s"})
    handled: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: handled.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        assert p.call("echo", 1) == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert handled == [signal.SIGALRM]
    assert (list(rt.calls["outcome"]), p._deployment.instances._kept) == (["ok"], {})


def test_a_host_function_that_dies_at_its_entry_ends_it(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    p = rt.load(wat(ECHO, CLOCK), name="guest", instances="fresh", grant=["wall_clock"])

    def no_half(*_: Any) -> Any:
        raise RecursionError("no frames")

    with monkeypatch.context() as patch:
        patch.setattr(Way, "half_inside", no_half)
        with pytest.raises(jn.HostFailure, match="no frames"):
            p.call("now", {})
    assert "ok" in p.call("now", {})
    assert (p._deployment.instances._kept, p._deployment.instances._busy, ticks.running()) == ({}, {}, 0)


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many still hold each box of a sandbox that was closed: Python alone, when walk and store have let go."""
    found: list[int] = []
    close = Sandbox.close

    def closing(closed: Sandbox) -> None:
        close(closed)
        finalizers.sweep()
        found.append(closed.box.fields.references)

    monkeypatch.setattr(Sandbox, "close", closing)
    return found


def test_where_python_cannot_go_on_the_core_gives_all_back(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch, left: list[int]
) -> None:
    traps = wat(ECHO, CLOCK, '(func (export "bad") (param i32 i32) (result i64)'
                ' (drop (call $judicia:clock.now (local.get 0) (local.get 1))) unreachable)')  # fmt: skip
    p = rt.load(traps, name="guest", instances="fresh", grant=["wall_clock"])

    def no_half(*_: Any) -> Any:
        raise RecursionError("no frames")

    with monkeypatch.context() as patch:
        patch.setattr(Way, "_half", no_half)
        with pytest.raises(RecursionError, match="no frames"):
            p.call("bad", {})
    assert list(rt.calls["outcome"]) == ["host_failure"]
    assert (p._deployment.instances._kept, p._deployment.instances._busy, ticks.running()) == ({}, {}, 0)
    assert (rt._platform.pool.used, p._deployment.running_calls, left) == (0, (), [1])


def test_its_making_is_refused_by_the_ceiling_of_all_instances() -> None:
    with jn.Runtime(ceiling=jn.Quota(memory="1MiB")) as rt:
        code = wat('(memory (export "memory") 12) (func (export "f"))')
        others = [rt.load(code, name=f"other-{number}") for number in range(2)]
        for other in others:
            other.raw("f")()
        p = rt.load(code, name="guest", instances="fresh")
        with pytest.raises(jn.QuotaExceeded) as raised:
            p.raw("f")()
        assert (raised.value.quota, p.state) == ("memory", "failed")
        assert "all instances together" in raised.value.hint
        others[0].unload()
        p.raw("f")()
        assert p.state == "ready"


def test_the_time_of_host_calls_in_its_making_is_time_of_its_making(rt: jn.Runtime) -> None:
    case = CASES["reactor calls the host"]
    p = rt.load(wat(*case.cells), name="guest", instances="fresh", grant=["wall_clock"])
    assert p.call("echo", 1) == 1
    row = rt.calls.iloc[-1]
    assert (row["host_calls"], row["host_ms"]) == (1, 0)
    total = row[["setup_ms", "encode_ms", "guest_ms", "host_ms", "decode_ms"]].sum()
    assert abs(total - row["wall_ms"]) < 1e-3


def test_a_box_that_python_came_to_know_is_pythons_alone_in_the_end(rt: jn.Runtime, left: list[int]) -> None:
    for name in ("host call", "trap", "start traps", "reactor traps", "denied, and stopped"):
        case = CASES[name]
        p = rt.load(wat(*case.cells), name="guest", instances="fresh", **case.options)
        with contextlib.suppress(jn.CallError):
            call(case, p)
    assert left == [1] * 5


def test_nothing_of_it_stays(rt: jn.Runtime) -> None:
    p = rt.load(wat(ECHO, CLOCK, COUNT), name="guest", instances="fresh", grant=["wall_clock"])

    def turn() -> None:
        for _ in range(100):
            p.call("echo", "x" * 100)
            p.raw("count")()
        p.call("now", {})
        with pytest.raises(jn.GuestTrap):
            p.raw("trap")()

    def kept() -> tuple[int, ...]:
        gc.collect()  # errors and their tracebacks
        finalizers.sweep()
        held = (len(finalizers._kept), len(entry.sandboxes), len(p._deployment.instances._kept))
        return *held, recycled_bytes(), rt._platform.pool.used

    for _ in range(3):
        turn()
    before = kept()
    for _ in range(20):
        turn()
    assert [now for now, was in zip(kept(), before, strict=True) if now > was] == []  # less: what other tests left
