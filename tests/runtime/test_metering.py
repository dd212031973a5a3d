"""Metering by epochs alone: no fuel anywhere, every other limit as always, and no limit of fuel that seems to hold."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from judicia_notebook.engine import startup
from judicia_notebook.engine.invocation import Invocation
from judicia_notebook.engine.limits import FixedBudget, Limits
from judicia_notebook.engine.memory import MemoryPool
from judicia_notebook.engine.row_loops import FEW_ROWS
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.engine.settings import EPOCHS, FULL
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.notebook.object_cards import plugin_card
from judicia_notebook.records.record import CallRecord
from tests.support.waiting import PATIENCE, until

GUEST = """(module
  (memory (export "memory") 1)
  (func (export "spin") (loop (br 0)))
  (func $down (export "down") (param i32) (result i32)
    (i32.add (i32.const 1) (call $down (i32.add (local.get 0) (i32.const 1)))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "beyond") (result i32) (i32.load (i32.const 0x7fffffff)))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "nan") (param f64) (result i64) (i64.reinterpret_f64 (f64.div (local.get 0) (local.get 0))))
  (func (export "turns") (param i32) (result i32) (local i32)
    (loop (local.set 1 (i32.add (local.get 1) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 1) (local.get 0))))
    (local.get 1)))"""
CANONICAL_NAN = 0x7FF8 << 48
FUEL = {"fuel": 1_000_000}


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(GUEST, name="guest", metering="epochs")


def last(plugin: jn.Plugin) -> CallRecord:
    record = plugin.last
    assert record is not None
    return record


# No fuel ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("instances", [1, "fresh"])
def test_fuel_is_not_known_and_the_row_says_why(rt: jn.Runtime, instances: Any) -> None:
    full = rt.load(GUEST, name="full", instances=instances)
    epochs = rt.load(GUEST, name="epochs", instances=instances, metering="epochs")
    assert (full.metering, epochs.metering) == ("full", "epochs")
    for plugin in (full, epochs):
        for _ in range(3):  # the first one is made in Python, the others in the core
            assert plugin.raw("turns")(1000) == 1000
    calls = rt.calls
    assert set(calls["metering"][calls["plugin"] == "full"]) == {"full"}
    assert set(calls["metering"][calls["plugin"] == "epochs"]) == {"epochs"}
    assert (calls["fuel"][calls["plugin"] == "full"] > 1000).all()
    assert calls["fuel"][calls["plugin"] == "epochs"].isna().all()
    assert calls["limit_fuel"].isna().all()


def test_a_json_call_with_host_calls_has_no_fuel_either(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen", metering="epochs", grant=["wall_clock"])
    assert specimen.call("echo", {"n": 1}) == {"n": 1}
    assert specimen.call("call_host", {"service": "clock", "n": 3})["ok"] == 3
    assert set(specimen.calls["metering"]) == {"epochs"}
    assert specimen.calls["fuel"].isna().all()
    assert "fuel" not in str(specimen.trace("echo", 1))
    assert "fuel" not in last(specimen).cost_line()
    assert "epochs: no fuel is counted" in str(plugin_card(specimen))


def test_rows_of_columns_are_looped_over_by_the_same_engine(rt: jn.Runtime, guest: jn.Plugin) -> None:
    rows = np.arange(FEW_ROWS + 500, dtype="i4")
    for plugin in (rt.load(GUEST, name="full"), guest, rt.load(GUEST, name="other")):  # either loop before the other
        assert (plugin.ufunc("add")(rows, 1) == rows + 1).all()
    assert last(guest).fuel is None
    assert last(rt.plugin("full")).fuel == last(rt.plugin("other")).fuel == 4 * len(rows)


def test_only_full_metering_gives_each_nan_the_same_bits(rt: jn.Runtime, guest: jn.Plugin) -> None:
    assert rt.load(GUEST, name="full").raw("nan")(0.0) == CANONICAL_NAN
    bits = guest.raw("nan")(0.0)
    assert bits & CANONICAL_NAN == CANONICAL_NAN  # a NaN; which one is the processor's business


def test_a_profile_of_it_has_samples(guest: jn.Plugin) -> None:
    found = guest.profile("turns", numbers=(20_000_000,), samples=10, seconds=2)
    assert list(found.functions["function"])
    assert found.guest_ms > 5


# Limits hold ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "function", "arguments", "kind"),
    [
        ({"cpu": "50ms"}, "spin", (), "cpu"),
        ({"wall": "50ms"}, "spin", (), "wall"),
        ({"memory": "1MiB"}, "grow", (1000,), None),
    ],
)
def test_other_limits_stop_it(guest: jn.Plugin, quota: Any, function: str, arguments: Any, kind: str | None) -> None:
    guest.policy.set_quota(**quota)
    call = guest.raw(function)
    if kind is None:
        assert call(*arguments) == -1
        assert last(guest).grows_refused == 1
        return
    with pytest.raises(jn.QuotaExceeded) as error:
        call(*arguments)
    assert error.value.quota == kind
    assert last(guest).outcome == f"quota_{kind}"
    assert last(guest).fuel is None


def test_it_can_be_cancelled_and_runs_out_of_stack(guest: jn.Plugin) -> None:
    raised: list[BaseException] = []

    def spin() -> None:
        try:
            guest.raw("spin")()
        except jn.JudiciaError as error:
            raised.append(error)

    thread = threading.Thread(target=spin)
    thread.start()
    until(lambda: guest._deployment.is_busy)
    guest.cancel_calls("enough")
    thread.join(PATIENCE)
    assert [type(error) for error in raised] == [jn.Cancelled]
    with pytest.raises(jn.GuestTrap, match="stack"):
        guest.raw("down")(0)


def test_each_engine_is_ticked(rt: jn.Runtime, guest: jn.Plugin) -> None:
    full = rt.load(GUEST, name="full", quota={"cpu": "30ms", "wall": "60s"})
    guest.policy.set_quota(cpu="30ms", wall="60s")
    for plugin in (full, guest, full):
        with pytest.raises(jn.QuotaExceeded) as error:
            plugin.raw("spin")()
        assert error.value.quota == "cpu"  # and not that of wall time, which is seconds away


# No limit of fuel -------------------------------------------------------------------------------------------------


def restored(plugin: jn.Plugin) -> None:
    other = plugin.policy.snapshot()
    quota = jn.Quota(**{**other.quota.given(), **FUEL})
    plugin.policy.restore(type(other)(other.granted, quota, other.on_denied))


def temporarily(plugin: jn.Plugin) -> None:
    with plugin.policy.temporarily(fuel=5):
        plugin.raw("add")(1, 2)


@pytest.mark.parametrize(
    "limited",
    [
        lambda plugin: plugin.policy.set_quota(**FUEL),
        lambda plugin: plugin.raw("add")(1, 2, quota=FUEL),
        lambda plugin: plugin.bench("add", numbers=(1, 2), quota=FUEL),
        lambda plugin: plugin.policy.merge((), jn.Quota(fuel=5)),
        restored,
        temporarily,
    ],
)
def test_a_limit_of_fuel_is_refused_by_every_way_to_set_one(
    guest: jn.Plugin, limited: Callable[[jn.Plugin], object]
) -> None:
    before = guest.policy.snapshot()
    with pytest.raises(jn.PolicyError, match="counts no fuel"):
        limited(guest)
    assert guest.policy.snapshot() == before
    assert guest.raw("add")(1, 2) == 3


def test_a_load_is_refused_with_a_limit_of_fuel_and_leaves_all_as_it_was(rt: jn.Runtime) -> None:
    with pytest.raises(jn.PolicyError, match="counts no fuel"):
        rt.load(GUEST, name="guest", metering="epochs", quota=FUEL)
    assert not rt.plugins
    guest = rt.load(GUEST, name="guest", quota=FUEL)
    with pytest.raises(jn.PolicyError, match="counts no fuel"):
        rt.load(GUEST, name="guest", metering="epochs")
    with pytest.raises(jn.PolicyError, match="counts no fuel"):
        guest.bench("add", numbers=(1, 2), metering="epochs")
    assert guest.metering == "full"
    with pytest.raises(jn.QuotaExceeded, match="fuel"):
        guest.raw("spin")()
    guest.policy.set_quota(fuel=None)
    assert rt.load(GUEST, name="guest", metering="epochs") is guest
    assert guest.metering == "epochs"
    assert rt.reload("guest").metering == "epochs"
    with pytest.raises(jn.PolicyError, match="counts no fuel"):
        guest.policy.reset()  # to the limit of fuel that it was first loaded with
    rt.load(GUEST, name="guest", metering="full").policy.reset()
    with pytest.raises(jn.QuotaExceeded, match="fuel"):
        guest.raw("spin")()


def test_a_manifests_wish_for_less_fuel_is_no_limit(rt: jn.Runtime) -> None:
    manifest = {"name": "guest", "quota": {"fuel": 1000}}
    full = rt.load(GUEST, name="full", manifest=manifest, abi="raw")
    epochs = rt.load(GUEST, name="epochs", manifest=manifest, abi="raw", metering="epochs")
    assert full.policy.limits.fuel == 1000
    assert epochs.policy.limits.fuel is None
    assert epochs.raw("turns")(100_000) == 100_000


def test_under_a_ceiling_of_fuel_nothing_is_loaded_that_counts_none() -> None:
    with jn.Runtime(ceiling=jn.Quota(fuel=100_000)) as rt:
        with pytest.raises(jn.PolicyError, match="counts no fuel, and this runtime has a ceiling"):
            rt.load(GUEST, name="guest", metering="epochs")
        guest = rt.load(GUEST, name="guest")
        assert guest.metering == "full"
        with pytest.raises(jn.QuotaExceeded, match="fuel"):
            guest.raw("spin")()
        with pytest.raises(jn.PolicyError, match="counts no fuel"):
            guest.bench("add", numbers=(1, 2), metering="epochs")
        assert set(rt.calls["metering"]) == {"full"}


def test_the_core_enters_no_guest_under_a_limit_that_it_cannot_hold(guest: jn.Plugin) -> None:
    sandbox, invocation = Sandbox(guest._code.linkage, MemoryPool(1 << 30)), Invocation(FixedBudget(Limits(fuel=5)))
    try:
        with pytest.raises(ResourceExhausted, match="count none"):
            sandbox.enter(invocation)
        allowed = Invocation(FixedBudget(Limits()))
        sandbox.enter(allowed)  # it can still be entered
        assert sandbox.fuel_used() == -1
        sandbox.leave()
        allowed.release()
    finally:
        invocation.release()
        sandbox.close()


@pytest.mark.parametrize("metering", ["none", "fuel", "Full"])
def test_a_metering_that_no_plugin_can_have_is_refused(rt: jn.Runtime, metering: str) -> None:
    with pytest.raises(jn.PolicyError, match="metering"):
        rt.load(GUEST, name="guest", metering=metering)


# Engines ----------------------------------------------------------------------------------------------------------


def test_no_engine_takes_the_code_of_another_from_the_cache(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "cache"))
    with jn.Runtime() as own:
        loaded = [
            own.load(GUEST, name=f"guest-{number}", metering=metering)
            for number, metering in enumerate(("full", "epochs", "full", "epochs"))
        ]
        assert [plugin._code.from_cache for plugin in loaded] == [False, False, True, True]
        assert [plugin.raw("turns")(1000) for plugin in loaded] == [1000] * 4
        assert [last(plugin).fuel is None for plugin in loaded] == [False, True, False, True]
    keys = {startup.get_engine(settings).key for settings in (FULL, EPOCHS)}
    assert len(keys) == 2
    names = {path.name for path in (tmp_path / "cache").glob("*.cwasm")}
    assert all(any(key in name for name in names) for key in keys)


LATE_ENGINE = f"""
import faulthandler
import judicia_notebook as jn
from judicia_notebook.engine.engine import Engine
from judicia_notebook.engine.settings import EPOCHS
with jn.Runtime() as rt:
    rt.load({GUEST!r}, name="full").raw("add")(1, 2)
    faulthandler.enable()
    Engine(settings=EPOCHS)  # nothing has put Wasmtime's handlers back before this one is made
    guest = rt.load({GUEST!r}, name="epochs", metering="epochs")
    for name in ("full", "epochs"):
        try:
            rt.plugin(name).raw("beyond")()
        except jn.GuestTrap as trap:
            print(trap.trap)
"""


def test_an_engine_that_is_made_late_keeps_wasmtimes_handlers() -> None:
    done = subprocess.run([sys.executable, "-c", LATE_ENGINE], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["out_of_bounds_memory"] * 2), done.stderr
