"""What Wasmtime still holds for an object of ours that nobody refers to any more.

A finalizer in Python runs wherever the last reference happens to go, and what a signal handler raises inside of one,
Ctrl-C for example, Python prints and forgets. So here the finalizer is C code alone: it puts the remains into a queue.
They are freed by `sweep`, which loads, unloads and new instances begin with. Whoever knows that an object is over calls
`Remains.free` and leaves nothing to be swept. Freeing is one step: no signal comes between taking the remains off the
list and handing them to Wasmtime, or into what Wasmtime calls meanwhile.
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
    """What is to be freed exactly once: when it is said, or when its owner is gone."""

    __slots__ = ("_free",)
    _free: Callable[[], object]

    def free(self) -> None:
        """Free it now, unless somebody has; from any thread."""
        with deferred():
            if _kept.pop(id(self), None) is not None:
                self._free()

    def forget(self) -> None:
        """Somebody else has freed it."""
        _kept.pop(id(self), None)


def leave(owner: object, free: Callable[[], object]) -> Remains:
    """Have `free` called once for `owner`, to which it may not refer."""
    remains = Remains(owner, _dead.append)
    remains._free = free
    _kept[id(remains)] = remains  # a weak reference that is gone itself tells nobody
    return remains


def sweep() -> None:
    """Free what was left behind."""
    while _dead:
        with deferred():
            try:
                remains = _dead.popleft()
            except IndexError:  # another thread took the last
                return
            remains.free()
