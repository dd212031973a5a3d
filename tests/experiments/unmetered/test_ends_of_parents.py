"""However a parent ends, its children end: they are looked for by their numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.support.processes import is_there, wait_until_gone

PARENT = """
import os, sys, time
import judicia_notebook as jn
from judicia_notebook.experiments.unmetered.cells import Unmetered
from judicia_notebook.experiments.unmetered import protocol
from judicia_notebook.runtime.request import make_request
rt = jn.Runtime()
p = rt.load('''(module (memory (export "memory") 1)
    (func (export "judicia_alloc") (param i32) (result i32) (i32.const 65536))
    (func (export "judicia_free") (param i32 i32))
    (func (export "large") (param i32 i32) (result i64) (drop (memory.grow (i32.const 300))) (i64.const 8388608))
    (func (export "spin") (loop $on (br $on)))
    (func (export "one") (result i32) (i32.const 1)))''', name="guest", quota={"cpu": 50, "wall": 300})
unmetered = Unmetered(p)
one, spin = make_request("one", numbers=()), make_request("spin", numbers=())
assert unmetered.attempt(one).value == 1

def tell():
    print(*unmetered.pids, flush=True)
"""
IDLE = "tell(); sys.stdin.read()"
SPINNING = """
import threading
threading.Timer(0.5, tell).start()
unmetered.attempt(spin)
"""
NOT_READING = """
child = unmetered._children._at_work
(key,) = child.loaded
rights = protocol.Rights((), p.policy.snapshot().quota.given(), "error")
order = protocol.Call(key, "data", "large", rights, None, fresh=True, renew=False)
for part in protocol.pack(protocol.CALL, order, b""):
    if part:
        os.write(child._into, part)
time.sleep(1)
tell()
sys.stdin.read()
"""
FORKED = """
if os.fork() == 0:
    time.sleep(60)  # it holds the pipes for longer than its parent lives
    os._exit(0)
"""
ENDS = {"returns": "tell()", "raises": "tell(); 1 / 0", "exits": "tell(); os._exit(3)", "sys": "tell(); sys.exit(1)"}


@contextmanager
def parent(program: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process with children, and their numbers."""
    started = subprocess.Popen(
        [sys.executable, "-c", PARENT + program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with started:
        assert started.stdout is not None
        try:
            pids = [int(text) for text in started.stdout.readline().split()]
            assert pids
            yield started, pids
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)


@pytest.mark.parametrize("program", [IDLE, SPINNING, NOT_READING], ids=["idle", "spinning", "not reading"])
def test_a_parent_that_is_killed_leaves_no_child(program: str) -> None:
    with parent(program) as (started, pids):
        assert all(map(is_there, pids))
        started.kill()
        wait_until_gone(pids)


@pytest.mark.parametrize("program", [IDLE, SPINNING], ids=["idle", "spinning"])
def test_a_fork_of_the_parent_that_lives_on_keeps_no_child(program: str) -> None:
    with parent(FORKED + program) as (started, pids):
        assert all(map(is_there, pids))
        started.kill()
        wait_until_gone(pids)


@pytest.mark.parametrize("end", ENDS)
def test_a_parent_that_ends_by_itself_leaves_no_child(end: str) -> None:
    with parent(ENDS[end]) as (started, pids):
        started.wait(60)
        wait_until_gone(pids)


def test_a_forked_copy_of_the_parent_ends_none() -> None:
    program = """
if os.fork() == 0:
    unmetered.close()
    os._exit(0)
os.wait()
assert unmetered.attempt(one).value == 1
tell()
sys.stdin.read()
"""
    with parent(program) as (_, pids):
        assert all(map(is_there, pids))


def test_ten_parents_leave_none() -> None:
    children: list[int] = []
    for turn in range(10):
        with parent(IDLE if turn % 2 else SPINNING) as (started, pids):
            children += pids
            started.send_signal(signal.SIGKILL if turn % 3 else signal.SIGTERM)
            started.wait(60)
    assert len(children) >= 10
    wait_until_gone(children)
