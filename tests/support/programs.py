"""What may end the process is tried in a process of its own.

A folder whose tests do so has a conftest.py that imports `survives`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

# Seconds: a program that takes longer hangs. Where test_walls has taken a wall down, many are expected to.
DEADLINE = 15 if os.environ.get("JUDICIA_WALL_DOWN") else 60

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


@pytest.fixture
def survives() -> Callable[[str], list[str]]:
    """``survives(program)``: run it after the prelude; it must end well and on time. Returns what it printed."""

    def survives(program: str) -> list[str]:
        text = PRELUDE + textwrap.dedent(program)
        try:
            done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=DEADLINE)
        except subprocess.TimeoutExpired as error:
            pytest.fail(f"it hangs; so far: {error.stdout!r} {error.stderr!r}")
        if done.returncode:
            pytest.fail(f"it ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.stdout.splitlines()

    return survives
