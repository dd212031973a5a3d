"""What compiling takes, beside what `compile_work` says it takes: one module for each thing that costs the compiler.

Run it as ``python benchmarks/compile_work.py [--share SHARE] [WORD ...]``: the things whose names hold one of the
words, or all of them. Each module is made so big that its work is estimated at that share of `HEAVY`, the most that is
compiled in the kernel's process; at the whole of it, some take ten seconds and 0.7 GiB. A child process compiles them.

- *CPU* is that of all the compiler's threads, *memory* the most that the child held beyond what it held before.
- *said / is* is the estimate divided by the larger of both, in units of work. Below 1 the estimate is too low for this
  thing: tests/engine/test_compile_bombs.py fails below a third. Far above 1, modules are compiled apart in vain.
- *a unit* is the CPU time and memory for one of the things, as far as there are many in the module.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from judicia_notebook.wasm.compile_cost import HEAVY, compile_work
from judicia_notebook.wasm.sections import read_module
from tests.engine.bombs import BOMBS, Compiler, sized


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.1, help="of HEAVY; 1 for the most that the kernel compiles")
    parser.add_argument("words", nargs="*", help="parts of the names of what is to be measured")
    chosen = parser.parse_args()
    print(f"{'':42} {'file':>9} {'work':>7} {'CPU':>8} {'memory':>9} {'said / is':>9}")
    with Compiler() as compiler:
        for name, make in BOMBS.items():
            if chosen.words and not any(word in name for word in chosen.words):
                continue
            module = sized(make, HEAVY * chosen.share)
            work, cost = compile_work(read_module(module)), compiler.measure(module)
            print(
                f"{name:42} {len(module) >> 10:>5} KiB {work / HEAVY:>7.1%} {cost.seconds:>6.2f} s"
                f" {cost.memory_bytes >> 20:>5} MiB {work / max(cost.work, 1):>9.2f} {cost.refused}",
                flush=True,
            )


if __name__ == "__main__":
    main()
