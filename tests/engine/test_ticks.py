"""The ticker runs while calls run, and only then."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import ticks
from tests.support.waiting import PATIENCE, until


def test_the_ticker_parks_when_the_last_call_has_ended(specimen: jn.Plugin) -> None:
    specimen.call("spin", {"ms": 50})
    specimen.attempt("trap")
    specimen.attempt("sleep", {"ms": 9000}, quota={"wall": "20ms"})
    until(ticks.is_parked)
    assert ticks.running() == 0
    before = ticks.ticks()
    time.sleep(0.1)
    assert ticks.ticks() == before
    specimen.call("spin", {"ms": 50})
    assert ticks.ticks() > before


def test_every_call_that_begins_while_the_ticker_parks_is_ticked(specimen: jn.Plugin) -> None:
    for pause in range(40):  # about as long as it takes to park
        time.sleep(0.04 + pause % 20 / 1000)
        assert isinstance(specimen.attempt("spin", {"ms": 9000}, quota={"wall": "15ms"}).error, jn.QuotaExceeded)


def test_a_thread_that_holds_the_interpreter_for_long_brings_no_refusal_and_no_late_limit(
    specimen: jn.Plugin, rt: jn.Runtime
) -> None:
    other = rt.load("example:specimen", name="other")
    other.call("echo", 1)
    specimen.policy.set_quota(wall=5 * PATIENCE)
    held = specimen.submit("sleep", {"ms": 1e6})  # so that the ticker does not park
    until(lambda: ticks.running() == 1)
    before, most = sys.getswitchinterval(), 0
    sys.setswitchinterval(3)
    try:
        enough = time.monotonic() + 1.5
        while time.monotonic() < enough or (most <= 5 and time.monotonic() < enough + PATIENCE):
            beats = ticks.ticks()
            sum(range(20_000_000))  # one step for the interpreter: a thread that needed the lock would beat once
            most = max(most, ticks.ticks() - beats)
        assert most > 5
        assert other.call("echo", 2) == 2
    finally:
        sys.setswitchinterval(before)
    held.cancel()
    assert isinstance(held.exception(PATIENCE), jn.Cancelled)


STOPPED = """
import os, signal, subprocess, sys, time
import judicia_notebook as jn
rt = jn.Runtime()
p, other = (rt.load("example:specimen", name=name) for name in ("p", "other"))
other.call("echo", 1)
held = p.submit("sleep", {"ms": 60_000}, quota={"wall": 60})
time.sleep(0.2)
waker = subprocess.Popen(["sh", "-c", f"while sleep 1.5; do kill -CONT {os.getpid()}; done"])
os.kill(os.getpid(), signal.SIGSTOP)
print(other.call("echo", 2))
waker.kill()
waker.wait()
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="it stops a process; enable: run on Linux or macOS")
def test_a_process_that_was_stopped_for_a_while_goes_on() -> None:
    done = subprocess.run([sys.executable, "-u", "-c", STOPPED], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("2\n", "")
