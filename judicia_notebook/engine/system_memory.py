"""How much memory this process may have: the machine's, or what its container leaves it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MOST_MEMORY = 1 << 30
"""The most bytes of memory that a plugin gets, unless a runtime's own ceiling says otherwise."""


def memory_ceiling() -> int:
    """Bytes a plugin may have at most: a quarter of what there is, `MOST_MEMORY` where that is more or unknown."""
    there = memory_limit()
    return MOST_MEMORY if there is None else min(MOST_MEMORY, there // 4)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes this process may have at most; None where the system does not say.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are mounted.
    """
    limits = []
    for file in _limit_files(root):
        with contextlib.suppress(OSError, ValueError):  # absent above the container; "max" is no number
            limits.append(int(file.read_text()))
    with contextlib.suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(limits) if limits else None


def _limit_files(root: Path) -> Iterator[Path]:
    """Where Linux writes the limits of this process's control group and of those around it, in both versions."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    mounts = root / "sys/fs/cgroup"
    for line in ["0::/", ":memory:/", *lines]:  # a container may see the path of the host, and its own limit at the top
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        group = PurePosixPath("/") / path.lstrip("/")
        for folder in (group, *group.parents):
            below = str(folder).lstrip("/")
            if controllers:
                yield mounts / "memory" / below / "memory.limit_in_bytes"
            else:
                yield mounts / below / "memory.max"
                yield mounts / "unified" / below / "memory.max"
