"""Numeric exports over columns: dtypes, shapes and indices, the row that ends a call, limits, fuel, memory."""

from __future__ import annotations

import os
import pickle
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import judicia_notebook as jn
from judicia_notebook.engine.row_loops import FEW_ROWS, loop_code
from judicia_notebook.engine.settings import FULL
from judicia_notebook.host.dispatcher import Operation
from judicia_notebook.runtime.plugin import Plugin
from tests.support.guests import wat
from tests.support.services import offered
from tests.support.waiting import until_it_computes

FEW, SOME, MANY = 7, FEW_ROWS + 2000, 70_000
"""Rows that are called one by one; rows of one block; rows of several blocks of any type here."""

NUMBERS = b"""(module
  (func (export "i") (param i32) (result i32) (local.get 0))
  (func (export "l") (param i64) (result i64) (local.get 0))
  (func (export "f") (param f32) (result f32) (local.get 0))
  (func (export "d") (param f64) (result f64) (local.get 0))
  (func (export "all") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
    (local.get 3) (local.get 2) (local.get 1) (local.get 0))
  (global $count (mut i64) (i64.const 0))
  (func (export "nothing") (global.set $count (i64.add (global.get $count) (i64.const 1))))
  (func (export "none") (param i32) (global.set $count (i64.add (global.get $count) (i64.extend_i32_s (local.get 0)))))
  (func (export "count") (result i64) (global.get $count))
  (func (export "next") (result i64)
    (global.set $count (i64.add (global.get $count) (i64.const 1))) (global.get $count))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "mul") (param f64 f64) (result f64) (f64.mul (local.get 0) (local.get 1)))
  (func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "turns") (param i32) (result i32) (local $left i32)
    (local.set $left (local.get 0))
    (block (loop (br_if 1 (i32.eqz (local.get $left)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br 0)))
    (local.get 0))
  (func (export "abort") (param i32) (result i32)
    (if (i32.lt_s (local.get 0) (i32.const 0)) (then unreachable)) (local.get 0))
  (func (export "abort_deep") (param i32) (result i32) (call $deep (local.get 0) (i32.const 100)))
  (func $deep (param i32 i32) (result i32)
    (if (i32.lt_s (local.get 0) (i32.const 0)) (then
      (if (i32.eqz (local.get 1)) (then unreachable))
      (return (call $deep (local.get 0) (i32.sub (local.get 1) (i32.const 1))))))
    (local.get 0))
  (func (export "grow") (param i32) (result i32)
    (if (i32.eq (memory.grow (local.get 0)) (i32.const -1)) (then unreachable)) (memory.size))
  (func (export "v") (param v128))
  (memory (export "memory") 1))"""


@pytest.fixture
def numbers(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(NUMBERS, name="numbers")


@pytest.fixture(scope="module")
def shared() -> Iterator[jn.Plugin]:
    with jn.Runtime() as runtime:
        yield runtime.load(NUMBERS, name="numbers", quota={"wall": "60s", "cpu": "60s"})


def bits(array: Any) -> Any:
    return np.asarray(array).view(f"u{np.asarray(array).dtype.itemsize}")


def pool_of(rt: jn.Runtime) -> int:
    return rt._platform.pool.used


# --- numbers and their types -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, FEW, SOME, MANY])
def test_a_function_of_every_type_gives_columns_of_its_types(numbers: jn.Plugin, count: int) -> None:
    places = np.arange(count)
    columns = places.astype("i4"), places - 2**62, places.astype("f4") / 3, np.sqrt(places)
    found = numbers.ufunc("all")(*columns)
    assert [part.dtype.str[1:] for part in found] == ["f8", "f4", "i8", "i4"]
    for part, column in zip(reversed(found), columns, strict=True):
        np.testing.assert_array_equal(part, column)
    assert numbers.last is not None
    assert (numbers.last.function, numbers.last.outcome, numbers.last.abi) == ("all", "ok", "raw")


@pytest.mark.parametrize(
    ("function", "given", "got"),
    [
        ("i", np.array([-(2**31), 2**31 - 1], "i4"), [-(2**31), 2**31 - 1]),
        ("i", np.array([2**32 - 1, 1], "u4"), [-1, 1]),
        ("i", np.array([255, 1], "u1"), [255, 1]),
        ("i", np.array([-1, 1], "i2"), [-1, 1]),
        ("i", np.array([True, False]), [1, 0]),
        ("i", np.array([1, 2], ">i4"), [1, 2]),
        ("l", np.array([-(2**63), 2**63 - 1]), [-(2**63), 2**63 - 1]),
        ("l", np.array([2**64 - 1, 2**63], "u8"), [-1, -(2**63)]),
        ("l", np.array([2**32 - 1], "u4"), [2**32 - 1]),
        ("f", np.array([0.5, np.inf], "f4"), [0.5, np.inf]),
        ("f", np.array([0.5], "f2"), [0.5]),
        ("f", np.array([-7], "i2"), [-7.0]),
        ("d", np.array([0.1], "f4"), [float(np.float32(0.1))]),
        ("d", np.array([2**53]), [2.0**53]),
        ("d", [0.25, 2], [0.25, 2.0]),
        ("l", pd.array([1, 2], dtype="Int64"), [1, 2]),
        ("d", pd.array([1, None], dtype="Int64"), [1.0, np.nan]),
    ],
)
def test_a_dtype_that_casts_safely_is_taken(numbers: jn.Plugin, function: str, given: Any, got: list[float]) -> None:
    for many in (given, np.resize(given, SOME)):
        found = numbers.ufunc(function)(many)
        assert found.dtype == {"i": "i4", "l": "i8", "f": "f4", "d": "f8"}[function]
        np.testing.assert_array_equal(found, np.resize(got, len(many)))


@pytest.mark.parametrize(
    ("function", "given", "words"),
    [
        (
            "i",
            np.array([1.0]),
            r"argument 1 is float64, and i32 takes int32, uint32 or narrower.*\n.*astype\('int32'\)",
        ),
        ("i", np.array([1]), "argument 1 is int64, and i32"),
        ("i", np.int64(1), "argument 1 is int64, and i32"),
        ("i", pd.Series([0.5], name="points"), r"argument 1 \(points\) is float64"),
        ("l", np.array([1.0], "f4"), "argument 1 is float32, and i64"),
        ("f", np.array([1.0]), "argument 1 is float64, and f32"),
        ("f", np.array([1], "i4"), "argument 1 is int32, and f32"),
        ("d", np.array([1], "m8[s]"), "argument 1 is timedelta64"),
        ("l", np.array(["2026-01-01"], "M8[D]"), "argument 1 is datetime64"),
        ("d", np.array([1j]), "argument 1 is complex128"),
        ("d", np.array(["1"]), "argument 1 is <U1"),
        ("d", [None], "argument 1 is object"),
        ("l", pd.Series([1, None], dtype="Int64"), "argument 1 is float64"),
        ("d", np.ma.array([1.0], mask=[True]), "masked"),
        ("d", [[1], [1, 2]], "argument 1 is no array"),
        ("i", 2**32, "argument 1 is not within 32 bits"),
        ("i", 1.5, "argument 1 is a float, and i32 takes a whole number"),
        ("f", 1e39, "argument 1 is not within the range of f32"),
        ("d", "1", "argument 1 is <U1"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_its_name_before_the_plugin_is_entered(
    rt: jn.Runtime, numbers: jn.Plugin, function: str, given: Any, words: str
) -> None:
    with pytest.raises(jn.InvalidPayload, match=f"numbers.{function} is .*{words}"):
        numbers.ufunc(function)(given)
    assert rt.calls.empty


def test_as_many_columns_as_parameters_or_none_goes_in(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    with pytest.raises(jn.InvalidPayload, match="it takes 2 columns, 1 was given"):
        numbers.ufunc("add")([1])
    with pytest.raises(jn.InvalidPayload, match="it takes no columns, 1 was given"):
        numbers.ufunc("nothing")(1)
    assert rt.calls.empty
    with pytest.raises(jn.NoSuchFunction, match=r"'dvi'. Did you mean 'div'"):
        numbers.ufunc("dvi")
    with pytest.raises(jn.NoSuchFunction, match="only i32, i64, f32 and f64"):
        numbers.ufunc("v")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(numbers.ufunc("add"))
    assert repr(numbers.ufunc("add")) == "<numbers.add (i32, i32) -> i32 over columns>"


@pytest.mark.parametrize("count", [FEW, SOME])
@pytest.mark.parametrize(("function", "patterns"), [
    ("f", np.array([0x7FC00000, 0x7FC12345, 0xFFC00001, 0x7F800001, 0x80000000], "u4").view("f4")),
    ("d", np.array([0x7FF8000000000000, 0x7FF8000000012345, 0xFFF8000000000001, 0x7FF0000000000001], "u8").view("f8")),
])  # fmt: skip
def test_the_bits_of_a_nan_go_through(numbers: jn.Plugin, function: str, patterns: Any, count: int) -> None:
    column = np.resize(patterns, count)
    np.testing.assert_array_equal(bits(numbers.ufunc(function)(column)), bits(column))


# --- shapes and indices ----------------------------------------------------------------------------------------------


def test_arguments_are_broadcast_as_numpy_does(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    add = numbers.ufunc("add")
    tall, wide = np.arange(300, dtype="i4")[:, None], np.arange(70, dtype="i4") * 1000
    np.testing.assert_array_equal(add(tall, wide), tall + wide)
    np.testing.assert_array_equal(add(wide, 5), wide + 5)
    np.testing.assert_array_equal(add(np.int32(7), tall), tall + 7)
    np.testing.assert_array_equal(add(tall.T[:, ::-3], wide[:1]), tall.T[:, ::-3] + wide[:1])
    np.testing.assert_array_equal(add(np.asfortranarray(tall + wide), wide), tall + wide + wide)
    rows = len(rt.calls)
    with pytest.raises(jn.InvalidPayload, match=r"the shapes \(3,\), \(4,\) do not go together"):
        add(np.zeros(3, "i4"), np.zeros(4, "i4"))
    assert len(rt.calls) == rows == 5


def test_numbers_alone_give_a_number_of_the_result_s_type(numbers: jn.Plugin) -> None:
    found = numbers.ufunc("add")(2**32 - 1, 3)
    assert (found, type(found)) == (2, np.int32)
    assert type(numbers.ufunc("all")(1, 2, 3, 4)[1]) is np.float32
    assert numbers.ufunc("mul")(np.array(2.0), 4).shape == ()


def test_no_rows_are_one_call_in_which_nothing_runs(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    found = numbers.ufunc("add")(np.zeros((0, 3), "i4"), 1)
    assert (found.shape, found.dtype) == ((0, 3), np.int32)
    assert [part.shape for part in numbers.ufunc("all")(*(np.zeros(0, kind) for kind in ("i4", "i8", "f4", "f8")))] == [
        (0,)
    ] * 4
    assert list(rt.calls["fuel"]) == [0, 0]


def test_a_function_without_results_gives_none_and_one_without_parameters_is_called_once(numbers: jn.Plugin) -> None:
    assert numbers.ufunc("nothing")() is None
    assert numbers.ufunc("none")(np.arange(MANY, dtype="i4")) is None
    assert numbers.raw("count")() == 1 + sum(range(MANY))
    assert numbers.ufunc("next")() == 2 + sum(range(MANY))


def test_a_series_gives_a_series_with_its_index(numbers: jn.Plugin) -> None:
    add = numbers.ufunc("add")
    frame = pd.DataFrame({"a": np.array([1, 2, 3], "i4"), "b": np.array([10, 20, 30], "i4")}, index=["x", "y", "z"])
    done = frame.assign(c=lambda d: add(d.a, d.b))
    assert list(done.c) == [11, 22, 33]
    assert (list(done.index), done.c.dtype) == (["x", "y", "z"], np.int32)
    for found in (add(frame.a, 1), add(1, frame.a), add(np.array([0, 0, 1], "i4"), frame.a), add(frame.a, frame.a)):
        assert found.index.equals(frame.index)
        assert found.name == "a"
    assert add(frame.a, frame.b).name is None
    assert type(add(frame.a, np.zeros((2, 3), "i4"))) is np.ndarray
    assert add(frame.a, np.zeros((2, 1), "i4")).shape == (2, 3)
    both = numbers.ufunc("all")(frame.a, frame.b, np.float32(0), 0.0)
    assert all(part.index.equals(frame.index) for part in both)


def test_series_with_different_indices_are_refused(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    add, left = numbers.ufunc("add"), pd.Series([1, 2], dtype="i4")
    with pytest.raises(jn.InvalidPayload, match=r"arguments 1 and 2 are Series with different indices(.|\n)*to_numpy"):
        add(left, left[::-1])
    assert rt.calls.empty
    assert list(add(left, left[::-1].to_numpy())) == [3, 3]


# --- the row that ends a call ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [FEW, SOME, MANY])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_trap_says_its_row_and_keeps_the_rows_before(numbers: jn.Plugin, count: int, place: str) -> None:
    row = {"first": 0, "middle": count * 5 // 6, "last": count - 1}[place]
    over, under = np.arange(count, dtype="i4"), np.ones(count, "i4")
    under[row] = 0
    with pytest.raises(jn.GuestTrap, match=f"division by zero.*in div\\..*It was in row {row} of {count};") as trap:
        numbers.ufunc("div")(over, under)
    error = pickle.loads(pickle.dumps(trap.value))
    for found in (trap.value, error):
        assert found.row == row
        np.testing.assert_array_equal(found.rows_before, over[:row])
    assert trap.value.backtrace == ("div",)
    assert trap.value.record is not None
    assert numbers.ufunc("div")(6, 3) == 2


def test_rows_before_are_flat_and_a_tuple_where_there_are_several(rt: jn.Runtime) -> None:
    p = rt.load(
        b"""(module (func (export "f") (param i32) (result i32 f64)
        (if (i32.eq (local.get 0) (i32.const 4)) (then unreachable))
        (local.get 0) (f64.convert_i32_s (local.get 0))))""",
        name="two",
    )
    with pytest.raises(jn.GuestTrap) as trap:
        p.ufunc("f")(np.arange(6, dtype="i4").reshape(2, 3))
    assert trap.value.row == 4
    whole, real = trap.value.rows_before
    assert (list(whole), list(real)) == ([0, 1, 2, 3], [0.0, 1.0, 2.0, 3.0])


def test_a_deep_backtrace_has_the_guest_s_own_frames(numbers: jn.Plugin) -> None:
    column = np.zeros(SOME, "i4")
    column[2000] = -1
    with pytest.raises(jn.GuestTrap) as trap:
        numbers.ufunc("abort_deep")(column)
    assert trap.value.row == 2000
    assert not any("judicia" in name for name in trap.value.backtrace)


@pytest.mark.parametrize("count", [FEW, SOME])
def test_a_reported_failure_says_its_row(rt: jn.Runtime, count: int) -> None:
    report = '{"code":"odd","message":"no"}'
    p = rt.load(
        wat(
            f'(data (i32.const 8) "{report.replace(chr(34), chr(92) + "22")}")',
            '(func (export "f") (param i32) (result i32) (if (i32.eq (local.get 0) (i32.const 3)) (then',
            f"(drop (call $judicia:host.fail (i32.const 8) (i32.const {len(report)}))))) (local.get 0))",
        ),
        name="picky",
    )
    column = np.arange(count, dtype="i4")
    with pytest.raises(jn.GuestError, match=r"odd: no\. It was in row 3 of") as failure:
        p.ufunc("f")(column)
    assert failure.value.row == 3
    assert list(failure.value.rows_before) == [0, 1, 2]
    assert p.last is not None
    assert p.last.outcome == "guest_error"


# --- limits ----------------------------------------------------------------------------------------------------------


def ended(function: Any, *columns: Any, **quota: Any) -> Any:
    with pytest.raises(jn.CallError) as error:
        function(*columns, quota=quota)
    return error.value


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("kind", ["cpu", "wall"])
def test_a_time_limit_ends_a_row_in_the_middle(numbers: jn.Plugin, kind: str, count: int) -> None:
    turns = np.zeros(count, "i4")
    turns[count // 2 :] = -1  # 4 billion turns
    error = ended(numbers.ufunc("turns"), turns, **{kind: "50ms"})
    assert isinstance(error, jn.QuotaExceeded)
    assert (error.quota, error.row, len(error.rows_before)) == (kind, count // 2, count // 2)
    assert f"It was in row {count // 2} of {count};" in str(error)


def test_many_short_rows_together_are_held_to_the_limits_of_one_call(numbers: jn.Plugin) -> None:
    error = ended(numbers.ufunc("turns"), np.full(10**6, 5000, "i4"), cpu="60ms")
    assert error.quota == "cpu"
    assert 0 < error.row < 10**6
    np.testing.assert_array_equal(error.rows_before, np.full(error.row, 5000))


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_memory_limit_ends_a_row_in_the_middle(numbers: jn.Plugin, count: int) -> None:
    pages = np.zeros(count, "i4")
    pages[3:6] = 1
    error = ended(numbers.ufunc("grow"), pages, memory=3 << 16)
    assert (error.quota, error.row, list(error.rows_before)) == ("memory", 5, [1, 1, 1, 2, 3])


@pytest.mark.parametrize("count", [FEW, MANY])
@pytest.mark.parametrize("way", ["cancel", "wall", "cpu"])
def test_what_comes_from_another_thread_ends_a_row_in_the_middle(
    rt: jn.Runtime, numbers: jn.Plugin, way: str, count: int
) -> None:
    turns, errors = np.zeros(count, "i4"), list[jn.CallError]()
    turns[5] = -1

    def call() -> None:
        try:
            numbers.ufunc("turns")(turns)
        except jn.CallError as error:
            errors.append(error)

    numbers.policy.set_quota(wall=None, cpu=None)
    thread = threading.Thread(target=call)
    thread.start()
    until_it_computes(rt)
    if way == "cancel":
        numbers.cancel_calls("enough")
    elif way == "wall":
        numbers.policy.set_quota(wall="10ms")
    else:
        numbers.policy.set_quota(cpu="10ms")
    thread.join()
    kind = jn.Cancelled if way == "cancel" else jn.QuotaExceeded
    assert [(type(error), error.row, len(error.rows_before)) for error in errors] == [(kind, 5, 5)]


@pytest.mark.parametrize("count", [FEW, MANY])
def test_ctrl_c_ends_it(rt: jn.Runtime, numbers: jn.Plugin, count: int) -> None:
    def press() -> None:
        until_it_computes(rt)
        os.kill(os.getpid(), signal.SIGINT)

    numbers.policy.set_quota(wall=None, cpu=None)
    presser = threading.Thread(target=press)
    with pytest.raises(KeyboardInterrupt):
        presser.start()
        numbers.ufunc("turns")(np.full(count, -1, "i4"))
    presser.join()
    assert numbers.last is not None
    assert numbers.last.outcome == "cancelled"
    assert numbers.ufunc("add")(1, 2) == 3


@pytest.mark.parametrize("count", [FEW, SOME, MANY])
def test_fuel_is_the_sum_of_the_rows_alone(numbers: jn.Plugin, count: int) -> None:
    turns = np.arange(count, dtype="i4") % 11
    alone = []
    for number in range(11):
        numbers.raw("turns")(number)
        assert numbers.last is not None
        alone.append(numbers.last.fuel)
    numbers.ufunc("turns")(turns)
    assert numbers.last is not None
    assert numbers.last.fuel == sum(alone[number] for number in turns)


@pytest.mark.parametrize("count", [FEW, SOME, MANY])
@pytest.mark.parametrize("row", [0, 1, 6])
def test_fuel_of_a_trap_is_the_sum_of_the_rows_until_it(numbers: jn.Plugin, count: int, row: int) -> None:
    column = np.zeros(count, "i4")
    column[row] = -1
    with pytest.raises(jn.GuestTrap):
        numbers.raw("abort").map(column)
    assert numbers.last is not None
    expected = numbers.last.fuel or 0
    with pytest.raises(jn.GuestTrap):
        numbers.ufunc("abort")(column)
    assert numbers.last.fuel == expected > 0


@pytest.mark.parametrize("limit", [0, 1, 3000, 3001, 3002, 3003])
def test_a_limit_of_fuel_ends_the_same_row_as_row_by_row(numbers: jn.Plugin, limit: int) -> None:
    turns = np.arange(MANY, dtype="i4") % 11
    numbers.ufunc("turns")(turns)  # leaves a generated loop, which would use the fuel of rows to come
    error = ended(numbers.ufunc("turns"), turns, fuel=limit)
    assert (error.quota, error.record.fuel, len(error.rows_before)) == ("fuel", limit, error.row)
    numbers.raw("turns").map(turns[: error.row], quota={"fuel": limit})
    with pytest.raises(jn.QuotaExceeded):
        numbers.raw("turns").map(turns[: error.row + 1], quota={"fuel": limit})


# --- the house around it ---------------------------------------------------------------------------------------------


def test_a_call_is_one_row_with_its_times_and_no_bytes(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    numbers.ufunc("mul")(np.ones(MANY), np.ones(MANY))
    (row,) = rt.calls.to_dict("records")
    assert (row["function"], row["abi"], row["outcome"], row["bytes_in"], row["bytes_out"]) == (
        "mul",
        "raw",
        "ok",
        0,
        0,
    )
    assert row["encode_ms"] > 0
    assert row["decode_ms"] > 0
    assert row["guest_ms"] > 0
    parts = sum(row[name] for name in ("setup_ms", "encode_ms", "guest_ms", "host_ms", "decode_ms"))
    assert parts <= row["wall_ms"] + 0.001
    assert row["memory_bytes"] == row["memory_peak_bytes"] == 1 << 16


def test_the_columns_are_the_runtime_s_memory_and_no_quota_s(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    numbers.policy.set_quota(memory=1 << 16, table_elements=0)
    numbers.ufunc("mul")(np.ones(MANY), 1.0)
    code = loop_code(("f64", "f64"), ("f64",), FULL)
    assert pool_of(rt) == (1 << 16) + code.layout.size
    numbers.ufunc("mul")(np.ones(MANY), 1.0)
    numbers.ufunc("add")(np.ones(MANY, "i4"), 1)
    assert pool_of(rt) == (1 << 16) + code.layout.size + loop_code(("i32", "i32"), ("i32",), FULL).layout.size
    numbers.unload()
    assert pool_of(rt) == 0


def test_a_fresh_instance_leaves_no_columns(rt: jn.Runtime) -> None:
    p = rt.load(NUMBERS, name="fresh", instances="fresh")
    for _ in range(3):
        np.testing.assert_array_equal(p.ufunc("mul")(np.arange(float(MANY)), 2), np.arange(float(MANY)) * 2)
    assert p.ufunc("next")() == 1
    assert pool_of(rt) == 0


def test_where_the_runtime_has_no_memory_left_rows_are_called_one_by_one() -> None:
    with jn.Runtime(ceiling=jn.Quota(memory=1 << 16)) as rt:
        p = rt.load(NUMBERS, name="numbers")
        p.raw("i")(0)
        left = rt._platform.pool.ceiling - pool_of(rt)
        fields = rt._platform.pool._pool
        fields.ceiling -= left
        np.testing.assert_array_equal(p.ufunc("add")(np.arange(MANY, dtype="i4"), 1), np.arange(MANY) + 1)
        assert pool_of(rt) == 1 << 16
        assert p.last is not None
        assert p.last.grows_refused == 0


def test_an_instance_has_room_for_some_loops_and_calls_the_rest_row_by_row(rt: jn.Runtime) -> None:
    kinds = ["i32", "i64", "f32", "f64"]
    text = "".join(
        f'(func (export "{first}{second}") (param {first} {second}) (result {first}) (local.get 0))'
        for first in kinds
        for second in kinds
    )
    p = rt.load(f"(module {text})", name="many")
    for first in kinds:
        for second in kinds:
            column = np.arange(SOME).astype({"i": "int", "f": "float"}[first[0]] + first[1:])
            np.testing.assert_array_equal(p.ufunc(first + second)(column, 0), column)
    p.unload()
    assert pool_of(rt) == 0


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_function_that_makes_host_calls(rt: jn.Runtime, count: int) -> None:
    del rt
    seen = list[int]()
    other = list[jn.Plugin]()

    def note(scope: Any, _: Any) -> None:
        seen.append(scope.progress())
        if len(seen) % 3 == 1:  # a call inside the host call, in another instance
            assert other[0].ufunc("add")(np.arange(SOME, dtype="i4"), 1)[-1] == SOME

    with offered(Operation("note", note, answers=False)), jn.Runtime() as runtime:
        other.append(runtime.load(NUMBERS, name="numbers"))
        p = runtime.load(
            wat(
                '(func (export "f") (param i32) (result i32)',
                "(if (i32.eqz (i32.rem_u (local.get 0) (i32.const 5))) (then",
                "(drop (call $judicia:test.note (i32.const 0) (i32.const 0))))) (local.get 0))",
            ),
            name="caller",
            quota={"wall": "60s", "cpu": "60s"},
        )
        rows = np.arange(count, dtype="i4") % 2000
        np.testing.assert_array_equal(p.ufunc("f")(rows), rows)
        assert p.last is not None
        assert p.last.host_calls == len(seen) == (rows % 5 == 0).sum()
        assert seen == list(np.flatnonzero(rows % 5 == 0))


def test_a_host_call_that_fails_says_its_row(rt: jn.Runtime) -> None:
    del rt

    def note(*_: Any) -> None:
        raise RuntimeError("no")

    with offered(Operation("note", note, answers=False)), jn.Runtime() as runtime:
        p = runtime.load(
            wat(
                '(func (export "f") (param i32) (result i32) (if (i32.eq (local.get 0) (i32.const 2345)) (then',
                "(drop (call $judicia:test.note (i32.const 0) (i32.const 0))))) (local.get 0))",
            ),
            name="caller",
        )
        with pytest.raises(jn.HostFailure) as failure:
            p.ufunc("f")(np.arange(SOME, dtype="i4"))
        assert (failure.value.row, len(failure.value.rows_before)) == (2345, 2345)


def test_a_function_kept_over_a_replace_is_the_new_one(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    add, rows = numbers.ufunc("add"), np.arange(SOME, dtype="i4")
    add(rows, rows)
    text = '(module (func (export "add") (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1))))'
    rt.load(text, name="numbers")
    np.testing.assert_array_equal(add(rows, 1), rows - 1)
    rt.load('(module (func (export "add") (param f64) (result f64) (local.get 0)))', name="numbers")
    with pytest.raises(jn.InvalidPayload, match="it takes 1 column"):
        add(rows, 1)
    np.testing.assert_array_equal(add(rows), rows)
    rt.load('(module (func (export "sub")))', name="numbers")
    with pytest.raises(jn.NoSuchFunction, match="add is gone"):
        add(rows)


def test_two_threads_have_columns_of_their_own(rt: jn.Runtime) -> None:
    p = rt.load(NUMBERS, name="numbers", instances=2)
    wrong = list[int]()

    def work(offset: int) -> None:
        rows = np.arange(MANY, dtype="i4") + offset
        for turn in range(20):
            if not np.array_equal(p.ufunc("add")(rows, turn), rows + turn):
                wrong.append(offset)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in (0, 1_000_000, 2_000_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(rt.calls) == 60


def test_the_call_after_a_trap_gets_columns_of_its_own_instance(rt: jn.Runtime, numbers: jn.Plugin) -> None:
    rows = np.ones(SOME, "i4")
    for _ in range(3):
        with pytest.raises(jn.GuestTrap):
            numbers.ufunc("div")(rows, np.zeros(SOME, "i4"))
        np.testing.assert_array_equal(numbers.ufunc("div")(rows, rows), rows)
    assert pool_of(rt) == (1 << 16) + loop_code(("i32", "i32"), ("i32",), FULL).layout.size


# --- against raw calls -----------------------------------------------------------------------------------------------

INTEGERS = {"i4": st.integers(-(2**31), 2**31 - 1), "i8": st.integers(-(2**63), 2**63 - 1)}
FLOATS = {"f4": st.floats(width=32, allow_nan=False), "f8": st.floats(allow_nan=False)}
COLUMNS = st.integers(1, 12).flatmap(
    lambda count: st.tuples(
        *(st.lists(values, min_size=count, max_size=count) for values in (*INTEGERS.values(), *FLOATS.values()))
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(columns=COLUMNS, times=st.sampled_from([1, 300]))
def test_columns_give_what_raw_calls_give_row_by_row(shared: Plugin, columns: Any, times: int) -> None:
    rows = list(zip(*columns, strict=True)) * times
    arrays = [np.array(column * times, kind) for column, kind in zip(columns, ("i4", "i8", "f4", "f8"), strict=True)]
    expected = shared.raw("all").map(rows)
    assert shared.last is not None
    fuel = shared.last.fuel
    found = shared.ufunc("all")(*arrays)
    assert [tuple(row) for row in zip(*(part.tolist() for part in found), strict=True)] == expected
    assert shared.last.fuel == fuel


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(INTEGERS["i4"], st.integers(-2, 20)), min_size=1, max_size=30),
    times=st.sampled_from([1, 300]),
)
def test_columns_end_where_raw_calls_end(shared: Plugin, rows: Any, times: int) -> None:
    def outcome(call: Any) -> Any:
        try:
            return list(call()), None
        except jn.GuestTrap as trap:
            return None, trap.trap

    many = [*([(1, 1)] * (len(rows) * (times - 1))), *rows]
    left, right = (np.array(column, "i4") for column in zip(*many, strict=True))
    expected, trap = outcome(lambda: shared.raw("div").map(many))
    assert outcome(lambda: shared.ufunc("div")(left, right)) == (expected, trap)


# --- the document ----------------------------------------------------------------------------------------------------


def test_the_document_s_example_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "conversions.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (shown,) = re.findall(r"```python\n.*?```\n\n```\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    try:
        assert repr(names["scored"]) == shown.rstrip("\n")
    finally:
        names["rt"].close()
