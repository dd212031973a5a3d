"""What metering costs a guest that computes: three kernels at three levels of optimization, metered in each way.

Run it as ``python benchmarks/meterings.py [--rounds N] [--parts] [--json FILE]``; ``make bench`` does. It needs a clang
that knows wasm32, or the package ziglang.

- *Kernels.* guests/kernels.c: the product of two matrices of 200 x 200 doubles, a sieve up to a million, the SHA-256 of
  a megabyte. Every answer is compared.
- *Unmetered* is plain wasmtime-py without fuel, epochs and NaN canonicalization. ``full`` and ``epochs`` are
  `Runtime.load` with that metering. With ``--parts`` wasmtime-py has its turn with each part of metering alone, too.
- *Interleaved.* In each round each way has its turn with each module. The time is the CPU time of the calling thread.
- *Swept.* Then ``none``, ``full`` and ``epochs`` once more, as a user measures them: by `judicia_notebook.sweep` with
  metering as an axis, in turns with wasmtime-py, on one placement. ``none`` runs in a child process.
- *Placements.* Where a loop comes to lie in memory changes its time, by up to a third, and metering moves it. So each
  module is compiled a few times, behind a function of another length each time. Shown is the median of the placements'
  medians, with the least and the most of them.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.util
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import wasmtime

import judicia_notebook as jn

if TYPE_CHECKING:
    import pandas as pd

SOURCE = Path(__file__).parent / "guests" / "kernels.c"
LEVELS = ("-O0", "-Oz", "-O3")
PLACEMENTS = (1, 2, 3, 5, 8)
"""Lengths of the function before the kernels, in lines of C."""
UNMETERED = "unmetered"
METERINGS = ("full", "epochs")
PARTS = {"fuel": (True, False, False), "epochs": (False, True, False), "NaN": (False, False, True)}
"""Of metering, each alone: fuel, epochs, NaN canonicalization."""
WORTH = 1.3
"""How much faster than full metering another one has to be on two of three kernels, to be offered."""
LONG = 60.0  # seconds: no limit is to end a call here


class Kernel(NamedTuple):
    """An export, its argument, and its answer."""

    title: str
    function: str
    argument: int
    answer: float


def kernels() -> list[Kernel]:
    data = bytes(at % 251 for at in range(1 << 20))
    state = int.from_bytes(hashlib.sha256(data).digest()[:4], "big", signed=True)
    return [
        Kernel("matrix product", "matmul", 200, 20_999_250.0),
        Kernel("sieve", "sieve", 1_000_000, 78_498),
        Kernel("SHA-256", "sha256", len(data), state),
    ]


# The modules ----------------------------------------------------------------------------------------------------------


@functools.cache
def compiler() -> list[str]:
    """The command of a C compiler for wasm32; an empty one where there is none."""
    if clang := shutil.which("clang"):
        return [clang, "--target=wasm32"]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "--target=wasm32-freestanding", "-fno-sanitize=undefined"]
    return []


def build(level: str, placement: int, folder: Path) -> bytes:
    """The kernels' wasm, behind a function of that many lines."""
    lines = "\n    y = y * 3 + 1;" * placement
    head = 'int __attribute__((export_name("first"))) first(int x) {\n    volatile int y = x;'
    first = f"{head}{lines}\n    return y;\n}}\n"
    source, made = folder / "kernels.c", folder / "kernels.wasm"
    source.write_text(first + SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    command = [*compiler(), level, "-ffreestanding", "-nostdlib", "-Wl,--no-entry", "-o", str(made), str(source)]
    subprocess.run(command, check=True)
    return made.read_bytes()


# The ways -------------------------------------------------------------------------------------------------------------

Call = Callable[[], Any]


def bare(wasm: bytes, kernel: Kernel, fuel: bool = False, epochs: bool = False, nans: bool = False) -> Call:
    """A call through wasmtime-py."""
    config = wasmtime.Config()
    config.consume_fuel, config.epoch_interruption, config.cranelift_nan_canonicalization = fuel, epochs, nans
    store = wasmtime.Store(wasmtime.Engine(config))
    if fuel:
        store.set_fuel(1 << 62)
    if epochs:
        store.set_epoch_deadline(1 << 62)
    export: Any = wasmtime.Instance(store, wasmtime.Module(store.engine, wasm), []).exports(store)[kernel.function]
    return lambda: export(store, kernel.argument)


def ours(runtime: jn.Runtime, wasm: bytes, kernel: Kernel, metering: str) -> Call:
    """A call of ours."""
    name = f"{metering}-{hashlib.sha256(wasm).hexdigest()[:12]}"
    plugin = runtime.plugins.get(name) or runtime.load(
        wasm, name=name, metering=metering, quota={"cpu": LONG, "wall": LONG}
    )
    export = plugin.raw(kernel.function)
    return lambda: export(kernel.argument)


def ways(runtime: jn.Runtime, wasm: bytes, kernel: Kernel, *, parts: bool) -> Iterator[tuple[str, Call]]:
    yield UNMETERED, bare(wasm, kernel)
    for metering in METERINGS:
        yield metering, ours(runtime, wasm, kernel, metering)
    for name, settings in PARTS.items() if parts else ():
        yield f"{name} alone", bare(wasm, kernel, *settings)


# Measuring ------------------------------------------------------------------------------------------------------------

Taken = dict[tuple[str, str, str], list[list[float]]]
"""Milliseconds of each call by kernel, level and way; a list for each placement."""


def measure(runtime: jn.Runtime, rounds: int, *, parts: bool) -> Taken:
    """Make all calls, round by round.

    Raises
    ------
    SystemExit
        A wrong answer.
    """
    calls = []
    taken: Taken = {}
    with tempfile.TemporaryDirectory() as folder:
        modules = [(level, build(level, placement, Path(folder))) for level in LEVELS for placement in PLACEMENTS]
    for kernel in kernels():
        for level, wasm in modules:
            for name, call in ways(runtime, wasm, kernel, parts=parts):
                times: list[float] = []
                taken.setdefault((kernel.title, level, name), []).append(times)
                calls.append((kernel, call, times))
    for number in range(-1, rounds):  # the first one touches the memory
        for kernel, call, times in calls:
            began = time.thread_time_ns()
            answer = call()
            milliseconds = (time.thread_time_ns() - began) / 1e6
            if answer != kernel.answer:
                raise SystemExit(f"a wrong answer of {kernel.title}: {answer}, not {kernel.answer}")
            if number >= 0:
                times.append(milliseconds)
    return taken


def sweep(rounds: int) -> pd.DataFrame:
    """Median milliseconds of CPU time by kernel, level and metering, and ``none`` as a multiple of wasmtime-py's."""
    import pandas as pd

    parts = []
    with tempfile.TemporaryDirectory() as folder, jn.Runtime() as runtime:
        modules = {level: build(level, PLACEMENTS[0], Path(folder)) for level in LEVELS}
        plugins = [
            runtime.load(wasm, name=f"kernels{level.lower()}", quota={"cpu": LONG, "wall": LONG})
            for level, wasm in modules.items()
        ]
        for kernel in kernels():
            calls = {plugin.name: bare(wasm, kernel) for plugin, wasm in zip(plugins, modules.values(), strict=True)}
            for number in range(-1, rounds):
                for name, call in calls.items():
                    began = time.thread_time_ns()
                    call()
                    took = {
                        "param_plugin": name,
                        "param_metering": UNMETERED,
                        "cpu_ms": (time.thread_time_ns() - began) / 1e6,
                    }
                    parts.append(pd.DataFrame([{"kernel": kernel.title, "first": number < 0, **took}]))
                swept = jn.sweep(
                    plugins, kernel.function, numbers=[kernel.argument], metering=("full", "epochs", "none"),
                    repeats=1, warmup=1, instances=1, seed=number + 2, progress=False,
                )  # fmt: skip
                parts.append(swept.assign(kernel=kernel.title, first=number < 0))
    taken = pd.concat(parts, ignore_index=True).query("not first")
    if failed := set(taken["outcome"].dropna()) - {"ok"}:
        raise SystemExit(f"calls ended otherwise: {failed}")
    found = taken.pivot_table("cpu_ms", ["kernel", "param_plugin"], "param_metering", "median", sort=False)
    return found[[UNMETERED, "none", "epochs", "full"]].assign(ratio=found["none"] / found[UNMETERED])


class Spread(NamedTuple):
    """The median of the placements' medians, and the least and the most of them, in milliseconds."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}-{self.most:.2f})"


def spread(placements: list[list[float]]) -> Spread:
    medians = [statistics.median(times) for times in placements]
    return Spread(statistics.median(medians), min(medians), max(medians))


def show(found: dict[str, dict[str, dict[str, Spread]]]) -> None:
    """Print a table of milliseconds, and one of ratios with the verdict about each metering."""
    names = list(next(iter(next(iter(found.values())).values())))
    print(f"{'ms: median (least-most of the placements)':<42}" + "".join(f"{name:>24}" for name in names))
    for title, levels in found.items():
        for level, of_way in levels.items():
            print(f"{f'{title} {level}':<42}" + "".join(f"{of_way[name]!s:>24}" for name in names))
    print(f"\n{'ratios':<42}{'full / unmetered':>24}{'epochs / unmetered':>24}{'full / epochs':>24}")
    faster = []
    for title, levels in found.items():
        gains = []
        for level, of_way in levels.items():
            full, epochs, none = (of_way[name].median for name in ("full", "epochs", UNMETERED))
            gains.append(full / epochs)
            print(f"{f'{title} {level}':<42}{full / none:>24.2f}{epochs / none:>24.2f}{full / epochs:>24.2f}")
        if statistics.median(gains) >= WORTH:
            faster.append(title)
    print(f"\nepochs is {WORTH} times as fast as full, in the median of the levels, on: {', '.join(faster) or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description="What metering costs a guest that computes.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--parts", action="store_true", help="each part of metering alone, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    chosen = parser.parse_args()
    if not compiler():
        print("There is no C compiler for wasm32: apt-get install clang lld, or pip install ziglang.")
        return
    with jn.Runtime() as runtime:
        taken = measure(runtime, chosen.rounds, parts=chosen.parts)
    found: dict[str, dict[str, dict[str, Spread]]] = {}
    for (title, level, name), placements in taken.items():
        found.setdefault(title, {}).setdefault(level, {})[name] = spread(placements)
    show(found)
    print("\nby a sweep, ms; the ratio is that of none to unmetered")
    print(sweep(chosen.rounds).round(3).to_string())
    if chosen.json:
        plain = {
            title: {level: {name: one._asdict() for name, one in of_way.items()} for level, of_way in levels.items()}
            for title, levels in found.items()
        }
        report = {"rounds": chosen.rounds, "placements": len(PLACEMENTS), "milliseconds": plain}
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
