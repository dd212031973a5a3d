"""The services every plugin may import: the clock, random bytes, the log, and saying that it failed."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.guests import forwarder, wat

NEW_YEAR_2025 = 1_735_689_600_000
NOW = forwarder(now="clock.now")
DRAW = forwarder(draw="random.bytes")


def load(rt: jn.Runtime, cell: str, name: str = "guest") -> jn.Plugin:
    return rt.load(wat(cell), name=name, grant=["wall_clock", "random"])


def draw(p: jn.Plugin, length: int = 8) -> bytes:
    return base64.b64decode(p.call("draw", {"length": length})["ok"]["base64"], validate=True)


# --- judicia:clock ---------------------------------------------------------------------------------------------------


def test_the_real_clock_tells_the_time_and_never_goes_back(guest: jn.Plugin) -> None:
    before = time.time() * 1000
    readings = [guest.call("now")["ok"] for _ in range(50)]
    after = time.time() * 1000
    assert all(before - 2 <= reading["unix_ms"] <= after + 2 for reading in readings)
    ticks = [reading["monotonic_ms"] for reading in readings]
    assert ticks == sorted(ticks)
    assert 0 <= ticks[0] < ticks[-1]


def test_the_frozen_clock_stands() -> None:
    with jn.Runtime(clock="frozen") as rt:
        p = load(rt, NOW)
        assert [p.call("now")["ok"] for _ in range(3)] == [{"unix_ms": NEW_YEAR_2025, "monotonic_ms": 0}] * 3


def test_the_stepped_clock_goes_a_millisecond_on_each_time_it_is_asked() -> None:
    with jn.Runtime(clock="stepped") as rt:
        one, other = load(rt, NOW, "one"), load(rt, NOW, "other")
        readings = [p.call("now")["ok"] for p in (one, other, one)]
        assert readings == [{"unix_ms": NEW_YEAR_2025 + step, "monotonic_ms": step} for step in range(3)]
    with jn.Runtime(clock="stepped") as again:
        assert load(again, NOW).call("now")["ok"]["unix_ms"] == NEW_YEAR_2025


def test_there_is_no_other_clock() -> None:
    with pytest.raises(jn.PolicyError, match="'real', 'frozen', 'stepped', not 'slow'"):
        jn.Runtime(clock="slow")


# --- judicia:random --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 3, 65536])
def test_random_bytes_are_as_many_as_asked_for(guest: jn.Plugin, length: int) -> None:
    assert len(base64.b64decode(guest.call("random", {"length": length})["ok"]["base64"])) == length


def test_without_a_seed_no_two_draws_are_alike(rt: jn.Runtime) -> None:
    p = load(rt, DRAW)
    assert len({draw(p, 16) for _ in range(20)}) == 20


def test_a_seed_repeats_every_plugins_stream_whoever_else_draws() -> None:
    def run(order: str, seed: int) -> dict[str, list[bytes]]:
        with jn.Runtime(seed=seed) as rt:
            plugins = {name: load(rt, DRAW, name) for name in "ab"}
            drawn: dict[str, list[bytes]] = {"a": [], "b": []}
            for name in order:
                drawn[name].append(draw(plugins[name]))
            return drawn

    first, second = run("aabb", 7), run("baba", 7)
    assert first == second
    assert first["a"] != first["b"]
    assert len(set(first["a"])) == 2
    assert run("aabb", 8) != first


def test_a_replaced_plugin_goes_on_with_its_stream() -> None:
    with jn.Runtime(seed=7) as rt:
        p = load(rt, DRAW)
        first = draw(p)
        rt.reload("guest")
        assert draw(p) != first


# --- judicia:log -----------------------------------------------------------------------------------------------------


def test_a_line_of_the_log_has_its_call_its_level_and_its_fields(rt: jn.Runtime, guest: jn.Plugin) -> None:
    fields = {"a": [1, {"b": None}], "ä": 2.5}
    guest.call("log", {"level": "warn", "message": "grüße", "fields": fields})
    guest.call("log", {"level": "error", "message": ""})
    assert list(rt.logs["level"]) == ["warning", "error"]
    first = rt.logs.iloc[0]
    assert (first["plugin"], first["message"], first["fields"], first["stream"]) == ("guest", "grüße", fields, "log")
    assert list(rt.logs["call_id"]) == list(rt.calls["call_id"])
    assert list(guest.logs["message"]) == ["grüße", ""]


def test_a_line_of_the_log_cannot_move_the_cursor(rt: jn.Runtime, guest: jn.Plugin) -> None:
    guest.call("log", {"level": "info", "message": "a\x1b[2Jb\u202ec"})
    assert rt.logs["message"][0] == "a\ufffd[2Jb\ufffdc"


@pytest.mark.parametrize("message", ["x" * 10, "é" * 5, "\U0001f600" * 2 + "xx"])
def test_the_log_quota_counts_bytes_of_one_call(rt: jn.Runtime, message: str) -> None:
    p = rt.load("example:specimen", quota={"log": 30})
    for _ in range(2):
        answer = p.call("log", {"n": 5, "message": message})
        assert (answer["ok"], answer["failed"]) == (3, 2)
        assert answer["last_error"]["code"] == "quota_exceeded"
        assert "30 bytes" in answer["last_error"]["message"]
    assert len(rt.logs) == 6
    assert list(rt.host_calls["decision"]) == (["allowed"] * 3 + ["limited"] * 2) * 2


def test_fields_count_against_the_log_quota(guest: jn.Plugin) -> None:
    guest.policy.set_quota(log=20)
    line = {"level": "info", "message": "x", "fields": {"key": "y" * 30}}
    assert guest.call("log", line)["error"]["code"] == "quota_exceeded"


def test_a_call_may_have_a_log_quota_of_its_own(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen")
    assert p.call("log", {"n": 3, "message": "1234"}, quota={"log": 5})["failed"] == 2


def test_no_limit_on_the_log_is_none(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", quota={"log": None})
    assert p.call("log", {"n": 20, "message": "x" * 9000})["ok"] == 20
    assert rt.logs["message"].str.len().sum() == 180_000


# --- judicia:host fail -----------------------------------------------------------------------------------------------


def failing(then: str) -> str:
    return (
        '(data (i32.const 8) "{\\"code\\":\\"second\\",\\"message\\":\\"late\\"}")'
        '(func (export "f") (param i32 i32) (result i64)'
        f" (drop (call $judicia:host.fail (local.get 0) (local.get 1))) {then})"
    )


@pytest.mark.parametrize(
    "then",
    [
        "(i64.const 0)",
        "(call $reply (local.get 0) (local.get 1))",
        "unreachable",
        "(drop (call $judicia:host.fail (i32.const 8) (i32.const 34))) (i64.const 0)",
        "(i64.const 0xffffffff)",
    ],
)
def test_a_failure_the_guest_reports_counts_whatever_it_does_then(rt: jn.Runtime, then: str) -> None:
    p = load(rt, failing(then))
    with pytest.raises(jn.GuestError) as failure:
        p.call("f", {"code": "no_task", "message": "there is none", "data": {"id": [5]}})
    error = failure.value
    assert (error.code, error.message, error.data) == ("no_task", "there is none", {"id": [5]})
    assert str(error) == "guest.f failed: no_task: there is none"
    assert error.record is not None
    assert error.record.outcome == "guest_error"
    assert rt.host_calls["target"][0] == "no_task"


def test_failing_costs_the_guest_none_of_its_state(rt: jn.Runtime) -> None:
    count = """(global $n (mut i64) (i64.const 0)) (func (export "count") (result i64)
      (global.set $n (i64.add (global.get $n) (i64.const 1))) (global.get $n))"""
    p = load(rt, count + failing("(i64.const 0)"))
    assert p.raw("count")() == 1
    assert isinstance(p.attempt("f", {"code": "a", "message": "b"}).error, jn.GuestError)
    assert p.raw("count")() == 2


@pytest.mark.parametrize("request_text", ['{"code":"a"}', '{"code":"a","message":5}', "{", "[]", ""])
def test_a_failure_that_is_badly_reported_is_not_a_success(rt: jn.Runtime, request_text: str) -> None:
    p = load(rt, failing("(i64.const 0)"))
    with pytest.raises(jn.CallError):
        p.call_bytes("f", request_text.encode())


def test_nothing_is_left_of_a_failure_in_the_next_call(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen")
    assert isinstance(p.attempt("fail", {"code": "a", "message": "b"}).error, jn.GuestError)
    assert p.call("echo", 1) == 1


# --- reachable by nobody else ----------------------------------------------------------------------------------------


def test_two_runtimes_have_services_of_their_own() -> None:
    with jn.Runtime(clock="frozen", seed=1) as one, jn.Runtime(clock="stepped", seed=2) as other:
        answers: list[Any] = [
            [json.loads(load(rt, NOW + DRAW).call_bytes("now", b"")) for _ in range(2)] for rt in (one, other)
        ]
        assert answers[0][0] == answers[0][1]
        assert answers[1][0] != answers[1][1]
        assert draw(one.plugins["guest"]) != draw(other.plugins["guest"])
