"""How long JSON made to be slow keeps everybody else waiting, in each place where JSON of others is read.

Run it as ``python benchmarks/json_weapons.py [rounds]``. Each weapon has 4 MiB, or as much as its place takes, and is
let in while another plugin spins under ``wall=100ms``, again and again. The columns, each the least of the rounds,
since what else the machine does only adds:

- *other*: the longest that a call of the other plugin took.
- *lock*: the longest that a thread which wakes every millisecond had to wait for Python's lock.
- *Ctrl-C*: from a signal in the middle of it to KeyboardInterrupt in the main thread.
- *memory*: MiB that the process grew by at most.
"""

from __future__ import annotations

import contextlib
import gc
import json
import signal
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat
from judicia_notebook.wasm.manifest import MAXIMUM_BYTES, from_section

SIZE = 4 << 20
WRITER = """
(memory (export "memory") 192)
(global $kept (mut i32) (i32.const 0))
(func (export "keep") (param $at i32) (param $length i32) (result i64)
  (memory.copy (i32.const 0x500000) (local.get $at) (local.get $length))
  (global.set $kept (local.get $length))
  (i64.const 0))
(func (export "answer") (param i32 i32) (result i64) (call $reply (i32.const 0x500000) (global.get $kept)))
(func (export "on_http_request") (param i32 i32) (result i64) (call $reply (i32.const 0x500000) (global.get $kept)))
(func (export "log") (param i32 i32) (result i64) (call $judicia:log.write (i32.const 0x500000) (global.get $kept)))
(func (export "emit") (param i32 i32) (result i64) (call $judicia:events.emit (i32.const 0x500000) (global.get $kept)))
"""
WEAPONS = {
    "1e308": b"1e308",
    "5e-324": b"5e-324",
    "ties": b"9007199254740993.0",
    "311 digits": b"1" + b"0" * 308 + b".0",
    "[]": b"[]",
    "[[[[]]]]": b"[[[[]]]]",
    '{"a":{}}': b'{"a":{}}',
    "wide texts": '"\N{GRINNING FACE}"'.encode(),
    "marks in texts": b'","',
    "escapes": rb'"\u0000\n\\"',
    "390 digits": b"9" * 390,
}


def filled(item: bytes, size: int) -> bytes:
    """An array of so many bytes, or of as many values as there may be."""
    count = min(size // (len(item) + 1), 490_000 // (1 + sum(map(item.count, (b"[", b"{", b":", b",")))))
    return b"[" + b",".join([item] * count) + b"]"


def run_file(folder: Path, text: bytes) -> Path:
    with jn.Runtime() as rt, zipfile.ZipFile(rt.save(folder / "good.zip")) as good:
        parts = {name: good.read(name) for name in good.namelist()}
    meta = json.loads(parts["meta.json"])
    meta["about"]["x"] = "@"
    parts["meta.json"] = json.dumps(meta).encode().replace(b'"@"', text)
    with zipfile.ZipFile(folder / "bad.zip", "w", zipfile.ZIP_DEFLATED) as bad:
        for name, data in parts.items():
            bad.writestr(name, data)
    return folder / "bad.zip"


def quiet(work: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        with contextlib.suppress(jn.JudiciaError, ValueError):
            work()

    return run


@contextlib.contextmanager
def places(item: bytes) -> Iterator[dict[str, Callable[[], object]]]:
    """What reads a weapon in each place."""
    with jn.Runtime() as rt, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rt.host.events.set_limits(payload="4MiB")
        text, megabyte = filled(item, SIZE), filled(item, MAXIMUM_BYTES - 100)

        def writer(name: str, data: bytes, function: str) -> Callable[[], object]:
            manifest = {"name": name, "http_routes": [f"/{name}"]}
            grant = ["emit_event=**", "register_routes"]
            p = rt.load(compile_wat(WRITER).encode(), name=name, manifest=manifest, grant=grant)

            def work() -> None:
                p.call_bytes("keep", data)  # again: an interrupt loses what its instance kept
                if function == "serve":
                    rt.host.http.handle("GET", f"/{name}", {}, b"")
                else:
                    p.attempt(function)

            return work

        run = run_file(folder, text)
        journal = folder / "sweep.jsonl"
        journal.write_bytes(b'{"format":"judicia-sweep-1","grid":{"order":%s}}\n' % text)
        fetched = {"status": 200, "headers": {}, "body": text.decode()}  # what a fetch answers the guest
        from judicia_notebook.engine import wire

        yield {
            "answer": writer("answers", text, "answer"),
            "host-call request": writer("asks", b'{"level":"info","message":"","fields":{"a":%s}}' % text, "log"),
            "event payload": writer("emits", b'{"type":"a.b","payload":%s}' % text, "emit"),
            "body served": writer("serves", b'{"status":200,"body":"","x":%s}' % text, "serve"),
            "body fetched": lambda: wire.encode({"ok": fetched}),
            "manifest": quiet(lambda: from_section(b'{"name": "weapon", "config": {"a": %s}}' % megabyte)),
            "meta.json": quiet(lambda: jn.read_run(run)),
            "journal": quiet(lambda: jn.sweep("example:specimen", "echo", [1], progress=False, path=journal)),
        }


def peak() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) >> 10


def delays(rt: jn.Runtime, work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds: the other plugin, and the lock."""
    other = rt.plugins["other"]
    lock = [0.0]
    done = threading.Event()

    def watch() -> None:
        last = time.perf_counter()
        while not done.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            lock[0], last = max(lock[0], now - last), now

    threads = [threading.Thread(target=watch), threading.Thread(target=work)]
    slowest, began = 0.0, time.perf_counter()
    for thread in threads:
        thread.start()
    while threads[1].is_alive():
        other.attempt("spin", {"ms": 20_000}, quota={"wall": "100ms"})
        slowest, began = max(slowest, time.perf_counter() - began), time.perf_counter()
    done.set()
    for thread in threads:
        thread.join()
    return slowest * 1e3, lock[0] * 1e3


def interrupted(work: Callable[[], object], after: float) -> float:
    """Milliseconds from the signal to the exception."""

    def press(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, press)
    gc.collect()  # so that it is not in a destructor, where it is lost
    began = time.perf_counter()
    try:
        signal.setitimer(signal.ITIMER_REAL, after)
        while True:
            work()
    except KeyboardInterrupt:
        return (time.perf_counter() - began - after) * 1e3


def main(rounds: int) -> None:
    print(f"{'place':18} {'weapon':16} {'other ms':>9} {'lock ms':>8} {'Ctrl-C ms':>9} {'memory MiB':>10}")
    worst: dict[str, tuple[float, ...]] = {}
    with jn.Runtime() as rt:
        rt.load("example:specimen", name="other").call("echo", 1)
        for weapon, item in WEAPONS.items():
            with places(item) as works:
                for place, work in works.items():
                    Path("/proc/self/clear_refs").write_text("5")
                    before = peak()
                    seen = [(*delays(rt, work), interrupted(work, 0.03)) for _ in range(rounds)]
                    least = (*map(min, zip(*seen, strict=True)), peak() - before)
                    worst[place] = tuple(map(max, worst.get(place, least), least))
                    print(f"{place:18} {weapon:16} {least[0]:9.0f} {least[1]:8.0f} {least[2]:9.0f} {least[3]:10.0f}")
    for place, numbers in worst.items():
        print(f"{place:18} {'the worst':16} " + " ".join(f"{number:8.0f}" for number in numbers))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
