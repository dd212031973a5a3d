"""How long tests wait for what is on its way, and how: no bound here judges a speed, a test that does names its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 60  # seconds for an answer, a thread, a server, a cell; only a hang needs them
LONG_PATIENCE = 5 * PATIENCE  # seconds for a whole notebook, a cluster, a download, a program that does much

T = TypeVar("T")


def until(condition: Callable[[], T | None], within: float = PATIENCE) -> T:
    """
    Wait until a condition holds, and return what it returned.

    Raises
    ------
    AssertionError
        It did not hold within so many seconds.
    """
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"it did not come true within {within} s; last it was {value!r}"
        time.sleep(0.002)
    return value
