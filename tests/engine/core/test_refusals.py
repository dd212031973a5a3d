"""Host calls that the core refuses again by itself: as Python would, until the policy says something else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from judicia_notebook.host.host_call import HostCall
from judicia_notebook.records.rows import HOST_CALLS
from judicia_notebook.records.table import CHUNK_ROWS
from tests.support.guests import wat
from tests.support.threads import Start, start
from tests.support.waiting import PATIENCE, until

__all__ = ["start"]

TURNS = CHUNK_ROWS * 2 + 100  # the rows' chunk is exchanged in between
KNOCK = """
(memory (export "memory") 1)
(global $at (mut i32) (i32.const 4096))
(global $allocs (mut i32) (i32.const 0))
(func (export "judicia_alloc") (param i32) (result i32)
  (global.set $allocs (i32.add (global.get $allocs) (i32.const 1)))
  (if (i32.eq (global.get $allocs) (global.get $fails)) (then {failing}))
  (global.get $at))
(func (export "judicia_free") (param i32 i32))
(global $fails (mut i32) (i32.const -1))
(func (export "fail_at") (param i32) (global.set $fails (local.get 0)) (global.set $allocs (i32.const 0)))
(func (export "knock") (param $turns i32) (result i64) (local $answer i64)
  (loop $on
    (local.set $answer (call $judicia:clock.now (i32.const 0) (i32.const 0)))
    (br_if $on (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
  (local.get $answer))
(func (export "ask") (param i32 i32) (result i64) (local $turns i32) (local $answer i64)
  (local.set $turns (i32.const 100))
  (loop $on
    (local.set $answer (call $judicia:clock.now (i32.const 0) (i32.const 0)))
    (br_if $on (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
  (local.get $answer))
(func (export "for_ever") (param i32 i32) (result i64)
  (loop $on (drop (call $judicia:clock.now (i32.const 0) (i32.const 0))) (br $on)) (i64.const 0))
(func (export "slowly") (param i32 i32) (result i64) (local $turns i32)
  (loop $on
    (drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))
    (local.set $turns (i32.const 20000))
    (loop $wait (br_if $wait (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
    (br $on))
  (i64.const 0))
(func (export "until_allowed") (param i32 i32) (result i64) (local $answer i64)
  (loop $on
    (local.set $answer (call $judicia:clock.now (i32.const 0) (i32.const 0)))
    (br_if $on (i32.eq (i32.load8_u (i32.add (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32)))
                                             (i32.const 2))) (i32.const 101)))) ;; the e of "error"
  (local.get $answer))
"""


def knocker(rt: jn.Runtime, failing: str = "(nop)", **options: Any) -> jn.Plugin:
    """A plugin that asks for the time again and again; its allocator fails where it is told to."""
    options.setdefault("quota", {"cpu": "20s", "wall": "20s", "host_calls": None})
    return rt.load(wat(KNOCK.replace("{failing}", failing)), name="guest", **options)


@contextmanager
def asked() -> Iterator[list[str]]:
    """The host calls on this thread that Python is asked about."""
    found: list[str] = []

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is HostCall.take.__code__:
            found.append(frame.f_locals["self"].function)

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)


def test_python_is_asked_once_in_each_chunk_of_rows(rt: jn.Runtime) -> None:
    plugin = knocker(rt)
    with asked() as found:
        packed = plugin.raw("knock")(TURNS)
    assert len(found) == 1 + TURNS // CHUNK_ROWS
    assert plugin.last is not None
    assert (plugin.last.outcome, plugin.last.host_calls, plugin.last.denied) == ("ok", TURNS, TURNS)
    rows = plugin.host_calls
    assert rows.seq.tolist() == list(range(1, TURNS + 1))
    assert set(rows.decision) == {"denied"}
    assert rows.detail.unique().tolist() == ["judicia:clock now needs the capability wall_clock"]
    assert set(rows.bytes_out) == {packed & 0xFFFFFFFF}
    assert rows.at_ms.is_monotonic_increasing
    assert (rows.wall_ms > 0).all()
    assert rows.wall_ms.sum() <= plugin.last.wall_ms
    assert rt.audit.what.tolist().count("denied") == 1


def test_each_call_is_told_by_python_first(rt: jn.Runtime) -> None:
    plugin = knocker(rt)
    for _ in range(2):
        with asked() as found:
            answer = plugin.call("ask")
        assert answer == {
            "error": {
                "code": "capability_denied",
                "message": "judicia:clock now needs the capability wall_clock",
            }
        }
        assert len(found) == 1
    assert rt.audit.what.tolist().count("denied") == 2
    assert plugin.calls.denied.tolist() == [100, 100]


def test_a_grant_reaches_a_call_that_knocks(rt: jn.Runtime, start: Start) -> None:
    plugin = knocker(rt)
    came = start(plugin.call, "until_allowed")
    until(lambda: len(plugin.host_calls) > 100)
    plugin.policy.grant("wall_clock")
    rows = rt._recorder.host_calls.end
    until(lambda: came)
    assert set(came[0]) == {"ok"}
    decisions = plugin.host_calls.decision.tolist()
    assert decisions == ["denied"] * (len(decisions) - 1) + ["allowed"]
    assert len(decisions) <= rows + 2  # one was on its way


def test_a_call_of_replaced_code_stays_refused(rt: jn.Runtime, start: Start) -> None:
    plugin = knocker(rt)
    came = start(plugin.attempt, "for_ever")
    until(lambda: len(plugin.host_calls) > 100)
    again = knocker(rt, "(unreachable)", grant=["wall_clock"])
    seen = len(again.host_calls)
    until(lambda: len(again.host_calls) > seen + 100)
    rt.unload("guest")
    until(lambda: came)
    assert set(again.host_calls.decision) == {"denied"}


def test_a_denial_that_ends_the_call_does_so_at_once(rt: jn.Runtime, start: Start) -> None:
    plugin = knocker(rt)
    came = start(plugin.attempt, "for_ever")
    until(lambda: len(plugin.host_calls) > 100)
    plugin.policy.on_denied = "trap"
    until(lambda: came)
    assert isinstance(came[0].error, jn.CapabilityDenied)


def test_a_rate_is_counted_as_before(rt: jn.Runtime) -> None:
    plugin = knocker(rt, grant=["wall_clock"])
    plugin.policy.set_quota(host_call_rate=7)
    with asked() as found:
        plugin.raw("knock")(TURNS)
    rows = plugin.host_calls
    allowed = rows.decision.tolist().count("allowed")
    assert set(rows.decision) == {"allowed", "limited"}
    assert allowed % 7 == 0
    assert 7 <= allowed < 100  # seconds in which it ran
    assert len(found) < TURNS / 10
    assert plugin.last is not None
    assert plugin.last.denied == 0


def test_the_next_second_has_a_rate_of_its_own(rt: jn.Runtime) -> None:
    plugin = knocker(rt, grant=["wall_clock"])
    plugin.policy.set_quota(host_call_rate=7)
    handle = plugin.submit("slowly")  # so that the rows of some seconds fit the table
    until(lambda: plugin.host_calls.decision.tolist().count("allowed") >= 21)
    handle.cancel()
    assert isinstance(handle.exception(PATIENCE), jn.Cancelled)
    rows = rt._recorder.host_calls.rows()
    began = rt._recorder.began_ns + np.concatenate([HOST_CALLS.layout.array(run)["at_ns"] for run in rows])
    seconds = began // 10**9
    allowed = plugin.host_calls.decision.to_numpy() == "allowed"
    firsts = np.flatnonzero(np.diff(seconds)) + 1  # a machine that stands still may leave a second out
    assert len(firsts) >= 2
    for first in firsts:  # at once where the second begins; the policy was asked a moment after the row's time
        assert allowed[first - 1] or allowed[first]
    assert np.unique(seconds[allowed], return_counts=True)[1].max() <= 7 + 1


def test_the_limit_of_host_calls_counts_them(rt: jn.Runtime) -> None:
    plugin = knocker(rt)
    for quota, limit in ((None, 50), ({"host_calls": 20}, 20)):
        plugin.policy.set_quota(host_calls=50)
        with pytest.raises(jn.QuotaExceeded, match=f"{limit + 1} of {limit} host calls"):
            plugin.raw("knock")(100, quota=quota)
        assert plugin.last is not None
        assert plugin.last.host_calls == limit + 1
        assert plugin.host_calls[plugin.host_calls.call_id == plugin.last.call_id].decision.tolist() == [
            *["denied"] * limit,
            "limited",
        ]


@pytest.mark.parametrize(
    ("failing", "says"),
    [
        ("(unreachable)", "did not return"),
        ("(return (i32.const 0))", "answered 0"),
        ("(return (i32.const 65535))", "beyond its memory"),
        ("(drop (call $judicia:clock.now (i32.const 0) (i32.const 0)))", "a host call from judicia_alloc"),
    ],
)
def test_a_guest_without_room_for_the_answer_breaks_the_abi(rt: jn.Runtime, failing: str, says: str) -> None:
    """The second answer is the core's: the same error, and the same rows, as for the first."""
    plugin = knocker(rt, failing)
    ends = []
    for which in (1, 2):
        plugin.raw("fail_at")(which)
        error = plugin.attempt("ask").error
        assert isinstance(error, jn.AbiViolation)
        assert says in str(error) + str(error.__cause__)
        assert error.record is not None
        rows = plugin.host_calls[plugin.host_calls.call_id == error.record.call_id]
        assert rows.seq.tolist() == list(range(1, which + 1))
        assert set(rows.decision) == {"denied"}
        assert error.record.denied == which
        ends.append((str(error), error.record.outcome))
    assert ends[0] == ends[1]
    assert plugin.attempt("ask").error is None


def test_a_call_that_knocks_can_be_cancelled(rt: jn.Runtime) -> None:
    plugin = knocker(rt)
    handle = plugin.submit("for_ever")
    until(lambda: len(plugin.host_calls) > 100)
    handle.cancel()
    assert isinstance(handle.exception(PATIENCE), jn.Cancelled)
    assert handle.record is not None
    assert handle.record.host_calls == len(plugin.host_calls) == handle.record.denied


def test_a_trace_has_each_answer(rt: jn.Runtime) -> None:
    plugin = knocker(rt)
    plugin.call("ask")
    plugin.trace("ask")
    assert plugin.last is not None
    kept = rt._recorder.captures.of(plugin.last.call_id)
    assert [kept[number, "answer"] for number in range(1, 101)] == [kept[1, "answer"]] * 100


def test_a_wasi_function_is_refused_with_its_number(rt: jn.Runtime) -> None:
    plugin = rt.load(
        b"""(module
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "knock") (param $turns i32) (result i32) (local $sum i32)
          (loop $on
            (local.set $sum (i32.add (local.get $sum) (call $random (i32.const 0) (i32.const 8))))
            (br_if $on (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
          (local.get $sum)))""",
        name="guest",
    )
    with asked() as found:
        total = plugin.raw("knock")(1000)
    assert total == 1000 * 76  # ENOTCAPABLE
    assert found == ["wasi_snapshot_preview1 random_get"]
    assert plugin.last is not None
    assert (plugin.last.host_calls, plugin.last.denied) == (1000, 1000)
    assert set(plugin.host_calls.decision) == {"denied"}


def test_a_forked_child_writes_no_row_and_does_not_wait_for_one() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here; enable: run it on Linux or macOS")
    code = """
import os, signal
import judicia_notebook as jn
rt = jn.Runtime()
row = (1, "p", 1, "", "f", "", 0, 0, 0, 0, "allowed", "")
rt._recorder.add_host_call(*row)
child = os.fork()
if child == 0:
    signal.alarm(10)
    rt._recorder.add_host_call(*row)
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(rt.host_calls))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("7 1\n", "")
