"""When a service of ours raises: the call ends as HostFailure, the guest is not resumed, nobody else notices."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.clock import ClockService
from tests.support.guests import wat
from tests.support.waiting import PATIENCE

Load = Callable[..., jn.Plugin]

RESUMED = """
(global $resumed (mut i32) (i32.const 0))
(func (export "now") (param i32 i32) (result i64) (local $answer i64)
  (local.set $answer (call $judicia:clock.now (i32.const 0) (i32.const 0)))
  (global.set $resumed (i32.const 1))
  (local.get $answer))
"""


class Serving:
    """What ``judicia:clock now`` does in this test."""

    def __init__(self) -> None:
        self.handle: Callable[[Any], Any] = lambda _scope: {}


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Serving:
    """Takes the place of the clock; ask for it before the runtime."""
    serving = Serving()
    monkeypatch.setattr(ClockService, "now", lambda _self, scope, _request: serving.handle(scope))
    return serving


@pytest.fixture
def plugin(serving: Serving, rt: jn.Runtime, load: Load) -> jn.Plugin:
    return load(RESUMED, grant=["wall_clock"])


def raising(error: BaseException) -> Callable[[Any], Any]:
    def handle(_scope: Any) -> Any:
        raise error

    return handle


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        MemoryError(),
        RecursionError("deep"),
        SystemExit(3),
        GeneratorExit(),
        StopIteration(),
        jn.PluginNotReady("another plugin"),
        type("Unprintable", (Exception,), {"__str__": lambda _: "\x1b[31m\u202e"})(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_service_raises_is_the_cause(serving: Serving, plugin: jn.Plugin, error: BaseException) -> None:
    serving.handle = raising(error)
    with pytest.raises(jn.HostFailure) as caught:
        plugin.call("now")
    assert caught.value.__cause__ is error
    assert "\x1b" not in str(caught.value)
    record = caught.value.record
    assert record is not None
    assert record.outcome == "host_failure"
    row = plugin.host_calls.iloc[-1]
    assert (row.decision, row.call_id) == ("failed", record.call_id)
    serving.handle = lambda _scope: {"fine": True}
    assert plugin.call("now") == {"ok": {"fine": True}}


def test_an_interrupt_in_a_service_stays_one(serving: Serving, plugin: jn.Plugin) -> None:
    serving.handle = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        plugin.call("now")
    assert plugin.last is not None
    assert plugin.last.outcome == "cancelled"
    serving.handle = lambda _scope: 1
    assert plugin.call("now") == {"ok": 1}


def test_an_error_whose_text_raises_is_reported_all_the_same(serving: Serving, plugin: jn.Plugin) -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("not even that")

    serving.handle = raising(Hostile())
    with pytest.raises(jn.HostFailure) as caught:
        plugin.call("now")
    assert isinstance(caught.value.__cause__, Hostile | RuntimeError)
    serving.handle = lambda _scope: 1
    assert plugin.call("now") == {"ok": 1}


@pytest.mark.parametrize(
    "value", [object(), float("nan"), 1 << 70, {1, (2, object())}], ids=["object", "nan", "too large", "set"]
)
def test_an_answer_that_has_no_json_form_is_a_failure_of_the_host(
    serving: Serving, plugin: jn.Plugin, value: Any
) -> None:
    serving.handle = lambda _scope: value
    with pytest.raises(jn.HostFailure):
        plugin.call("now")
    serving.handle = lambda _scope: 1
    assert plugin.call("now") == {"ok": 1}


def test_threads_get_their_own_errors(serving: Serving, rt: jn.Runtime, load: Load) -> None:
    def handle(scope: Any) -> Any:
        barrier.wait(PATIENCE)  # all of them raise while all of them are inside
        raise ValueError(scope.plugin)

    serving.handle = handle
    names = [f"guest-{number}" for number in range(4)]
    barrier = threading.Barrier(len(names))
    plugins = [load(RESUMED, name=name, grant=["wall_clock"]) for name in names]
    found: dict[str, list[str]] = {name: [] for name in names}

    def work(plugin: jn.Plugin) -> None:
        for _ in range(20):
            error = plugin.attempt("now").error
            found[plugin.name].append(str(error.__cause__) if isinstance(error, jn.HostFailure) else repr(error))

    threads = [threading.Thread(target=work, args=(plugin,)) for plugin in plugins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: [name] * 20 for name in names}


def test_a_plugin_that_is_called_from_its_own_host_call_is_not_ready(serving: Serving, plugin: jn.Plugin) -> None:
    found: list[BaseException | None] = []

    def handle(_scope: Any) -> Any:
        found.append(plugin.attempt("echo", 1).error)
        return {}

    serving.handle = handle
    assert plugin.call("now") == {"ok": {}}
    assert [type(error) for error in found] == [jn.PluginNotReady]


def test_a_plugin_may_be_called_from_the_host_call_of_another(serving: Serving, plugin: jn.Plugin, load: Load) -> None:
    other = load("", name="other")
    serving.handle = lambda _scope: other.call("echo", {"from": "other"})
    assert plugin.call("now") == {"ok": {"from": "other"}}
    outer = plugin.last
    inner = other.last
    assert outer is not None
    assert inner is not None
    assert inner.parent_call_id == outer.call_id


def test_a_trap_in_the_inner_plugin_ends_the_outer_call_as_the_hosts_failure(
    serving: Serving, plugin: jn.Plugin, load: Load
) -> None:
    other = load('(func (export "trap") (param i32 i32) (result i64) unreachable)', name="other")
    serving.handle = lambda _scope: other.call("trap")
    outcome = plugin.attempt("now")
    assert isinstance(outcome.error, jn.HostFailure)
    assert isinstance(outcome.error.__cause__, jn.GuestTrap)
    assert outcome.record is not None
    assert (outcome.record.plugin, outcome.record.outcome) == ("guest", "host_failure")
    assert other.last is not None
    assert other.last.outcome == "trap"
    serving.handle = lambda _scope: 1
    assert plugin.call("now") == {"ok": 1}
    assert other.call("echo", 1) == 1


def test_unloading_a_plugin_from_its_own_host_call(serving: Serving, rt: jn.Runtime, plugin: jn.Plugin) -> None:
    def handle(_scope: Any) -> Any:
        rt.unload("guest")
        return {}

    serving.handle = handle
    assert isinstance(plugin.attempt("now").error, jn.Cancelled)
    assert plugin.state == "unloaded"
    assert rt._platform.pool.used == 0


def test_replacing_a_plugin_from_its_own_host_call(
    serving: Serving, rt: jn.Runtime, plugin: jn.Plugin, load: Load
) -> None:
    def handle(_scope: Any) -> Any:
        load("(global i32 (i32.const 1))")
        return {}

    serving.handle = handle
    plugin.attempt("now")
    assert plugin.call("echo", 1) == 1
    assert "now" not in plugin.functions


def test_a_service_that_takes_too_long_is_noticed_when_it_returns(serving: Serving, plugin: jn.Plugin) -> None:
    def handle(scope: Any) -> Any:
        stop = scope.wait(60)
        assert isinstance(stop, jn.QuotaExceeded)  # it is told in time
        return {"but": "it answers all the same"}

    serving.handle = handle
    error = plugin.attempt("now", quota={"wall": "50ms"}).error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == "wall"


def test_a_hook_that_raises_does_not_keep_a_cancel_from_arriving(
    serving: Serving, rt: jn.Runtime, plugin: jn.Plugin
) -> None:
    def bad_hook() -> None:
        raise ValueError("in a hook")

    def handle(scope: Any) -> Any:
        scope.on_cancel(bad_hook)
        inside.set()
        return scope.wait(60) and {}

    serving.handle = handle
    inside = threading.Event()
    outcomes: list[jn.Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(plugin.attempt("now")))
    thread.start()
    assert inside.wait(PATIENCE)
    rt.unload("guest")
    thread.join(PATIENCE)
    assert [type(outcome.error) for outcome in outcomes] == [jn.Cancelled]


ASKING_ALLOCATOR = """(module
  (import "judicia:clock" "now" (func $now (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (func $ask (drop (call $now (i32.const 0) (i32.const 0))))
  (func (export "judicia_alloc") (param i32) (result i32) {alloc} (i32.const 1024))
  (func (export "judicia_free") (param i32 i32) {free})
  (func (export "take") (param i32 i32) (result i64) (i64.const 0)))"""

ASKERS = {"judicia_alloc": {"alloc": "(call $ask)", "free": ""}, "judicia_free": {"alloc": "", "free": "(call $ask)"}}


@pytest.mark.parametrize("asker", ASKERS)
def test_what_a_service_raises_is_not_blamed_on_the_allocator_that_asked(
    serving: Serving, rt: jn.Runtime, asker: str
) -> None:
    serving.handle = raising(ValueError("a bug"))
    plugin = rt.load(wat(ASKING_ALLOCATOR.format(**ASKERS[asker])), name="guest", grant=["wall_clock"])
    with pytest.raises(jn.HostFailure) as caught:
        plugin.call("take", 1)
    assert str(caught.value.__cause__) == "a bug"
    assert plugin.calls.outcome.tolist() == ["host_failure"]
    assert plugin.host_calls.decision.tolist() == ["failed"]


@pytest.mark.parametrize("asker", ASKERS)
def test_a_denial_that_ends_the_call_is_not_blamed_on_the_allocator_that_asked(rt: jn.Runtime, asker: str) -> None:
    plugin = rt.load(wat(ASKING_ALLOCATOR.format(**ASKERS[asker])), name="guest")
    plugin.policy.on_denied = "trap"
    with pytest.raises(jn.CapabilityDenied):
        plugin.call("take", 1)
    assert plugin.calls.outcome.tolist() == ["denied"]
    assert plugin.host_calls.decision.tolist() == ["denied"]
