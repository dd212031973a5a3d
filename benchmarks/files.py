"""What handing on a large study takes: a million calls saved and read, a million host calls told, a corpus surveyed.

Run it as ``python benchmarks/files.py [FOLDER]``; with a folder, its modules are the corpus, otherwise the examples.
The calls are real ones of ``specimen.echo``, with two labels; the host calls are rows of one call, put there by the
recorder. Wall time is what a user waits, CPU time what it takes on a machine that does other things as well.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import judicia_notebook as jn
from judicia_notebook.records.record import EndedCall, LimitsInForce, Subject

ROWS = 1_000_000
GOALS = {"rt.save": 5.0, "rt.trace": 1.0}


def measure(name: str, act: Callable[[], Any]) -> Any:
    wall, cpu = time.perf_counter(), time.process_time()
    result = act()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    goal = f"   goal {GOALS[name]:.0f} s" if name in GOALS else ""
    print(f"{name:<16} {wall:7.2f} s   CPU {cpu:7.2f} s{goal}", flush=True)
    return result


def make_calls(rt: jn.Runtime) -> None:
    echo = rt.load("example:specimen").call
    for size in range(4):
        with jn.label(variant="AB"[size % 2], size=size):
            for _ in range(ROWS // 4):
                echo("echo", size)


def make_host_calls(rt: jn.Runtime) -> None:
    recorder = rt._recorder
    for seq in range(1, ROWS + 1):
        recorder.add_host_call(
            1, "p", seq, "wall_clock", "judicia:clock now", "", seq * 1000, 500, 2, 40, "allowed", ""
        )
    call = EndedCall()
    for name in EndedCall.__slots__:
        setattr(call, name, 0)
    call.call_id, call.guest_ns, call.host_calls = 1, ROWS * 1000, ROWS
    call.subject, call.limits = (
        Subject("p", "9f" * 32, "f", "judicia-v1", "full"),
        LimitsInForce(None, None, None, None),
    )
    call.origin = call.thread = call.labels = call.error = ""
    call.outcome = "ok"
    recorder.add_call(call)


def main() -> None:
    corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(jn.__file__).parent / "plugins"
    with tempfile.TemporaryDirectory() as folder, jn.Runtime() as rt:
        make_calls(rt)
        frame = measure("rt.calls", lambda: rt.calls)
        print(f"{'':<16} {len(frame):,} rows, {frame.shape[1]} columns")
        path = measure("rt.save", lambda: rt.save(Path(folder) / "run.zip"))
        print(f"{'':<16} {path.stat().st_size / 1e6:.0f} MB")
        measure("jn.read_run", lambda: jn.read_run(path, most="2GiB"))
    with jn.Runtime() as rt:
        make_host_calls(rt)
        measure("rt.trace", lambda: rt.trace(1))
    found = measure("jn.survey", lambda: jn.survey(corpus, progress=False))
    print(f"{'':<16} {len(found)} files, {found['file_bytes'].sum() / 1e6:.1f} MB, "
          f"{found['instructions'].sum() / 1e6:.2f} million instructions")  # fmt: skip


if __name__ == "__main__":
    main()
