"""A loaded plugin in somebody's hands: call, attempt, call_bytes, quotas of one call, and what its rows say."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from tests.support.guests import ECHO, load

# --- call ------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Run:
    started: dt.datetime
    times: np.ndarray[Any, Any]


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        ({"a": [1, 2.5, None, True, "ä\U0001f600\0"]}, {"a": [1, 2.5, None, True, "ä\U0001f600\0"]}),
        ([-(1 << 63), (1 << 64) - 1, 0.1, -0.0], [-(1 << 63), (1 << 64) - 1, 0.1, -0.0]),
        (
            Run(dt.datetime(2025, 1, 2, tzinfo=dt.UTC), np.array([1.5, 2])),
            {"started": "2025-01-02T00:00:00Z", "times": [1.5, 2.0]},
        ),
        ({"n": np.int64(3), "ok": np.bool_(True), "m": np.eye(2)}, {"n": 3, "ok": True, "m": [[1, 0], [0, 1]]}),
        (jn.base64(b"\0\xff"), "AP8="),
        ((1, {2}), [1, [2]]),
        ("x" * 1_000_000, "x" * 1_000_000),
        ({}, {}), ("", ""), (0, 0), (False, False),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_what_goes_in_comes_out_as_plain_json(specimen: jn.Plugin, payload: Any, answer: Any) -> None:
    assert specimen.call("echo", payload) == answer


def test_no_payload_is_an_empty_request_and_no_value_is_none(rt: jn.Runtime) -> None:
    sizes = """
      (global $allocs (mut i32) (i32.const 0))
      (memory (export "memory") 1)
      (func (export "judicia_alloc") (param i32) (result i32)
        (global.set $allocs (i32.add (global.get $allocs) (i32.const 1))) (i32.const 64))
      (func (export "judicia_free") (param i32 i32) (if (i32.eqz (local.get 1)) (then unreachable)))
      (func (export "nothing") (param i32 i32) (result i64)
        (if (i32.or (local.get 0) (local.get 1)) (then unreachable)) (i64.const 0))
      (func (export "allocs") (result i32) (global.get $allocs))
    """
    p = load(rt, sizes)
    assert p.call("nothing") is None
    assert p.call("nothing", None) is None
    assert p.call_bytes("nothing", b"") == b""
    assert p.raw("allocs")() == 0
    assert list(rt.calls["bytes_in"]) == [0, 0, 0, 0]
    with pytest.raises(jn.GuestTrap):
        p.call("nothing", 0)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (math.nan, "nan"), ([1 << 64], "64 bits"), (object(), "object"), ("\ud800", "JSON"),
        ({1: 0, "1": 0}, "key|twice|duplicate"),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_a_payload_without_a_json_form_never_enters_the_plugin(
    rt: jn.Runtime, specimen: jn.Plugin, payload: Any, why: str
) -> None:
    with pytest.raises(jn.InvalidPayload, match=why):
        specimen.call("echo", payload)
    with pytest.raises(ValueError):
        specimen.attempt("echo", payload)
    assert rt.calls.empty
    assert specimen.state == "loaded"


def test_bytes_go_and_come_as_they_are(specimen: jn.Plugin) -> None:
    data = bytes(range(256)) * 10
    assert specimen.call_bytes("echo_bytes", data) == data
    assert specimen.call_bytes("echo_bytes", b"\xff{") == b"\xff{"
    assert specimen.last is not None
    assert (specimen.last.bytes_in, specimen.last.bytes_out) == (2, 2)


def answering(data: bytes) -> str:
    """A plugin whose function `f` answers these bytes, whatever it is asked."""
    text = "".join(f"\\{byte:02x}" for byte in data)
    reply = f"(call $reply (i32.const 8) (i32.const {len(data)}))"
    return f'(data (i32.const 8) "{text}") (func (export "f") (param i32 i32) (result i64) {reply})'


def test_an_answer_that_is_no_json_is_the_plugins_fault_and_costs_no_state(rt: jn.Runtime) -> None:
    for data in (b"\xff", b"{", b'{"a":1,"a":2}', b"NaN", b"[" * 200 + b"]" * 200, b"18446744073709551616"):
        bad = load(rt, answering(data), name="bad")
        with pytest.raises(jn.AbiViolation, match="its answer is not the JSON of the ABI"):
            bad.call("f")
        assert bad.call_bytes("f", b"") == data
        assert bad.last is not None
        assert bad.last.instance_call == 2
    empty = load(rt, answering(b""), name="empty")
    with pytest.raises(jn.AbiViolation, match="empty"):
        empty.call("f")
    assert empty.call_bytes("f", b"") == b""


@pytest.mark.parametrize("function", ["spin", "call_host"])
def test_the_guest_says_itself_which_field_is_missing(specimen: jn.Plugin, function: str) -> None:
    with pytest.raises(jn.GuestError, match="bad_request"):
        specimen.call(function, {"milliseconds": 5})


def test_a_function_that_is_not_there_is_told_the_nearest(specimen: jn.Plugin, rt: jn.Runtime) -> None:
    with pytest.raises(jn.NoSuchFunction, match=r"specimen exports no function 'ehco'\. Did you mean 'echo'"):
        specimen.call("ehco")
    for reserved in ("judicia_alloc", "judicia_free", "memory", ""):
        with pytest.raises(jn.NoSuchFunction):
            specimen.call(reserved)
    assert rt.calls.empty


def test_a_function_of_another_type_is_pointed_to_raw(rt: jn.Runtime) -> None:
    p = load(rt, ECHO + '(func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))')
    assert p.functions == ("echo",)
    with pytest.raises(jn.NoSuchFunction, match=r"guest.add is \(i32, i32\) -> i32") as refusal:
        p.call("add", [1, 2])
    assert 'p.raw("add")' in refusal.value.hint


# --- attempt ---------------------------------------------------------------------------------------------------------


def test_an_attempt_gives_the_value_and_the_record(specimen: jn.Plugin) -> None:
    outcome = specimen.attempt("echo", 5)
    assert (outcome.ok, outcome.value, outcome.error) == (True, 5, None)
    assert outcome.record == specimen.last
    assert outcome.record is not None
    assert outcome.record.outcome == "ok"


@pytest.mark.parametrize(
    ("function", "payload", "quota", "kind", "outcome"),
    [
        ("trap", None, None, jn.GuestTrap, "trap"),
        ("recurse", None, None, jn.GuestTrap, "trap"),
        ("fail", {"code": "c", "message": "m"}, None, jn.GuestError, "guest_error"),
        ("spin", {"ms": 5000}, {"cpu": "20ms"}, jn.QuotaExceeded, "quota_cpu"),
        ("sleep", {"ms": 5000}, {"wall": "20ms"}, jn.QuotaExceeded, "quota_wall"),
        ("spin", {"ms": 5000}, {"fuel": 5000}, jn.QuotaExceeded, "quota_fuel"),
        ("grow", {"bytes": 100 << 20}, None, jn.QuotaExceeded, "quota_memory"),
        ("echo", "x" * 100, {"payload": 50}, jn.QuotaExceeded, "quota_payload"),
        ("echo", "x" * 100, {"answer": 50}, jn.QuotaExceeded, "quota_answer"),
        ("log", {"n": 5}, {"host_calls": 2}, jn.QuotaExceeded, "quota_host_calls"),
    ],
)
def test_an_attempt_raises_nothing_that_a_plugin_caused(
    specimen: jn.Plugin, function: str, payload: Any, quota: Any, kind: type[jn.CallError], outcome: str
) -> None:
    result = specimen.attempt(function, payload, quota=quota)
    assert not result.ok
    assert isinstance(result.error, kind)
    assert result.error.record == result.record == specimen.last
    assert result.record is not None
    assert result.record.outcome == outcome
    assert result.record.error is not None
    assert result.record.error.startswith(f"{kind.__name__}: specimen.{function} ")
    assert (result.error.plugin, result.error.function) == ("specimen", function)
    with pytest.raises(kind):
        specimen.call(function, payload, quota=quota)
    assert specimen.call("echo", 1) == 1


# --- quotas of one call ----------------------------------------------------------------------------------------------


def test_the_least_of_the_calls_and_the_plugins_quota_is_in_force(specimen: jn.Plugin) -> None:
    specimen.policy.set_quota(cpu="500ms", wall="300s")
    specimen.call("echo", 1, quota=jn.Quota(cpu="200ms", memory=None))
    specimen.call("echo", 1, quota={"cpu": "50s", "wall": "100s"})
    specimen.call("echo", 1)
    rows = specimen.calls
    assert list(rows["limit_cpu_ms"]) == [200, 500, 500]
    assert list(rows["limit_wall_ms"]) == [300_000, 100_000, 300_000]
    assert list(rows["limit_memory_bytes"]) == [16 << 20] * 3
    assert rows["limit_fuel"].isna().all()


def test_a_limit_of_nothing_still_has_the_ceiling() -> None:
    with jn.Runtime(ceiling=jn.Quota(cpu="150ms")) as rt:
        p = rt.load("example:specimen", quota={"cpu": None})
        result = p.attempt("spin", {"ms": 5000}, quota={"cpu": None})
        assert isinstance(result.error, jn.QuotaExceeded)
        assert result.error.limit == 0.15


@pytest.mark.parametrize(
    ("plugins", "calls", "helps"),
    [
        ("20ms", "1s", "p.policy.set_quota(cpu="),
        ("1s", "20ms", "p.call(..., quota=jn.Quota(cpu="),
        ("20ms", None, "p.policy.set_quota(cpu="),
    ],
)
def test_the_error_suggests_the_limit_that_was_reached(
    specimen: jn.Plugin, plugins: str, calls: str | None, helps: str
) -> None:
    specimen.policy.set_quota(cpu=plugins)
    error = specimen.attempt("spin", {"ms": 5000}, quota={"cpu": calls}).error
    assert helps in str(error)


@pytest.mark.parametrize("kind", ["instances", "queue", "host_call_rate"])
def test_what_is_not_counted_per_call_cannot_be_given_to_one(specimen: jn.Plugin, kind: str) -> None:
    with pytest.raises(jn.PolicyError, match=kind):
        specimen.call("echo", 1, quota={kind: 1})


def test_a_call_may_be_held_to_less_depth(specimen: jn.Plugin) -> None:
    assert specimen.call("echo", [[1]], quota={"json_depth": 2}) == [[1]]
    with pytest.raises((jn.AbiViolation, jn.InvalidPayload)):
        specimen.call("echo", [[[1]]], quota={"json_depth": 2})


# --- rows ------------------------------------------------------------------------------------------------------------


def test_a_rows_times_add_up_and_know_what_was_cold(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    for _ in range(9):
        specimen.call("echo", "x" * 10_000)
    parts = ["setup_ms", "encode_ms", "guest_ms", "host_ms", "decode_ms"]
    rows = rt.calls
    assert (rows[parts].sum(axis=1) - rows["wall_ms"]).abs().max() < 1e-9
    assert (rows[parts] >= 0).all(axis=None)
    assert rows["setup_ms"][0] > 3 * rows["setup_ms"][1:].min()  # of several: the machine may pause in one
    assert list(rows["instance_call"]) == list(range(1, 10))
    assert list(rows["bytes_in"]) == list(rows["bytes_out"]) == [10_002] * 9
    assert rows["started_ms"].is_monotonic_increasing
    assert (rows["fuel"] > 0).all()
    assert (rows["memory_peak_bytes"] >= rows["memory_bytes"]).all()
    assert set(rows["origin"]) == {"user"}
    assert set(rows["digest"]) == {specimen.digest}
    assert set(rows["thread"]) == {"MainThread"}


def test_time_in_the_host_is_the_hosts(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    for _ in range(3):
        specimen.call("sleep", {"ms": 40})
    rows = rt.calls
    assert (rows["host_ms"] >= 40).all()
    assert (rows["guest_ms"] < rows["host_ms"]).any()  # in each, but where the machine paused while the guest computed
    assert (rows["cpu_ms"] < rows["wall_ms"]).all()


def test_a_raw_call_does_not_inherit_the_times_of_the_one_before(rt: jn.Runtime) -> None:
    p = load(rt, ECHO + '(func (export "nothing"))')
    p.call("echo", "x" * 2_000_000)
    p.raw("nothing")()
    first, second = rt.calls.itertuples()
    assert first.encode_ms > 0
    assert (second.encode_ms, second.decode_ms) == (0, 0)


def test_a_call_that_dies_while_its_request_is_written_has_only_its_own_times(rt: jn.Runtime) -> None:
    wat = """(memory (export "memory") 40) (global $calls (mut i32) (i32.const 0))
      (func (export "judicia_alloc") (param i32) (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (i32.gt_u (global.get $calls) (i32.const 1)) (then unreachable))
        (i32.const 64))
      (func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))"""
    p = load(rt, wat)
    for _ in range(3):
        p.call("echo", "x" * 2_000_000)
        with pytest.raises(jn.AbiViolation, match="judicia_alloc"):
            p.call("echo", "x")
    well, died = rt.calls[0::2], rt.calls[1::2]
    assert died["encode_ms"].min() < well["encode_ms"].min()  # the least: the machine may pause in one
    assert (died["decode_ms"] == 0).all()


def test_fuel_is_not_told_where_it_cannot_be_known(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    specimen.attempt("trap")
    specimen.call("echo", 1)
    p = load(rt, '(func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))')
    with pytest.raises(jn.GuestTrap):
        p.raw("div")(1, 0)
    assert rt.calls["fuel"].isna().tolist() == [False, False, True]


def test_a_plugins_frames_are_its_own_rows(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    other = rt.load("example:specimen", name="other")
    for p in (specimen, other, specimen):
        p.call("log", {"n": 2})
    assert [len(p.calls) for p in (specimen, other)] == [2, 1]
    assert [len(p.host_calls) for p in (specimen, other)] == [4, 2]
    assert [len(p.logs) for p in (specimen, other)] == [4, 2]
    assert set(other.audit["plugin"]) == {"other"}
    assert len(rt.calls) == 3


def test_the_last_record_is_of_the_last_call(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    assert specimen.last is None
    assert rt.last is None
    specimen.call("echo", 1)
    rt.load("example:checker").call("check", {"output": "1", "answer": "1"})
    assert specimen.last is not None
    assert rt.last is not None
    assert (specimen.last.function, rt.last.function) == ("echo", "check")
    line = r"specimen\.echo: ok · [\d.]+ [mµ]s \([\d.]+ [mµ]s cpu\) · [\d ]+ fuel · [\d.]+ [KM]iB"
    assert re.fullmatch(line, specimen.last.cost_line())
