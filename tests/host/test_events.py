"""Events: who may say and hear what, in which order, and what becomes of what nobody can handle."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.events import Event, EventLimits
from judicia_notebook.languages.wat import compile_wat
from tests.support.waiting import PATIENCE, until

SPEAK = """
(func (export "emit") (param i32 i32) (result i64) (call $judicia:events.emit (local.get 0) (local.get 1)))
(func (export "subscribe") (param i32 i32) (result i64) (call $judicia:events.subscribe (local.get 0) (local.get 1)))
(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))
"""

# Keeps what it received from address 4096 on, as a JSON list. $failures counts down the times it says no.
LISTEN = """
(memory (export "memory") 64)
(data (i32.const 4096) "[")
(data (i32.const 1024) "{\\"code\\":\\"busy\\",\\"message\\":\\"not now\\"}")
(global $end (mut i32) (i32.const 4097))
(global $failures (mut i32) (i32.const FAILURES))
(func (export "on_event") (param $ptr i32) (param $len i32) (result i64)
  (if (global.get $failures)
    (then
      (global.set $failures (i32.sub (global.get $failures) (i32.const 1)))
      (drop (call $judicia:host.fail (i32.const 1024) (i32.const 35)))
      (return (i64.const 0))))
  (if (i32.gt_u (global.get $end) (i32.const 4097))
    (then
      (i32.store8 (global.get $end) (i32.const 44))
      (global.set $end (i32.add (global.get $end) (i32.const 1)))))
  (memory.copy (global.get $end) (local.get $ptr) (local.get $len))
  (global.set $end (i32.add (global.get $end) (local.get $len)))
  (i64.const 0))
(func (export "seen") (param i32 i32) (result i64)
  (i32.store8 (global.get $end) (i32.const 93))
  (call $reply (i32.const 4096) (i32.sub (i32.add (global.get $end) (i32.const 1)) (i32.const 4096))))
"""
SPIN = '(func (export "on_event") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)'
TRAP = '(func (export "on_event") (param i32 i32) (result i64) unreachable)'
EMIT_AGAIN = """
(data (i32.const 1024) "{\\"type\\":\\"NAME.again\\",\\"payload\\":1}")
(func (export "on_event") (param i32 i32) (result i64)
  (drop (call $judicia:events.emit (i32.const 1024) (i32.const LENGTH))) (i64.const 0))
"""


def listen(failures: int = 0) -> str:
    return LISTEN.replace("FAILURES", str(failures))


def load(rt: jn.Runtime, name: str, *cells: str, to: tuple[str, ...] = (), **options: Any) -> jn.Plugin:
    manifest = {"name": name, "subscriptions": list(to)}
    return rt.load(compile_wat("\n".join(cells)).encode(), name=name, manifest=manifest, **options)


def speaker(rt: jn.Runtime, name: str = "speaker", grant: tuple[str, ...] = ("emit_event",)) -> jn.Plugin:
    return load(rt, name, SPEAK, grant=grant)


def listener(rt: jn.Runtime, *to: str, name: str = "listener", failures: int = 0) -> jn.Plugin:
    grant = [f"subscribe_events={pattern}" for pattern in to]
    return load(rt, name, SPEAK, listen(failures), to=to, grant=grant)


def types_seen(p: jn.Plugin) -> list[str]:
    return [event["type"] for event in p.call("seen")]


def wait_until_inside(rt: jn.Runtime) -> None:
    """Until on_event is running, which its first sample says."""
    until(lambda: rt._recorder.samples.end)


class Gate:
    """A callback that waits until it is opened, and notes what came through."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.seen: list[Any] = []

    def __call__(self, event: Event) -> None:
        self.entered.set()
        assert self.opened.wait(PATIENCE)
        self.seen.append(event.payload)


# --- types and patterns -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "received"),
    [
        ("contest.begun", ["contest.begun"]),
        ("contest.*", ["contest.begun"]),
        ("contest.**", ["contest.begun", "contest.team.joined"]),
        ("contest.team.*", ["contest.team.joined"]),
        ("*", ["contest"]),
        ("**", ["contest", "contest.begun", "contest.team.joined", "contests.x"]),
    ],
)
def test_a_pattern_stands_for_one_more_segment_or_for_any_number(
    rt: jn.Runtime, pattern: str, received: list[str]
) -> None:
    seen: list[str] = []
    rt.host.events.subscribe(pattern, lambda event: seen.append(event.type))
    for event_type in ("contest", "contest.begun", "contest.team.joined", "contests.x"):
        rt.host.events.emit(event_type)
    rt.host.events.flush(PATIENCE)
    assert seen == received


@pytest.mark.parametrize(
    "event_type", ["", ".", "a.", ".a", "a..b", "A.b", "a b", "a.*", "**", "ä", "a" * 201, 1, None]
)
def test_what_is_no_type_is_not_emitted(rt: jn.Runtime, event_type: Any) -> None:
    with pytest.raises(jn.InvalidPayload, match=r"like 'submission\.judged'"):
        rt.host.events.emit(event_type)
    assert rt.host.events.history.empty


@pytest.mark.parametrize("pattern", ["", "a.*.b", "*.a", "a*", "a.***", "**.*", "A.*", None])
def test_what_is_no_pattern_is_not_subscribed_to(rt: jn.Runtime, pattern: Any) -> None:
    with pytest.raises(jn.PolicyError, match="An event pattern is like"):
        rt.host.events.subscribe(pattern, print)
    if isinstance(pattern, str):
        with pytest.raises(jn.ManifestError, match=r"subscriptions\[0\]"):
            load(rt, "listener", SPEAK, to=(pattern,))


# --- what is delivered ------------------------------------------------------------------------------------------------


def test_a_plugin_receives_the_whole_event_and_the_host_says_who_emitted_it() -> None:
    with jn.Runtime(clock="frozen") as rt:
        listening, speaking = listener(rt, "speaker.**"), speaker(rt)
        listening.policy.grant("wall_clock")
        answer = speaking.call(
            "emit", {"type": "speaker.said", "payload": {"n": [1, None]}, "metadata": {"lang": "en"}}
        )
        rt.host.events.flush(PATIENCE)
        assert listening.call("seen") == [
            {
                "id": answer["ok"]["id"],
                "type": "speaker.said",
                "source": "speaker",
                "timestamp": "2025-01-01T00:00:00.000Z",
                "payload": {"n": [1, None]},
                "metadata": {"lang": "en", "hops": 0, "cause": None},
            }
        ]


def test_who_may_not_know_the_time_does_not_learn_it_from_an_event(rt: jn.Runtime) -> None:
    p, seen = listener(rt, "a"), list[str]()
    rt.host.events.subscribe("a", lambda event: seen.append(event.timestamp))
    rt.host.events.emit("a")
    rt.host.events.flush(PATIENCE)
    assert p.call("seen")[0]["timestamp"] is None
    assert seen[0].startswith("20")


def test_a_callback_receives_the_same_and_changes_it_for_nobody_else(rt: jn.Runtime) -> None:
    seen: list[Event] = []

    def spoil(event: Event) -> None:
        event.payload.append("spoilt")
        seen.append(event)

    rt.host.events.subscribe("a.b", spoil)
    rt.host.events.subscribe("a.b", spoil)
    event_id = rt.host.events.emit("a.b", [1], {"m": 1})
    rt.host.events.flush(PATIENCE)
    assert [(one.id, one.source, one.payload) for one in seen] == [(event_id, "@platform", [1, "spoilt"])] * 2
    assert seen[0].metadata == {"m": 1, "hops": 0, "cause": None}


def test_ids_are_unique_also_between_runtimes(rt: jn.Runtime) -> None:
    with jn.Runtime() as other:
        ids = [runtime.host.events.emit("a.b") for runtime in (rt, other) for _ in range(50)]
    assert len(set(ids)) == 100


def test_each_subscriber_gets_events_in_the_order_they_were_emitted(rt: jn.Runtime) -> None:
    listening, seen = listener(rt, "a.*"), list[int]()
    rt.host.events.subscribe("a.*", lambda event: seen.append(event.payload))
    for number in range(300):
        rt.host.events.emit("a.b", number)
    rt.host.events.flush(PATIENCE)
    assert seen == [event["payload"] for event in listening.call("seen")] == list(range(300))


def test_an_event_that_two_patterns_stand_for_is_delivered_once(rt: jn.Runtime) -> None:
    listening = listener(rt, "a.*", "a.b", "**")
    rt.host.events.emit("a.b")
    rt.host.events.flush(PATIENCE)
    assert types_seen(listening) == ["a.b"]


def test_payloads_may_hold_what_every_payload_may(rt: jn.Runtime) -> None:
    seen: list[Any] = []
    rt.host.events.subscribe("a", lambda event: seen.append(event.payload))
    rt.host.events.emit("a", {"at": dataclasses.make_dataclass("At", [("x", int)])(1)})
    rt.host.events.flush(PATIENCE)
    assert seen == [{"at": {"x": 1}}]
    with pytest.raises(jn.InvalidPayload):
        rt.host.events.emit("a", float("nan"))
    with pytest.raises(jn.InvalidPayload, match="'hops' is filled by the host"):
        rt.host.events.emit("a", 1, {"hops": 0})


# --- what is granted --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grants", "allowed"),
    [
        (["emit_event"], ["speaker", "speaker.a", "speaker.a.b"]),
        (["emit_event=speaker.*"], ["speaker.a"]),
        (["emit_event=contest.**"], ["contest.a", "contest.a.b"]),
        (["emit_event=contest.a", "emit_event=speaker"], ["speaker", "contest.a"]),
        (["emit_event=**"], ["speaker", "speaker.a", "speaker.a.b", "speakers.a", "contest.a", "contest.a.b"]),
    ],
)
def test_a_plugin_emits_what_is_granted_and_without_a_scope_its_own(
    rt: jn.Runtime, grants: list[str], allowed: list[str]
) -> None:
    p = speaker(rt, grant=tuple(grants))
    types = ["speaker", "speaker.a", "speaker.a.b", "speakers.a", "contest.a", "contest.a.b"]
    answers = {event_type: p.call("emit", {"type": event_type, "payload": 1}) for event_type in types}
    assert [event_type for event_type, answer in answers.items() if "ok" in answer] == allowed
    assert list(rt.host.events.history["type"]) == allowed
    assert {answer["error"]["code"] for answer in answers.values() if "ok" not in answer} <= {"capability_denied"}


@pytest.mark.parametrize(
    ("grants", "allowed"),
    [
        (["subscribe_events"], ["speaker", "speaker.*", "speaker.**", "speaker.a.*"]),
        (["subscribe_events=contest.*"], ["contest.*", "contest.a"]),
        (["subscribe_events=contest.**"], ["contest.*", "contest.**", "contest.a"]),
        (["subscribe_events=*"], ["speaker", "*"]),
    ],
)
def test_a_plugin_subscribes_as_far_as_is_granted(rt: jn.Runtime, grants: list[str], allowed: list[str]) -> None:
    p = load(rt, "speaker", SPEAK, listen(), grant=grants)
    patterns = ["speaker", "speaker.*", "speaker.**", "speaker.a.*"]
    patterns += ["contest.*", "contest.**", "contest.a", "contests.*", "*", "**"]
    answers = {pattern: p.call("subscribe", {"pattern": pattern}) for pattern in patterns}
    assert [pattern for pattern, answer in answers.items() if "ok" in answer] == allowed
    assert rt.host.events.subscribers["patterns"].tolist() == [tuple(allowed)]


@pytest.mark.parametrize(
    ("function", "request_", "message"),
    [
        ("emit", {"type": "s.*", "payload": 1}, "field `type`: an event's type is like `submission.judged`, not `s.*`"),
        ("subscribe", {"pattern": "*.b"}, "field `pattern`: a pattern is like `contest.*` or `contest.**`, not `*.b`"),
    ],
)
def test_a_bad_request_names_its_field(rt: jn.Runtime, function: str, request_: Any, message: str) -> None:
    p = load(rt, "speaker", SPEAK, listen(), grant=["emit_event", "subscribe_events"])
    error = p.call(function, request_)["error"]
    assert (error["code"], error["message"].replace("``", "`")) == ("bad_request", message)


def test_a_manifests_subscription_holds_as_far_as_it_is_granted_and_what_is_withheld_is_audited(rt: jn.Runtime) -> None:
    p = load(rt, "listener", SPEAK, listen(), to=("contest.**",), grant=["subscribe_events=contest.begun"])
    for event_type in ("contest.begun", "contest.ended", "contest.ended"):
        rt.host.events.emit(event_type)
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == ["contest.begun"]
    assert rt.host.events.subscribers.loc[0, "withheld"] == 2
    denied = p.audit[p.audit["what"] == "denied"]
    assert list(denied["detail"]) == ["subscribe_events=contest.ended for on_event"]
    p.policy.grant("subscribe_events=contest.**")
    rt.host.events.emit("contest.ended")
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == ["contest.begun", "contest.ended"]


def test_a_plugin_subscribes_at_run_time_until_its_code_is_exchanged(rt: jn.Runtime) -> None:
    p = load(rt, "listener", SPEAK, listen(), grant=["subscribe_events=a.*"])
    assert p.call("subscribe", {"pattern": "a.*"}) == p.call("subscribe", {"pattern": "a.*"}) == {"ok": {}}
    assert p.audit["call_id"][p.audit["what"] == "subscribe"].tolist() == [p.calls["call_id"][0]]
    rt.host.events.emit("a.b")
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == ["a.b"]
    rt.reload("listener")
    rt.host.events.emit("a.c")
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == ["a.c"]
    load(rt, "listener", SPEAK, listen(), '(func (export "other"))')
    rt.host.events.emit("a.d")
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == []


def test_without_on_event_there_is_nothing_to_subscribe(rt: jn.Runtime) -> None:
    p = load(rt, "speaker", SPEAK, to=("a.*",), grant=["subscribe_events=a.*"])
    assert p.call("subscribe", {"pattern": "a.*"})["error"]["code"] == "not_found"
    assert rt.host.events.subscribers.empty


# --- retries, parking, replay -----------------------------------------------------------------------------------------


def test_a_handler_that_fails_is_tried_again_with_the_same_event_before_the_next_one(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(retry_delay=0.001)
    p = listener(rt, "a.*", failures=2)
    rt.host.events.emit("a.b")
    rt.host.events.emit("a.c")
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == ["a.b", "a.c"]
    outcomes = p.calls[p.calls["function"] == "on_event"]["outcome"]
    assert list(outcomes) == ["guest_error", "guest_error", "ok", "ok"]
    assert rt.host.events.subscribers.loc[0, ["delivered", "retried", "parked"]].tolist() == [2, 2, 0]


def test_after_the_last_attempt_it_is_parked_with_its_error_and_the_next_one_gets_its_turn(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(retry_delay=0.001, attempts=3)
    p = listener(rt, "a.*", failures=3)
    rt.host.events.emit("a.b", {"n": 1})
    rt.host.events.emit("a.c")
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == ["a.c"]
    (parked,) = rt.host.events.parked
    assert (parked.subscriber, parked.attempts, parked.event.payload) == ("listener", 3, {"n": 1})
    assert parked.error == "GuestError: listener.on_event failed: busy: not now"
    assert rt.host.events.history["parked"].tolist() == [1, 0]
    assert rt.host.events.replay(parked) == 1
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == ["a.c", "a.b"]
    assert rt.host.events.parked == ()
    assert rt.host.events.replay(parked) == 0
    assert rt.host.events.history[["parked", "delivered"]].to_numpy().tolist() == [[0, 1], [0, 1]]


def test_a_trap_costs_the_instance_and_not_the_events_behind_it(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(retry_delay=0.001, attempts=2)
    load(rt, "trapping", TRAP, to=("a",), grant=["subscribe_events=a"])
    for _ in range(3):
        rt.host.events.emit("a")
    rt.host.events.flush(PATIENCE)
    assert [one.error.split()[0] for one in rt.host.events.parked] == ["GuestTrap:"] * 3
    assert (rt.calls["outcome"] == "trap").sum() == 6


def test_a_callback_that_raises_is_parked_with_its_traceback(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(retry_delay=0.001)

    def broken(event: Event) -> None:
        raise KeyError(event.payload)

    rt.host.events.subscribe("a", broken)
    rt.host.events.emit("a", "missing")
    rt.host.events.flush(PATIENCE)
    (parked,) = rt.host.events.parked
    assert parked.error == "KeyError: 'missing'"
    assert "in broken" in parked.traceback
    assert parked.attempts == EventLimits().attempts
    assert "after 4 attempts: KeyError" in repr(parked)


def test_an_exception_that_cannot_even_say_what_it_is_holds_nobody_up(rt: jn.Runtime) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise ValueError

    def broken(event: Event) -> None:
        raise Unspeakable

    rt.host.events.set_limits(attempts=1)
    rt.host.events.subscribe("a", broken)
    for _ in range(2):
        rt.host.events.emit("a")
    rt.host.events.flush(PATIENCE)
    assert [one.error for one in rt.host.events.parked] == ["Unspeakable"] * 2


def test_what_finds_no_room_when_it_is_replayed_stays_parked(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(attempts=1)
    rt.host.events.subscribe("a", lambda event: 1 / 0)
    rt.host.events.emit("a")
    rt.host.events.flush(PATIENCE)
    rt.host.events.set_limits(queue=0)
    assert rt.host.events.replay() == 0
    assert len(rt.host.events.parked) == 1


def test_what_was_parked_waits_for_a_plugin_that_was_unloaded_and_for_its_grant(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(attempts=1)
    listener(rt, "a.*", failures=1)
    rt.host.events.emit("a.b")
    rt.host.events.flush(PATIENCE)
    rt.unload("listener")
    with pytest.raises(jn.NoSuchPlugin, match=r"listener receives no events(.|\n)*same file under this name"):
        rt.host.events.replay()
    p = listener(rt, "a.*")
    p.policy.revoke("subscribe_events")
    with pytest.raises(jn.PolicyError, match=r"grant listener subscribe_events=a\.b"):
        rt.host.events.replay()
    p.policy.grant("subscribe_events=a.b")
    assert rt.host.events.replay() == 1
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == ["a.b"]


def test_a_delivery_that_a_person_cancels_is_parked_at_once(rt: jn.Runtime) -> None:
    p = load(rt, "spinning", SPIN, to=("a",), grant=["subscribe_events=a"], quota={"cpu": "60s", "wall": "60s"})
    rt.host.events.emit("a")
    wait_until_inside(rt)
    p.cancel_calls("by a person")
    rt.host.events.flush(PATIENCE)
    (parked,) = rt.host.events.parked
    assert parked.attempts == 1
    assert parked.error.startswith("Cancelled: spinning.on_event was cancelled: by a person")


def test_only_so_many_are_kept_parked(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(attempts=1, parked=2)
    rt.host.events.subscribe("a", lambda event: 1 / 0)
    for number in range(5):
        rt.host.events.emit("a", number)
    rt.host.events.flush(PATIENCE)
    assert [one.event.payload for one in rt.host.events.parked] == [3, 4]


# --- nobody waits for somebody else -----------------------------------------------------------------------------------


def test_one_subscriber_never_holds_back_another_nor_the_emitter(rt: jn.Runtime) -> None:
    gates, seen = [Gate() for _ in range(80)], list[int]()
    for gate in gates:
        rt.host.events.subscribe("a", gate)
    rt.host.events.subscribe("a", lambda event: seen.append(event.payload))
    listening = listener(rt, "a")
    for number in range(20):
        rt.host.events.emit("a", number)
    until(lambda: len(seen) == len(listening.call("seen")) == 20)
    assert all(gate.entered.wait(PATIENCE) for gate in gates)
    with pytest.raises(TimeoutError, match="Gate"):
        rt.host.events.flush(0.01)
    for gate in gates:
        gate.opened.set()
    rt.host.events.flush(PATIENCE)
    assert [gate.seen for gate in gates] == [list(range(20))] * 80


def test_what_finds_no_room_in_a_queue_is_dropped_for_that_subscriber_and_counted(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(queue=3)
    gate, seen = Gate(), list[int]()
    rt.host.events.subscribe("a", gate)
    rt.host.events.emit("a", 0)
    assert gate.entered.wait(PATIENCE)
    for number in range(1, 6):
        rt.host.events.emit("a", number)
    rt.host.events.subscribe("b", lambda event: seen.append(event.payload))
    rt.host.events.emit("b", 1)
    gate.opened.set()
    rt.host.events.flush(PATIENCE)
    assert (gate.seen, seen) == ([0, 1, 2, 3], [1])
    assert rt.host.events.subscribers["dropped"].tolist() == [2, 0]
    assert rt.host.events.history["dropped"].tolist() == [0, 0, 0, 0, 1, 1, 0]


def test_bytes_that_wait_are_bounded_too(rt: jn.Runtime) -> None:
    gate = Gate()
    rt.host.events.set_limits(queue_bytes=10_000)
    rt.host.events.subscribe("a", gate)
    for _ in range(5):
        rt.host.events.emit("a", "x" * 4000)
    gate.opened.set()
    rt.host.events.flush(PATIENCE)
    assert len(gate.seen) in (2, 3)  # the first may have left the queue before the third came


def test_flush_inside_a_delivery_says_that_it_would_wait_for_itself(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(attempts=1)
    rt.host.events.subscribe("a", lambda event: rt.host.events.flush())
    rt.host.events.emit("a")
    rt.host.events.flush(PATIENCE)
    assert "would wait for itself" in rt.host.events.parked[0].error


# --- cycles and storms ------------------------------------------------------------------------------------------------


def echoing(name: str) -> str:
    length = len(f'{{"type":"{name}.again","payload":1}}')
    return EMIT_AGAIN.replace("NAME", name).replace("LENGTH", str(length))


def test_a_cycle_ends_after_so_many_hops_and_is_counted(rt: jn.Runtime) -> None:
    p = load(rt, "loop", echoing("loop"), to=("loop.**",), grant=["emit_event", "subscribe_events"])
    first = rt.host.events.emit("loop.begin")
    rt.host.events.flush(PATIENCE)
    history = rt.host.events.history
    assert history["hops"].tolist() == list(range(EventLimits().hops + 1))
    assert history["cause"].tolist()[1:] == history["event_id"].tolist()[:-1]
    assert history.loc[0, "event_id"] == first
    assert rt.host.events.refused["hops"] == 1
    assert p.host_calls.iloc[-1]["decision"] == "limited"


def test_hops_are_counted_through_callbacks_and_the_calls_they_make(rt: jn.Runtime) -> None:
    p = speaker(rt)

    def again(event: Event) -> None:
        p.call("emit", {"type": "speaker.again", "payload": event.metadata["hops"]})

    rt.host.events.subscribe("speaker.again", again)
    rt.host.events.emit("speaker.again")
    rt.host.events.flush(PATIENCE)
    assert rt.host.events.history["hops"].tolist() == list(range(EventLimits().hops + 1))


def test_a_plugin_emits_only_so_often_in_a_second_and_python_as_it_likes(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(emit_rate=0)
    error = speaker(rt).call("emit", {"type": "speaker.a", "payload": 1})["error"]
    assert error == {"code": "quota_exceeded", "message": "more than 0 events a second"}
    rt.host.events.emit("a")
    assert rt.host.events.refused["emit_rate"] == 1
    assert len(rt.host.events.history) == 1


def test_payload_and_metadata_are_bounded(rt: jn.Runtime) -> None:
    rt.host.events.set_limits(payload=10, metadata=100)
    p = speaker(rt)
    for more in ({"payload": "x" * 20}, {"payload": 1, "metadata": {"x": "x" * 200}}):
        assert p.call("emit", {"type": "speaker.a", **more})["error"]["code"] == "quota_exceeded"
    with pytest.raises(jn.ResourceExhausted, match="A payload of 22 bytes; at most 10"):
        rt.host.events.emit("a", "x" * 20)
    assert rt.host.events.refused == {"hops": 0, "emit_rate": 0, "payload": 2, "metadata": 1}


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_a_deliverys_row_says_that_it_was_an_event_and_which_call_emitted_it(rt: jn.Runtime) -> None:
    listening, speaking = listener(rt, "speaker.*"), speaker(rt)
    with rt.measure() as measured, jn.label(variant="A"):
        speaking.call("emit", {"type": "speaker.a", "payload": 1})
        rt.host.events.flush(PATIENCE)
    emitting, delivery = speaking.calls.iloc[0], listening.calls.iloc[-1]
    assert (delivery["function"], delivery["origin"]) == ("on_event", "event")
    assert delivery["parent_call_id"] == emitting["call_id"]
    assert delivery["label"] == "variant=A"
    assert sorted(measured.calls["function"]) == ["emit", "on_event"]
    assert rt.host.events.history.loc[0, "call_id"] == emitting["call_id"]


def test_history_is_a_frame_with_all_columns_also_when_empty_and_drops_the_oldest(rt: jn.Runtime) -> None:
    empty = rt.host.events.history
    rt.host.events.set_limits(history=3)
    for number in range(5):
        rt.host.events.emit("a.b", {"number": number})
    history = rt.host.events.history
    assert [payload["number"] for payload in history["payload"]] == [2, 3, 4]
    assert history.attrs["dropped"] == 2
    assert list(empty.columns) == list(history.columns)
    assert empty.dtypes.tolist() == history.dtypes.tolist()
    assert history["call_id"].isna().all()
    assert history["at"].is_monotonic_increasing


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_subscription_ends_with_its_block(rt: jn.Runtime) -> None:
    seen: list[int] = []
    with rt.host.events.subscribe("a", lambda event: seen.append(event.payload)) as subscription:
        rt.host.events.emit("a", 1)
        rt.host.events.flush(PATIENCE)
    rt.host.events.emit("a", 2)
    rt.host.events.flush(PATIENCE)
    assert seen == [1]
    assert subscription.counts["delivered"] == 1
    assert rt.host.events.subscribers.empty


def test_unloading_ends_the_delivery_that_runs_and_those_that_wait(rt: jn.Runtime) -> None:
    grant = ["subscribe_events=a"]
    p = load(rt, "spinning", SPIN, to=("a",), grant=grant, quota={"cpu": "60s", "wall": "60s"})
    for _ in range(10):
        rt.host.events.emit("a")
    wait_until_inside(rt)
    p.unload()
    rt.host.events.flush(PATIENCE)
    rt.host.events.emit("a")
    until(lambda: not p._deployment.is_busy)
    assert p.calls["outcome"].tolist() == ["cancelled"]
    assert rt.host.events.subscribers.empty
    assert rt.host.events.parked == ()


@pytest.mark.parametrize("revoked", ["subscribe_events", "subscribe_events=a"])
def test_revoking_ends_the_delivery_that_runs_and_those_that_wait_at_once(rt: jn.Runtime, revoked: str) -> None:
    grant = ["subscribe_events=a"]
    p = load(rt, "spinning", SPIN, SPEAK, to=("a",), grant=grant, quota={"cpu": "60s", "wall": "60s"})
    for _ in range(10):
        rt.host.events.emit("a")
    wait_until_inside(rt)
    p.policy.revoke(revoked)
    rt.host.events.flush(PATIENCE)
    assert p.calls["outcome"].tolist() == ["cancelled"]
    assert "subscribe_events was revoked" in p.calls.loc[0, "error"]
    assert rt.host.events.history["revoked"].tolist() == [1] * 10
    assert rt.host.events.parked == ()
    assert p.call("echo", 1) == 1


def test_revoking_one_scope_ends_what_waits_for_it_and_not_the_delivery_of_another(rt: jn.Runtime) -> None:
    grant = ["subscribe_events=a.x", "subscribe_events=a.y"]
    p = load(rt, "spinning", SPIN, to=("a.*",), grant=grant, quota={"cpu": "60s", "wall": "60s"})
    for event_type in ("a.x", "a.y", "a.x"):
        rt.host.events.emit(event_type)
    wait_until_inside(rt)
    p.policy.revoke("subscribe_events=a.y")
    assert rt.host.events.history["revoked"].tolist() == [0, 1, 0]
    assert rt.host.events.subscribers.loc[0, "queued"] == 1
    assert p.calls.empty


def test_what_the_grants_that_are_left_allow_still_arrives_after_a_revoke(rt: jn.Runtime) -> None:
    p = listener(rt, "a.x", "a.y")
    p.policy.revoke("subscribe_events=a.x")
    for event_type in ("a.x", "a.y"):
        rt.host.events.emit(event_type)
    rt.host.events.flush(PATIENCE)
    assert types_seen(p) == ["a.y"]


def test_closing_waits_for_a_callback_and_drops_what_waits() -> None:
    rt, gate = jn.Runtime(), Gate()
    rt.host.events.subscribe("a", gate)
    for number in range(3):
        rt.host.events.emit("a", number)
    assert gate.entered.wait(PATIENCE)
    closing = threading.Thread(target=rt.close)
    closing.start()
    until(lambda: rt.host.events.subscribers["queued"].tolist() == [0])
    assert closing.is_alive()
    gate.opened.set()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert gate.seen == [0]
    for late in (lambda: rt.host.events.emit("a"), lambda: rt.host.events.subscribe("a", print)):
        with pytest.raises(jn.ResourceExhausted, match="runtime is closed"):
            late()


def test_a_callback_may_close_the_runtime() -> None:
    rt = jn.Runtime()
    closed = threading.Event()

    def close(_: Event) -> None:
        rt.close()
        closed.set()

    rt.host.events.subscribe("a", close)
    rt.host.events.emit("a")
    assert closed.wait(PATIENCE)


def test_a_pause_before_a_retry_ends_when_the_runtime_is_closed() -> None:
    tried = threading.Event()
    with jn.Runtime() as rt:
        rt.host.events.set_limits(retry_delay=3600)

        def broken(_: Event) -> None:
            tried.set()
            raise ValueError

        rt.host.events.subscribe("a", broken)
        rt.host.events.emit("a")
        assert tried.wait(PATIENCE)
