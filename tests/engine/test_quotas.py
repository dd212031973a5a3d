"""Every quota ends a call with its own error, its row says so, and the next call works."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from tests.support.waiting import in_some_try, until

PAGE = 1 << 16
MIB = 1 << 20
DEADLINE_MS = 30_000  # wide: a busy machine may be slow, but a limit that does not hold never ends at all
FOREVER = "(loop $again (br $again))"

Load = Callable[..., jn.Plugin]


def stopped(plugin: jn.Plugin, function: str, payload: Any = None, **options: Any) -> jn.QuotaExceeded:
    """The error of a call that a quota has to end, with all that must hold afterwards."""
    error = plugin.attempt(function, payload, **options).error
    assert isinstance(error, jn.QuotaExceeded), error
    record = error.record
    assert record is not None
    assert record.outcome == f"quota_{error.quota}"
    assert record.wall_ms < DEADLINE_MS
    assert error.used >= error.limit
    again = {"fuel": 1 << 40}
    until(lambda: plugin.attempt("echo", "still there", quota=again).value == "still there")  # its limit may be short
    return error


def row_of(plugin: jn.Plugin, error: jn.CallError) -> pd.Series:
    assert error.record is not None
    rows = plugin.calls
    return rows[rows.call_id == error.record.call_id].iloc[0]


def events(rt: jn.Runtime, error: jn.CallError) -> list[str]:
    assert error.record is not None
    samples = rt.samples
    return list(samples[samples.call_id == error.record.call_id].event)


# --- time ------------------------------------------------------------------------------------------------------------


def test_cpu(rt: jn.Runtime, load: Load) -> None:
    plugin = load(f'(func (export "spin") (param i32 i32) (result i64) {FOREVER} (i64.const 0))', quota={"cpu": "50ms"})
    error = stopped(plugin, "spin")
    assert (error.quota, error.unit, error.limit) == ("cpu", "s", 0.05)
    row = row_of(plugin, error)
    assert row.limit_cpu_ms == 50
    assert row.cpu_ms >= 50
    assert row.setup_ms + row.guest_ms >= 50  # making the instance counts against the limit, too
    assert pd.isna(row.fuel)  # Wasmtime no longer knows it, so neither does the row
    seen = events(rt, error)
    assert (seen[0], seen[-1]) == ("enter", "exit")
    assert "tick" in seen


def test_wall(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    def attempt() -> None:
        error = stopped(specimen, "sleep", {"ms": 60_000})
        assert (error.quota, error.limit) == ("wall", 0.08)
        row = row_of(specimen, error)
        assert row.wall_ms >= 80
        assert row.cpu_ms < row.wall_ms
        assert row.limit_wall_ms == 80
        waits = rt.host_calls[rt.host_calls.call_id == row.call_id]
        assert len(waits)  # or the machine paused for 80 ms before it slept
        assert (waits.iloc[-1].function, waits.iloc[-1].decision) == ("wasi_snapshot_preview1 poll_oneoff", "failed")

    specimen.policy.set_quota(wall="80ms")
    in_some_try(attempt)


def test_wall_counts_a_spin_too(load: Load) -> None:
    plugin = load(
        f'(func (export "spin") (param i32 i32) (result i64) {FOREVER} (i64.const 0))', quota={"wall": "50ms"}
    )
    assert stopped(plugin, "spin").quota == "wall"


def test_fuel(load: Load) -> None:
    plugin = load(
        f'(func (export "spin") (param i32 i32) (result i64) {FOREVER} (i64.const 0))', quota={"fuel": 10_000}
    )
    error = stopped(plugin, "spin")
    assert (error.quota, error.limit, error.used) == ("fuel", 10_000, 10_000)
    row = row_of(plugin, error)
    assert (row.fuel, row.limit_fuel) == (10_000, 10_000)


def test_a_limit_is_named_for_what_it_is_whatever_the_guest_calls_its_functions(load: Load) -> None:
    plugin = load(
        f'(func $table_memory_fuel (export "spin") (param i32 i32) (result i64) {FOREVER} (i64.const 0))',
        quota={"cpu": "20ms"},
    )
    assert stopped(plugin, "spin").quota == "cpu"


# --- memory ----------------------------------------------------------------------------------------------------------

GROW = """
(memory (export "memory") 1 {maximum})
(func (export "grow") (param $ptr i32) (param $len i32) (result i64) (local $left i32)
  (local.set $left (i32.const {times}))
  (loop $next
    (if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))
    (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (i64.const 0))
"""


def test_memory_in_one_grow(rt: jn.Runtime, load: Load) -> None:
    plugin = load(GROW.format(maximum="", times=1, pages=100), quota={"memory": 50 * PAGE})
    error = stopped(plugin, "grow")
    assert (error.quota, error.limit, error.used, error.unit) == ("memory", 50 * PAGE, 101 * PAGE, "bytes")
    row = row_of(plugin, error)
    assert (row.memory_bytes, row.memory_peak_bytes, row.grows_refused) == (PAGE, PAGE, 1)
    assert row.limit_memory_bytes == 50 * PAGE
    seen = [event for event in events(rt, error) if event != "tick"]  # a busy machine may tick at any moment
    assert seen == ["enter", "grow_refused", "exit"]


def test_memory_in_small_steps(rt: jn.Runtime, load: Load) -> None:
    plugin = load(GROW.format(maximum="", times=100, pages=1), quota={"memory": 50 * PAGE})
    error = stopped(plugin, "grow")
    assert (error.quota, error.used) == ("memory", 51 * PAGE)
    row = row_of(plugin, error)
    assert (row.memory_peak_bytes, row.grows_refused) == (50 * PAGE, 1)
    assert events(rt, error).count("grow") == 49
    samples = rt.samples
    grown = samples[(samples.call_id == row.call_id) & (samples.event == "grow")]
    assert list(grown.memory_bytes) == [pages * PAGE for pages in range(2, 51)]


def test_two_memories_are_summed(load: Load) -> None:
    plugin = load(
        """(memory (export "memory") 10) (memory $other 10)
        (func (export "grow") (param i32 i32) (result i64)
          (if (i32.eq (memory.grow $other (i32.const 25)) (i32.const -1)) (then unreachable))
          (if (i32.eq (memory.grow 0 (i32.const 10)) (i32.const -1)) (then unreachable))
          (i64.const 0))""",
        quota={"memory": 50 * PAGE},
    )
    error = stopped(plugin, "grow")
    assert (error.quota, error.used, error.limit) == ("memory", 55 * PAGE, 50 * PAGE)
    assert error.record is not None
    assert (error.record.memory_bytes, error.record.memory_peak_bytes) == (20 * PAGE, 45 * PAGE)


def test_a_memory_that_begins_above_the_quota(load: Load) -> None:
    plugin = load('(memory (export "memory") 100)', quota={"memory": 50 * PAGE})
    error = plugin.attempt("echo", 1).error
    assert isinstance(error, jn.QuotaExceeded)
    assert (error.quota, error.used, error.limit) == ("memory", 100 * PAGE, 50 * PAGE)
    plugin.policy.set_quota(memory=200 * PAGE)
    assert plugin.call("echo", 1) == 1


def test_a_guest_that_handles_a_refused_grow_lives_on(load: Load) -> None:
    plugin = load(
        """(func (export "try") (param i32 i32) (result i64)
          (drop (memory.grow (i32.const 2000))) (drop (memory.grow (i32.const 2000))) (i64.const 0))""",
        quota={"memory": 50 * PAGE},
    )
    assert plugin.call("try") is None
    assert plugin.last is not None
    assert (plugin.last.outcome, plugin.last.grows_refused) == ("ok", 2)


def test_a_grow_refused_in_the_start_function_is_in_the_row_of_the_call_it_was_made_for(load: Load) -> None:
    plugin = load("(func $start (drop (memory.grow (i32.const 60000)))) (start $start)")
    outcome = plugin.attempt("echo", 1)
    assert outcome.record is not None
    assert (outcome.value, outcome.record.grows_refused) == (1, 1)


def test_a_module_at_its_own_maximum_is_told_no_without_a_quota_in_play(load: Load) -> None:
    plugin = load(GROW.format(maximum="2", times=1, pages=5))
    error = plugin.attempt("grow").error
    assert isinstance(error, jn.GuestTrap)  # its own doing: no quota refused it anything
    assert error.trap == "unreachable"


def test_an_instance_that_holds_more_than_a_call_may_have_is_not_entered(load: Load) -> None:
    plugin = load('(memory (export "memory") 20) (func (export "nothing") (param i32 i32) (result i64) (i64.const 0))')
    plugin.call("nothing")
    error = plugin.attempt("nothing", quota={"memory": 10 * PAGE}).error
    assert isinstance(error, jn.QuotaExceeded)
    assert (error.quota, error.used, error.limit) == ("memory", 20 * PAGE, 10 * PAGE)


@pytest.mark.parametrize(("most", "answer"), [(20_000, 10), (10_009, -1)])
def test_table_elements(load: Load, most: int, answer: int) -> None:
    plugin = load(
        """(table $table 10 funcref)
        (func (export "grow") (result i32) (table.grow $table (ref.null func) (i32.const 10000)))""",
        quota={"table_elements": most},
    )
    assert plugin.raw("grow")() == answer


def test_a_table_that_begins_above_the_quota(load: Load) -> None:
    plugin = load("(table 10001 funcref)")
    error = plugin.attempt("echo", 1).error
    assert isinstance(error, jn.QuotaExceeded)
    assert (error.quota, error.limit, error.used) == ("table_elements", 10_000, 10_001)
    plugin.policy.set_quota(table_elements=10_001)
    assert plugin.call("echo", 1) == 1


def test_more_tables_than_a_store_holds_is_not_said_to_be_about_their_elements(load: Load) -> None:
    with pytest.raises(jn.JudiciaError) as caught:
        load("(table 1 funcref)" * 17).call("echo", 1)
    assert getattr(caught.value, "quota", "") != "table_elements"


def test_what_all_instances_hold_together_has_a_ceiling() -> None:
    with jn.Runtime(ceiling=jn.Quota(memory=MIB)) as rt:
        plugins = [
            rt.load(b'(module (memory 12) (func (export "touch")))', name=f"guest-{number}") for number in range(3)
        ]
        plugins[0].raw("touch")()
        plugins[1].raw("touch")()
        with pytest.raises(jn.QuotaExceeded) as caught:  # 36 pages, and there may be 32: twice what one may have
            plugins[2].raw("touch")()
        assert caught.value.quota == "memory"
        assert "all instances together" in str(caught.value)
        plugins[0].unload()
        plugins[2].raw("touch")()


# --- stack and start -------------------------------------------------------------------------------------------------


def test_stack(load: Load) -> None:
    plugin = load('(func $f (export "f") (param i32 i32) (result i64) (call $f (local.get 0) (local.get 1)))')
    error = plugin.attempt("f").error
    assert isinstance(error, jn.GuestTrap)
    assert error.trap == "stack_overflow"
    assert set(error.backtrace) == {"f"}
    assert error.record is not None
    assert error.record.outcome == "trap"
    assert error.state_lost
    assert plugin.call("echo", 1) == 1


@pytest.mark.parametrize(
    ("quota", "value"), [("cpu", "40ms"), ("wall", "40ms"), ("fuel", 10_000)], ids=["cpu", "wall", "fuel"]
)
def test_a_start_function_that_never_ends(load: Load, quota: str, value: Any) -> None:
    plugin = load(f"(func $start {FOREVER}) (start $start)", quota={quota: value})
    for _ in range(2):  # the second finds no leftovers of the first
        error = plugin.attempt("echo", 1).error
        assert isinstance(error, jn.QuotaExceeded)
        assert error.quota == quota
        row = row_of(plugin, error)
        assert row.outcome == f"quota_{quota}"
        assert row.wall_ms < DEADLINE_MS
    assert plugin.state == "failed"
    again = load(name="guest")
    assert again.call("echo", 1) == 1


@pytest.mark.parametrize("quota", ["cpu", "wall"])
def test_the_time_of_a_start_function_that_never_ends_is_in_its_row(load: Load, quota: str) -> None:
    plugin = load(f"(func $start {FOREVER}) (start $start)", quota={quota: "40ms"})
    error = plugin.attempt("echo", 1).error
    assert isinstance(error, jn.QuotaExceeded)
    row = row_of(plugin, error)
    assert row.wall_ms >= row.setup_ms >= 40
    assert row.cpu_ms > 0


def test_loading_runs_nothing(load: Load) -> None:
    plugin = load(f"(func $start {FOREVER}) (start $start)", quota={"cpu": "20ms"})
    assert (plugin.state, len(plugin.calls)) == ("loaded", 0)


# --- what is suggested -----------------------------------------------------------------------------------------------


def test_what_is_suggested_may_be_set() -> None:
    with jn.Runtime(ceiling=jn.Quota(memory="32MiB", cpu="1s")) as rt:
        plugin = rt.load("example:specimen", quota={"memory": "20MiB", "cpu": "300ms"})
        error = plugin.attempt("grow", {"bytes": 1 << 30}).error
        assert isinstance(error, jn.QuotaExceeded)
        assert 'p.policy.set_quota(memory="32MiB")' in str(error)
        error = plugin.attempt("spin", {"ms": 5000}).error
        assert isinstance(error, jn.QuotaExceeded)
        assert 'p.policy.set_quota(cpu="1s")' in str(error)
        plugin.policy.set_quota(memory="32MiB", cpu="1s")


def test_what_is_suggested_may_be_set_where_the_ceiling_is_no_round_number() -> None:
    for ceiling in (517_123_456, 123_456_789, 51_370_238, (32 << 20) + 1):
        with jn.Runtime(ceiling=jn.Quota(memory=ceiling)) as rt:
            plugin = rt.load("example:specimen", quota={"memory": ceiling * 3 // 4})
            error = plugin.attempt("grow", {"bytes": 1 << 30}).error
            assert isinstance(error, jn.QuotaExceeded)
            suggested = re.search(r'set_quota\(memory="(.*?)"\)', str(error))
            assert suggested is not None
            plugin.policy.set_quota(memory=suggested.group(1))  # a PolicyError where it lies above
            memory = plugin.policy.quota.memory
            assert isinstance(memory, int)
            assert ceiling * 3 // 4 < memory <= ceiling


def test_at_the_ceiling_the_ceiling_is_what_is_named() -> None:
    with jn.Runtime(ceiling=jn.Quota(memory="32MiB")) as rt:
        plugin = rt.load("example:specimen", quota={"memory": None})
        error = plugin.attempt("grow", {"bytes": 1 << 30}).error
        assert isinstance(error, jn.QuotaExceeded)
        assert (error.limit, error.ceiling) == (32 << 20, 32 << 20)
        assert str(error).splitlines()[1:] == [
            '  That is the runtime\'s ceiling. To raise it:  jn.Runtime(ceiling=jn.Quota(memory="64MiB"))'
        ]
