"""`jn.check`: what passes, what fails with which words, and what is no check at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn

Made = Callable[[jn.Plugin], Any]


def missed(subject: Any, **criteria: Any) -> list[str]:
    """What a check that fails says of each criterion that is not met."""
    with pytest.raises(jn.CheckFailed) as caught:
        jn.check(subject, **criteria)
    assert isinstance(caught.value, AssertionError)
    assert caught.value.points == 0
    return [finding.text for finding in caught.value.findings if not finding.is_met]


# --- calls -----------------------------------------------------------------------------------------------------------


def test_a_call_that_is_as_expected_gives_its_points(specimen: jn.Plugin) -> None:
    asked = specimen.attempt("call_host", {"service": "clock", "n": 3})
    passed = jn.check(asked, denied=3, host_calls_at_most=3, fuel_at_most=1_000_000, digest=specimen.digest, points=2.5)
    assert passed.points == 2.5
    assert [finding.criterion for finding in passed.findings] == [
        "digest",
        "outcome",
        "denied",
        "host_calls_at_most",
        "fuel_at_most",
    ]
    assert jn.check(specimen.attempt("trap"), outcome="trap").points == 1
    assert jn.check(specimen.attempt("fail", {"code": "no"}), code="no").subject == "specimen.fail"
    assert jn.check(specimen.attempt("echo_bytes", data=b"hi"), answer=b"hi").points == 1
    assert jn.check(specimen.attempt("echo", None), answer=None).points == 1


def granting(p: jn.Plugin, *grants: str) -> jn.Plugin:
    p.policy.grant(*grants)
    return p


FAILS: dict[str, tuple[Made, dict[str, Any]]] = {
    "answer is 1, expected 2": (lambda p: p.attempt("echo", 1), {"answer": 2}),
    "answer is true, expected 1": (lambda p: p.attempt("echo", True), {"answer": 1}),
    "the outcome is trap, expected ok: specimen.trap stopped": (lambda p: p.attempt("trap"), {"denied": 0}),
    "the outcome is ok, expected trap": (lambda p: p.attempt("echo", 1), {"outcome": "trap"}),
    "the outcome is quota_fuel, expected ok": (
        lambda p: p.attempt("spin", {"ms": 1e6}, quota={"fuel": 9999}),
        {"host_calls_at_most": 0},
    ),
    "the code is other, expected no: said": (
        lambda p: p.attempt("fail", {"code": "other", "message": "said"}),
        {"code": "no"},
    ),
    "1 host call was denied, expected 0": (lambda p: p.attempt("call_host", {"service": "clock"}), {"denied": 0}),
    "it made 2 host calls, expected at most 1": (
        lambda p: p.attempt("call_host", {"service": "log", "n": 2}),
        {"host_calls_at_most": 1},
    ),
    "fuel, expected at most 3": (lambda p: p.attempt("echo", 1), {"fuel_at_most": 3}),
    "expected 0123456789ab": (lambda p: p.attempt("echo", 1), {"digest": "0123456789ab"}),
    "granted is random, wall_clock; random may not be": (
        lambda p: granting(p, "random", "wall_clock"),
        {"grants_at_most": ["wall_clock"]},
    ),
    "the quota fuel is no limit, expected at most 10 fuel": (lambda p: p, {"quota_at_most": {"fuel": 10}}),
    "the quota cpu is 1 s, expected at most 500 ms": (lambda p: p, {"quota_at_most": {"cpu": "500ms"}}),
}


@pytest.mark.parametrize("said", FAILS)
def test_a_criterion_that_is_not_met_says_what_was_found(specimen: jn.Plugin, said: str) -> None:
    make, criteria = FAILS[said]
    (text,) = missed(make(specimen), **criteria)
    assert said in text


def test_an_error_of_several_criteria_has_a_line_for_each(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.CheckFailed) as caught:
        jn.check(specimen.attempt("echo", 1), answer=2, denied=1, points=3)
    assert str(caught.value).splitlines() == [
        "specimen.echo: 2 of 3 criteria are not met (0 of 3 points)",
        "  met      the outcome is ok",
        "  not met  answer is 1, expected 2",
        "  not met  0 host calls were denied, expected 1",
    ]


def test_a_call_that_failed_meets_no_other_criterion(specimen: jn.Plugin) -> None:
    """What an endless plugin did not do must not count for it."""
    ended = specimen.attempt("spin", {"ms": 1e9}, quota={"cpu": "20ms"})
    for criteria in ({"denied": 0}, {"host_calls_at_most": 0}, {"digest": specimen.digest}):
        assert "the outcome is quota_cpu, expected ok" in missed(ended, **criteria)[0]


def test_fuel_that_is_not_known_meets_no_limit(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", metering="epochs")
    assert missed(p.attempt("echo", 1), fuel_at_most=1 << 60) == [
        f"it used fuel that is not known, expected at most {1 << 60}"
    ]


def test_a_plugin_that_is_gone_cannot_be_called_and_passes_nothing(specimen: jn.Plugin) -> None:
    specimen.unload()
    with pytest.raises(jn.PluginNotReady):
        jn.check(specimen, grants_at_most=[])


# --- what no guest can say of itself ---------------------------------------------------------------------------------


def test_a_log_and_an_answer_that_claim_success_are_no_outcome(specimen: jn.Plugin) -> None:
    claim = "met the outcome is ok\n  met the answer is the expected one\n1 of 1 point"
    assert missed(specimen.attempt("panic", {"message": claim}), answer=1)[0].startswith("the outcome is trap")
    (text,) = missed(specimen.attempt("fail", {"code": "ok", "message": claim}), answer=1)
    assert text.startswith("the outcome is guest_error, expected ok: specimen.fail failed: ok: met")
    assert "\n" not in text


def test_a_module_that_takes_anothers_name_has_another_digest(rt: jn.Runtime) -> None:
    honest = rt.load("example:specimen")
    impostor = rt.load('(module (func (export "echo") (param i32 i32) (result i64) (i64.const 0)))', name="specimen")
    assert impostor is honest  # the handle is of the name
    (text,) = missed(impostor, digest=rt.inspect("example:specimen").digest)
    assert "expected" in text


# --- coverage --------------------------------------------------------------------------------------------------------

BRANCH = '(module (func (export "f") (param i32) (if (local.get 0) (then nop nop nop nop))) (func (export "g")))'


def test_coverage_is_of_the_module_or_of_a_function(rt: jn.Runtime) -> None:
    p = rt.load(BRANCH, name="branch")
    whole, part = (p.monitor("f", numbers=(n,), what="coverage") for n in (1, 0))
    assert jn.check(whole, coverage_at_least={"f": 1}, outcome="ok").subject == "branch.f"
    (text,) = missed(part, coverage_at_least={"f": 1.0})
    assert " instructions of f ran, " in text
    assert "expected at least 100 %" in text
    assert missed(whole, coverage_at_least={"h": 0.1}) == ["there are no instructions of h, expected at least 10 %"]
    with p.monitoring(what="coverage") as r:
        p.raw("f")(0)
        assert missed(r, coverage_at_least=0.99)
        p.raw("f")(1)
        p.raw("g")()
    assert jn.check(r, coverage_at_least=1, digest=p.digest).subject == "branch"


# --- no checks -------------------------------------------------------------------------------------------------------

ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)

NO_CHECKS: dict[str, tuple[Made, dict[str, Any]]] = {
    "Nothing is expected": (lambda p: p.attempt("echo", 1), {}),
    "Nothing is expected, so": (lambda p: p.attempt("echo", 1), {"points": 5}),
    "not of int": (lambda p: p.call("echo", 1), {"answer": 1}),
    "not of CallHandle": (lambda p: p.submit("echo", 1), {"answer": 1}),
    "This call has no row": (lambda p: jn.Outcome(1, None, None), {"answer": 1}),
    "outcome: is 'okay', which is none": (lambda p: p.attempt("echo", 1), {"outcome": "okay"}),
    "outcome: is a NoneType": (lambda p: p.attempt("echo", 1), {"outcome": None}),
    "answer: expected what JSON can hold, given nan": (lambda p: p.attempt("echo", 1), {"answer": float("nan")}),
    "answer: is nested deeper than": (lambda p: p.attempt("echo", 1), {"answer": ENDLESS}),
    "answer: expected what JSON can hold, given a object": (lambda p: p.attempt("echo", 1), {"answer": object()}),
    "answer: cannot be there where the outcome is trap": (
        lambda p: p.attempt("trap"),
        {"outcome": "trap", "answer": 1},
    ),
    "code: is of a plugin's own failure": (lambda p: p.attempt("trap"), {"outcome": "trap", "code": "x"}),
    "code: expected the code of a failure": (lambda p: p.attempt("fail"), {"code": ""}),
    "denied: expected a whole number from 0 on, given -1": (lambda p: p.attempt("echo", 1), {"denied": -1}),
    "denied: expected a whole number from 0 on, given false": (lambda p: p.attempt("echo", 1), {"denied": False}),
    "denied: expected a whole number from 0 on, given a NoneType": (lambda p: p.attempt("echo", 1), {"denied": None}),
    "host_calls_at_most: expected a whole number": (lambda p: p.attempt("echo"), {"host_calls_at_most": float("inf")}),
    "points: expected a number from 0 to 1000000, given -1": (
        lambda p: p.attempt("echo", 1),
        {"answer": 1, "points": -1},
    ),
    "points: expected a number from 0 to 1000000, given 1000000000": (
        lambda p: p.attempt("echo", 1),
        {"answer": 1, "points": 10**400},
    ),
    "points: expected a number from 0 to 1000000, given nan": (
        lambda p: p.attempt("echo", 1),
        {"answer": 1, "points": float("nan")},
    ),
    "coverage_at_least: a call has no such criterion": (lambda p: p.attempt("echo", 1), {"coverage_at_least": 0.5}),
    "coverage_at_least: expected a share above 0 and up to 1, such as 0.8, given 80": (
        lambda p: p.monitor("echo", 1),
        {"coverage_at_least": 80},
    ),
    "coverage_at_least: expected a share above 0 and up to 1, such as 0.8, given 0": (
        lambda p: p.monitor("echo", 1),
        {"coverage_at_least": 0},
    ),
    "coverage was not monitored": (lambda p: p.monitor("echo", 1, what="edges"), {"coverage_at_least": 0.5}),
    "answer: a plugin has no such criterion": (lambda p: p, {"answer": 1}),
    "grants_at_most: a call has no such criterion": (lambda p: p.attempt("echo", 1), {"grants_at_most": []}),
    "grants_at_most: There is no capability 'wall_clok'": (lambda p: p, {"grants_at_most": ["wall_clok"]}),
    "grants_at_most: expected a list of grants": (lambda p: p, {"grants_at_most": "wall_clock"}),
    "grants_at_most: Grants are texts": (lambda p: p, {"grants_at_most": {"read_files": ()}}),
    "quota_at_most: no limit is given": (lambda p: p, {"quota_at_most": {}}),
    "quota_at_most: cpu is no limit": (lambda p: p, {"quota_at_most": {"cpu": None}}),
    "quota_at_most: There is no quota 'cpus'": (lambda p: p, {"quota_at_most": {"cpus": 1}}),
    "digest: expected 12 to 64 hexadecimal digits": (lambda p: p, {"digest": "abc"}),
}


@pytest.mark.parametrize("said", NO_CHECKS)
def test_what_cannot_be_judged_is_an_error_and_no_pass(specimen: jn.Plugin, said: str) -> None:
    make, criteria = NO_CHECKS[said]
    subject = make(specimen)
    with pytest.raises(jn.InvalidCheck) as caught:
        jn.check(subject, **criteria)
    assert said in str(caught.value)
    assert not isinstance(caught.value, AssertionError)
    with contextlib.suppress(AttributeError):
        subject.result(timeout=10)


def test_an_unknown_criterion_is_an_error(specimen: jn.Plugin) -> None:
    with pytest.raises(TypeError, match="denyed"):
        jn.check(specimen.attempt("echo", 1), denyed=0)  # type: ignore[call-arg]
