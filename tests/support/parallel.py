"""Tests on several workers of pytest-xdist: what stays together, what begins first, and what has the machine alone.

- A worker takes a file as a whole, for the sake of its fixtures; all of tests/browser, which shares one JupyterLab and
  one Chromium; and one wall of test_walls.py at a time, since each is a child process of its own.
- The units that take longest begin first, and those whose tests are all fast come last: no worker is left with a long
  one at the end.
- `Turns` lets a test that is marked ``alone`` wait until no other worker runs a test, and the others wait for it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

CLICK = "from a click to its effect"
"""The property of a test in which a worker hands such times to the process that prints the summary."""

GALLERY = "the gallery of foreign modules"
"""Likewise, for the size and the time of it all."""

TOGETHER = "tests/browser/"
APART = "tests/hostile/test_walls.py"
LONGEST_FIRST = (TOGETHER, "tests/foreign/", APART, "tests/notebooks/", "tests/hostile/", "tests/notebook/")


def unit_of(nodeid: str) -> str:
    """What a worker takes with this test."""
    if nodeid.startswith(TOGETHER):
        return TOGETHER
    return nodeid if nodeid.startswith(APART) else nodeid.partition("::")[0]


def rank_of(nodeid: str) -> int:
    """Which tests begin first: the lower, the earlier."""
    return next((rank for rank, start in enumerate(LONGEST_FIRST) if nodeid.startswith(start)), len(LONGEST_FIRST))


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    """Hands out the units in the order of the tests."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # it would begin with the most tests, which are not the longest

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


class Turns:
    """Locks between the workers. A test shares the machine with those of other workers, unless it is to be alone."""

    def __init__(self, folder: Path) -> None:
        self._door, self._room = (
            os.open(folder / f"turns-{name}", os.O_RDWR | os.O_CREAT, 0o600) for name in ("door", "room")
        )

    @contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        """Have a turn, after those who came to the door before."""
        # Who waits to be alone keeps the door shut: without it, those who share the room would never leave it empty.
        fcntl.flock(self._door, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)
