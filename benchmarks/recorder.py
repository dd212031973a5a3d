"""What recording costs: microseconds a row in each table, the memory of a full table, the seconds a frame takes.

Run it as ``python benchmarks/recorder.py [rows]``. A row's time is the best of five rounds; a frame is made once.
"""

from __future__ import annotations

import gc
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from judicia_notebook.records import frames
from judicia_notebook.records.record import EndedCall, LimitsInForce, Subject
from judicia_notebook.records.recorder import Recorder

SUBJECT = Subject("checker", "9f" * 32, "check", "judicia-1", "full")
LIMITS = LimitsInForce(1.0, 10.0, 64 << 20, None)


def add_call(recorder: Recorder, call_id: int, error: str = "") -> None:
    outcome = "guest_error" if error else "ok"
    call = EndedCall()
    call.subject = SUBJECT
    call.origin = "user"
    call.thread = "MainThread"
    call.label = ""
    call.limits = LIMITS
    call.policy_version = 1
    call.outcome = outcome
    call.error = error
    call.call_id = call_id
    call.parent_call_id = 0
    call.instance_id = 1
    call.instance_call = call_id
    call.started_ns = call_id * 20_000
    call.queue_ns = 400
    call.lock_ns = 300
    call.setup_ns = 900
    call.encode_ns = 2_000
    call.guest_ns = 310_000
    call.host_ns = 4_000
    call.decode_ns = 1_500
    call.cpu_ns = 305_000
    call.fuel = 12_840
    call.memory_bytes = 1 << 20
    call.memory_peak_bytes = 1 << 20
    call.grows_refused = 0
    call.bytes_in = 512
    call.bytes_out = 96
    call.host_calls = 2
    call.denied = 1
    recorder.add_call(call)


def add_host_call(recorder: Recorder, call_id: int, target: str = "16") -> None:
    function, at_ns = "judicia:random bytes", call_id * 20_000
    recorder.add_host_call(call_id, "checker", 1, "random", function, target, at_ns, 900, 16, 40, "allowed", "")


def add_sample(recorder: Recorder, call_id: int) -> None:
    recorder.add_sample(call_id, "tick", call_id * 20_000, 9_000_000, 1 << 20)


def add_log(recorder: Recorder, call_id: int) -> None:
    recorder.add_log(call_id, "checker", call_id * 20_000, "info", "compared 512 tokens", None, "log")


def resident_mb() -> float:
    """The process's resident memory in 10^6 bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def microseconds(add: Callable[[Recorder, int], None], rows: int = 100_000) -> float:
    """The time of one row, the caller's share (about 0.1 us) included."""
    recorder = Recorder()
    return min(timeit.repeat(lambda: add(recorder, 7), number=rows, repeat=5)) / rows * 1e6


def filled(rows: int, add: Callable[[Recorder, int], None]) -> tuple[Recorder, float]:
    """A recorder with so many rows, and how many MB they took."""
    gc.collect()
    before = resident_mb()
    recorder = Recorder()
    for call_id in range(1, rows + 1):
        add(recorder, call_id)
    return recorder, resident_mb() - before


def show_frame(name: str, make: Callable[[], object], megabytes: float | None = None, remark: str = "") -> None:
    begin = perf_counter()
    make()
    seconds = perf_counter() - begin
    line = f"  {name:<14} {'' if megabytes is None else round(megabytes):>6} {seconds:9.2f}  {remark}"
    print(line.rstrip())


def show_usual(rows: int) -> None:
    recorder, megabytes = filled(rows, add_call)
    show_frame("calls", lambda: frames.calls(recorder), megabytes)
    for call_id in range(1, rows + 1):
        add_sample(recorder, call_id)
        add_host_call(recorder, call_id)
    show_frame("samples", lambda: frames.samples(recorder), remark="with enter and exit")
    show_frame("host_calls", lambda: frames.host_calls(recorder))


def show_hostile(rows: int) -> None:
    recorder, megabytes = filled(rows, lambda recorder, call_id: add_call(recorder, call_id, f"{call_id:>200}"))
    show_frame("unique errors", lambda: frames.calls(recorder), megabytes, f"{len(recorder.calls):,} rows kept")


def main(rows: int) -> None:
    print("microseconds a row")
    for add in (add_call, add_host_call, add_sample, add_log):
        print(f"  {add.__name__:<14} {microseconds(add):6.2f}")
    frames.calls(Recorder())  # imports pandas, which is no part of what follows
    print(f"{rows:,} rows\n  {'table':<14} {'MB':>6} {'frame s':>9}")
    show_usual(rows)
    show_hostile(rows)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
