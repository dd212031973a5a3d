"""Build the sdist, and a wheel with the core compiled for each machine in `build_core.TARGETS`: ``make wheels``.

zig compiles for all of them on one machine. Nothing here says that a wheel works on its own kind of machine:
.github/workflows/wheels.yml installs and tries it there before it is published.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.build_core import ROOT, TARGETS


def build_all(folder: Path) -> list[Path]:
    """The sdist and every wheel, in a folder that may hold others already; their paths."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder), "--target"]
    subprocess.run([*hatchling, "sdist"], cwd=ROOT, check=True)
    for target in TARGETS:
        subprocess.run([*hatchling, "wheel"], cwd=ROOT, env={**os.environ, "JUDICIA_CORE_TARGET": target}, check=True)
    made = sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])
    tags = {path.stem.rpartition("-")[2] for path in made if path.suffix == ".whl"}
    if missing := set(TARGETS.values()) - tags:
        raise FileNotFoundError(f"no wheel for {', '.join(sorted(missing))}")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    for path in build_all(parser.parse_args().folder.resolve()):
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
