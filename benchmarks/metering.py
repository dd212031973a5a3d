"""What metering and recording cost a call: the package as it is, beside copies of it that do without.

Run it as ``python benchmarks/metering.py [--rounds N] [--json FILE]``; ``make bench`` does.

- *Copies.* The package has no switch for either. So this copies it into a temporary folder, patches the copy, and
  builds the copy's core. Each patch looks for a text that is there exactly once, and fails where it is not: code that
  moved is not measured as if it had been switched off.
- *Without metering*: code is compiled without fuel, epochs and NaN canonicalization; no fuel is set or read, and the
  ticker sleeps.
- *Without recording*: no row is written, and what only the row says is not looked up: the thread's name, the label, the
  second reading of the CPU clock.
- *Same work.* A guest hands 4 KiB of JSON back, or a copy of it; `Plugin.call` writes it and reads it, and each answer
  is compared.
- *CPU time* of the process is measured: no call here waits for anything, the ticker's share is in it, and what other
  programs do meanwhile is not.
- *Interleaved.* Each version of the package has a process of its own. They take turns, kept in step through pipes; a
  turn begins with calls that are not timed. After a quarter of the rounds new processes take their place: two of the
  same version can differ by a hundredth, for the whole of their lives. The interval is that of the bootstrap over
  rounds: whole rounds are drawn again, so that a moment in which the machine was busy stays one for all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
GUEST = Path(__file__).parent / "guests" / "judicia.wat"
FUNCTIONS = {"echo": "4 KiB of JSON, handed back", "copy": "4 KiB of JSON, copied by the guest"}
RECORDS = [{"id": 7919 * n % 10**6, "name": f"name {n % 99}", "score": n % 9973 / 100, "ok": True} for n in range(76)]
CALLS = 100
UNTIMED = 20
SETS = 4
GOAL = 1.1
RESAMPLES = 4000


class Patch(NamedTuple):
    """A text of a file that is there once, and what takes its place."""

    file: str
    old: str
    new: str

    def apply(self, package: Path) -> None:
        """Change the file of this copy of the package.

        Raises
        ------
        SystemExit
            The text is not there exactly once.
        """
        path = package / self.file
        text = path.read_text(encoding="utf-8")
        if (count := text.count(self.old)) != 1:
            raise SystemExit(f"{self.file} has this {count} times, not once; adapt the benchmark:\n{self.old}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


METERING = (
    Patch(
        "engine/settings.py",
        'FULL = EngineSettings("full", fuel=True, epochs=True, canonical_nans=True)',
        'FULL = EngineSettings("full", fuel=False, epochs=False, canonical_nans=False)',
    ),
    Patch(
        "engine/core/box.c",
        "    atomic_fetch_add(&jc_here.ticker.running, 1);\n    int status = jc_entry_needs(jc_now_ns());\n",
        "    int status = JC_OK;\n",
    ),
    Patch("engine/core/box.c", "    atomic_fetch_sub(&jc_here.ticker.running, 1);\n", ""),
)
RECORDING = (
    Patch(
        "engine/core/walk.c",
        "    int64_t position = jc_rows_add(way->rows, atomic_load(&key->place), call->numbers);\n",
        "    int64_t position = 0;\n    (void)call;\n",
    ),
    Patch(
        "engine/core/walk.c",
        "    numbers[JC_CPU_NS] = jc_cpu_ns() - call->cpu_began_ns;\n    int64_t fuel",
        "    int64_t fuel",
    ),
    Patch(
        "runtime/way.py",
        "who = (threading.current_thread().name, labels_in_force())",
        'who = ("", "")',
    ),
)
FULL, NEITHER = "as it is", "neither"
VERSIONS = {
    FULL: (),
    "no metering": METERING,
    "no recording": RECORDING,
    NEITHER: (*METERING, *RECORDING),
}


def copy_package(folder: Path, patches: tuple[Patch, ...]) -> None:
    """A copy of the package with these patches, its core built."""
    ignored = shutil.ignore_patterns("__pycache__", "target", "judicia_core.*")
    for name in ("judicia_notebook", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for patch in patches:
        patch.apply(folder / "judicia_notebook")
    subprocess.run([sys.executable, "tools/build_core.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


# The child ------------------------------------------------------------------------------------------------------------


def serve(folder: Path) -> None:
    """Time calls, a turn for each line on stdin that names a function; nanoseconds a call on stdout.

    The first line on stdout says what the row of a call has as fuel, or that there is no row.
    """
    import wasmtime

    import judicia_notebook as jn

    if Path(jn.__file__).resolve().parent.parent != folder.resolve():
        raise SystemExit(f"this is the package of {jn.__file__}, not the copy in {folder}")
    with jn.Runtime() as runtime:
        wasm = bytes(wasmtime.wat2wasm(GUEST.read_text(encoding="utf-8")))
        plugin = runtime.load(wasm, name="guest")
        for _ in range(2):  # the first one makes the instance, so it is Python's and has a row
            plugin.call("copy", RECORDS)
        fuel = runtime.calls["fuel"][1:]
        print(*fuel.fillna(0) if len(fuel) else ["no row"], flush=True)
        for line in sys.stdin:
            function = line.strip()
            for _ in repeat(None, UNTIMED):
                answer = plugin.call(function, RECORDS)
            began = time.process_time_ns()
            for _ in repeat(None, CALLS):
                answer = plugin.call(function, RECORDS)
            took = (time.process_time_ns() - began) / CALLS
            if answer != RECORDS:
                raise SystemExit(f"a wrong answer of {function}")
            print(took, flush=True)


class Child:
    """A process with one version of the package.

    Raises
    ------
    SystemExit
        It meters or records although its patches say otherwise, or the other way round.
    """

    def __init__(self, folder: Path, patches: tuple[Patch, ...], stack: ExitStack) -> None:
        environment = {**os.environ, "PYTHONPATH": str(folder), "JUDICIA_NOTEBOOK_CACHE": str(folder / "cache")}
        command = [sys.executable, __file__, "--serve", str(folder)]
        child = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0)
        )
        stack.callback(child.kill)
        if child.stdin is None or child.stdout is None:
            raise SystemExit("a process without pipes")
        self._input, self._output = child.stdin, child.stdout
        said = self._read()
        metered = said if said == "no row" else int(said) > 0
        if metered != ("no row" if set(RECORDING) <= set(patches) else not set(METERING) <= set(patches)):
            raise SystemExit(f"the patches do not work: a call's fuel is {said}")

    def _read(self) -> str:
        line = self._output.readline()
        if not line:
            raise SystemExit("a process with a copy of the package has ended")
        return line.decode().strip()

    def turn(self, function: str) -> float:
        """Nanoseconds a call.

        Raises
        ------
        SystemExit
            The process has ended; it has said why.
        """
        with contextlib.suppress(BrokenPipeError):
            self._input.write(f"{function}\n".encode())
        return float(self._read())


# Measuring ------------------------------------------------------------------------------------------------------------


class Ratio(NamedTuple):
    """A ratio of medians, with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def ratio_of_medians(mine: list[float], theirs: list[float]) -> Ratio:
    import numpy as np

    pairs = np.array([mine, theirs])
    drawn = np.random.default_rng(7).integers(0, len(mine), (RESAMPLES, len(mine)))
    medians = np.median(pairs[:, drawn], axis=2)
    low, high = np.quantile(medians[0] / medians[1], [0.025, 0.975])
    value = np.median(pairs[0]) / np.median(pairs[1])
    return Ratio(float(value), float(low), float(high))


def measure(children: dict[str, Child], rounds: int, taken: dict[str, dict[str, list[float]]]) -> None:
    """Add the microseconds a call of each function and version, round by round."""
    for function, of_function in taken.items():
        for number in range(-5, rounds):  # the first ones fill caches
            begin = number % len(children)
            names = [*children][begin:] + [*children][:begin]
            for name in names if number % 2 else reversed(names):  # none always follows the same one
                took = children[name].turn(function) / 1e3
                if number >= 0:
                    of_function[name].append(took)


def show(taken: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Print the medians and ratios; the same for a file."""
    found = {}
    for function, of_function in taken.items():
        medians = {name: statistics.median(values) for name, values in of_function.items()}
        ratios = {name: ratio_of_medians(values, of_function[NEITHER]) for name, values in of_function.items()}
        print(f"{FUNCTIONS[function]}: microseconds of CPU time a call, and the ratio to {NEITHER} (95 %)")
        for name, median in medians.items():
            verdict = f", goal {GOAL}: {'met' if ratios[name].value <= GOAL else 'missed'}" if name == FULL else ""
            print(f"  {name:<14}{median:>8.2f}  {ratios[name]}{verdict}")
        found[function] = {"microseconds": medians, "ratios": {name: one._asdict() for name, one in ratios.items()}}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What metering and recording cost a call.")
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--serve", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve)
        return
    taken: dict[str, dict[str, list[float]]] = {function: {name: [] for name in VERSIONS} for function in FUNCTIONS}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folders = {name: Path(temporary) / str(number) for number, name in enumerate(VERSIONS)}
        for name, folder in folders.items():
            copy_package(folder, VERSIONS[name])
        for _ in range(SETS):
            with ExitStack() as stack:
                children = {name: Child(folder, VERSIONS[name], stack) for name, folder in folders.items()}
                measure(children, -(-chosen.rounds // SETS), taken)
    found = {"rounds": chosen.rounds, "calls": CALLS, "work": show(taken)}
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
