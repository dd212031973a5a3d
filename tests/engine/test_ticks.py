"""The ticker runs while calls run, and only then."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.startup import get_engine
from judicia_notebook.engine.ticks import STALE, Ticker
from tests.support.waiting import PATIENCE, until

Load = Callable[..., jn.Plugin]


def test_the_engines_ticker_parks_when_the_last_call_has_ended(specimen: jn.Plugin) -> None:
    ticker = get_engine().ticker
    specimen.call("spin", {"ms": 50})
    specimen.attempt("trap")
    specimen.attempt("sleep", {"ms": 9000}, quota={"wall": "20ms"})
    until(lambda: ticker.parked)
    assert ticker.running == {}
    ticks = ticker.ticks
    time.sleep(0.1)
    assert ticker.ticks == ticks
    specimen.call("spin", {"ms": 50})
    assert ticker.ticks > ticks


def test_there_is_one_ticker_however_many_runtimes_there_are() -> None:
    def tickers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "judicia-ticker"]

    with jn.Runtime() as first, jn.Runtime() as second:
        first.load("example:specimen").call("echo", 1)
        before = tickers()
        second.load("example:specimen").call("echo", 1)
        assert tickers() == before


def test_every_call_that_begins_while_the_ticker_parks_is_ticked() -> None:
    advanced = threading.Event()
    ticker = Ticker(advanced.set, interval=0.0005)
    ticker.start()
    for _ in range(100):
        advanced.clear()
        ticker.running[1] = object()
        if ticker.parked:
            ticker.wake()
        assert advanced.wait(PATIENCE)
        del ticker.running[1]
        time.sleep(0.003)  # about as long as it takes to park


@pytest.mark.parametrize("function", ["echo", "nothing there"])
def test_a_thread_that_cannot_be_had_is_no_reason_to_lose_the_plugin(
    monkeypatch: pytest.MonkeyPatch, rt: jn.Runtime, load: Load, function: str
) -> None:
    plugin = load()
    plugin.call("echo", 1)
    ticker = get_engine().ticker
    until(lambda: ticker.parked and not ticker._wake.is_set())  # set: woken, and not yet awake
    before = rt._platform.pool.used

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(ticker, "_thread", None)
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises((jn.JudiciaError, RuntimeError)):
            plugin.call(function, 1)
        with pytest.raises((jn.JudiciaError, RuntimeError)):
            plugin.call(function, 1)
    assert ticker.running == {}
    assert plugin.call("echo", 2) == 2
    assert rt._platform.pool.used == before


def test_whoever_holds_the_interpreter_for_long_brings_no_refusal(specimen: jn.Plugin, rt: jn.Runtime) -> None:
    """The beat is old by then, and that alone says nothing of the ticker."""
    other = rt.load("example:specimen", name="other")
    other.call("echo", 1)
    held = specimen.submit("sleep", {"ms": 60_000}, quota={"wall": 60})  # so that the ticker does not park
    until(lambda: not get_engine().ticker.parked)
    enough = time.monotonic() + 1.5 * STALE
    while time.monotonic() < enough:
        sum(range(20_000_000))  # one step for the interpreter
    before = sys.getswitchinterval()
    sys.setswitchinterval(2 * STALE)
    try:
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
waker = subprocess.Popen(["sh", "-c", f"sleep 1.5; kill -CONT {os.getpid()}"])
os.kill(os.getpid(), signal.SIGSTOP)
print(other.call("echo", 2))
waker.wait()
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="it stops a process; enable: run on Linux or macOS")
def test_a_process_that_was_stopped_for_a_while_goes_on() -> None:
    done = subprocess.run([sys.executable, "-u", "-c", STOPPED], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("2\n", "")
