"""What the core's library is made of: its sources, the flags, and the digest that tells one build from another.

`tools/build_core.py` loads this file by its path where nothing is installed, so it needs the standard library alone.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
FLAGS = (
    "-std=c11",
    "-D_GNU_SOURCE=",  # with -std=c11 Linux hides what POSIX and it add
    "-O2",
    "-fPIC",
    "-shared",
    "-pthread",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
)
BUILD_LINE = re.compile(
    r"judicia_core digest=(?P<digest>[0-9a-f]{64}) variant=(?P<variant>[a-z]+) target=(?P<target>\S+) "
    r"compiler=(?P<compiler>[ -:<-~]+?) *;"
)
"""What ``jc_build`` says, and what the file holds."""


def library_name(platform: str = sys.platform) -> str:
    """The file name that the library has on a platform, named as in ``sys.platform``."""
    ending = {"win32": "dll", "darwin": "dylib"}.get(platform, "so")
    return f"judicia_core.{ending}"


def digest(folder: Path = FOLDER) -> str | None:
    """SHA-256 of the sources' names and bytes and of the flags, in hex; None where there are no sources (a wheel)."""
    sources = sorted((path for path in folder.iterdir() if path.suffix in {".c", ".h"}), key=lambda path: path.name)
    if not sources:
        return None
    summed = hashlib.sha256(" ".join(FLAGS).encode())
    for path in sources:
        data = path.read_bytes()
        summed.update(f"\n{path.name} {len(data)}\n".encode())
        summed.update(data)
    return summed.hexdigest()
