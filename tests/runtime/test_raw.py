"""Numeric exports: which numbers go through, which are refused, and that the type is always the code's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn

NUMBERS = b"""(module
  (func (export "i") (param i32) (result i32) (local.get 0))
  (func (export "l") (param i64) (result i64) (local.get 0))
  (func (export "f") (param f32) (result f32) (local.get 0))
  (func (export "d") (param f64) (result f64) (local.get 0))
  (func (export "all") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
    (local.get 3) (local.get 2) (local.get 1) (local.get 0))
  (func (export "nothing"))
  (func (export "none") (param i32))
  (func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "v") (param v128))
  (func (export "r") (result funcref) (ref.null func))
  (memory (export "memory") 1))"""


@pytest.fixture
def numbers(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(NUMBERS, name="numbers")


@pytest.mark.parametrize(
    ("function", "given", "got"),
    [
        ("i", 5, 5), ("i", -(1 << 31), -(1 << 31)), ("i", (1 << 32) - 1, -1), ("i", True, 1), ("i", np.int64(-7), -7),
        ("l", 1 << 40, 1 << 40), ("l", -(1 << 63), -(1 << 63)), ("l", (1 << 64) - 1, -1), ("l", np.uint64(7), 7),
        ("f", 1, 1.0), ("f", 0.1, float(np.float32(0.1))), ("f", np.float32(2.5), 2.5), ("f", math.inf, math.inf),
        ("f", 3.4028234663852886e38, 3.4028234663852886e38), ("f", -0.0, -0.0),
        ("d", 0.1, 0.1), ("d", 1 << 60, float(1 << 60)), ("d", -math.inf, -math.inf), ("d", np.float64(3), 3.0),
    ],
)  # fmt: skip
def test_a_number_goes_through_its_type(numbers: jn.Plugin, function: str, given: Any, got: float) -> None:
    answer = numbers.raw(function)(given)
    assert answer == got
    assert type(answer) is (int if function in "il" else float)
    assert math.copysign(1, answer) == math.copysign(1, got)


def test_nan_goes_through_too(numbers: jn.Plugin) -> None:
    assert math.isnan(numbers.raw("f")(math.nan))
    assert math.isnan(numbers.raw("d")(math.nan))


def test_several_results_are_a_tuple_and_none_is_none(numbers: jn.Plugin) -> None:
    assert numbers.raw("all")(1, -2, 0.5, 0.1) == (0.1, 0.5, -2, 1)
    assert numbers.raw("nothing")() is None
    assert numbers.raw("none")(1) is None
    assert repr(numbers.raw("all")) == "<numbers.all (i32, i64, f32, f64) -> (f64, f32, i64, i32)>"


@pytest.mark.parametrize(
    ("function", "given"),
    [
        ("i", 1 << 32), ("i", -(1 << 31) - 1), ("i", 1.0), ("i", "1"), ("i", None), ("i", b"1"),
        ("l", 1 << 64), ("l", -(1 << 63) - 1), ("l", 0.5),
        ("f", 3.5e38), ("f", 3.4028236e38), ("f", -1e39), ("f", 10**400), ("f", "1"), ("f", 1j), ("f", None),
        ("d", 10**400), ("d", "1"), ("d", None), ("d", [1]),
    ],
    ids=lambda value: str(value)[:12],
)  # fmt: skip
def test_a_number_that_does_not_fit_is_refused_before_the_plugin_is_entered(
    rt: jn.Runtime, numbers: jn.Plugin, function: str, given: Any
) -> None:
    with pytest.raises(jn.InvalidPayload, match=f"numbers.{function}"):
        numbers.raw(function)(given)
    assert rt.calls.empty


@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_numbers_as_parameters_or_none_goes_in(rt: jn.Runtime, numbers: jn.Plugin, count: int) -> None:
    with pytest.raises(jn.InvalidPayload, match=r"numbers.div"):
        numbers.raw("div")(*range(count))
    assert rt.calls.empty


def test_what_is_no_numeric_function_is_not_raw(numbers: jn.Plugin) -> None:
    with pytest.raises(jn.NoSuchFunction, match=r"'dvi'. Did you mean 'div'"):
        numbers.raw("dvi")
    for name in ("v", "r"):
        with pytest.raises(jn.NoSuchFunction, match="only i32, i64, f32 and f64"):
            numbers.raw(name)
    with pytest.raises(jn.NoSuchFunction):
        numbers.raw("memory")


def test_a_raw_call_traps_and_is_recorded_like_any_other(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    assert numbers.raw("div")(6, 3, quota={"fuel": 1000}) == 2
    with pytest.raises(jn.GuestTrap, match="integer division by zero"):
        numbers.raw("div")(6, 0)
    with pytest.raises(jn.QuotaExceeded, match="fuel"):
        numbers.raw("div")(6, 3, quota={"fuel": 0})
    assert list(rt.calls["outcome"]) == ["ok", "trap", "quota_fuel"]
    assert set(rt.calls["abi"]) == {"raw"}
    assert rt.calls["limit_fuel"][0] == 1000


def test_a_raw_function_kept_over_a_replace_is_the_new_one(rt: jn.Runtime) -> None:
    rt.load(b'(module (func (export "f") (param i32) (result i32) (local.get 0)))', name="n")
    f = rt.plugins["n"].raw("f")
    assert f(3) == 3
    results = " ".join(["i64"] * 60)
    body = "(local.get 0) " * 60
    rt.load(f'(module (func (export "f") (param i64 i64) (result {results}) {body}))', name="n")
    with pytest.raises(jn.InvalidPayload):
        f(3)
    assert f(3, 4) == (3,) * 60
    rt.load(b'(module (func (export "g")))', name="n")
    with pytest.raises(jn.NoSuchFunction, match="f"):
        f(3)


def test_many_rows_are_one_call_and_one_record(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    assert numbers.raw("div").map([(6, 3), (7, 2), [-8, 2]]) == [2, 3, -4]
    assert numbers.raw("i").map(np.arange(3)) == [0, 1, 2]
    assert numbers.raw("div").map([]) == []
    assert numbers.raw("all").map([(1, 2, 0.5, 0.25)]) == [(0.25, 0.5, 2, 1)]
    assert list(rt.calls["function"]) == ["div", "i", "div", "all"]


def test_a_row_that_does_not_fit_keeps_all_of_them_out(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    with pytest.raises(jn.InvalidPayload):
        numbers.raw("div").map([(6, 3), (6,)])
    assert rt.calls.empty


def test_a_batch_ends_with_the_first_trap_or_the_end_of_its_quota(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    with pytest.raises(jn.GuestTrap, match="division by zero"):
        numbers.raw("div").map([(6, 3), (6, 0), (6, 1)])
    with pytest.raises(jn.QuotaExceeded, match="fuel"):
        numbers.raw("div").map([(6, 3)] * 1000, quota={"fuel": 500})
    assert list(rt.calls["outcome"]) == ["trap", "quota_fuel"]
