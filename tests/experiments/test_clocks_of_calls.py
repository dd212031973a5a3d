"""The rows of bench, sweep and profile against the clocks that the system keeps of the process that made the calls.

This process reads the child's CPU time, before and after each of them and at the child's end, and its own clock round
each. So nothing that the package measures is compared with itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from time import perf_counter
from typing import NamedTuple

import psutil
import pytest

from tests.support.kinds import BYTES, COMMAND_SPIN, NUMERIC

CHILD = """
import sys
import judicia_notebook as jn

source, given = SOURCE, GIVEN
with jn.Runtime() as rt:
    p = rt.load(source, name="guest")
    p.attempt(**given)  # compiled, and everything imported
    jn.sweep(p, **SWEPT, repeats=1, warmup=0, progress=False)
    p.profile(**given, seconds=0)

    def tell(calls):
        assert set(calls["outcome"]) == {"ok"}, calls
        print(calls["cpu_ms"].sum(), calls["wall_ms"].sum(), flush=True)
        sys.stdin.readline()

    print("ready", flush=True)
    sys.stdin.readline()
    before = rt.calls["call_id"].max()
    p.bench(**given, repeats=10, warmup=0)
    tell(rt.calls.query("call_id > @before"))
    tell(jn.sweep(p, **SWEPT, repeats=20, warmup=0, progress=False))
    before = rt.calls["call_id"].max()
    p.profile(**given, samples=400)
    tell(rt.calls.query("call_id > @before"))
"""

TICK = 0.01
"""Seconds: how finely the system tells what a process that runs has used."""


class Phase(NamedTuple):
    """Seconds of one bench, sweep or profile: by its rows, and by the clocks of this process."""

    name: str
    row_cpu: float
    row_wall: float
    cpu: float
    wall: float


def used(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def watch(program: str) -> tuple[list[Phase], float, float]:
    """The phases of a child, and all that it used by the system's last word on it: CPU time and time."""
    began = perf_counter()
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    phases = []
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        for name in ("bench", "sweep", "profile"):
            cpu, at = used(child.pid), perf_counter()
            print(file=child.stdin, flush=True)
            row_cpu, row_wall = (float(ms) / 1e3 for ms in child.stdout.readline().split())
            phases.append(Phase(name, row_cpu, row_wall, used(child.pid) - cpu, perf_counter() - at))
        print(file=child.stdin, flush=True)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return phases, usage.ru_utime + usage.ru_stime, perf_counter() - began


@pytest.mark.parametrize(
    ("source", "given", "swept"),
    [
        (BYTES, {"function": "xor", "data": b"a" * 15_000}, {"function": "xor", "data": [b"a" * 15_000]}),
        (NUMERIC, {"function": "spin", "numbers": [15_000_000]}, {"function": "spin", "numbers": [15_000_000]}),
        (COMMAND_SPIN, {"args": ["a", "b"], "stdin": b"c"}, {"args": [["a", "b"]], "stdin": b"c"}),
    ],
    ids=["bytes", "numbers", "command"],
)
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="no wait4 on this system; enable: run it on Linux or macOS")
def test_the_rows_of_each_kind_have_the_time_that_the_system_says(
    source: str, given: dict[str, object], swept: dict[str, object]
) -> None:
    program = CHILD.replace("SOURCE", repr(source)).replace("GIVEN", repr(given)).replace("SWEPT", repr(swept))
    phases, all_cpu, all_wall = watch(program)
    for phase in phases:
        assert phase.row_cpu <= phase.cpu + 2 * TICK, phases
        assert phase.row_cpu >= phase.cpu / 2 - 2 * TICK, phases  # nearly all of it is the guest
        assert phase.row_wall <= phase.wall, phases
        assert phase.row_wall >= phase.row_cpu * 0.98, phases
    assert sum(phase.row_cpu for phase in phases) <= all_cpu
    assert sum(phase.row_wall for phase in phases) <= all_wall
    # Enough of it to be told from the ticks, also on a processor that makes the calls in a fraction of this one's time.
    assert sum(phase.row_cpu for phase in phases) >= 20 * TICK, phases
