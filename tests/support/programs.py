"""What may end the process is tried in a process of its own.

A folder whose tests do so has a conftest.py that imports `survives`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

import psutil
import pytest

# Seconds: a program that takes longer hangs. Where test_walls has taken a wall down, many are expected to. There, one
# that has used next to no CPU time for so long hangs, too: no attack waits for as long where its wall stands.
WALL_DOWN = bool(os.environ.get("JUDICIA_WALL_DOWN"))
DEADLINE = 15 if WALL_DOWN else 60
STANDS_STILL = 4 if WALL_DOWN else DEADLINE
NEXT_TO_NONE = 0.1  # seconds of CPU time: a thread that looks again and again needs less, one that computes more

PRELUDE = '''
import faulthandler, gc, os, signal, sys, threading, time
import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat

ECHO = '(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))'
WORK = """(func $work (param $turns i32)
  (loop $next (br_if $next (local.tee $turns (i32.sub (local.get $turns) (i32.const 1))))))"""

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with it ignored
rt = jn.Runtime()

def load(cell="", name="guest", **options):
    return rt.load(compile_wat(cell + ECHO).encode(), name=name, **options)

def alive(*plugins):
    """The process is as good as before: these plugins answer, and the engine still stops who runs on."""
    for plugin in plugins:
        assert plugin.call("echo", "alive") == "alive"
    specimen = rt.load("example:specimen", name="probe")
    error = specimen.attempt("spin", {"ms": 20000}, quota={"cpu": "20ms"}).error
    assert isinstance(error, jn.QuotaExceeded), error
    assert isinstance(specimen.attempt("recurse").error, jn.GuestTrap)
    assert specimen.call("echo", 1) == 1
    rt.unload("probe")
    print("alive")
'''


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of all that it started; zero where it has just ended."""
    try:
        program = psutil.Process(pid)
        times = [each.cpu_times() for each in (program, *program.children(recursive=True))]
    except psutil.NoSuchProcess:
        return 0.0
    return float(sum(each.user + each.system + each.children_user + each.children_system for each in times))


def run_until_it_hangs(text: str) -> subprocess.CompletedProcess[str]:
    """
    Run a program.

    Raises
    ------
    subprocess.TimeoutExpired
        It hangs, and was killed; `stdout` and `stderr` are what it said so far.
    """
    begun = moved = time.monotonic()
    used = 0.0
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            while True:
                try:
                    said = program.communicate(timeout=STANDS_STILL / 8)
                    return subprocess.CompletedProcess(program.args, program.returncode, *said)
                except subprocess.TimeoutExpired:
                    now = time.monotonic()
                    if (seconds := cpu_seconds(program.pid)) - used > NEXT_TO_NONE:
                        used, moved = seconds, now
                    if now - begun > DEADLINE or now - moved > STANDS_STILL:
                        raise
        finally:
            program.kill()


@pytest.fixture
def survives() -> Callable[[str], list[str]]:
    """``survives(program)``: run it after the prelude; it must end well and on time. Returns what it printed."""

    def survives(program: str) -> list[str]:
        text = PRELUDE + textwrap.dedent(program)
        try:
            done = run_until_it_hangs(text)
        except subprocess.TimeoutExpired as error:
            pytest.fail(f"it hangs; so far: {error.stdout!r} {error.stderr!r}")
        if done.returncode:
            pytest.fail(f"it ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.stdout.splitlines()

    return survives
