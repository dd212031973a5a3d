"""What a call costs here, beside Extism's Python SDK and plain wasmtime-py, on the same work in the same run.

Run it as ``python benchmarks/peers.py [--rounds N] [--json FILE]``; ``make bench`` does.

- *Same work.* Each engine answers the same request with the same answer, and every answer is compared with what it must
  be. Here and in wasmtime-py the guest is guests/judicia.wat; Extism's guests have another way of getting at their
  request, so guests/extism.wat says the same in its terms. Where a row has JSON, the peers use Python's own ``json``;
  in the row of records they use msgspec, as is done here.
- *As always.* Here fuel is counted, ticks are armed, quotas hold, the policy is asked, and every call and host call
  leaves its row. wasmtime-py meters and records nothing, and neither does Extism.
- *Interleaved.* A round is a few calls of ours, a few of the first peer, a few of the second; then the next round. A
  machine that is busy for a moment is so for all of them. What is shown is the median of the rounds with the quarter of
  them below and above, and the ratio is that of each round, not that of the medians.
- *Loading* reads a module of 2 MB from a file, finds it compiled in a cache, makes an instance, calls it once and lets
  go of it. The caches are filled beforehand and lie in a temporary folder. The runtime has loaded the file before: it
  compares the bytes with those it hashed then. In a new kernel the first load hashes them, which takes 0.8 ms more.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import random
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import wasmtime

import judicia_notebook as jn

try:
    import extism
    from extism.extism import CompiledPlugin  # not among the package's public names
except ImportError:
    extism = None

GUESTS = Path(__file__).parent / "guests"
FILLING = ";; FILLING"
BIG = 2_000_000
"""Bytes of the big module, about."""

OURS = "judicia_notebook"
SMALL_JSON = {"contest": "round 7", "problem": "B", "tokens": ["4", "8", "15", "16", "23", "42"], "points": 12.5}
TEXT = "x" * (64 << 10)
RECORDS = [{"id": 7919 * n % 10**6, "name": f"name {n % 99}", "score": n % 9973 / 100, "ok": True} for n in range(1200)]
LARGE = bytes(range(256)) * (6400 << 2)
NOTHING = b"x"


def told_time() -> dict[str, float]:
    """What ``judicia:clock now`` tells."""
    return {"unix_ms": time.time_ns() // 1_000_000, "monotonic_ms": time.perf_counter_ns() // 1000 / 1000}


# The guests -----------------------------------------------------------------------------------------------------------


def assemble(name: str, filling: str = "") -> bytes:
    """A guest's wasm, with more functions in it where the text leaves room for them."""
    text = (GUESTS / f"{name}.wat").read_text(encoding="utf-8")
    return bytes(wasmtime.wat2wasm(text.replace(FILLING, filling)))


def filling() -> str:
    """Functions that nobody calls, a few hundred bytes each: what makes a module big. The same at each run."""
    chance = random.Random(7)  # noqa: S311  # the same numbers at each run are the point
    functions = []
    written = 0
    while written < BIG:
        steps = chance.randrange(10, 40)
        body = " ".join(
            f"(local.set 1 (i32.xor (i32.rotl (local.get 1) (i32.const {chance.randrange(1, 32)}))"
            f" (i32.mul (local.get {chance.randrange(2)}) (i32.const {chance.randrange(1 << 20, 1 << 27)}))))"
            for _ in range(steps)
        )
        functions.append(
            f"(func (param i32) (result i32) (local i32) (loop {body}"
            " (br_if 0 (i32.lt_u (local.get 1) (i32.load (local.get 0))))) (local.get 1))"
        )
        written += 17 * steps + 24
    return "\n".join(functions)


# The engines ----------------------------------------------------------------------------------------------------------

Request = Callable[[bytes], bytes]


class Codec(NamedTuple):
    """What writes JSON, and what reads it."""

    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any]


PYTHONS_JSON = Codec(lambda value: json.dumps(value).encode(), json.loads)
MSGSPEC = Codec(msgspec.json.Encoder().encode, msgspec.json.Decoder().decode)


class Peer(Protocol):
    """An engine, and how its users do each piece of work."""

    name: str
    guest: str

    def adder(self) -> Callable[[int, int], int]:
        """What calls ``add``."""

    def sender(self, function: str) -> Request:
        """What calls a function with bytes, in an instance that is kept."""

    def json_sender(self, function: str, codec: Codec = PYTHONS_JSON, /) -> Callable[[Any], Any]:
        """The same with JSON; an engine that has a codec of its own uses that."""

    def fresh_sender(self, function: str) -> Request:
        """The same in an instance that is made for the call."""

    def file_sender(self, function: str, file: Path) -> Request:
        """The same in an instance of a module that is loaded for the call."""


class Ours:
    """judicia_notebook, with every limit it has."""

    name = OURS
    guest = "judicia"

    def __init__(self, runtime: jn.Runtime) -> None:
        self._runtime = runtime
        wasm, quota = assemble(self.guest), {"fuel": 1_000_000_000}
        self._plugin = runtime.load(wasm, name="guest", grant=["wall_clock"], quota=quota)
        self._fresh = runtime.load(wasm, name="fresh", grant=["wall_clock"], quota=quota, instances="fresh")

    def adder(self) -> Callable[[int, int], int]:
        return self._plugin.raw("add")

    def sender(self, function: str) -> Request:
        return lambda data: self._plugin.call_bytes(function, data)

    def json_sender(self, function: str, _codec: Codec = PYTHONS_JSON, /) -> Callable[[Any], Any]:
        return lambda value: self._plugin.call(function, value)

    def fresh_sender(self, function: str) -> Request:
        return lambda data: self._fresh.call_bytes(function, data)

    def file_sender(self, function: str, file: Path) -> Request:
        def send(data: bytes) -> bytes:
            with self._runtime.load(file, name="big") as plugin:
                return plugin.call_bytes(function, data)

        return send


class WasmtimePy:
    """The same guest and the same ABI, with nothing around it but wasmtime-py's own conversions."""

    name = "wasmtime-py"
    guest = "judicia"

    def __init__(self, cache_settings: Path) -> None:
        config = wasmtime.Config()
        config.cache = str(cache_settings)
        self._engine = wasmtime.Engine(config)
        self._linker = wasmtime.Linker(self._engine)
        i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()
        kind = wasmtime.FuncType([i32, i32], [i64])
        self._linker.define_func("judicia:clock", "now", kind, self._tell_time, access_caller=True)
        self._module = wasmtime.Module(self._engine, assemble(self.guest))

    @staticmethod
    def _tell_time(caller: Any, at: int, length: int) -> int:
        memory = caller["memory"]
        if json.loads(memory.read(caller, at, at + length)) != {}:
            raise ValueError("unknown fields")
        answer = json.dumps({"ok": told_time()}).encode()
        where: int = caller["judicia_alloc"](caller, len(answer))
        memory.write(caller, answer, where)
        return where << 32 | len(answer)

    def _instance(self, module: wasmtime.Module) -> tuple[wasmtime.Store, Any]:
        store = wasmtime.Store(self._engine)
        return store, self._linker.instantiate(store, module).exports(store)

    @staticmethod
    def _sender(store: wasmtime.Store, exports: Any, function: str) -> Request:
        memory, call = exports["memory"], exports[function]
        alloc, free = exports["judicia_alloc"], exports["judicia_free"]

        def send(data: bytes) -> bytes:
            length = len(data)
            at = alloc(store, length)
            memory.write(store, data, at)
            packed = call(store, at, length) & (1 << 64) - 1
            answer_at, answer_length = packed >> 32, packed & 0xFFFFFFFF
            answer: bytes = memory.read(store, answer_at, answer_at + answer_length)
            if answer_at != at:
                free(store, answer_at, answer_length)
            free(store, at, length)
            return answer

        return send

    def adder(self) -> Callable[[int, int], int]:
        store, exports = self._instance(self._module)
        add = exports["add"]
        return lambda left, right: add(store, left, right)

    def sender(self, function: str) -> Request:
        return self._sender(*self._instance(self._module), function)

    def json_sender(self, function: str, codec: Codec = PYTHONS_JSON) -> Callable[[Any], Any]:
        send = self.sender(function)
        return lambda value: codec.read(send(codec.write(value)))

    def fresh_sender(self, function: str) -> Request:
        def send(data: bytes) -> bytes:
            return self._sender(*self._instance(self._module), function)(data)

        return send

    def file_sender(self, function: str, file: Path) -> Request:
        def send(data: bytes) -> bytes:
            module = wasmtime.Module(self._engine, file.read_bytes())
            return self._sender(*self._instance(module), function)(data)

        return send


class Extism:
    """Extism's Python SDK."""

    name = "extism"
    guest = "extism"

    def __init__(self) -> None:
        @extism.host_fn(name="now", signature=([extism.ValType.PTR], [extism.ValType.PTR]))  # type: ignore[untyped-decorator]
        def _(plugin: Any, inputs: Any, outputs: Any, *_: Any) -> None:
            if json.loads(plugin.input_string(inputs[0])) != {}:
                raise ValueError("unknown fields")
            plugin.return_string(outputs[0], json.dumps({"ok": told_time()}))

        self._compiled = CompiledPlugin(assemble(self.guest))
        self._plugin = extism.Plugin(self._compiled)

    def adder(self) -> Callable[[int, int], int]:
        """There are no calls with numbers; they go as bytes."""
        numbers, number, call = struct.Struct("<II"), struct.Struct("<Q"), self._plugin.call

        def add(left: int, right: int) -> int:
            total: int = number.unpack(call("add", numbers.pack(left, right)))[0]
            return total

        return add

    def sender(self, function: str) -> Request:
        return lambda data: self._plugin.call(function, data)

    def json_sender(self, function: str, codec: Codec = PYTHONS_JSON) -> Callable[[Any], Any]:
        return lambda value: codec.read(self._plugin.call(function, codec.write(value)))

    def fresh_sender(self, function: str) -> Request:
        return lambda data: extism.Plugin(self._compiled).call(function, data)

    def file_sender(self, function: str, file: Path) -> Request:
        return lambda data: extism.Plugin(file.read_bytes()).call(function, data)


# The work -------------------------------------------------------------------------------------------------------------


class Goal(NamedTuple):
    """What ours / theirs is to be at most, for one of the peers."""

    ratio: Fraction
    peer: str

    def __str__(self) -> str:
        return f"{self.ratio} of {self.peer}"


class Work(NamedTuple):
    """One row: what is called, how often in a round, what must come of it, and what the ratio is meant to be."""

    title: str
    goal: Goal | None
    calls: int
    prepare: Callable[[Peer], Callable[[], Any]]
    is_right: Callable[[Any], bool]
    parts: int = 1  # a call stands for so many of what the title names


def works(big: dict[str, Path]) -> Iterator[Work]:
    """All rows. `big` has a big module for each kind of guest."""

    def add(peer: Peer) -> Callable[[], Any]:
        adder = peer.adder()
        return lambda: adder(20, 22)

    def small(function: str) -> Callable[[Peer], Callable[[], Any]]:
        return lambda peer: bound(peer.json_sender(function), SMALL_JSON)

    def large(function: str) -> Callable[[Peer], Callable[[], Any]]:
        return lambda peer: bound(peer.sender(function), LARGE)

    def ask(times: int) -> Callable[[Peer], Callable[[], Any]]:
        return lambda peer: bound(peer.sender("ask"), times.to_bytes(8, "little"))

    def is_time(answer: bytes) -> bool:
        told: float = json.loads(answer)["ok"]["unix_ms"]
        return abs(told / 1000 - time.time()) < 60

    def times_extism(top: int, bottom: int) -> Goal:
        return Goal(Fraction(top, bottom), Extism.name)

    third = times_extism(1, 3)
    yield Work("raw call: two numbers", Goal(Fraction(1, 8), WasmtimePy.name), 40, add, is_(42))
    yield Work("100 B of JSON, handed back", third, 20, small("echo"), is_(SMALL_JSON))
    yield Work("100 B of JSON, copied by the guest", third, 20, small("copy"), is_(SMALL_JSON))
    yield Work(
        "64 KiB of JSON, handed back",
        times_extism(1, 2),
        5,
        lambda peer: bound(peer.json_sender("echo"), TEXT),
        is_(TEXT),
    )
    yield Work(
        "64 KiB of records, handed back",
        times_extism(9, 10),
        3,
        lambda peer: bound(peer.json_sender("echo", MSGSPEC), RECORDS),
        is_(RECORDS),
    )
    yield Work("6.4 MiB of bytes, handed back", times_extism(1, 2), 1, large("echo"), is_(LARGE))
    yield Work("6.4 MiB of bytes, copied by the guest", times_extism(1, 7), 1, large("copy"), is_(LARGE))
    yield Work("a call with one host call in it", third, 15, ask(1), is_time)
    yield Work("one of 100 host calls in a call", third, 1, ask(100), is_time, 100)
    yield Work(
        "fresh instance and a call",
        times_extism(1, 8),
        4,
        lambda peer: bound(peer.fresh_sender("echo"), NOTHING),
        is_(NOTHING),
    )
    yield Work(
        "cached load of 2 MB and a call",
        times_extism(1, 5),
        1,
        lambda peer: bound(peer.file_sender("echo", big[peer.guest]), NOTHING),
        is_(NOTHING),
    )


def bound(send: Callable[[Any], Any], value: Any) -> Callable[[], Any]:
    return lambda: send(value)


def is_(expected: Any) -> Callable[[Any], bool]:
    return lambda answer: bool(answer == expected)


# Measuring ------------------------------------------------------------------------------------------------------------


class Spread(NamedTuple):
    """The median of the rounds, and the quarters below and above which a quarter of them lie."""

    p25: float
    median: float
    p75: float

    def shown(self, digits: int) -> str:
        return f"{self.median:,.{digits}f} ({self.p25:,.{digits}f}-{self.p75:,.{digits}f})"


class Row(NamedTuple):
    """What one piece of work took: microseconds by engine, and ours / theirs by peer."""

    title: str
    goal: Goal | None
    microseconds: dict[str, Spread]
    ratios: dict[str, Spread]


def spread(values: list[float]) -> Spread:
    return Spread(*statistics.quantiles(values, n=4, method="inclusive"))


def measure(work: Work, peers: list[Peer], rounds: int) -> Row:
    """Do the work in turn, round by round.

    Raises
    ------
    SystemExit
        An engine gave a wrong answer; what it takes for that is of no interest.
    """
    calls = {peer.name: work.prepare(peer) for peer in peers}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-1, rounds):  # the first one fills caches
        for name, call in calls.items():
            began = time.perf_counter_ns()
            for _ in repeat(None, work.calls):
                answer = call()
            microseconds = (time.perf_counter_ns() - began) / 1e3 / work.calls / work.parts
            if not work.is_right(answer):
                raise SystemExit(f"{name} gave a wrong answer to: {work.title}")
            if number >= 0:
                taken[name].append(microseconds)
    ours = taken[OURS]
    ratios = {
        name: spread([mine / theirs for mine, theirs in zip(ours, times, strict=True)])
        for name, times in taken.items()
        if name != OURS
    }
    return Row(work.title, work.goal, {name: spread(times) for name, times in taken.items()}, ratios)


# Showing --------------------------------------------------------------------------------------------------------------


def show(rows: list[Row], names: list[str]) -> None:
    columns = [f"{name:>26}" for name in names]
    print(f"\n{'microseconds: median (p25-p75)':<38}{''.join(columns)}")
    for row in rows:
        cells = [row.microseconds[name] for name in names]
        print(f"{row.title:<38}" + "".join(f"{cell.shown(0 if cell.median >= 1000 else 1):>26}" for cell in cells))
    print(f"\n{'ours / theirs: median (p25-p75)':<38}{'goal':>19}" + "".join(f"{name:>30}" for name in names[1:]))
    for row in rows:
        ratios = [f"{row.ratios[name].shown(3)} {verdict(row, name)}" for name in names[1:]]
        print(f"{row.title:<38}{row.goal or ''!s:>19}" + "".join(f"{ratio:>30}" for ratio in ratios))


def verdict(row: Row, peer: str) -> str:
    if row.goal is None or row.goal.peer != peer:
        return "      "
    return "met   " if row.ratios[peer].median <= row.goal.ratio else "missed"


def surroundings() -> dict[str, Any]:
    """Where the figures are from."""
    packages = [OURS.replace("_", "-"), "wasmtime", *(["extism", "extism-sys"] if extism else [])]
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "packages": {name: jn.__version__ if name.startswith("judicia") else version(name) for name in packages},
    }


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def report(rows: list[Row], where: dict[str, Any], rounds: int) -> dict[str, Any]:
    """All of it, for a file."""
    return {
        "schema": 2,
        "rounds": rounds,
        **where,
        "rows": [
            {
                "title": row.title,
                "goal": {"ratio": float(row.goal.ratio), "peer": row.goal.peer} if row.goal else None,
                "microseconds": {name: one._asdict() for name, one in row.microseconds.items()},
                "ratios": {name: one._asdict() for name, one in row.ratios.items()},
            }
            for row in rows
        ],
    }


def prepare_files(folder: Path) -> tuple[Path, dict[str, Path]]:
    """Caches of their own for all engines, and the big modules; the settings of Wasmtime's cache, and the modules."""
    settings = folder / "cache.toml"
    settings.write_text(f"[cache]\ndirectory = {json.dumps(str(folder / 'wasmtime'))}\n", encoding="utf-8")
    os.environ["EXTISM_CACHE_CONFIG"] = str(settings)
    os.environ["JUDICIA_NOTEBOOK_CACHE"] = str(folder / "judicia")
    big = {}
    for guest in ("judicia", "extism"):
        big[guest] = folder / f"{guest}.wasm"
        big[guest].write_bytes(assemble(guest, filling()))
    return settings, big


def main() -> None:
    parser = argparse.ArgumentParser(description="What a call costs here and elsewhere.")
    parser.add_argument("--rounds", type=int, default=200, help="how often each engine has its turn, per row")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    chosen = parser.parse_args()
    where = surroundings()
    print(", ".join(f"{name} {number}" for name, number in where["packages"].items()))
    print(f"Python {where['python']}, {where['system']} {where['machine']}, {where['processors']} processors")
    if extism is None:
        print("extism is not installed (pip install judicia-notebook[bench]): compared with wasmtime-py alone.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings, big = prepare_files(Path(folder))
        with jn.Runtime() as runtime:
            peers: list[Peer] = [Ours(runtime), *([Extism()] if extism else []), WasmtimePy(settings)]
            rows = [measure(work, peers, chosen.rounds) for work in works(big)]
    show(rows, [peer.name for peer in peers])
    if chosen.json:
        chosen.json.write_text(json.dumps(report(rows, where, chosen.rounds), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
