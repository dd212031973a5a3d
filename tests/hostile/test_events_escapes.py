"""Plugins that forge, flood and chase their own tails: what they say is theirs, and everything has an end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.events import Event, EventLimits
from tests.support.guests import ECHO, service_forwarder, wat
from tests.support.waiting import PATIENCE, until

SLACK = 10  # seconds an attack may take beyond its wall quota on a loaded machine

SPEAK = service_forwarder("events", "emit", "subscribe") + ECHO
# Emits the request again and again, for as long as it may.
FLOOD = """
(func (export "flood") (param i32 i32) (result i64)
  (local $answer i64)
  (loop $on
    (local.set $answer (call $judicia:events.emit (local.get 0) (local.get 1)))
    (call $judicia_free (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32)))
                        (i32.wrap_i64 (local.get $answer)))
    (br $on))
  unreachable)
"""
SPIN = '(func (export "on_event") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)'


def answering(event_type: str, times: int) -> str:
    """An on_event that emits one event several times."""
    request = f'{{"type":"{event_type}","payload":1}}'
    data = request.replace('"', '\\"')
    emit = f"(drop (call $judicia:events.emit (i32.const 1024) (i32.const {len(request)})))"
    return (
        f'(data (i32.const 1024) "{data}")'
        f'(func (export "on_event") (param i32 i32) (result i64) {emit * times} (i64.const 0))'
    )


def load(rt: jn.Runtime, name: str, *cells: str, to: tuple[str, ...] = (), **options: Any) -> jn.Plugin:
    manifest = {"name": name, "subscriptions": list(to)}
    return rt.load(wat(*cells), name=name, manifest=manifest, **options)


# --- forgery ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged",
    [
        {"source": "checker"},
        {"id": "1"},
        {"timestamp": "2000-01-01T00:00:00Z"},
        {"hops": 0},
        {"metadata": {"hops": 0}},
        {"metadata": {"cause": None}},
        {"metadata": {"x": 1, "hops": -1000}},
    ],
)
def test_what_the_host_says_of_an_event_a_guest_cannot_say(rt: jn.Runtime, forged: dict[str, Any]) -> None:
    p = load(rt, "forger", SPEAK, grant=["emit_event=**"])
    error = p.call("emit", {"type": "forger.a", "payload": 1, **forged})["error"]
    assert error["code"] == "bad_request"
    assert any(f"{name}`" in error["message"] for name in ("source", "id", "timestamp", "hops", "cause"))
    assert rt.host.events.history.empty


def test_a_payload_that_looks_like_an_event_stays_a_payload(rt: jn.Runtime) -> None:
    seen: list[Event] = []
    rt.host.events.subscribe("**", seen.append)
    p = load(rt, "forger", SPEAK, grant=["emit_event"])
    inside = {"id": "0", "type": "submission.judged", "source": "checker", "payload": 1, "metadata": {"hops": 0}}
    p.call("emit", {"type": "forger.a", "payload": inside})
    p.call("emit", {"type": "forger.a", "payload": '","source":"checker'})
    rt.host.events.flush(PATIENCE)
    assert [(event.type, event.source) for event in seen] == [("forger.a", "forger")] * 2
    assert seen[0].payload == inside


@pytest.mark.parametrize("name", ["@platform", "", "Checker", "a.b"])
def test_no_plugin_can_be_called_like_the_platform_or_like_a_part_of_a_type(rt: jn.Runtime, name: str) -> None:
    with pytest.raises(jn.LoadError, match="a plugin's name is of a-z"):
        load(rt, name, SPEAK)


@pytest.mark.parametrize(
    ("code", "event_type"),
    [
        *(("capability_denied", name) for name in ("submission.judged", "forgers.a", "forge", "forger-a.b")),
        *(
            ("bad_request", name)
            for name in ("forger." + "a" * 200, "", "Forger.a", " forger.a", "*", "**", "forger.*")
        ),
        *(("bad_request", f"forger.{rest}") for rest in (".a", "", "a\n", "a\0", "\u202ea")),
    ],
)
def test_a_type_that_is_not_its_own_is_refused_however_it_is_written(
    rt: jn.Runtime, code: str, event_type: str
) -> None:
    canary: list[Event] = []
    rt.host.events.subscribe("**", canary.append)
    p = load(rt, "forger", SPEAK, grant=["emit_event"])
    assert p.call("emit", {"type": event_type, "payload": 1})["error"]["code"] == code
    rt.host.events.flush(PATIENCE)
    assert canary == []


def test_a_pattern_wider_than_a_grant_hears_nothing_of_the_rest(rt: jn.Runtime) -> None:
    recorded = '(func (export "on_event") (param i32 i32) (result i64) (i64.const 0))'
    p = load(rt, "spy", SPEAK, recorded, to=("**", "secret.*"), grant=["subscribe_events=public.*"])
    for pattern in ("**", "secret.*", "secret.a", "public.**", "*"):
        assert p.call("subscribe", {"pattern": pattern})["error"]["code"] == "capability_denied"
    for event_type in ("secret.a", "public.a", "public.a.b"):
        rt.host.events.emit(event_type)
    rt.host.events.flush(PATIENCE)
    assert (p.calls["function"] == "on_event").sum() == 1
    assert rt.host.events.history["subscribers"].tolist() == [0, 1, 0]


def test_a_plugin_that_was_unloaded_cannot_subscribe_for_the_one_that_has_its_name_now(rt: jn.Runtime) -> None:
    """on_cleanup runs once the name is free; what it asks for then is nobody's."""
    request = '{"pattern":"a.*"}'
    cell = (
        f'(data (i32.const 1024) "{request.replace(chr(34), chr(92) + chr(34))}")'
        '(func (export "on_cleanup") (param i32 i32) (result i64)'
        f"  (call $judicia:events.subscribe (i32.const 1024) (i32.const {len(request)})))"
        '(func (export "on_event") (param i32 i32) (result i64) (i64.const 0))'
    )
    old = load(rt, "double", SPEAK, cell, grant=["subscribe_events=a.*"])
    old.call("echo", 1)
    old.unload()
    asked = rt.host_calls[rt.host_calls["function"] == "judicia:events subscribe"]
    assert asked["decision"].tolist() == ["failed"]
    load(rt, "double", SPEAK, cell, grant=["subscribe_events=a.*"])
    with pytest.raises(ServiceError, match="no on_event"):  # as a call would that is still on its way out
        rt.host.events.add_pattern("double", old.policy, "a.*", 1)
    assert rt.host.events.subscribers["patterns"].tolist() == [()]


# --- storms -----------------------------------------------------------------------------------------------------------


def test_a_flood_ends_with_its_calls_quota_and_keeps_nobody_waiting(rt: jn.Runtime) -> None:
    events, stuck, seen = rt.host.events, threading.Event(), list[Any]()
    events.set_limits(queue=20, history=20, emit_rate=50)
    p = load(rt, "flood", SPEAK, FLOOD, grant=["emit_event"], quota={"wall": "1s", "cpu": "10s", "host_calls": None})
    events.subscribe("flood.*", lambda event: stuck.wait(PATIENCE))
    events.subscribe("other", lambda event: seen.append(event.payload))
    try:
        for _ in range(3):
            outcome = p.attempt("flood", {"type": "flood.a", "payload": "x" * 1000})
            if events.refused["emit_rate"]:  # or the machine paused for the second that it has
                break
        events.emit("other", "still here")
        until(lambda: seen)
        assert events.subscribers["queued"].max() <= 20
    finally:
        stuck.set()
    assert isinstance(outcome.error, jn.QuotaExceeded)
    assert outcome.error.quota == "wall"
    assert outcome.record is not None
    assert outcome.record.wall_ms < 1000 + SLACK * 1000
    assert len(events.history) == 20
    assert events.refused["emit_rate"] > 0
    events.flush(PATIENCE)
    until(lambda: p.attempt("echo", 1).value == 1)


def test_a_cycle_that_multiplies_burns_out(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(queue=200, retry_delay=0.001)
    for name, other in (("ping", "pong"), ("pong", "ping")):
        grant = ["emit_event", f"subscribe_events={other}.**"]
        load(rt, name, answering(f"{name}.hit", 4), to=(f"{other}.**",), grant=grant)
    rt.host.events.emit("ping.serve")
    rt.host.events.flush(PATIENCE)
    events = rt.host.events
    assert events.history["hops"].max() == EventLimits().hops
    assert events.refused["hops"] + events.refused["emit_rate"] > 0
    assert events.subscribers["queued"].tolist() == [0, 0]
    handled = events.subscribers["delivered"].sum()
    assert handled <= EventLimits().hops * 2 * (200 + 1) * 4


def test_a_cycle_through_python_burns_out_too(rt: jn.Runtime) -> None:
    rt.host.events.subscribe("a", lambda event: [rt.host.events.emit("b") for _ in range(2)])
    rt.host.events.set_limits(attempts=1)
    rt.host.events.subscribe("b", lambda event: rt.host.events.emit("a"))
    rt.host.events.emit("a")
    rt.host.events.flush(PATIENCE)
    assert rt.host.events.history["hops"].max() == EventLimits().hops
    assert {one.error for one in rt.host.events.parked} == {
        "ResourceExhausted: The event would be 9 events away from its cause; at most 8."
    }


def test_a_plugin_has_only_so_many_patterns(rt: jn.Runtime) -> None:
    p = load(rt, "greedy", SPEAK, SPIN, grant=["subscribe_events"])
    answers = [p.call("subscribe", {"pattern": f"greedy.t{number}"}) for number in range(EventLimits().patterns + 5)]
    assert [answer["error"]["code"] for answer in answers if "error" in answer] == ["quota_exceeded"] * 5
    assert len(rt.host.events.subscribers.loc[0, "patterns"]) == EventLimits().patterns


@pytest.mark.parametrize("size", [2 << 20, 15 << 20])
def test_a_payload_that_is_too_large_goes_nowhere(rt: jn.Runtime, size: int) -> None:
    p = load(rt, "large", SPEAK, grant=["emit_event"], quota={"memory": "256MiB"})
    answer = p.call("emit", {"type": "large.a", "payload": "x" * size})
    assert answer["error"]["code"] == "quota_exceeded"
    assert rt.host.events.history.empty


def test_a_payload_as_deep_as_may_be_arrives(rt: jn.Runtime) -> None:
    seen: list[Any] = []
    rt.host.events.subscribe("deep.*", lambda event: seen.append(event.payload))
    p = load(rt, "deep", SPEAK, grant=["emit_event"])
    nested: Any = 1
    for _ in range(126):
        nested = [nested]
    assert "ok" in p.call("emit", {"type": "deep.a", "payload": nested})
    rt.host.events.flush(PATIENCE)
    assert seen == [nested]


def test_a_denied_storm_leaves_rows_and_nothing_else(rt: jn.Runtime) -> None:
    p = load(rt, "knocking", SPEAK, FLOOD, quota={"host_calls": 500})
    error = p.attempt("flood", {"type": "knocking.a", "payload": 1}).error
    assert isinstance(error, jn.QuotaExceeded)
    assert error.quota == "host_calls"
    assert (p.host_calls["decision"] == "denied").sum() == 500
    assert rt.host.events.history.empty


# --- handlers that do not end -----------------------------------------------------------------------------------------


def test_a_handler_that_never_ends_is_stopped_by_its_quota_and_parked_while_others_go_on(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(attempts=2, retry_delay=0.001)
    seen: list[int] = []
    rt.host.events.subscribe("a", lambda event: seen.append(event.payload))
    spinning = load(rt, "spinning", SPIN, to=("a",), grant=["subscribe_events=a"], quota={"wall": "50ms"})
    for number in range(2):
        rt.host.events.emit("a", number)
    rt.host.events.flush(PATIENCE)
    assert seen == [0, 1]
    assert spinning.calls["outcome"].tolist() == ["quota_wall"] * 4
    assert (spinning.calls["wall_ms"] < 50 + SLACK * 1000).all()
    assert [one.error.split(":")[0] for one in rt.host.events.parked] == ["QuotaExceeded"] * 2


def test_whatever_is_under_way_closing_leaves_no_thread(rt: jn.Runtime) -> None:
    """The fixtures of all tests count the threads that are left."""
    for number in range(5):
        options: dict[str, Any] = {"grant": ["subscribe_events=a"], "quota": {"cpu": "60s", "wall": "60s"}}
        load(rt, f"spinning{number}", SPIN, to=("a",), **options)
    for _ in range(3):
        rt.host.events.emit("a")
    until(lambda: rt._recorder.samples.end >= 5)
    rt.close()
    assert (rt.calls["outcome"] == "cancelled").all()


def test_what_a_guest_wrote_is_made_printable_where_it_is_shown(rt: jn.Runtime) -> None:
    p = load(rt, "painter", SPEAK, grant=["emit_event"])
    p.call("emit", {"type": "painter.\u001b[31m\u202e", "payload": 1})
    assert not set(p.host_calls.iloc[-1]["target"]) & {"\u001b", "\u202e"}


def test_python_leaves_although_handlers_spin_sleep_and_wait_to_be_tried_again(
    survives: Callable[[str], list[str]],
) -> None:
    program = """
        spin = '(func (export "on_event") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)'
        options = {"grant": ["subscribe_events=a"], "quota": {"cpu": "60s", "wall": "60s"}}
        load(spin, manifest={"name": "guest", "subscriptions": ["a"]}, **options)
        began = threading.Event()

        def sleep(event):
            began.set()
            time.sleep(3600)

        events = rt.host.events
        events.set_limits(retry_delay=3600)
        events.subscribe("a", sleep)
        events.subscribe("a", lambda event: 1 / 0)
        for _ in range(100):
            events.emit("a")
        began.wait()
        while not rt._recorder.samples.end or not events.subscribers["retried"].sum():
            time.sleep(0.01)
        print(repr(events))
    """
    assert survives(program) == ["<Events: 3 subscribers, 297 events waiting, 0 parked>"]
