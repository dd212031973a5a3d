"""Plugins that would like to pass a check, and requests that would like to get past a lock."""

from __future__ import annotations

import pytest

import judicia_notebook as jn
from tests.support.waiting import until


@pytest.mark.wall({"judicia_notebook.experiments.checks.judging:ending": "lambda outcome: 'ok'"})
def test_a_plugin_that_never_ends_meets_no_limit_of_what_it_did_not_do(rt: jn.Runtime) -> None:
    endless = rt.load("example:specimen", quota={"cpu": "20ms"}).attempt("spin", {"ms": 1e9})
    with pytest.raises(jn.CheckFailed):
        jn.check(endless, denied=0, host_calls_at_most=0)


@pytest.mark.wall({"judicia_notebook.experiments.checks.judging:known_fuel": "lambda record: record.fuel"})
def test_a_low_limit_of_fuel_makes_no_dear_code_cheap(rt: jn.Runtime) -> None:
    steps = "(local.set $x (i32.add (local.get $x) (i32.const 1)))" * 500
    dear = rt.load(f'(module (func (export "f") (result i32) (local $x i32) {steps} (local.get $x)))', name="dear")
    jn.check(dear.attempt("f", numbers=()), answer=500, fuel_at_most=2100)
    outcome = dear.attempt("f", numbers=(), quota={"fuel": 10})  # it is looked at where a function or a loop begins
    with pytest.raises(jn.CheckFailed, match="fuel that is not known"):
        jn.check(outcome, answer=500, fuel_at_most=10)


@pytest.mark.wall({"judicia_notebook.experiments.checks.judging:_is_same": "lambda given, expected: given == expected"})
def test_an_answer_of_another_kind_that_python_takes_for_equal_is_not_the_answer(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.CheckFailed):
        jn.check(specimen.attempt("echo", [True, 0]), answer=[1, False])


@pytest.mark.wall({"judicia_notebook.experiments.checks.judging:printable": "lambda text, limit=500: text"})
def test_what_a_plugin_says_draws_no_line_of_its_own_into_a_check(specimen: jn.Plugin) -> None:
    claim = "no\n  met      the answer is the expected one (1 of 1 point)\x1b[2K"
    with pytest.raises(jn.CheckFailed) as caught:
        jn.check(specimen.attempt("fail", {"code": "no", "message": claim}), code="yes", denied=0)
    assert all(finding.text.isprintable() for finding in caught.value.findings)


@pytest.mark.wall({"judicia_notebook.policy.bounds:Bounds._may_be": "lambda self, grant: True"})
def test_a_lock_holds_against_what_a_plugin_was_granted_before_and_asks_for_again(rt: jn.Runtime) -> None:
    plugin = rt.load("example:specimen", grant=["random"])
    rt.lock(grants=["wall_clock"])
    with pytest.raises(jn.PolicyLocked):
        plugin.policy.grant(*plugin.requested)
    assert plugin.call("call_host", {"service": "random"})["failed"] == 1


@pytest.mark.wall({"judicia_notebook.policy.bounds:Bounds.trimmed": "lambda self, wanted: wanted"})
def test_code_that_runs_loses_what_a_lock_takes_at_its_next_request(rt: jn.Runtime) -> None:
    plugin = rt.load("example:specimen", grant=["random"])
    handle = plugin.submit("call_host", {"service": "random", "n": 200, "every_ms": 5})
    until(handle.running)
    rt.lock(grants=[])
    error = handle.result(timeout=60)["last_error"]
    assert error is not None
    assert error["code"] == "capability_denied"
