"""How long tests wait for what is on its way, and how: no bound here judges a speed, a test that does names its own.

A machine may stop a test for seconds, at any line. What is to happen while something else goes on therefore waits for
a sign of it (an event, a row, `until_it_computes`) and not for some milliseconds. Where a time is what is tested, the
bound is wide, or `in_some_try` measures again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import judicia_notebook as jn

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


def in_some_try(attempt: Callable[[], T], tries: int = 5) -> T:
    """
    Make an attempt that measures times, and return what it returned; one of a few has to hold.

    A pause of the machine at the wrong moment spoils one or two of them, code that is wrong spoils each.

    Raises
    ------
    AssertionError
        That of the last attempt.
    """
    for _ in range(tries - 1):
        try:
            return attempt()
        except AssertionError:
            continue
    return attempt()


def ticks_seen(rt: jn.Runtime) -> int:
    """How often a tick came while a guest of this runtime computed."""
    return int((rt.samples["event"] == "tick").sum())


def until_it_computes(rt: jn.Runtime, since: int = 0) -> None:
    """Wait until a guest is at work: more ticks than since then have found it there, two so that it went on."""
    until(lambda: ticks_seen(rt) >= since + 2)
