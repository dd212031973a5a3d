"""``jn.check(p, by=...)``: checks that are a plugin, what they may say, and that no plugin under test reaches them."""

from __future__ import annotations

import json
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.guests import load, wat

ADDS = '(func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))'
CASES = [
    {"name": "small", "function": "add", "numbers": [1, 2], "answer": 3},
    {"name": "wraps", "function": "add", "numbers": [2147483647, 1], "answer": -2147483648},
]


def answering(function: str, value: Any, at: int) -> str:
    """A cell whose function gives this value."""
    text = value if isinstance(value, str) else json.dumps(value)
    data = "".join(f"\\{byte:02x}" for byte in text.encode())
    size = len(text.encode())
    return (
        f'(data (i32.const {at}) "{data}") (func (export "{function}") (param i32 i32) (result i64) '
        f"(call $reply (i32.const {at}) (i32.const {size})))"
    )


def checks(cases: Any = CASES, judge: Any = None) -> bytes:
    """A plugin of checks."""
    parts = [answering("cases", cases, 64), *([] if judge is None else [answering("judge", judge, 8192)])]
    return wat(*parts)


def found(plugin: jn.Plugin, by: bytes) -> list[tuple[bool, str]]:
    with pytest.raises(jn.CheckFailed) as caught:
        jn.check(plugin, by=by, seed=7)
    assert caught.value.subject == f"{plugin.name}, seed=7"
    return [(finding.is_met, finding.text) for finding in caught.value.findings]


def test_a_plugin_that_passes_each_case_passes(rt: jn.Runtime) -> None:
    passed = jn.check(load(rt, ADDS), by=checks(), points=4)
    assert passed.points == 4
    assert [finding.text for finding in passed.findings] == ["small", "wraps"]
    assert passed.subject.startswith("guest, seed=")


def test_a_hard_coded_answer_fails_the_case_that_was_not_seen_and_learns_nothing(rt: jn.Runtime) -> None:
    told = found(load(rt, '(func (export "add") (param i32 i32) (result i32) (i32.const 3))'), checks())
    assert told == [(True, "small"), (False, "wraps: the answer is not the expected one")]


def test_a_plugin_that_takes_the_name_of_the_checks_judges_nothing(rt: jn.Runtime) -> None:
    lenient = [answering("cases", CASES[:1], 64), answering("judge", {"passed": True}, 512)]
    forged = load(rt, '(func (export "add") (param i32 i32) (result i32) (i32.const 3))', *lenient, name="checks")
    assert found(forged, checks())[1] == (False, "wraps: the answer is not the expected one")


def test_an_endless_plugin_is_stopped_once(rt: jn.Runtime) -> None:
    endless = load(
        rt, '(func (export "add") (param i32 i32) (result i32) (loop $l (br $l)) (i32.const 0))', quota={"cpu": "50ms"}
    )
    ((is_met, text),) = found(endless, checks())
    assert not is_met
    assert text.startswith("small: the outcome is quota_cpu, which is not the expected one: ")


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"code": "moon"}, "the code is not the expected one"),
        ({"outcome": "trap"}, "the outcome is guest_error, which is not the expected one: specimen.fail failed"),
        ({"code": "sun", "denied": 77}, "the number of denied host calls is not the expected one"),
        ({"code": "sun", "fuel_at_most": 77}, "the fuel is not the expected one"),
    ],
)
def test_a_case_that_is_missed_says_nothing_of_what_it_expects(
    specimen: jn.Plugin, expected: dict[str, Any], told: str
) -> None:
    case = {"name": "one", "function": "fail", "payload": {"code": "sun"}, **expected}
    ((_, text),) = found(specimen, checks([case]))
    assert text.startswith(f"one: {told}")
    assert not any(str(value) in text for value in ("moon", "trap", 77))


def test_a_judge_decides_where_the_case_does_not(rt: jn.Runtime) -> None:
    cases = [{"name": "any", "function": "add", "numbers": [1, 2]}]
    adds = load(rt, ADDS)
    assert jn.check(adds, by=checks(cases, {"passed": True})).points == 1
    assert found(adds, checks(cases, {"passed": False, "message": "too\nplain"})) == [(False, "any: too⏎plain")]
    wrong = [{**cases[0], "answer": 4}]
    assert found(adds, checks(wrong, {"passed": True})) == [(False, "any: the answer is not the expected one")]


LOOKS = """(func (export "judge") (param $at i32) (param $size i32) (result i64) (local $last i32)
  (local.set $last (i32.add (local.get $at) (local.get $size)))
  (loop $next
    (if (i64.eq (i64.load (local.get $at)) (i64.const {text}))
      (then (return (call $reply (i32.const 8192) (i32.const 15)))))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $at) (local.get $last))))
  (call $reply (i32.const 8208) (i32.const 16)))
(data (i32.const 8192) "{{\\22passed\\22:true}} {{\\22passed\\22:false}}")"""
"""A judge that passes where these 8 bytes are in what it is told."""


@pytest.mark.parametrize(
    ("told", "passes"), [('wer":3,"', True), ('nied":0,', True), ('come":"o', True), ("1234567,", False)]
)
def test_a_judge_is_told_what_the_host_recorded(rt: jn.Runtime, told: str, passes: bool) -> None:
    cases = [{"name": "any", "function": "add", "numbers": [1, 2]}]
    by = wat(answering("cases", cases, 64), LOOKS.format(text=int.from_bytes(told.encode(), "little")))
    if told != "1234567,":
        jn.check(load(rt, ADDS), by=by)
    else:
        assert found(load(rt, ADDS), by) == [(False, "any: not as expected")]


NO_CHECKS: dict[str, bytes] = {
    "exports no function 'cases'": wat(ADDS),
    "cases: there is no case in the list": checks([]),
    "cases: expected a list of cases, given a table": checks({}),
    "case 1: has no function": checks([{"name": "a"}]),
    "case 1, anser: there is no such key. Did you mean 'answer'?": checks([{"function": "add", "anser": 1}]),
    "case 1, grant: there is no such key": checks([{"function": "add", "answer": 1, "grant": []}]),
    "'case 1' expects nothing, and there is no judge": checks([{"function": "add", "numbers": [1, 2]}]),
    "judge answers": checks(judge={"passed": 1}),
    "judge answers {": checks(judge=True),
    'judge answers {"passed"': checks(judge={"passed": True, "points": 9}),
    "broke the ABI": checks(judge="{"),
    "stopped at `unreachable`": wat('(func (export "cases") (param i32 i32) (result i64) unreachable)'),
    "not WebAssembly": b"nothing",
}  # fmt: skip


@pytest.mark.parametrize("said", NO_CHECKS)
def test_a_plugin_of_checks_that_says_none_is_an_error(rt: jn.Runtime, said: str) -> None:
    with pytest.raises(jn.InvalidCheck, match="by: the plugin of checks") as caught:
        jn.check(load(rt, ADDS), by=NO_CHECKS[said])
    assert said in str(caught.value)


def test_checks_are_of_a_plugin_and_a_seed_is_of_checks(rt: jn.Runtime) -> None:
    adds = load(rt, ADDS)
    for subject, given in (
        (adds.attempt("add", numbers=(1, 2)), {"by": checks()}),
        (adds, {"seed": 1}),
        (adds, {"by": adds}),
        (adds, {"by": checks(), "seed": -1}),
    ):
        with pytest.raises(jn.InvalidCheck):
            jn.check(subject, **given)
