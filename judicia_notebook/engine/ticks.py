"""The one ticker of this process, seen from Python: ``core/ticker.c`` is the thread. It ticks only while calls run.

Wasmtime's epoch belongs to the whole engine, so there is one ticker, and each store looks at its own limits when the
epoch moves. The ticker never decides anything, and needs no lock of Python's: nothing that Python does can hold it up.
Each entry looks whether it beats.
"""

from __future__ import annotations

import time
from time import monotonic

from judicia_notebook.engine.core import functions, structs
from judicia_notebook.errors import ResourceExhausted

TICK = 0.01
"""Seconds between two ticks."""

PATIENCE = 5.0
"""Seconds that an entry waits for a beat, where the last one is a second old: the process may have been stopped."""

_FEWEST_LOOKS = 100  # however long each of them took
_LOOK = 0.002
_state = structs.Ticker.from_address(functions.ticker_state())


def is_parked() -> bool:
    """Whether no tick comes before the next call."""
    return not _state.alive or bool(_state.parked)


def running() -> int:
    """How many sandboxes are entered now."""
    return int(_state.running)


def ticks() -> int:
    """How often the epochs were advanced."""
    return int(_state.ticks)


def interval() -> float:
    """Seconds between two ticks."""
    return (_state.interval_ns / 1e9) or TICK


def set_interval(seconds: float) -> float:
    """Change the time between two ticks, also for the one that is due; the time before."""
    before, turns, _state.interval_ns = interval(), _state.turns, int(seconds * 1e9)
    until = monotonic() + before
    while seconds < before and _state.turns == turns and not is_parked() and monotonic() < until:
        time.sleep(seconds)  # the ticker still sleeps for as long as it was to
    return before


def wait_for_beat() -> None:
    """Wait until the ticker has come round, for an entry that found its last beat old.

    Raises
    ------
    ResourceExhausted
        It has not.
    """
    turns, until, looks = _state.turns, monotonic() + PATIENCE, 0
    while _state.turns == turns:
        if looks > _FEWEST_LOOKS and monotonic() > until:
            raise ResourceExhausted(
                "No plugin can run now: the thread that enforces time limits shows no sign of life.",
                hint="A new kernel helps.",
            )
        looks += 1
        time.sleep(_LOOK)


def no_thread() -> ResourceExhausted:
    """The error where the system gives no thread for the ticker."""
    return ResourceExhausted(
        "The system gives no thread to enforce time limits.",
        hint="`ulimit -u`, and a container's limit on pids, bound the threads of all processes together.",
    )
