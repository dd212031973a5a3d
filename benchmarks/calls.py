"""What a call costs: ours, metered and recorded, beside wasmtime-py, which meters and records nothing.

Run it as ``python benchmarks/calls.py [calls]``. Each line is the best of five rounds, in microseconds a call; read the
lines of one run against each other, not against another machine's.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable, Iterator
from typing import Any

import wasmtime

import judicia_notebook as jn
from judicia_notebook.loading import example_folder

ROUNDS = 5
PAYLOADS = {"1 B": "x", "4 KiB": "x" * (4 << 10), "64 KiB": "x" * (64 << 10), "1 MiB": "x" * (1 << 20)}
ADD = """
(module
  (memory (export "memory") 1)
  (func (export "judicia_alloc") (param i32) (result i32) unreachable)
  (func (export "judicia_free") (param i32 i32))
  (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))
"""


def microseconds(call: Callable[[], object], calls: int) -> float:
    call()
    return min(timeit.repeat(call, number=calls, repeat=ROUNDS)) / calls * 1e6


def echo_through_wasmtime_py() -> Callable[[bytes], bytes]:
    """The same plugin and the same ABI, with nothing around it but wasmtime-py's own conversions."""
    store = wasmtime.Store()
    module = wasmtime.Module.from_file(store.engine, str(example_folder() / "specimen" / "specimen.wasm"))
    linker = wasmtime.Linker(store.engine)
    linker.define_unknown_imports_as_traps(module)
    exports: Any = linker.instantiate(store, module).exports(store)
    memory = exports["memory"]

    def echo(request: bytes) -> bytes:
        at = exports["judicia_alloc"](store, len(request))
        memory.write(store, request, at)
        packed = exports["echo"](store, at, len(request)) & (1 << 64) - 1
        answer, length = packed >> 32, packed & 0xFFFFFFFF
        copied = bytes(memory.read(store, answer, answer + length))
        exports["judicia_free"](store, at, len(request))
        if answer != at:
            exports["judicia_free"](store, answer, length)
        return copied

    return echo


def add_through_wasmtime_py() -> Callable[[int, int], int]:
    store = wasmtime.Store()
    exports: Any = wasmtime.Instance(store, wasmtime.Module(store.engine, ADD), []).exports(store)
    add = exports["add"]
    return lambda left, right: add(store, left, right)


def measure(runtime: jn.Runtime, calls: int) -> Iterator[tuple[str, float, float | None]]:
    """What was called, the microseconds it took here, and those of wasmtime-py where there is a like."""
    specimen = runtime.load("example:specimen", quota={"cpu": "10s"}, grant=["wall_clock"])
    adder = runtime.load(ADD.encode(), name="adder")
    ours, theirs = adder.raw("add"), add_through_wasmtime_py()
    yield "add two numbers", microseconds(lambda: ours(1, 2), calls), microseconds(lambda: theirs(1, 2), calls)

    echo = echo_through_wasmtime_py()
    for size, text in PAYLOADS.items():
        few = max(1, calls // (1 + len(text) // 2000))
        mine = microseconds(lambda text=text: specimen.call("echo", text), few)  # type: ignore[misc]  # bound early
        bare = microseconds(lambda text=text: json.loads(echo(json.dumps(text).encode())), few)  # type: ignore[misc]
        yield f"echo {size} of JSON", mine, bare

    hosted = 1000
    asked = {"service": "clock", "n": hosted}
    yield "one host call, of a thousand", microseconds(lambda: specimen.call("call_host", asked), 3) / hosted, None
    yield "load, compiled before", microseconds(lambda: runtime.load("example:specimen", name="again"), 20), None


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print(f"{'us a call':<32}{'judicia_notebook':>18}{'wasmtime-py':>14}")
    with jn.Runtime() as runtime:
        for what, ours, theirs in measure(runtime, calls):
            print(f"{what:<32}{ours:>18,.1f}{'' if theirs is None else f'{theirs:,.1f}':>14}")


if __name__ == "__main__":
    main()
