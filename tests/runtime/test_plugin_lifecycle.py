"""A plugin's life: nothing runs before the first call, the hooks around it, and what is left after an unload."""

from __future__ import annotations

import re

import pytest

import judicia_notebook as jn
from tests.support.guests import ECHO, load
from tests.support.waiting import until

# --- lifecycle -------------------------------------------------------------------------------------------------------

REMEMBER = """
  (memory (export "memory") 2)
  (global $at (mut i32) (i32.const 0)) (global $len (mut i32) (i32.const 0))
  (func (export "on_initialize") (param $p i32) (param $n i32) (result i64)
    (global.set $len (local.get $n))
    (memory.copy (i32.const 1024) (local.get $p) (local.get $n))
    (i64.const 0))
  (func (export "given") (param i32 i32) (result i64) (call $reply (i32.const 1024) (global.get $len)))
"""


def test_nothing_of_a_plugin_runs_before_its_first_call(rt: jn.Runtime) -> None:
    p = load(rt, ECHO + "(func $start unreachable) (start $start)")
    assert p.state == "loaded"
    assert rt.calls.empty
    with pytest.raises(jn.GuestTrap, match=r"guest.echo stopped at `unreachable` in start"):
        p.call("echo", 1)
    assert p.state == "failed"


def test_on_initialize_is_told_who_it_is_and_what_it_may(rt: jn.Runtime) -> None:
    p = load(
        rt,
        REMEMBER,
        name=None,
        manifest={"name": "asker", "version": "1.2.3", "config": {"a": 1, "b": 1}},
        grant=["random", "read_database=t"],
        config={"b": 2, "c": [3]},
    )
    assert p.call("given") == {
        "name": "asker",
        "version": "1.2.3",
        "granted": ["random", "read_database=t"],
        "config": {"a": 1, "b": 2, "c": [3]},
    }
    hook, call = rt.calls.itertuples()
    assert (hook.function, hook.origin, hook.parent_call_id) == ("on_initialize", "lifecycle", call.call_id)
    assert (call.function, call.origin, call.instance_call) == ("given", "user", 1)
    assert rt.calls["parent_call_id"].isna().tolist() == [False, True]
    p.call("given")
    assert len(rt.calls) == 3


def test_initialize_makes_the_instance_ahead_of_the_first_call(rt: jn.Runtime) -> None:
    p = load(rt, REMEMBER)
    p.initialize()
    p.initialize()
    assert p.state == "ready"
    assert p.call("given")["name"] == "guest"
    assert list(rt.calls["function"]) == ["on_initialize", "given"]
    assert rt.calls["instance_call"][1] == 1
    assert rt.calls["parent_call_id"].isna().all()


def test_every_instance_is_initialized_once(rt: jn.Runtime) -> None:
    p = load(rt, REMEMBER, instances="fresh")
    for _ in range(3):
        p.call("given")
    assert list(rt.calls["function"]) == ["on_initialize", "given"] * 3


NEEDS_CLOCK = (
    ECHO
    + """
  (data (i32.const 8) "{\\"code\\":\\"no_clock\\",\\"message\\":\\"I need the clock\\"}")
  (func (export "on_initialize") (param i32 i32) (result i64) (local $answer i64)
    (local.set $answer (call $judicia:clock.now (i32.const 0) (i32.const 0)))
    (if (i32.eq (i32.load8_u offset=2 (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32)))) (i32.const 101))
      (then (drop (call $judicia:host.fail (i32.const 8) (i32.const 48)))))
    (i64.const 0))
"""
)


def test_a_plugin_that_cannot_initialize_is_not_ready_and_the_next_try_may_work(rt: jn.Runtime) -> None:
    p = load(rt, NEEDS_CLOCK)
    for _ in range(2):
        with pytest.raises(jn.PluginNotReady, match=r"guest failed to initialize: .*no_clock: I need") as refusal:
            p.call("echo", 1)
        assert isinstance(refusal.value.__cause__, jn.GuestError)
        assert p.state == "failed"
    outcome = p.attempt("echo", 1)
    assert isinstance(outcome.error, jn.PluginNotReady)
    p.policy.grant("wall_clock")
    assert p.call("echo", 1) == 1
    assert p.state == "ready"
    rows = rt.calls
    assert list(rows["function"]) == ["on_initialize"] * 4 + ["echo"]
    assert list(rows["outcome"]) == ["guest_error"] * 3 + ["ok"] * 2


def test_initialize_raises_what_it_ran_into(rt: jn.Runtime) -> None:
    p = load(rt, NEEDS_CLOCK)
    with pytest.raises(jn.GuestError, match="I need the clock"):
        p.initialize()
    assert p.state == "failed"
    p.policy.grant("wall_clock")
    p.initialize()
    assert p.state == "ready"
    q = load(rt, ECHO + '(func (export "on_initialize") (param i32 i32) (result i64) unreachable)', name="q")
    with pytest.raises(jn.GuestTrap):
        q.initialize()
    assert q.state == "failed"


def test_on_initialize_runs_under_the_plugins_quotas(rt: jn.Runtime) -> None:
    p = load(rt, ECHO + '(func (export "on_initialize") (param i32 i32) (result i64) (loop $l (br $l)) unreachable)')
    p.policy.set_quota(cpu="20ms")
    outcome = p.attempt("echo", 1)
    assert isinstance(outcome.error, jn.QuotaExceeded | jn.PluginNotReady)
    assert rt.calls["outcome"][0] == "quota_cpu"
    assert p.state == "failed"


CLEANING = (
    ECHO
    + """
  (data (i32.const 8) "{\\"level\\":\\"info\\",\\"message\\":\\"x\\"}")
  (func (export "on_cleanup") (param i32 i32) (result i64)
    (drop (call $judicia:log.write (i32.const 8) (i32.const 30))) BODY)
"""
)


def test_on_cleanup_runs_when_the_plugin_is_unloaded_or_replaced(rt: jn.Runtime) -> None:
    p = load(rt, CLEANING.replace("BODY", "(i64.const 0)"))
    p.call("echo", 1)
    rt.reload("guest")
    assert list(rt.calls["function"]) == ["echo", "on_cleanup"]
    p.call("echo", 1)
    rt.unload("guest")
    assert list(rt.calls["function"]) == ["echo", "on_cleanup"] * 2
    assert list(rt.calls["origin"]) == ["user", "lifecycle"] * 2
    assert list(rt.logs["message"]) == ["x", "x"]


def test_a_plugin_that_was_never_called_is_not_cleaned_up(rt: jn.Runtime) -> None:
    load(rt, CLEANING.replace("BODY", "(i64.const 0)"))
    rt.unload("guest")
    assert rt.calls.empty


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("(loop $l (br $l)) unreachable", "quota_(cpu|wall)"),
        ("unreachable", "trap"),
        ("(call $reply (i32.const -5) (i32.const 50))", "abi_violation"),
    ],
)
def test_a_cleanup_that_goes_wrong_delays_an_unload_a_second_at_most(rt: jn.Runtime, body: str, outcome: str) -> None:
    p = load(rt, CLEANING.replace("BODY", body))
    p.policy.set_quota(cpu="60s", wall="60s")
    p.call("echo", 1)
    rt.unload("guest")
    last = rt.calls.iloc[-1]
    assert last["function"] == "on_cleanup"
    assert re.fullmatch(outcome, last["outcome"])
    assert last["limit_cpu_ms"] == 1000
    assert last["wall_ms"] < 20_000  # and not the minute that it had otherwise
    assert dict(rt.plugins) == {}


def test_a_low_ceiling_does_not_keep_a_plugin_from_being_unloaded() -> None:
    with jn.Runtime(ceiling=jn.Quota(cpu="200ms", wall="300ms")) as rt:
        p = load(rt, CLEANING.replace("BODY", "(i64.const 0)"))
        until(lambda: p.attempt("echo", 1).ok)  # a machine may stand still for as long as the ceiling
        rt.unload("guest")
        assert list(rt.calls["function"])[-2:] == ["echo", "on_cleanup"]
        assert rt.calls["limit_cpu_ms"].iloc[-1] == 200


@pytest.mark.parametrize("hook", ["on_initialize", "on_cleanup"])
@pytest.mark.parametrize("kind", ["", "(param i32) (result i32)", "(param i32 i32) (result i32)"])
def test_a_hook_of_another_type_is_refused_when_it_is_loaded(rt: jn.Runtime, hook: str, kind: str) -> None:
    result = "(i32.const 0)" if "result" in kind else ""
    with pytest.raises(jn.AbiMismatch, match=hook):
        load(rt, ECHO + f'(func (export "{hook}") {kind} {result})')
    assert dict(rt.plugins) == {}


# --- unloaded --------------------------------------------------------------------------------------------------------


def test_an_unloaded_plugin_is_not_ready_and_says_how_it_would_be(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    specimen.call("echo", 1)
    raw = specimen.raw("echo")
    rt.unload("specimen")
    attempts = (
        lambda: specimen.call("echo", 1),
        lambda: specimen.call_bytes("echo", b"1"),
        lambda: raw(0, 0),
        lambda: specimen.attempt("echo", 1),
        specimen.initialize,
    )
    for attempt in attempts:
        with pytest.raises(jn.PluginNotReady, match="specimen is unloaded"):
            attempt()
    assert specimen.state == "unloaded"
    specimen.unload()
    assert list(rt.audit["what"]) == ["load", "unload"]
    assert len(specimen.calls) == 1
    assert specimen.inspect().name == "specimen"


def test_a_plugin_is_unloaded_at_the_end_of_its_block(rt: jn.Runtime) -> None:
    with rt.load("example:specimen") as p:
        assert p.call("echo", 1) == 1
    assert p.state == "unloaded"


def test_what_a_plugin_is_can_be_read(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    assert (specimen.name, specimen.abi, specimen.instances) == ("specimen", "judicia-v1", 1)
    assert specimen.source == "example:specimen"
    assert re.fullmatch(r"[0-9a-f]{64}", specimen.digest)
    assert {"echo", "spin"} <= set(specimen.functions)
    assert "memory" in {export.name for export in specimen.exports}
    assert "judicia:clock" in {one.module for one in specimen.imports}
    assert specimen.requested == ("wall_clock", "random")
    assert repr(specimen) == f"<Plugin specimen 1.0.0 loaded, {specimen.digest[:12]}>"
