"""A guest that stays inside until the test lets it go: what is to come meanwhile comes meanwhile on any machine."""

from __future__ import annotations

import threading
from typing import Any

import judicia_notebook as jn
from tests.support.guests import ECHO, load
from tests.support.waiting import PATIENCE, until

HOLD = f"""
(import "env" "hold" (func $hold))
(func (export "hold") (param i32 i32) (result i64) (call $hold) (i64.const 0))
(func (export "spin") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)
{ECHO}
"""
"""``hold`` answers nothing once the gate is open, ``spin`` never ends, ``echo`` answers its request."""


class Gate:
    """What the guest's ``hold`` waits at. A call that is cancelled leaves it, too."""

    def __init__(self) -> None:
        self.inside = 0
        self._lock, self._opened = threading.Lock(), threading.Event()

    def __call__(self, caller: jn.Caller) -> None:
        self._count(1)
        while not self._opened.wait(0.005) and not caller.cancelled:
            pass
        self._count(-1)

    def _count(self, step: int) -> None:
        with self._lock:
            self.inside += step

    def wait_for(self, count: int = 1) -> None:
        """Wait until so many calls are at the gate."""
        until(lambda: self.inside == count)

    def open(self) -> None:
        """Let those go who are at it, and those who come."""
        self._opened.set()

    def close(self) -> None:
        """Hold whoever comes from now on; all who were let go have left."""
        until(lambda: self.inside == 0)
        self._opened.clear()


def load_held(rt: jn.Runtime, gate: Gate, *cells: str, **options: Any) -> jn.Plugin:
    """A guest of these cells with ``hold``, and minutes to stay there."""
    options["quota"] = {"wall": 5 * PATIENCE, "cpu": PATIENCE, **options.get("quota", {})}
    return load(rt, HOLD, *cells, imports={"env.hold": gate}, **options)
