"""How monitored calls are made: instances of their own, rows, quotas, blocks over several plugins."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest

import judicia_notebook as jn

# count() adds 1 to a global and gives it back; the start function has run once.
COUNTS = """(module (memory (export "memory") 1 4) (global $n (export "n") (mut i32) (i32.const 0))
  (func $start (global.set $n (i32.const 100)))
  (start $start)
  (func $count (export "count") (result i32)
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (i32.store (i32.const 0) (global.get $n))
    (global.get $n))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "size") (result i32) (memory.size))
  (func (export "trap") unreachable))"""


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(COUNTS, name="guest")


def calls_of(frame: pd.DataFrame) -> dict[str, int]:
    return dict(zip(frame["function"], frame["calls"], strict=True))


def test_the_state_of_the_plugin_is_neither_read_nor_changed(guest: jn.Plugin) -> None:
    assert [guest.raw("count")() for _ in range(2)] == [101, 102]
    assert [guest.monitor("count", numbers=()).value for _ in range(2)] == [101, 101]
    with guest.monitoring() as r:
        assert [guest.raw("count")() for _ in range(3)] == [101, 102, 103]
        assert guest.globals["n"] == 102  # its own instance
    assert guest.raw("count")() == 103
    assert calls_of(r.functions) == {"start": 0, "count": 3, "grow": 0, "size": 0, "trap": 0}
    assert r.calls == 3


def test_rows_say_what_counted_and_no_fuel(rt: jn.Runtime, guest: jn.Plugin) -> None:
    r = guest.monitor("count", numbers=(), what=("coverage", "branches"))
    guest.raw("count")()
    row, own = rt.calls.iloc[0], rt.calls.iloc[1]
    assert (row["origin"], row["monitored"]) == ("monitor", "branches, coverage")
    assert pd.isna(row["fuel"])
    assert r.record is not None
    assert (r.record.origin, r.record.monitored, r.record.digest) == ("monitor", "branches, coverage", guest.digest)
    assert own["origin"] == "user"
    assert pd.isna(own["monitored"])
    assert own["fuel"] > 0
    assert guest._code.linkage.engine.settings.fuel


def test_monitored_calls_are_left_out_of_statistics(rt: jn.Runtime, guest: jn.Plugin) -> None:
    from judicia_notebook.analysis.estimates.selection import good

    guest.monitor("count", numbers=())
    guest.raw("count")()
    found = good(rt.calls)
    assert found.rows["origin"].tolist() == ["user"]
    assert found.left_out == {"monitored": 1}


def test_the_guests_memory_and_its_quota_are_what_they_were(guest: jn.Plugin) -> None:
    quota = {"memory": 2 << 16}
    r = guest.monitor("grow", numbers=(), quota=quota, what=("memory", "functions", "edges", "path"))
    assert r.value == 1
    assert r.record is not None
    assert (r.record.memory_bytes, r.record.memory_peak_bytes, r.record.grows_refused) == (1 << 16, 2 << 16, 0)
    with guest.monitoring(what="memory"):
        grow = guest.raw("grow")
        assert [grow(quota=quota), grow(quota=quota)] == [1, -1]
        assert guest.raw("size")() == 2
    assert guest.last is not None
    assert guest.last.memory_peak_bytes == 2 << 16


def test_the_counters_are_in_the_runtimes_pool_and_leave_it(rt: jn.Runtime, guest: jn.Plugin) -> None:
    guest.raw("count")()
    before = rt._platform.pool.used
    with guest.monitoring(what="path") as r:
        guest.raw("count")()
        assert rt._platform.pool.used > before + 4 * (1 << 20)
        assert len(r.path) == 1
    assert rt._platform.pool.used == before


def test_a_runtime_without_room_for_counters_says_so() -> None:
    with jn.Runtime(ceiling=jn.Quota(memory="1MiB")) as rt:
        guest = rt.load(COUNTS, name="guest")
        r = guest.monitor("count", numbers=(), what="coverage")
        assert r.value == 101
        with pytest.raises(jn.QuotaExceeded, match="memory"):
            guest.monitor("count", numbers=(), what="path")
        assert guest.raw("count")() == 101


TURNS = """(module (memory (export "memory") 1 9)
  (func $g (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "turns") (param i32) (result i32) (local i32)
    (memory.fill (i32.const 0) (i32.const 1) (local.get 0)) (drop (memory.grow (i32.const 1)))
    (loop $l
      (local.set 1 (call $g (local.get 1)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1)))"""


def test_a_limit_of_fuel_ends_a_monitored_call_where_it_ends_others(rt: jn.Runtime) -> None:
    p = rt.load(TURNS, name="turns", instances="fresh")
    whole = p.attempt("turns", numbers=(5,)).record
    assert whole is not None
    assert whole.fuel is not None
    instructions = []
    for limit in range(1, whole.fuel + 3):
        quota = {"fuel": limit}
        plain = p.attempt("turns", numbers=(5,), quota=quota).record
        r = p.monitor("turns", numbers=(5,), quota=quota, what=("functions", "loops"))
        assert plain is not None
        assert r.record is not None
        assert r.record.outcome == plain.outcome
        assert r.record.limit_fuel == limit
        assert r.record.fuel == plain.fuel  # at most the limit: Wasmtime does not tell what was overdrawn
        if plain.outcome != "ok" or limit <= whole.fuel:
            assert plain.fuel == limit
        else:
            assert plain.fuel == whole.fuel
        instructions.append(int(r.functions["self_instructions"].sum()))
    assert instructions == sorted(instructions)
    assert instructions[0] == 0
    assert instructions[-1] == p.monitor("turns", numbers=(5,)).functions["self_instructions"].sum()
    assert p.monitor("turns", numbers=(5,)).record.fuel is None  # type: ignore[union-attr]  # no limit, and not counted


def test_a_limit_of_fuel_holds_in_a_block_and_while_an_instance_is_made(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", quota={"fuel": 900})
    with p.monitoring() as r:
        within = [p.attempt("echo", value).record for value in ([1], [2], ["x" * 3000])]
    without = [p.attempt("echo", value).record for value in ([1], [2], ["x" * 3000])]
    assert [(row.outcome, row.fuel) for row in within if row] == [(row.outcome, row.fuel) for row in without if row]
    assert r.calls == 3
    starts = rt.load(COUNTS.replace("(i32.const 100))", "(i32.const 100)) (loop (br 0))", 1), name="starts")
    with pytest.raises(jn.QuotaExceeded, match="1 000 fuel"):
        starts.monitor("count", numbers=(), quota={"fuel": 1000})


def test_a_limit_of_fuel_that_comes_later_is_refused_and_not_forgotten(guest: jn.Plugin) -> None:
    with guest.monitoring():
        guest.raw("count")()
        with pytest.raises(jn.ResourceExhausted, match="fuel"):
            guest.raw("count")(quota={"fuel": 10_000})
        guest.policy.set_quota(fuel=10_000)
        with pytest.raises(jn.ResourceExhausted, match="fuel"):
            guest.raw("count")()
    with guest.monitoring():
        guest.raw("count")()


def test_a_trap_in_a_block_costs_the_instance_and_no_count(guest: jn.Plugin) -> None:
    with guest.monitoring(what="functions") as r:
        assert guest.raw("count")() == 101
        with pytest.raises(jn.GuestTrap):
            guest.raw("trap")()
        assert guest.raw("count")() == 101
        assert calls_of(r.functions)["count"] == 2
    assert calls_of(r.functions)["trap"] == 1


def test_all_kinds_of_calls_are_counted_in_a_block(guest: jn.Plugin) -> None:
    with guest.monitoring(what="functions") as r:
        guest.raw("count")()
        guest.submit("count", numbers=()).result(timeout=30)
        guest.attempt("count", numbers=())
        guest.raw("count").map([()] * 3)
        thread = threading.Thread(target=guest.raw("count"))
        thread.start()
        thread.join()
        guest.bench("count", numbers=(), repeats=2, warmup=0)  # in instances of its own
    assert calls_of(r.functions)["count"] == 7
    guest.raw("count")()
    assert calls_of(r.functions)["count"] == 7


def test_columns_are_counted_row_by_row(rt: jn.Runtime) -> None:
    import numpy as np

    guest = rt.load('(func (export "half") (param f64) (result f64) (f64.mul (local.get 0) (f64.const 0.5)))', name="h")
    rows = np.arange(5000.0)
    with guest.monitoring(what="functions") as r:
        assert (guest.ufunc("half")(rows) == rows / 2).all()
    assert r.functions[["calls", "self_instructions"]].to_numpy().tolist() == [[5000, 20_000]]


def test_a_block_counts_several_plugins(rt: jn.Runtime, guest: jn.Plugin) -> None:
    other = rt.load(COUNTS.replace('"count"', '"again"'), name="other")
    with rt.monitoring(guest, other, what=("functions", "coverage")) as r:
        guest.raw("count")()
        for _ in range(2):
            other.raw("again")()
    functions = r.functions.set_index(["plugin", "function"])["calls"]
    assert functions["guest", "count"] == 1
    assert functions["other", "count"] == 2  # named $count
    assert r.plugins == ("guest", "other")
    with pytest.raises(jn.JudiciaError, match="which plugin"):
        r.counts()


def test_a_plugin_is_monitored_once_at_a_time(rt: jn.Runtime, guest: jn.Plugin) -> None:
    other = rt.load(COUNTS, name="other")
    with guest.monitoring():
        for attempt in (
            lambda: guest.monitor("count", numbers=()),
            lambda: rt.monitoring(other, guest).__enter__(),
            lambda: guest.profile("count", numbers=()),
        ):
            with pytest.raises(jn.JudiciaError, match="monitored"):
                attempt()
    with rt.monitoring(other, guest):  # it was given back
        other.raw("count")()


def test_a_plugin_that_is_replaced_in_a_block_is_not_called_unmonitored(rt: jn.Runtime, guest: jn.Plugin) -> None:
    with guest.monitoring(what="functions") as r:
        guest.raw("count")()
        rt.load(COUNTS.replace("100", "200"), name="guest")
        with pytest.raises(jn.PluginNotReady, match="replaced while it was monitored"):
            guest.raw("count")()
    assert guest.raw("count")() == 201
    assert calls_of(r.functions)["count"] == 1


def test_a_plugin_of_another_runtime_and_bad_names_are_refused(rt: jn.Runtime, guest: jn.Plugin) -> None:
    with jn.Runtime() as elsewhere, pytest.raises(jn.JudiciaError, match="none of this runtime's"):
        elsewhere.monitoring(guest)
    for what, said in (
        ("covrage", "Did you mean 'coverage'"),
        ("", "names the monitors"),
        (("coverage", "coverage=3"), "twice|nothing behind"),
        ("watch", "watch=fib"),
        ("watch=nobody", "no function 'nobody'"),
        ("path=0", "from 1 to"),
        ("edges=x", "takes nothing"),
    ):
        with pytest.raises(ValueError, match=said):
            guest.monitor("count", numbers=(), what=what)
    for wrong in (None, 5, ("coverage", 5)):
        with pytest.raises(TypeError, match="names of monitors, not "):
            guest.monitor("count", numbers=(), what=wrong)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match=f"takes plugins, not '{guest.name}'"):
        rt.monitoring(guest.name)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(jn.NoSuchFunction):
        guest.monitor("nothing", numbers=())
    with pytest.raises(AttributeError, match="was not monitored"):
        guest.monitor("count", numbers=(), what="edges").coverage  # noqa: B018


def test_a_wasi_command_is_monitored_in_an_instance_for_each_run(rt: jn.Runtime) -> None:
    text = """(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func $work (param i32) nop)
      (func (export "_start") (call $work (i32.const 1)) (call $exit (i32.const 3)) nop))"""
    command = rt.load(text, name="command")
    r = command.monitor(args=[], what=("functions", "edges"))
    assert r.value.returncode == 3
    assert r.functions[["calls", "self_instructions"]].to_numpy().tolist() == [[1, 2], [1, 4]]
    assert r.edges[["caller", "callee", "count"]].to_numpy().tolist() == [
        ["_start", "wasi_snapshot_preview1.proc_exit", 1], ["_start", "work", 1],
    ]  # fmt: skip
    with command.monitoring(what="functions") as r:
        command.run()
        command.run()
    assert r.functions["calls"].tolist() == [2, 2]


def test_calls_with_json_and_bytes_are_counted(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen")
    with p.monitoring(what="functions") as r:
        assert p.call("echo", {"a": 1}) == {"a": 1}
        assert p.call_bytes("echo_bytes", b"x") == b"x"
    calls = calls_of(r.functions)
    assert (calls["echo"], calls["echo_bytes"], calls["judicia_alloc"]) == (1, 1, 2)
    assert p.call("echo", 2) == 2
    assert calls_of(r.functions)["echo"] == 1


def test_costs_are_of_unmonitored_calls_whatever_was_monitored(rt: jn.Runtime) -> None:
    from judicia_notebook.analysis.statistics import summarize

    p = rt.load("example:specimen")
    for _ in range(8):
        p.call("echo", 1)
    p.monitor("echo", 1)
    with p.monitoring():
        p.call("echo", 1)
    calls = rt.calls
    assert summarize(calls)["measured"].tolist() == [7]
    jn.plots.latency(calls)
    assert jn.percentiles(calls)["calls"].max() <= 8
    assert "monitored" in str(jn.compare(calls, calls, resamples=10))
    assert calls["monitored"].notna().sum() == 2


def test_a_saved_run_keeps_what_was_monitored(rt: jn.Runtime, guest: jn.Plugin, tmp_path: Path) -> None:
    guest.monitor("count", numbers=(), what="edges")
    guest.raw("count")()
    found = jn.read_run(rt.save(tmp_path / "run.zip")).calls
    assert found["monitored"].tolist()[:1] == ["edges"]
    assert found["monitored"].isna().tolist() == [False, True]
