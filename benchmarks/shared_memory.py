"""What a copy between a region of shared memory and a guest costs, next to the same copy made by the C library alone.

Run it as ``python benchmarks/shared_memory.py [MiB]``. Each time is the best of several rounds, after one that nobody
counts: the first one makes the system find the pages. The calls are whole ones, from `Plugin.call` to its answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from ctypes import memmove
from time import perf_counter
from typing import Any

import numpy as np

import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat

ROUNDS = 15
PAGE = 1 << 16
GUEST = """
(memory (export "memory") PAGES)
(func (export "read") (param i32 i32) (result i64) (call $judicia:shared_memory.read (local.get 0) (local.get 1)))
(func (export "write") (param i32 i32) (result i64) (call $judicia:shared_memory.write (local.get 0) (local.get 1)))
(func (export "echo") (param i32 i32) (result i64) (call $reply (local.get 0) (local.get 1)))
"""


def best(work: Callable[[], Any]) -> float:
    """Seconds."""
    work()
    times = []
    for _ in range(ROUNDS):
        begin = perf_counter()
        work()
        times.append(perf_counter() - begin)
    return min(times)


def show(name: str, seconds: float, size: int, plain: float) -> None:
    print(f"  {name:<28} {seconds * 1e3:9.3f} ms {size / seconds / 1e9:7.1f} GB/s {seconds / plain:7.2f} x memcpy")


def measure(size: int) -> None:
    print(f"{size / (1 << 20):g} MiB")
    source, target = np.ones(size, "u1"), np.ones(size, "u1")
    plain = best(lambda: memmove(target.ctypes.data, source.ctypes.data, size))
    show("memcpy", plain, size, plain)
    with jn.Runtime() as rt:
        region = rt.host.shared_memory.create("frame", size)
        with region.write() as array:
            array[:] = source
        p = rt.load(
            compile_wat(GUEST.replace("PAGES", str(size // PAGE + 2))).encode(),
            name="copier",
            grant=["read_shared_memory=frame", "write_shared_memory=frame"],
            quota={"memory": size + (8 << 20), "payload": 2 * size, "answer": 2 * size},
        )
        request = {"name": "frame", "offset": 0, "ptr": PAGE, "length": size}
        show("region to guest", best(lambda: p.call("read", request)), size, plain)
        show("guest to region", best(lambda: p.call("write", request)), size, plain)
        if size <= 8 << 20:  # a request takes room in the guest as well
            data = bytes(size)
            show("there and back in a payload", best(lambda: p.call_bytes("echo", data)), size, plain)


if __name__ == "__main__":
    sizes = [int(text) << 20 for text in sys.argv[1:]] or [PAGE, 1 << 20, 64 << 20]
    for one in sizes:
        measure(one)
