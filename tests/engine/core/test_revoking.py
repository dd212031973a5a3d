"""After `revoke` has returned, no service begins: the policy is asked once the callback has Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec
import pytest

import judicia_notebook as jn
from judicia_notebook.host.clock import ClockService
from judicia_notebook.host.dispatcher import Operation
from tests.support.guests import wat

Survives = Callable[[str], list[str]]

ROUNDS = int(os.environ.get("REVOKES", "40"))
"""A thousand of them take minutes."""

ASK = """(func (export "ask") (param i32 i32) (result i64)
  (call $judicia:clock.now (i32.const 0) (i32.const 0)))"""

UNDER_A_HOG = """
from time import perf_counter_ns
from judicia_notebook.host.clock import ClockService
begun = []
def now(self, scope, request):
    begun.append(perf_counter_ns())
    return {}
ClockService.now = now
rt.close()
rt = jn.Runtime()
over = False
def hog():  # holds Python's lock for some milliseconds at a time
    while not over: sum(range(150_000))
def revoking(p, function, rounds):
    "How often a service began after revoke had returned."
    def work():
        while not over: p.attempt(function)
    threads = [threading.Thread(target=work), threading.Thread(target=hog)]
    for thread in threads: thread.start()
    late = 0
    try:
        for _ in range(rounds):
            begun.clear()
            p.policy.grant("wall_clock")
            while len(begun) < 2: time.sleep(0.0001)
            p.policy.revoke("wall_clock")
            returned = perf_counter_ns()
            time.sleep(0.002)
            late += begun[-1] > returned
    finally:
        globals()["over"] = True
        for thread in threads: thread.join()
    return late
"""


def test_no_service_begins_after_a_revoke(survives: Survives) -> None:
    """The guest makes one host call after another: one of them waits for Python's lock while `revoke` has it."""
    said = survives(
        UNDER_A_HOG
        + f"""
p = load('''(func (export "ask") (param i32 i32) (result i64) (local $turns i32)
  (loop $on (drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))
    (br_if $on (i32.lt_u (local.tee $turns (i32.add (local.get $turns) (i32.const 1))) (i32.const 100))))
  (i64.const 0))''', quota={{"cpu": "20s", "wall": "20s", "host_calls": None}})
print(revoking(p, "ask", {ROUNDS}))
alive(p)
"""
    )
    assert said == ["0", "alive"]


def test_no_service_begins_after_a_revoke_that_came_while_its_request_was_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading may hold the lock for longer than Python's turn: then the thread that revokes is the next."""
    served: list[object] = []

    class Request(msgspec.Struct):
        def __post_init__(self) -> None:
            plugin.policy.revoke("wall_clock")

    def operations(_self: ClockService) -> list[Operation]:
        return [Operation("now", lambda _, request: served.append(request), capability="wall_clock", request=Request)]

    monkeypatch.setattr(ClockService, "operations", operations)
    with jn.Runtime() as rt:
        plugin = rt.load(wat(ASK), name="guest", grant=["wall_clock"])
        answer = plugin.call("ask")
        assert answer["error"]["code"] == "capability_denied"
        assert served == []
        assert plugin.host_calls.decision.tolist() == ["denied"]
        assert plugin.calls.denied.tolist() == [1]
