"""The plugin of docs/sdk.md in each language: bytes, seconds to compile, microseconds and fuel of a call.

    python benchmarks/languages.py

Prints the table that stands on the page. What is compared are compilers and SDKs as a cell gets them, by `jn.build` at
its usual level, in a cache folder that is empty at first. `count` gets 10 000 words. Of five compilations after the
first, each of a changed text, the median counts, of 200 calls the median.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import judicia_notebook as jn
from tests.plugins.test_sdk import SUFFIXES, printed

CALLS = (("add", {"a": 1, "b": 2}), ("count", {"text": "to be or not to be that is the question " * 1000}))
NAMES = {"c": "C", "cpp": "C++", "zig": "Zig", "rust": "Rust"}


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def row(language: str, folder: Path) -> str:
    """One row: compiled six times, each time after a change, and called in a runtime of its own."""
    source = folder / f"greet{SUFFIXES[language]}"

    def build(number: int) -> jn.Built:
        source.write_text(printed(language) + f"// {number}\n", "utf-8")
        return jn.build(source)

    first, *later = [build(number) for number in range(6)]
    module = later[-1].wasm
    cells = [
        NAMES[language],
        spaced(len(module)),
        f"{first.seconds:.1f}",
        f"{median(one.seconds for one in later):.2f}",
    ]
    with jn.Runtime() as rt:
        p = rt.load(module, quota={"fuel": 10**9})
        for function, payload in CALLS:
            times = [seconds(partial(p.call, function, payload)) for _ in range(200)]
            cells += [f"{median(times) * 1e6:.0f}", spaced(p.last.fuel or 0) if p.last is not None else ""]
    return f"| {' | '.join(cells)} |"


def spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def main() -> None:
    print("| | bytes | first, s | later, s | `add`, µs | fuel | `count`, µs | fuel |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JUDICIA_NOTEBOOK_CACHE"] = str(Path(folder) / "cache")
        for language in NAMES:
            (Path(folder) / language).mkdir()
            print(row(language, Path(folder) / language), flush=True)


if __name__ == "__main__":
    main()
