"""What the JSON gate costs: by shape of the text, beside the measuring in Python and the whole reading.

Run it as ``python benchmarks/json_gate.py [checkout]``. The columns, each the best of ten rounds in CPU time, since
what else the machine does only adds:

- *gate*: MB/s of `core/gate.c`, all it measures.
- *check_shape*: MB/s of `wasm/json_shape.py`, which measures depth and values alone.
- *decode*: MB/s of `wire.decode`, and *there* of the one in the other checkout, a turn of each after the other.

Texts have 4 MiB, or 400 000 values. At the head stand nanoseconds for a message of 100 bytes.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SIZE, MOST_VALUES, ROUNDS, TURNS = 4 << 20, 400_000, 10, 3
SMALL = "100 bytes"


def shapes() -> Iterator[tuple[str, bytes]]:
    """Names and texts: ordinary ones, then the worst that we know."""
    some = random.Random(1)  # noqa: S311

    def record() -> str:
        score = round(100 * some.random(), 2)
        value = {"id": some.randrange(10**6), "name": f"name {some.randrange(99)}", "score": score, "ok": True}
        return json.dumps(value, separators=(",", ":"))

    yield SMALL, b'{"output":"1 2 3","expected":"1 2 3","strict":true,"time_ms":12.5,"points":[1,2,3],"case":"sample1"}'
    yield "one string", b'"' + b"x" * SIZE + b'"'
    yield "records", array(record)
    yield "integers", array(lambda: str(some.randrange(10 ** some.randrange(1, 9))))
    yield "floats", array(lambda: repr(some.random()))
    yield "texts", array(lambda: '"' + "x" * some.randrange(40) + '"')
    yield "escapes", b'"' + rb"\n\u0000\"" * (SIZE // 10) + b'"'
    yield "[[[[]]]]", array(lambda: "[[[[]]]]")
    yield "brackets at random", array(lambda: some.choice(["[]", "{}", "[[]]", "[{}]", '{"a":[]}', '""', "1"]))
    yield '{"a":{}}', array(lambda: '{"a":{}}')
    yield "exponents", array(lambda: some.choice(["1e5", "1E-300", "12"]))
    yield "19 digits", array(lambda: str(some.randrange(10**18, 2**63)))
    yield "390 digits", array(lambda: "0." + "9" * 390)
    yield "escaped keys", array(lambda: r'{"\n":1,"\t":2}')
    yield "objects of 2 to 12", array(lambda: members(map(str, range(some.randrange(2, 13)))))
    yield "one object", members(f"{some.getrandbits(40):x}" for _ in range(MOST_VALUES // 2)).encode()


def array(element: Callable[[], str]) -> bytes:
    """An array of as many elements as there may be."""
    elements: list[str] = []
    size = values = 0
    while size < SIZE and values < MOST_VALUES:
        elements.append(element())
        size += len(elements[-1]) + 1
        values += 1 + sum(map(elements[-1].count, "[{,:"))
    return f"[{','.join(elements)}]".encode()


def members(keys: Iterator[str]) -> str:
    """An object with these keys."""
    return "{" + ",".join(f'"{key}":1' for key in keys) + "}"


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """CPU time of `work`, at best."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(times):
            work()
        best = min(best, (time.thread_time() - began) / times)
    return best


def measure_decode() -> dict[str, float]:
    """Seconds of `wire.decode` for each shape, of whichever package is on the path."""
    from judicia_notebook.engine import wire

    return {name: seconds(lambda: wire.decode(text), 2000 if name == SMALL else 1) for name, text in shapes()}  # noqa: B023


def measure_decode_of(checkout: Path) -> dict[str, float]:
    """The same in a child process, of another checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, __file__, "--decode"]
    answer: dict[str, float] = json.loads(subprocess.check_output(command, env=environment))
    return answer


def least(several: list[dict[str, float]]) -> dict[str, float]:
    """The least of each shape."""
    return {name: min(times[name] for times in several) for name in several[0]}


def measure_here(text: bytes, times: int) -> list[float]:
    """Seconds of the gate, and of `check_shape`."""
    from judicia_notebook.engine.core import gate
    from judicia_notebook.wasm.json_shape import MAX_DEPTH, MAX_VALUES, check_shape

    limits, report = gate._limits(MAX_DEPTH, MAX_VALUES), gate.Report()  # noqa: SLF001
    arguments = (text, len(text), limits, None, None, ctypes.byref(report))
    return [
        seconds(lambda: gate._gate(*arguments), times),  # noqa: SLF001
        seconds(lambda: check_shape(text, MAX_DEPTH, MAX_VALUES), times),
    ]


def main(*checkouts: Path) -> None:
    """Print the table."""
    turns = [[measure_decode_of(checkout) for checkout in checkouts] for _ in range(TURNS)]
    decode = [least(list(measured)) for measured in zip(*turns, strict=True)]
    print(f"{'MB/s':20} {'gate':>11} {'check_shape':>11} {'decode':>11} {'there':>11}")
    for name, text in shapes():
        small = name == SMALL
        columns = [*measure_here(text, 2000 if small else 1), *(measured[name] for measured in decode)]
        figures = [1e9 * column if small else len(text) / column / 1e6 for column in columns]
        print(f"{name + (', in ns' if small else ''):20}", *(f"{figure:11.0f}" for figure in figures))


if __name__ == "__main__":
    if sys.argv[1:] == ["--decode"]:
        print(json.dumps(measure_decode()))
    else:
        main(Path(__file__).resolve().parent.parent, *map(Path, sys.argv[1:]))
