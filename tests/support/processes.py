"""Processes by their numbers, and whether they are there. One that is over and not reaped yet is not."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

from tests.support.waiting import until


def is_there(pid: int) -> bool:
    """Whether a process runs, sleeps or is stopped."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pids: Iterable[int], within: float = 20.0) -> None:
    """Wait until none of them is there."""
    wanted = tuple(pids)
    assert wanted
    until(lambda: not any(is_there(pid) for pid in wanted), within)
