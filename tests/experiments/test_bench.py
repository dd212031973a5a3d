"""`Plugin.bench`: cold and warm apart, on instances of its own."""

from __future__ import annotations

import threading

import pytest

import judicia_notebook as jn
from judicia_notebook.runtime.call import Call
from tests.support.guests import load
from tests.support.kinds import NUMERIC
from tests.support.threads import Start, start
from tests.support.waiting import PATIENCE, until

__all__ = ["start"]

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
    assert calls["origin"].value_counts().to_dict() == {"bench": 2 * 7, "warmup": 2 * 2}
    assert set(calls["call_id"][calls["origin"] == "bench"]) == set(found.calls["call_id"])


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
    title = "specimen.echo · 6 cold and 6 warm calls after 3 to warm up · metering full · median with its 95 % interval"
    assert text.startswith(title)
    said = "Code that computes takes 1.2 to 5 times its unmetered time with metering full; "
    assert text.endswith(f'{said}metering="none" (--metering none) measures it.')
    for word in ("cold  wall", "warm  fuel", "memory", "median", "least"):
        assert word in text
    assert "host " not in text  # it made no host calls


# --- its own instances, and everything else that is the plugin's ------------------------------------------------------


def test_the_core_makes_the_calls_of_a_bench_alone_as_it_makes_ordinary_ones(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    walks, run = [], Call.run

    def walk(call: Call, *arguments: object) -> object:
        walks.append(call)
        return run(call, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Call, "run", walk)
    found = rt.load(NUMERIC, name="numeric").bench("scale", numbers=(2.0, 3), repeats=50, warmup=3)
    assert len(found.cold.records) == len(found.warm.records) == 50
    assert len(walks) <= 2  # the first ones; Python's own walk costs eight times as much


def test_the_last_call_of_a_bench_is_the_plugins_last(specimen: jn.Plugin) -> None:
    specimen.bench("echo", repeats=3)
    assert specimen.last is not None
    assert specimen.last.call_id == specimen.calls["call_id"].max()
    specimen.call("echo")
    assert specimen.last.origin == "user"


def test_a_plugin_that_is_unloaded_meanwhile_ends_its_bench(rt: jn.Runtime, start: Start) -> None:
    fifth = threading.Event()
    made = iter(range(100))

    def turns() -> int:
        """Of the first four calls 1, of the fifth more than it ever makes: it runs when the plugin is unloaded."""
        if next(made) < 4:
            return 1
        fifth.set()
        return -1

    spins = """(module (import "env" "turns" (func $turns (result i64)))
      (func (export "spin") (local $left i64)
        (local.set $left (call $turns))
        (loop $again
          (local.set $left (i64.sub (local.get $left) (i64.const 1)))
          (br_if $again (i64.ne (i64.const 0) (local.get $left))))))
    """
    plugin = rt.load(
        spins, name="spins", imports={"env.turns": turns}, quota={"cpu": None, "wall": "120s", "fuel": None}
    )

    def unload() -> None:
        assert fifth.wait(PATIENCE)
        plugin.unload()

    came = start(unload)
    with pytest.raises(jn.PluginNotReady):
        plugin.bench("spin", numbers=(), warmup=0)
    until(lambda: came)
    assert came == [None]
    assert rt.calls["outcome"].tolist() == ["ok"] * 4 + ["cancelled"]


GATED = """
(import "env" "gate" (func $gate))
(func (export "ask") (param i32 i32) (result i64) (call $gate) (call $judicia:clock.now (local.get 0) (local.get 1)))
(func (export "spin") (call $gate) (loop $on (br $on)))
"""


class Gate:
    """Lets calls pass. The eleventh waits until it opens."""

    def __init__(self) -> None:
        self.is_reached, self.opens = threading.Event(), threading.Event()
        self._calls = 0

    def __call__(self) -> None:
        self._calls += 1
        if self._calls == 11:
            self.is_reached.set()
            assert self.opens.wait(PATIENCE)


def test_code_that_is_replaced_meanwhile_keeps_its_own_limits_and_rights_in_a_bench(
    rt: jn.Runtime, start: Start
) -> None:
    of_asking, of_spinning = Gate(), Gate()
    asking = load(rt, GATED, name="asking", imports={"env.gate": of_asking}, quota={"wall": "120s"})
    spinning = load(
        rt, GATED, name="spinning", imports={"env.gate": of_spinning}, quota={"wall": "120s", "fuel": 10_000}
    )

    def replace(plugin: jn.Plugin, gate: Gate) -> None:
        assert gate.is_reached.wait(PATIENCE)
        rt.load(COUNTER, name=plugin.name, grant=["wall_clock"], quota={"fuel": None})
        gate.opens.set()

    came = start(replace, asking, of_asking)
    found = asking.bench("ask", {}, repeats=20, warmup=0)
    until(lambda: came)
    went = start(replace, spinning, of_spinning)
    with pytest.raises(jn.QuotaExceeded):
        spinning.bench("spin", numbers=(), repeats=20, warmup=0)
    until(lambda: went)
    assert came + went == [None, None]
    assert {record.denied for record in (*found.cold.records, *found.warm.records)} == {1}
    for plugin, outcome in ((asking, "ok"), (spinning, "quota_fuel")):
        assert "wall_clock" in plugin.policy.granted
        assert set(plugin.calls["outcome"]) == {outcome}
        assert plugin.calls["policy_version"].nunique() == 2  # so there were calls behind the replacement


def test_nothing_is_left_of_a_bench_that_ended_early(rt: jn.Runtime) -> None:
    numeric = rt.load(NUMERIC, name="numeric")
    used = rt._platform.pool.used
    with pytest.raises(jn.QuotaExceeded):
        numeric.bench("spin", numbers=(10**6,), quota={"fuel": 1000})
    assert numeric._deployment.activity.apart == []
    assert rt._platform.pool.used == used
