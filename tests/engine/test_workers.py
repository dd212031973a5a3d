"""Threads: each gets its own answers, idle ones leave, and none of them keeps the interpreter."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import workers
from judicia_notebook.engine.workers import Workers
from tests.support.waiting import PATIENCE, until

EXIT = 60  # seconds for all of a subprocess; how long it took to leave is measured by itself


@pytest.fixture(autouse=True)
def _threads_leave_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.05)


# --- each its own ----------------------------------------------------------------------------------------------------


def in_threads(count: int, work: Callable[[int], Any]) -> None:
    """Run ``work(number)`` in that many threads; the first thing that one of them raises is raised here."""
    failures: list[BaseException] = []
    line = threading.Barrier(count)

    def body(number: int) -> None:
        try:
            line.wait()
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=body, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize(("instances", "turns"), [(1, 1000), (4, 1000), ("fresh", 250)])
def test_eight_threads_get_each_answer_of_a_thousand_calls(rt: jn.Runtime, instances: Any, turns: int) -> None:
    p = rt.load("example:specimen", instances=instances)

    def work(number: int) -> None:
        for turn in range(turns):
            value = [number, turn, "x" * (turn % 97)]
            assert p.call("echo", value) == value

    in_threads(8, work)
    rows = rt.calls
    assert len(rows) == 8 * turns
    assert rows["call_id"].is_unique
    assert set(rows["outcome"]) == {"ok"}
    served = rows.groupby("instance_id")["instance_call"]
    if instances == "fresh":
        assert (served.max() == 1).all()
    else:
        assert rows["instance_id"].nunique() <= instances
        assert (served.max() == served.count()).all()
        assert (served.nunique() == served.count()).all()


@pytest.mark.parametrize("instances", [1, 4, "fresh"])
def test_eight_threads_that_submit_get_their_own_answers(rt: jn.Runtime, instances: Any) -> None:
    p = rt.load("example:specimen", instances=instances, grant=["wall_clock"])

    def work(number: int) -> None:
        handles = [p.submit("echo", [number, turn]) for turn in range(50)]
        failing = p.submit("fail", {"code": f"c{number}"})
        asking = p.submit("call_host", {"service": "clock", "n": number})
        assert [handle.result(PATIENCE) for handle in handles] == [[number, turn] for turn in range(50)]
        error = failing.exception(PATIENCE)
        assert isinstance(error, jn.GuestError)
        assert error.code == f"c{number}"
        assert asking.result(PATIENCE)["ok"] == number
        assert asking.record is not None
        assert asking.record.host_calls == number

    in_threads(8, work)
    assert len(rt.calls) == 8 * 52
    assert rt.calls["call_id"].is_unique


# --- the threads -----------------------------------------------------------------------------------------------------


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "workers-test"]


def test_no_more_threads_than_may_be_and_everything_is_done() -> None:
    crowd = Workers("workers-test", most=3)
    gate, done = threading.Event(), []

    def work() -> None:
        gate.wait(PATIENCE)
        done.append(threading.current_thread().ident)

    for _ in range(20):
        crowd.run(work)
    until(lambda: len(ours()) == 3)
    gate.set()
    until(lambda: len(done) == 20)
    until(lambda: not ours())
    assert len(set(done)) <= 3


def test_a_thread_that_is_free_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 10 * PATIENCE)
    crowd = Workers("workers-test")
    seen: list[int | None] = []
    for turn in range(10):
        if turn == 9:
            monkeypatch.setattr(workers, "IDLE_SECONDS", 0.05)  # for the wait after this one
        crowd.run(lambda: seen.append(threading.current_thread().ident))
        until(lambda n=turn: len(seen) == n + 1)  # type: ignore[misc]
        until(lambda n=turn: n == 9 or crowd._free == 1)  # type: ignore[misc]
    assert len(set(seen)) == 1
    until(lambda: not ours())


def test_work_that_comes_just_as_a_thread_leaves_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.001)
    crowd = Workers("workers-test", most=2)
    done: list[int] = []
    for turn in range(300):
        crowd.run(lambda n=turn: done.append(n))  # type: ignore[misc]
        time.sleep(0.001)
    until(lambda: len(done) == 300)
    until(lambda: not ours())


def test_a_guest_has_room_for_its_stack_where_threads_are_small(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen")
    before = threading.stack_size(256 << 10)
    try:
        assert p.submit("echo", 1).result(PATIENCE) == 1
        assert isinstance(p.submit("recurse").exception(PATIENCE), jn.GuestTrap)
        assert threading.stack_size() == 256 << 10
    finally:
        threading.stack_size(before)


def test_where_no_thread_can_be_started_the_handle_says_so_and_the_plugin_goes_on(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = rt.load("example:specimen")
    p.call("echo", 1)
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("judicia-call"):
            raise RuntimeError("can't start new thread")
        real(thread)

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", start)
        for _ in range(3):
            assert isinstance(p.submit("echo", 2).exception(PATIENCE), jn.ResourceExhausted)
        assert p.call("echo", 3) == 3
    assert p.submit("echo", 4).result(PATIENCE) == 4


# --- the interpreter's exit ------------------------------------------------------------------------------------------

PROGRAM = """
import atexit, os, sys, threading, time
import judicia_notebook as jn
rt = jn.Runtime(ceiling=jn.Quota(cpu=300, wall=300))
quota = {"cpu": "100s", "wall": "100s", "host_calls": None}
p = rt.load("example:specimen", quota=quota, instances=2)
assert p.call("echo", 1) == 1
def inside(n=1):
    deadline = time.monotonic() + 30
    while len(p._deployment.running_calls) < n:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.3)  # out of the queue, and into the guest
"""
LEAVES = {
    "a background call in wasm": 'p.submit("spin", {"ms": 60000}); inside()',
    "a background call in a host service": 'p.submit("sleep", {"ms": 60000}); inside()',
    "many that wait": 'hs = [p.submit("spin", {"ms": 60000}) for _ in range(40)]; inside(2)',
    "many that call the host": """
        hs = [p.submit("call_host", {"service": "log", "n": 10**9}, quota={"log": None}) for _ in range(40)]; inside(2)
    """,
    "a call in a thread of the user's own": """
        threading.Thread(target=p.attempt, args=("spin", {"ms": 60000})).start(); inside()
    """,
    "a user's thread that waits for a handle": """
        threading.Thread(target=p.submit("spin", {"ms": 60000}).exception).start(); inside()
    """,
    "calls from a daemon thread, one after the other": """
        def work():
            while True: p.attempt("sleep", {"ms": 3})
        threading.Thread(target=work, daemon=True).start(); inside()
    """,
    "an event loop in a thread": """
        import asyncio
        async def main(): await asyncio.gather(*(p.call_async("sleep", {"ms": 60000}) for _ in range(4)), return_exceptions=True)
        threading.Thread(target=asyncio.run, args=(main(),)).start(); inside(2)
    """,  # noqa: E501
}


@pytest.mark.parametrize("leave", LEAVES.values(), ids=[name.replace(" ", "-") for name in LEAVES])
def test_the_interpreter_leaves_within_two_seconds_and_says_nothing(leave: str) -> None:
    ending = "\nprint('leaving', flush=True)\n"
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + textwrap.dedent(leave).strip() + ending],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            assert child.stdout is not None
            said = child.stdout.readline()
            began = time.monotonic()
            rest, wrong = child.communicate(timeout=EXIT)
        except BaseException:
            child.kill()
            raise
    assert (child.returncode, said, rest, wrong) == (0, "leaving\n", "", "")
    assert time.monotonic() - began < 20  # two are promised, the calls have a minute and more; the machine may be busy
