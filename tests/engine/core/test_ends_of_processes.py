"""Python's exit and a fork while calls run: nothing of the core is freed, locked or waited for any more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.programs import DEADLINE, PRELUDE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks; enable: run on Linux or macOS")

EXITS, FORKS = (40, 100) if os.environ.get("SOAK") else (3, 12)

RUNNING = """
from judicia_notebook.host.clock import ClockService
def inner(self, scope, request):  # a plugin inside a plugin's host call
    return q.call("echo", {"from": "q"}) if scope.plugin == "nests" else {}
ClockService.now = inner
rt.close()
rt = jn.Runtime()
BUSY = '''(func (export "spin") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)
(func (export "calls") (param i32 i32) (result i64)
  (loop $on (drop (call $judicia:clock.now (i32.const 0) (i32.const 0))) (br $on)) unreachable)'''
LONG = {"cpu": "60s", "wall": "60s", "host_calls": None, "memory": "64MiB"}
p = load(BUSY, name="computes", instances=4, grant=["wall_clock"], quota=LONG)
n = load(BUSY, name="nests", grant=["wall_clock"], quota=LONG)
q = load(name="inner")
q.call("echo", 1)
def answers():
    while True: q.attempt("echo", "x" * 100_000)
works = [lambda: p.attempt("spin"), lambda: p.attempt("calls"), lambda: n.attempt("calls"), answers]
for work in works: threading.Thread(target=work, daemon=True).start()
until = time.monotonic() + 20
while (len(p.host_calls) < 3 or len(q.calls) < 3) and time.monotonic() < until: time.sleep(0.01)
"""
"""Daemon threads that compute, make host calls, nest, and hand over answers."""


def run(program: str) -> tuple[int, str, str]:
    """The exit code of the program, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    return done.returncode, done.stdout, done.stderr


ENDINGS = {
    "the program ends": "",
    "it exits": "sys.exit(0)",
    "an object's last words take a while": (  # so long that threads which wait for Python's lock are ended by Python
        "class Slow:\n    def __del__(self, sleep=time.sleep): sleep(0.2)\nkept = Slow()"
    ),
    "its own exit handler takes a while": "import atexit; atexit.register(lambda: time.sleep(0.05))",
}


@pytest.mark.soak
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_ends_well_while_daemon_threads_compute_and_make_host_calls(ending: str) -> None:
    program = RUNNING + "print('leaving', flush=True)\n" + ENDINGS[ending]
    for _ in range(EXITS):
        assert run(program) == (0, "leaving\n", "")


IN_THE_CHILD = """
from judicia_notebook.engine.core import functions
from judicia_notebook.engine.core.structs import Status
def tried(function):
    try: return function()
    except jn.ResourceExhausted as error: return "refused" if "spawn" in str(error) else str(error)
    except BaseException as error: return repr(error)
def child():
    "What each way in says: refused, or nothing at all, at once."
    said = [tried(lambda: p.call("echo", 1)), tried(lambda: q.raw("echo")(0, 0)), tried(lambda: p.submit("echo", 1)),
            tried(lambda: rt.load(b"(module)", name="late"))]
    done = [tried(lambda: p.policy.set_quota(cpu="1s")), tried(lambda: len(p.calls) > -1), tried(box.close),
            tried(box._delete), tried(lambda: handle.cancel()), tried(gc.collect)]
    said = set(said)
    said |= {functions.enter(box.pointer, call.pointer, 0) == Status.FORKED,
             functions.call_new(1, -1, *[None] * 4) is None,
             functions.ticker_wake() == Status.FORKED, bool(box.box.fields.store)}
    return said == {"refused", True} or said
handle = p.submit("spin")
while not (running := [call for call in p._deployment.running_calls if call.instance]): time.sleep(0.001)
box, call = running[0].instance.sandbox, running[0].scope
results = []
for _ in range(FORKS):
    pid = os.fork()
    if pid == 0:
        faulthandler.dump_traceback_later(10, exit=True)
        code = 1
        try:
            said = child()
            if said is not True: print(said, flush=True)
            del p, q, n, box, handle, running, works
            gc.collect()
            code = 0 if said is True else 3
        finally: os._exit(code)
    results.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(results)
"""


@pytest.mark.soak
def test_a_forked_child_is_refused_at_once_whatever_ran_at_the_fork() -> None:
    """At some of the forks another thread has a lock of the core's: in the child it is held for ever."""
    code, said, errors = run(RUNNING + f"FORKS = {FORKS}\n" + IN_THE_CHILD)
    assert (said, errors, code) == (f"{[0] * FORKS}\n", "", 0)


@pytest.mark.soak
def test_a_forked_child_ends_as_any_process_does() -> None:
    program = """
pid = os.fork()
if pid == 0: sys.exit(0)  # with all finalizers
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
    for _ in range(EXITS):
        assert run(RUNNING + program) == (0, "0\n", "")
