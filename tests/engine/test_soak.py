"""Thousands of loads and calls leave nothing behind: no descriptor, thread, address space or booked memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

import judicia_notebook as jn
from judicia_notebook.engine import memory
from judicia_notebook.engine.finalizers import sweep
from tests.support.effort import turns

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts what /proc tells; enable: run on Linux")

ECHO = b"""(module (memory (export "memory") 2)
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "judicia_free") (param i32 i32))
  (func (export "echo") (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
  (func (export "trap") (param i32 i32) (result i64) unreachable))"""
MIB = 1 << 20


@dataclass(frozen=True)
class Held:
    """What this process holds of the system."""

    descriptors: int
    threads: int
    address_space: int
    resident: int
    mappings: int

    @classmethod
    def now(cls) -> Self:
        gc.collect()
        sweep()
        pages = Path("/proc/self/statm").read_text().split()
        space, resident = (int(count) * os.sysconf("SC_PAGE_SIZE") for count in pages[:2])
        kept = memory.recycled_bytes()
        mappings = Path("/proc/self/maps").read_bytes().count(b"\n")
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        return cls(descriptors, threading.active_count(), space - kept, resident, mappings)

    def grew_since(self, before: Held) -> dict[str, int]:
        """By how much more than what an allocator and the bounded tables of records may take.

        One linear memory is 4 GiB of address space; glibc takes 64 MiB for each thread that allocates.
        """
        slack = {"descriptors": 0, "threads": 0, "address_space": 1024 * MIB, "resident": 32 * MIB, "mappings": 100}
        return {
            name: grown for name, free in slack.items() if (grown := getattr(self, name) - getattr(before, name)) > free
        }


def settles(before: Held) -> None:
    """No more is held than before, once threads that are on their way out have left."""
    deadline = time.monotonic() + 10
    while (grown := Held.now().grew_since(before)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert grown == {}


def cycle(rt: jn.Runtime) -> None:
    plugin = rt.load(ECHO, name="guest")
    assert plugin.call("echo", [1]) == [1]
    rt.unload("guest")


def test_loading_and_unloading_many_times(rt: jn.Runtime) -> None:
    for _ in range(turns(100, 200)):
        cycle(rt)
    before = Held.now()
    for _ in range(turns(500, 2000)):
        cycle(rt)
    settles(before)
    assert rt._platform.pool.used == 0


def test_thousands_of_calls(rt: jn.Runtime) -> None:
    plugin = rt.load(ECHO, name="guest")
    for number in range(turns(1000, 2000)):
        plugin.call("echo", number)
    before = Held.now()
    used = rt._platform.pool.used
    for number in range(turns(5000, 20_000)):
        assert plugin.call("echo", number) == number
    settles(before)
    assert rt._platform.pool.used == used


def test_many_traps_and_new_instances(rt: jn.Runtime) -> None:
    plugin = rt.load(ECHO, name="guest")
    for _ in range(200):
        plugin.attempt("trap")
    before = Held.now()
    for _ in range(turns(500, 2000)):
        assert isinstance(plugin.attempt("trap").error, jn.GuestTrap)
    settles(before)
    assert rt._platform.pool.used == 0


def test_runtimes_that_nobody_closes_go_with_the_last_reference() -> None:
    def forget() -> None:
        rt = jn.Runtime()
        rt.load(ECHO, name="guest").call("echo", 1)

    for _ in range(turns(100, 200)):
        forget()
    before = Held.now()
    for _ in range(turns(100, 400)):
        forget()
    settles(before)


def test_replacing_in_place_many_times(rt: jn.Runtime) -> None:
    def replace(number: int) -> None:
        other = ECHO.replace(b"(i32.const 1024)", b"(i32.const %d)" % (1024 + number % 50))
        assert rt.load(other, name="guest").call("echo", number) == number

    for number in range(100):
        replace(number)
    before = Held.now()
    used = rt._platform.pool.used
    for number in range(turns(150, 500)):
        replace(number)
    settles(before)
    assert rt._platform.pool.used == used


def test_calls_from_many_threads_that_come_and_go(rt: jn.Runtime) -> None:
    wrong: list[object] = []

    def work(plugin: jn.Plugin, number: int) -> None:
        for turn in range(50):
            value = [number, turn]
            if plugin.call("echo", value) != value:
                wrong.append(value)

    def wave() -> None:
        with rt.load(ECHO, name="guest", instances=4) as plugin:
            threads = [threading.Thread(target=work, args=(plugin, number)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    wave()
    before = Held.now()
    for _ in range(5):
        wave()
    assert wrong == []
    settles(before)
    assert rt._platform.pool.used == 0


def test_a_process_that_leaves_everything_open_ends_quietly() -> None:
    program = """
    import threading, judicia_notebook as jn
    rt = jn.Runtime()
    p = rt.load("example:specimen", instances=3)
    p.call("echo", 1)
    for function, payload in (("spin", {"ms": 60000}), ("sleep", {"ms": 60000})):
        threading.Thread(target=p.attempt, args=(function, payload), daemon=True).start()
    handle = p.submit("sleep", {"ms": 100})
    import time; time.sleep(0.3)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
