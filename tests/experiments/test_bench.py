"""`Plugin.bench`: cold and warm apart, on instances of its own."""

from __future__ import annotations

import pytest

import judicia_notebook as jn

COUNTER = """(module
  (memory (export "memory") 1)
  (global $count (mut i32) (i32.const 48))
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 16))
  (func (export "judicia_free") (param i32 i32))
  (func (export "count") (param i32 i32) (result i64)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store8 (i32.const 64) (global.get $count))
    (i64.const 0x4000000001))
  (func (export "third") (param i32 i32) (result i64)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (if (i32.eq (global.get $count) (i32.const 51)) (then unreachable))
    (i64.const 0)))"""


def test_cold_calls_have_new_instances_and_warm_ones_share_one(specimen: jn.Plugin) -> None:
    found = specimen.bench("echo", [1, 2], repeats=7, warmup=2)
    assert [record.instance_call for record in found.cold.records] == [1] * 7
    assert len({record.instance_id for record in found.cold.records}) == 7
    assert [record.instance_call for record in found.warm.records] == list(range(3, 10))
    assert len({record.instance_id for record in found.warm.records}) == 1
    calls = specimen.calls
    assert set(calls["origin"]) == {"bench"}
    assert len(calls) == 2 * (7 + 2)


def test_cold_and_warm_take_turns(specimen: jn.Plugin) -> None:
    found = specimen.bench("echo", repeats=5, warmup=0)
    both = sorted([*found.cold.records, *found.warm.records], key=lambda record: record.call_id)
    assert [record in found.cold.records for record in both] == [True, False] * 5
    assert found.warm.records[0].instance_call == 2  # without a warm-up the first one is still not a cold one


def test_the_numbers_are_those_of_the_rows(specimen: jn.Plugin) -> None:
    found = specimen.bench("echo", [1], repeats=9)
    rows = specimen.calls.set_index("call_id")["wall_ms"]
    walls = sorted(rows[record.call_id] for record in found.warm.records)
    warm = found.warm.wall_ms
    assert (warm.count, warm.median, warm.low, warm.high) == (9, walls[4], walls[1], walls[7])
    assert found.cold.fuel.least == found.cold.fuel.most
    told = found.summary.set_index(["side", "column"])
    assert told.loc[("warm", "wall_ms"), "median"] == warm.median
    assert str(told["median"].dtype) == "Float64"


def test_the_plugins_own_instance_and_state_stay_as_they_are(rt: jn.Runtime) -> None:
    p = rt.load(COUNTER, name="counter")
    assert p.call("count") == 1
    p.bench("count", repeats=10)
    assert p.call("count") == 2
    fresh = rt.load(COUNTER, name="unused")
    fresh.bench("count", repeats=2)
    assert fresh.state == "loaded"


def test_memory_of_its_instances_is_given_back(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    before = rt._platform.pool.used
    specimen.bench("grow", {"bytes": 1 << 20}, repeats=4)
    assert rt._platform.pool.used == before


def test_quotas_and_grants_are_the_plugins_and_a_quota_is_each_calls(specimen: jn.Plugin) -> None:
    specimen.policy.grant("wall_clock")
    found = specimen.bench("call_host", {"service": "clock"}, repeats=2, quota={"fuel": 50_000_000})
    assert {record.denied for record in (*found.cold.records, *found.warm.records)} == {0}
    assert {record.limit_fuel for record in found.warm.records} == {50_000_000}


def test_a_function_that_always_fails_raises_what_it_failed_with(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.GuestTrap):
        specimen.bench("trap", repeats=3)
    with pytest.raises(jn.NoSuchFunction):
        specimen.bench("ecco")
    with pytest.raises(ValueError, match="repeats"):
        specimen.bench("echo", repeats=0)
    assert specimen.call("echo", 1) == 1


def test_calls_that_fail_now_and_then_are_counted_and_left_out(rt: jn.Runtime) -> None:
    p = rt.load(COUNTER, name="counter")
    found = p.bench("third", repeats=12, warmup=0)
    assert found.cold.failed == 0
    assert found.warm.failed >= 3
    assert found.warm.wall_ms.count == len(found.warm.records) - found.warm.failed
    assert all(record.instance_call != 1 for record in found.warm.records)  # a new instance after a trap is cold again
    assert f"{found.warm.failed} of {len(found.warm.records)} warm calls did not end well" in str(found)


def test_as_text_it_names_what_it_measured(specimen: jn.Plugin) -> None:
    text = str(specimen.bench("echo", repeats=6))
    assert text.startswith("specimen.echo · 6 cold and 6 warm calls after 3 to warm up · median with its 95 % interval")
    for word in ("cold  wall", "warm  fuel", "memory", "median", "least"):
        assert word in text
    assert "host " not in text  # it made no host calls
