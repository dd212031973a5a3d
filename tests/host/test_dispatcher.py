"""What every host call goes through: quota, policy, rate, the request's shape, the service, the answer, one row."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import judicia_notebook as jn
from judicia_notebook.host.dispatcher import Operation, ServiceError
from tests.support.guests import forwarder, wat
from tests.support.waiting import PATIENCE, in_some_try

DENIED = {"error": {"code": "capability_denied", "message": "judicia:clock now needs the capability wall_clock"}}


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """The request of the test's own service."""

    text: str = ""
    n: int = 0


def asker() -> bytes:
    return wat(forwarder(ask="test.ask"))


def rows(frame: Any, *names: str) -> list[tuple[Any, ...]]:
    return list(frame[list(names)].itertuples(index=False, name=None))


# --- denied ----------------------------------------------------------------------------------------------------------


def test_a_denied_call_answers_the_guest_and_leaves_a_row_an_audit_and_a_count(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen")
    answer = p.call("call_host", {"service": "clock", "n": 3})
    assert answer == {"ok": 0, "failed": 3, "last_error": DENIED["error"]}
    assert rows(rt.host_calls, "seq", "capability", "function", "decision", "bytes_in") == [
        (number, "wall_clock", "judicia:clock now", "denied", 2) for number in (1, 2, 3)
    ]
    denials = rt.audit[rt.audit["what"] == "denied"]
    assert rows(denials, "plugin", "detail", "via") == [("specimen", "wall_clock for judicia:clock now", "plugin")]
    assert p.last is not None
    assert (p.last.outcome, p.last.host_calls, p.last.denied) == ("ok", 3, 3)
    assert "· 3 host calls, 3 denied ·" in p.last.cost_line()


def test_each_call_with_a_denial_is_audited_once_for_each_function(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen")
    for service in ("clock", "random", "clock"):
        p.call("call_host", {"service": service, "n": 2})
    p.policy.grant("random")
    denials = rt.audit[rt.audit["what"] == "denied"]
    assert rows(denials, "call_id") == rows(rt.calls, "call_id") == [(1,), (2,), (3,)]
    assert rt.audit["call_id"][rt.audit["what"].isin(["load", "grant"])].isna().tolist() == [True, True]
    assert list(denials["detail"]) == [
        "wall_clock for judicia:clock now",
        "random for judicia:random bytes",
        "wall_clock for judicia:clock now",
    ]


def test_a_trap_after_a_denial_says_what_was_denied_before_it(rt: jn.Runtime) -> None:
    p = rt.load(
        wat(
            '(func (export "f") (param i32 i32) (result i64)'
            " (drop (call $judicia:clock.now (i32.const 0) (i32.const 0))) unreachable)"
        ),
        name="hasty",
    )
    with pytest.raises(jn.GuestTrap) as trap:
        p.call("f")
    lines = str(trap.value).splitlines()
    assert lines[0].startswith("hasty.f stopped at `unreachable`")
    assert "wall_clock" in lines[1]


def test_what_takes_no_capability_is_never_denied(rt: jn.Runtime, guest: jn.Plugin) -> None:
    guest.policy.revoke("wall_clock", "random")
    assert guest.call("log", {"level": "info", "message": "x"}) == {"ok": {}}
    assert rows(rt.host_calls, "capability", "decision") != []
    assert rt.host_calls["capability"].isna().all()


def test_a_grant_with_a_scope_only_is_a_grant(guest: jn.Plugin, rt: jn.Runtime) -> None:
    state = guest.policy.state
    assert state.allows("random")
    guest.policy.grant("read_database=a")
    assert guest.policy.state.allows("read_database")
    assert guest.policy.state.scopes("read_database") == ("a",)


# --- limited ---------------------------------------------------------------------------------------------------------


ELSEWHERE = """(module
  (import "judicia:clock" "now" (func $now (param i32 i32) (result i64)))
  (memory (export "memory") 3)
  (data (i32.const 0) "{}")
  (global $next (mut i32) (i32.const 0x20000))
  (func (export "judicia_alloc") (param i32) (result i32) (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get 0)))
    (local.get $at))
  (func (export "judicia_free") (param i32 i32))
  (func (export "beyond") (param i32 i32) (result i64) (call $now (i32.const 0x2fff0) (i32.const 17)))
  (func (export "long") (param i32 i32) (result i64)
    (memory.fill (i32.const 2) (i32.const 32) (i32.const 0x10000))
    (call $now (i32.const 0) (i32.const 0x10002))))"""
"""Asks with a request that the core leaves to Python: it lies beyond the memory, or is long."""


@pytest.mark.parametrize("function", ["beyond", "long"])
def test_the_policy_is_asked_before_the_request_is_looked_at(rt: jn.Runtime, function: str) -> None:
    guest = rt.load(wat(ELSEWHERE), name="guest")
    assert guest.call(function) == DENIED
    assert guest.host_calls.decision.tolist() == ["denied"]


def test_a_request_beyond_the_memory_breaks_the_abi(rt: jn.Runtime) -> None:
    guest = rt.load(wat(ELSEWHERE), name="guest", grant=["wall_clock"])
    with pytest.raises(jn.AbiViolation, match="its request to judicia:clock now at 0x2fff0 with 17 bytes lies beyond"):
        guest.call("beyond")
    assert rows(guest.host_calls, "decision", "bytes_in", "bytes_out") == [("failed", 17, 0)]
    assert "its request to judicia:clock now at 0x2fff0 with 17 bytes" in guest.host_calls.detail.iloc[0]


def test_a_long_request_is_read_as_any_other(rt: jn.Runtime) -> None:
    guest = rt.load(wat(ELSEWHERE), name="guest", grant=["wall_clock"])
    assert "unix_ms" in guest.call("long")["ok"]
    assert rows(guest.host_calls, "decision", "bytes_in") == [("allowed", 0x10002)]


def test_the_host_call_beyond_the_quota_ends_the_call(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", quota={"host_calls": 3})
    assert p.call("log", {"n": 3})["ok"] == 3
    with pytest.raises(jn.QuotaExceeded) as ended:
        p.call("log", {"n": 10})
    error = ended.value
    assert (error.quota, error.limit, error.used, error.unit) == ("host_calls", 3, 4, "host calls")
    assert str(error).splitlines() == [
        "specimen.log used 4 of 3 host calls and was stopped.",
        "  To allow more:  %plugin quota specimen --host-calls 10     or  p.policy.set_quota(host_calls=10)",
    ]
    assert error.record is not None
    assert (error.record.outcome, error.record.host_calls) == ("quota_host_calls", 4)
    assert list(rt.host_calls["decision"])[-1] == "limited"
    assert p.call("log", {"n": 1})["ok"] == 1


def test_a_call_may_be_held_to_fewer_host_calls_than_its_plugin(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen")
    with pytest.raises(jn.QuotaExceeded, match=r"host calls.*\n.*p\.call\(\.\.\., quota=jn\.Quota\(host_calls="):
        p.call("log", {"n": 3}, quota={"host_calls": 2})
    assert p.call("log", {"n": 3})["ok"] == 3


def test_sleeping_counts_as_a_host_call(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", quota={"host_calls": 3})
    p.policy.grant("wall_clock")
    with pytest.raises(jn.QuotaExceeded) as ended:
        p.call("call_host", {"service": "clock", "n": 3, "every_ms": 0.01})
    assert ended.value.quota == "host_calls"


def test_the_rate_of_a_capability_answers_the_guest_and_lets_it_go_on(rt: jn.Runtime, guest: jn.Plugin) -> None:
    guest.policy.set_quota(host_call_rate=2)
    answers = [guest.call("now") for _ in range(20)]
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert refused[0] == {"code": "quota_exceeded", "message": "more than 2 host calls a second with wall_clock"}
    assert 2 <= len(answers) - len(refused) <= 4  # the second may turn once meanwhile
    assert "ok" in guest.call("random", {"length": 1})
    assert set(rt.host_calls["decision"]) == {"allowed", "limited"}
    guest.policy.set_quota(host_call_rate=None)
    assert "ok" in guest.call("now")


def test_the_rate_is_each_plugins_own(rt: jn.Runtime) -> None:
    one, other = (rt.load("example:specimen", name=name, grant=["random"]) for name in ("one", "other"))
    for p in (one, other):
        p.policy.set_quota(host_call_rate=1)
    assert one.call("call_host", {"service": "random", "n": 5})["ok"] >= 1
    assert other.call("call_host", {"service": "random", "n": 5})["ok"] >= 1


# --- bad requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "request_text", "named"),
    [
        ("log", "", "`level`"),
        ("log", '{"level":"loud","message":"x"}', "`level`"),
        ("log", '{"level":"info","message":"x","level":"info"}', "duplicate key"),
        ("log", '{"level":"info","message":NaN}', "JSON"),
        ("log", '{"level":"info","message":"x","fields":{"a":18446744073709551616}}', "64 bits"),
        ("log", '{"level":"info","message":"x","fields":' + "[" * 128 + "]" * 128 + "}", "nested deeper than 128"),
        ("log", "[" * 100_000, "nested deeper"),
        ("log", "[]", "array"),
        ("log", "null", "null"),
        ("log", "{", ""),
        ("log", '"\\ud800"', ""),
        ("random", '{"length":-1}', "`length`"),
        ("random", '{"length":65537}', "`length`"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_request_is_answered_by_the_name_of_its_field(
    rt: jn.Runtime, guest: jn.Plugin, function: str, request_text: str, named: str
) -> None:
    answer = json.loads(guest.call_bytes(function, request_text.encode()))
    assert answer["error"]["code"] == "bad_request"
    assert named in answer["error"]["message"]
    assert rows(rt.host_calls, "decision", "bytes_in") == [("failed", len(request_text))]
    assert rt.last is not None
    assert rt.last.outcome == "ok"


def test_the_depth_of_a_request_is_the_plugins_quota(guest: jn.Plugin) -> None:
    request = b'{"level":"info","message":"x","fields":{"a":[]}}'
    guest.policy.set_quota(json_depth=2)
    assert json.loads(guest.call_bytes("log", request))["error"]["code"] == "bad_request"
    guest.policy.set_quota(json_depth=3)
    assert json.loads(guest.call_bytes("log", request)) == {"ok": {}}


@pytest.mark.parametrize("request_text", [b"", b"{}", b" {}"])
def test_a_request_without_fields_is_held_to_the_quota_of_values_as_every_request(
    rt: jn.Runtime, guest: jn.Plugin, request_text: bytes
) -> None:
    guest.policy.set_quota(json_values=1)  # an empty object counts as two
    error = json.loads(guest.call_bytes("now", request_text))["error"]
    assert error == {"code": "quota_exceeded", "message": "JSON with more than 1 values (quota json_values)"}
    guest.policy.set_quota(json_values=2)
    assert "ok" in json.loads(guest.call_bytes("now", request_text))
    assert rows(rt.host_calls, "decision", "bytes_in") == [
        (decision, len(request_text)) for decision in ("limited", "allowed")
    ]


@pytest.mark.parametrize("request_text", ['{"":0}', "{}{}", "[]", "{", "{}\0"])
def test_a_request_without_fields_has_none(guest: jn.Plugin, request_text: str) -> None:
    assert json.loads(guest.call_bytes("now", request_text.encode()))["error"]["code"] == "bad_request"


def test_bytes_that_are_no_utf8_are_a_bad_request(guest: jn.Plugin) -> None:
    answer = json.loads(guest.call_bytes("log", b'{"level":"info","message":"\xff"}'))
    assert answer["error"]["code"] == "bad_request"


# --- services --------------------------------------------------------------------------------------------------------


def test_a_row_has_the_bytes_both_ways_the_target_and_the_time(rt: jn.Runtime, guest: jn.Plugin) -> None:
    answer = guest.call_bytes("random", b'{"length": 30}')
    row = rt.host_calls.iloc[0]
    assert (row["plugin"], row["function"], row["target"]) == ("guest", "judicia:random bytes", "30 bytes")
    assert (row["bytes_in"], row["bytes_out"]) == (14, len(answer))
    assert row["wall_ms"] > 0
    assert 0 <= row["at_ms"] <= rt.calls["wall_ms"][0]
    assert row["call_id"] == rt.calls["call_id"][0]
    assert rt.calls["host_ms"][0] >= row["wall_ms"] * 0.5


def test_what_a_service_refuses_is_an_answer(rt: jn.Runtime, offer: Callable[..., None]) -> None:
    def refuse(_: Any, request: Question) -> Any:
        raise ServiceError("not_found", f"there is no {request.text}")

    offer(Operation("ask", refuse, request=Question, target=lambda request: request.text))
    with jn.Runtime() as own:
        p = own.load(asker(), name="asker")
        assert p.call("ask", {"text": "tea"}) == {"error": {"code": "not_found", "message": "there is no tea"}}
        assert rows(own.host_calls, "target", "decision", "detail") == [("tea", "failed", "there is no tea")]


def test_what_a_service_raises_ends_the_call_as_the_hosts_failure(offer: Callable[..., None]) -> None:
    bug = LookupError("a secret of ours")
    calm = threading.Event()

    def broken(_: Any, __: Question) -> str:
        if calm.is_set():
            return "fine"
        raise bug

    offer(Operation("ask", broken, request=Question))
    with jn.Runtime() as rt:
        p = rt.load(asker(), name="asker")
        with pytest.raises(jn.HostFailure) as failure:
            p.call("ask")
        assert failure.value.__cause__ is bug
        assert "LookupError: a secret of ours" in str(failure.value)
        assert rows(rt.host_calls, "decision", "detail") == [("failed", "LookupError: a secret of ours")]
        assert list(rt.calls["outcome"]) == ["host_failure"]
        calm.set()
        assert p.call("ask") == {"ok": "fine"}


def test_an_answer_without_a_json_form_is_the_hosts_failure(offer: Callable[..., None]) -> None:
    offer(Operation("ask", lambda _, __: object(), request=Question))
    with jn.Runtime() as rt, pytest.raises(jn.HostFailure):
        rt.load(asker(), name="asker").call("ask")


def test_each_thread_gets_the_exception_of_its_own_call(offer: Callable[..., None]) -> None:
    def broken(_: Any, request: Question) -> Any:
        raise LookupError(request.n)

    offer(Operation("ask", broken, request=Question))
    with jn.Runtime() as rt:
        p = rt.load(asker(), name="asker", instances=4)
        wrong: list[object] = []

        def work(number: int) -> None:
            for step in range(30):
                error = p.attempt("ask", {"n": number * 1000 + step}).error
                cause = error.__cause__ if error is not None else None
                if not isinstance(cause, LookupError) or cause.args != (number * 1000 + step,):
                    wrong.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert wrong == []
        assert len(rt.calls) == 120


def test_a_service_that_waits_ends_with_the_calls_time(offer: Callable[..., None]) -> None:
    left: list[float | None] = []

    def wait(scope: Any, _: Question) -> str:
        left.append(scope.remaining())
        stop = scope.wait(60)
        if stop is not None:
            raise stop
        return "waited"

    offer(Operation("ask", wait, request=Question))
    with jn.Runtime() as rt:
        p = rt.load(asker(), name="asker", quota={"wall": "80ms"})

        def attempt() -> None:
            left.clear()
            with pytest.raises(jn.QuotaExceeded) as ended:
                p.call("ask")
            assert (ended.value.quota, ended.value.limit) == ("wall", 0.08)
            assert left  # or the machine paused for 80 ms before it asked
            assert left[0] is not None
            assert 0 < left[0] <= 0.08

        in_some_try(attempt)
        assert (rt.calls["wall_ms"] >= 80).all()


def test_a_call_of_the_plugin_out_of_its_own_host_call_is_refused(offer: Callable[..., None]) -> None:
    came: list[Exception] = []

    def again(_: Any, __: Question) -> str:
        try:
            p.call("ask")
        except jn.JudiciaError as error:
            came.append(error)
        return "back"

    offer(Operation("ask", again, request=Question))
    with jn.Runtime() as rt:
        p = rt.load(asker(), name="asker")
        assert p.call("ask") == {"ok": "back"}
        assert [type(error) for error in came] == [jn.PluginNotReady]
        assert "its own host call" in str(came[0])
        assert p.call("ask") == {"ok": "back"}


def test_a_call_made_inside_a_call_knows_its_parent(offer: Callable[..., None]) -> None:
    offer(Operation("ask", lambda _, __: other.call("echo", "inner"), request=Question))
    with jn.Runtime() as rt:
        other = rt.load("example:specimen")
        p = rt.load(asker(), name="asker")
        assert p.call("ask") == {"ok": "inner"}
        inner, outer = rt.calls.itertuples()
        assert (inner.plugin, outer.plugin) == ("specimen", "asker")
        assert inner.parent_call_id == outer.call_id
        assert rt.calls["parent_call_id"].isna().tolist() == [False, True]


def test_unloading_a_plugin_out_of_its_own_host_call_only_marks_it(offer: Callable[..., None]) -> None:
    def unload(_: Any, __: Question) -> str:
        rt.unload("asker")
        return "gone"

    offer(Operation("ask", unload, request=Question))
    with jn.Runtime() as rt:
        p = rt.load(asker(), name="asker")
        with pytest.raises(jn.Cancelled):
            p.call("ask")
        assert p.state == "unloaded"
        assert list(rt.calls["outcome"]) == ["cancelled"]


def test_a_grant_changed_during_a_call_holds_from_the_next_host_call(offer: Callable[..., None]) -> None:
    def toggle(scope: Any, request: Question) -> Any:
        getattr(p.policy, request.text)("random")
        return None

    offer(Operation("ask", toggle, request=Question))
    cell = """
    (data (i32.const 8) "{\\"length\\":1}")
    (data (i32.const 32) "{\\"text\\":\\"grant\\"}")
    (data (i32.const 64) "{\\"text\\":\\"revoke\\"}")
    (func (export "f") (param i32 i32) (result i64)
      (drop (call $judicia:random.bytes (i32.const 8) (i32.const 12)))
      (drop (call $judicia:test.ask (i32.const 32) (i32.const 16)))
      (drop (call $judicia:random.bytes (i32.const 8) (i32.const 12)))
      (drop (call $judicia:test.ask (i32.const 64) (i32.const 17)))
      (call $judicia:random.bytes (i32.const 8) (i32.const 12)))
    """
    with jn.Runtime() as rt:
        p = rt.load(wat(cell), name="asker")
        assert p.call("f")["error"]["code"] == "capability_denied"
        assert list(rt.host_calls["decision"]) == ["denied", "allowed", "allowed", "allowed", "denied"]


def test_a_module_without_an_allocator_that_calls_a_service_breaks_the_abi(rt: jn.Runtime) -> None:
    wat = b"""(module
      (import "judicia:clock" "now" (func $now (param i32 i32) (result i64)))
      (memory (export "memory") 1)
      (func (export "f") (result i64) (call $now (i32.const 0) (i32.const 0))))"""
    p = rt.load(wat, name="bare", grant=["wall_clock"])
    with pytest.raises(jn.AbiViolation, match="judicia_alloc"):
        p.raw("f")()


def test_a_module_without_an_allocator_can_sleep(rt: jn.Runtime) -> None:
    wat = b"""(module
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "sleep") (param i64) (result i32 i32)
        (i64.store (i32.const 24) (local.get 0))
        (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200))
        (i32.load (i32.const 200))))"""
    p = rt.load(wat, name="bare")
    began = time.monotonic()
    assert p.raw("sleep")(20_000_000) == (0, 1)
    assert time.monotonic() - began >= 0.02
