"""Calls without metering: what comes back is what any call gives, and what cannot end by itself is ended."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.context import via
from judicia_notebook.errors import GuestError, GuestTrap, Killed, PluginNotReady, PolicyError, QuotaExceeded
from judicia_notebook.experiments.unmetered.cells import Unmetered
from judicia_notebook.runtime.request import Request, make_request
from tests.support.guests import ECHO, forwarder, load
from tests.support.processes import wait_until_gone
from tests.support.waiting import until

NUMBERS = """
  (func (export "add") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
  (func (export "divide") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1)))
  (func (export "swap") (param i32 f32) (result f32 i32) (local.get 1) (local.get 0))
  (func (export "nothing"))
  (global $calls (mut i32) (i32.const 0))
  (func (export "count") (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))
"""
RUNAWAYS = """
  (func (export "spin") (loop $on (br $on)))
  (func $down (export "recurse") (param i32) (result i32) (i32.add (i32.const 1) (call $down (local.get 0))))
  (func (export "hoard")
    (loop $on (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $on)))
  (func (export "hoard_on") (loop $on (drop (memory.grow (i32.const 16))) (br $on)))
  (func (export "beyond") (result i32) (i32.load (i32.const -4)))
  (func (export "trap") unreachable)
"""
SERVICES = """
  (func (export "spin_json") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)
"""


def once(plugin: jn.Plugin, request: Request, **options: Any) -> jn.Outcome:
    """A call in a child of its own."""
    with Unmetered(plugin) as unmetered:
        return unmetered.attempt(request, **options)


@pytest.fixture
def plain(rt: jn.Runtime) -> Iterator[tuple[jn.Plugin, Unmetered]]:
    """A plugin and its children, for calls that end by themselves."""
    plugin = load(rt, ECHO, NUMBERS, instances="fresh")
    with Unmetered(plugin) as unmetered:
        yield plugin, unmetered


@pytest.fixture
def runaway(rt: jn.Runtime) -> Iterator[Unmetered]:
    with Unmetered(load(rt, RUNAWAYS, SERVICES)) as unmetered:
        yield unmetered


def test_the_three_kinds_of_calls_give_what_they_give_here(plain: tuple[jn.Plugin, Unmetered]) -> None:
    plugin, unmetered = plain
    requests: list[tuple[str, dict[str, Any]]] = [
        ("echo", {"payload": {"a": [1, 2.5, "é", None]}}),
        ("echo", {"data": bytes(range(256)) * 5000}),
        ("echo", {}),
        ("add", {"numbers": (2**62, 2**62)}),
        ("swap", {"numbers": (-7, 0.5)}),
        ("nothing", {"numbers": ()}),
    ]
    for function, what in requests:
        request = make_request(function, **what)
        there, here = unmetered.attempt(request), request.attempt(plugin)
        assert (there.value, there.error) == (here.value, None)
        assert there.record is not None
        assert here.record is not None
        for column in ("plugin", "digest", "function", "abi", "bytes_in", "bytes_out", "memory_bytes", "outcome"):
            assert getattr(there.record, column) == getattr(here.record, column), column
    nan = unmetered.attempt(make_request("divide", numbers=(0.0, 0.0))).value
    assert math.isnan(nan)


def test_its_row_is_one_of_the_runtimes_own(plain: tuple[jn.Plugin, Unmetered]) -> None:
    plugin, unmetered = plain
    before = time.perf_counter_ns()
    with jn.label(variant="bare"), via("bench"):
        record = unmetered.attempt(make_request("add", numbers=(1, 2))).record
    assert record is not None
    assert plugin.last == record
    assert (record.label, record.origin, record.fuel, record.metering) == ("variant=bare", "bench", None, "none")
    began = plugin._recorder.began_ns + record.started_ms * 1e6
    assert before < began < time.perf_counter_ns()
    assert plugin.calls["call_id"].is_unique
    assert record.wall_ms > 0
    assert record.cpu_ms > 0


def test_an_instance_of_its_own_each_time_unless_one_is_kept(plain: tuple[jn.Plugin, Unmetered]) -> None:
    plugin, unmetered = plain
    count = make_request("count", numbers=())
    plugin.raw("count")()
    fresh = [unmetered.attempt(count) for _ in range(3)]
    assert [outcome.value for outcome in fresh] == [1, 1, 1]
    assert len({outcome.record.instance_id for outcome in fresh if outcome.record}) == 3
    kept = [unmetered.attempt(count, fresh=False, renew=turn == 0) for turn in range(3)]
    assert [outcome.value for outcome in kept] == [1, 2, 3]
    assert [outcome.record.instance_call for outcome in kept if outcome.record] == [1, 2, 3]
    assert len({outcome.record.instance_id for outcome in kept if outcome.record}) == 1
    assert unmetered.attempt(count, fresh=False, renew=True).value == 1


def test_log_clock_and_failure_are_there_under_the_policy(rt: jn.Runtime) -> None:
    plugin = load(rt, forwarder(now="clock.now", write="log.write", fail="host.fail"))
    with Unmetered(plugin) as unmetered:
        denied = unmetered.attempt(make_request("now", {}))
        assert denied.value["error"]["code"] == "capability_denied"
        assert denied.record is not None
        assert (denied.record.host_calls, denied.record.denied) == (1, 1)
        plugin.policy.grant("wall_clock")
        told = unmetered.attempt(make_request("now", {})).value
        assert abs(told["ok"]["unix_ms"] / 1e3 - time.time()) < 60
        written = unmetered.attempt(make_request("write", {"level": "info", "message": "hello"}))
        assert written.error is None
        failed = unmetered.attempt(make_request("fail", {"code": "wrong", "message": "a\x1b[31mb" * 9000, "data": [1]}))
        assert isinstance(failed.error, GuestError)
        assert (failed.error.code, failed.error.data) == ("wrong", [1])
        assert "\x1b" not in str(failed.error)


@pytest.mark.parametrize(
    ("function", "numbers", "limit", "quota"),
    [
        ("spin", (), {"cpu": 0.1, "wall": 30}, "cpu"),
        ("spin", (), {"cpu": 30, "wall": 0.1}, "wall"),
        ("hoard", (), {"memory": "8MiB"}, "memory"),
        ("hoard_on", (), {"memory": "8MiB", "cpu": 0.1}, "cpu"),
    ],
)
def test_a_guest_that_does_not_end_is_ended_at_its_limit(
    runaway: Unmetered, function: str, numbers: tuple[int, ...], limit: dict[str, Any], quota: str
) -> None:
    outcome = runaway.attempt(make_request(function, numbers=numbers), limit)
    error, record = outcome.error, outcome.record
    assert isinstance(error, QuotaExceeded)
    assert record is not None
    assert (error.quota, error.per_call, record.outcome) == (quota, True, f"quota_{quota}")
    assert error.used > error.limit
    assert error.record == record
    if quota != "memory":
        measured = {"cpu": record.cpu_ms, "wall": record.wall_ms}[quota]
        assert limit[quota] * 1e3 < measured <= error.used * 1e3 * 1.01
        assert record.memory_peak_bytes is not None
        assert record.memory_bytes == 64 << 10
        assert record.setup_ms > 0
        assert (7 << 20 < record.memory_peak_bytes < 8 << 20) == (function == "hoard_on")
    again = runaway.attempt(make_request("trap", numbers=()))
    assert isinstance(again.error, GuestTrap)


def test_a_trap_is_a_trap_and_the_child_goes_on(runaway: Unmetered) -> None:
    found = {}
    for function, numbers in (("recurse", (1,)), ("beyond", ()), ("trap", ())):
        error = runaway.attempt(make_request(function, numbers=numbers)).error
        assert isinstance(error, GuestTrap)
        found[function] = (error.trap, error.backtrace[-1], runaway.pids[0])
    assert {function: trap for function, (trap, _, _) in found.items()} == {
        "recurse": "stack_overflow", "beyond": "out_of_bounds_memory", "trap": "unreachable"
    }  # fmt: skip
    assert len({pid for _, _, pid in found.values()}) == 1


def test_a_start_function_and_a_hook_are_held_to_the_limit_too(rt: jn.Runtime) -> None:
    starts = load(rt, "(func $spin (loop $on (br $on))) (start $spin)", '(func (export "f"))', name="starts")
    hooks = load(
        rt, '(func (export "on_initialize") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)', ECHO,
        name="hooks",
    )  # fmt: skip
    for plugin, request in ((starts, make_request("f", numbers=())), (hooks, make_request("echo", 1))):
        outcome = once(plugin, request, quota={"cpu": 0.1})
        assert isinstance(outcome.error, QuotaExceeded)
        assert outcome.error.quota == "cpu"
    broken = load(rt, '(func (export "on_initialize") (param i32 i32) (result i64) unreachable)', ECHO, name="broken")
    outcome = once(broken, make_request("echo", 1))
    assert isinstance(outcome.error, PluginNotReady)
    assert outcome.record is None


def test_what_a_child_has_no_service_for_is_refused(rt: jn.Runtime) -> None:
    random = load(rt, forwarder(bytes="random.bytes"), name="random")
    with pytest.raises(PolicyError, match=r"random imports judicia:random\.bytes: .* judicia:log and judicia:clock"):
        Unmetered(random)
    command = rt.load('(module (memory (export "memory") 1) (func (export "_start")))', name="command")
    with pytest.raises(PolicyError, match="WASI command"):
        Unmetered(command)
    with (
        Unmetered(load(rt, NUMBERS, name="plain")) as unmetered,
        pytest.raises(PolicyError, match="no limit of fuel can hold"),
    ):
        unmetered.attempt(make_request("nothing", numbers=()), {"fuel": 1000})


def test_the_quota_of_the_plugin_is_looked_up_at_each_call(rt: jn.Runtime) -> None:
    plugin = load(rt, RUNAWAYS)
    with Unmetered(plugin) as unmetered:
        plugin.policy.set_quota(cpu=0.1)
        first = unmetered.attempt(make_request("spin", numbers=())).error
        plugin.policy.set_quota(cpu=0.2)
        second = unmetered.attempt(make_request("spin", numbers=())).error
        assert isinstance(first, QuotaExceeded)
        assert isinstance(second, QuotaExceeded)
        assert (first.limit, second.limit) == (0.1, 0.2)
        assert not first.per_call
        versions = plugin.calls["policy_version"].tolist()
        assert versions[0] < versions[1]


def test_a_spare_is_there_once_a_call_takes_long_and_none_is_left(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Unmetered(load(rt, RUNAWAYS, quota={"cpu": 60, "wall": 120})) as unmetered:

        def kill() -> None:
            until(lambda: len(unmetered.pids) == 2)
            os.kill(first, signal.SIGKILL)

        with monkeypatch.context() as no_call_is_long:  # however busy the machine is
            no_call_is_long.setattr("judicia_notebook.experiments.unmetered.cells.SLOW_SECONDS", 60.0)
            unmetered.attempt(make_request("trap", numbers=()))
        (first,) = unmetered.pids
        thread = threading.Thread(target=kill)
        thread.start()
        killed = unmetered.attempt(make_request("spin", numbers=()))
        thread.join()
        assert isinstance(killed.error, Killed)
        (spare,) = unmetered.pids
        assert spare != first
        monkeypatch.setattr("judicia_notebook.experiments.unmetered.cells.SLOW_SECONDS", 60.0)
        unmetered.attempt(make_request("trap", numbers=()))
        assert unmetered.pids == (spare,), "it has gone to work, and no call was long since"
    wait_until_gone((first, spare))


def test_without_a_cache_it_has_a_folder_of_its_own_for_so_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("JUDICIA_NOTEBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with jn.Runtime() as rt:
        plugin = load(rt, NUMBERS)
        (tmp_path / "cache").chmod(0o755)  # anybody may read it: it is not used
        with Unmetered(plugin) as unmetered:
            assert unmetered.attempt(make_request("add", numbers=(1, 2))).value == 3
            (folder,) = tmp_path.glob("judicia-*")
            assert len(list(folder.glob("*.cwasm"))) == 1
        assert not folder.exists()


def test_calls_of_code_that_was_replaced_or_unloaded_are_refused(rt: jn.Runtime) -> None:
    """What a load gives is not for the code before."""
    plugin = load(rt, NUMBERS)
    with Unmetered(plugin) as unmetered:
        request = make_request("add", numbers=(1, 2))
        assert unmetered.attempt(request).value == 3
        load(rt, NUMBERS, ECHO)
        with pytest.raises(PluginNotReady, match="was replaced"):
            unmetered.attempt(request)
        plugin.unload()
        with pytest.raises(PluginNotReady):
            unmetered.attempt(request)
