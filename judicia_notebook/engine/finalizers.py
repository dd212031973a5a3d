"""Frees what Wasmtime still holds for an object of ours that is gone.

A finalizer in Python runs wherever the last reference happens to go. When a signal handler raises inside a finalizer,
for Ctrl-C for example, Python prints the exception and forgets it. So:

- The finalizer here is C code alone: it puts the remains into a queue.
- `sweep` frees the queue. Loads, unloads and new instances begin with it.
- An owner that closes its object calls `Remains.free`, and leaves nothing to sweep.
- Freeing is one step: no signal comes between taking the remains off the list and handing them to Wasmtime, or into the
  functions that Wasmtime calls meanwhile.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from judicia_notebook.engine.interrupts import deferred

_dead: deque[Remains] = deque()
_kept: dict[int, Remains] = {}


class Remains(weakref.ref[Any]):
    """A native object that is freed exactly once: by `free`, or by `sweep` after its owner is gone."""

    __slots__ = ("_free",)
    _free: Callable[[], object]

    def free(self) -> None:
        """Free it now, unless it was freed before; from any thread."""
        with deferred():
            if _kept.pop(id(self), None) is not None:
                self._free()

    def forget(self) -> None:
        """Do not free it: Wasmtime has taken it back."""
        _kept.pop(id(self), None)


def leave(owner: object, free: Callable[[], object]) -> Remains:
    """Have `free` called once for `owner`, to which it may not refer."""
    remains = Remains(owner, _dead.append)
    remains._free = free
    _kept[id(remains)] = remains  # a weak reference that goes before its object never calls back
    return remains


def sweep() -> None:
    """Free the remains in the queue."""
    while _dead:
        with deferred():
            try:
                remains = _dead.popleft()
            except IndexError:  # another thread took the last
                return
            remains.free()
            del remains  # it may be the last that held another owner, which comes into the queue now
