"""Whose turn it is: the instances of one plugin and the calls that wait for them, first come first served.

A pool hands out *slots*. A slot either holds an instance from an earlier call or is empty, and then its caller makes
the instance. What comes back broken is closed and its slot is empty again.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from judicia_notebook.errors import PluginNotReady, ResourceExhausted

if TYPE_CHECKING:
    from judicia_notebook.engine.abi import Exchange
    from judicia_notebook.engine.sandbox import Sandbox
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.loading import Code

Instances = int | Literal["fresh"]
_numbers = itertools.count(1)


class Instance:
    """A sandbox with its place in the plugin's history: which instance it is, and how many calls it has served."""

    __slots__ = ("calls", "code", "exchange", "generation", "number", "sandbox")

    def __init__(self, code: Code, sandbox: Sandbox, exchange: Exchange, generation: int) -> None:
        self.code = code
        self.sandbox = sandbox
        self.exchange = exchange
        self.generation = generation
        self.number = next(_numbers)
        self.calls = 0


@dataclass(slots=True)
class _Waiter:
    woken: threading.Event
    granted: bool = False


class _Inside(threading.local):
    """The pools this thread is inside of: a call from a plugin's own host call must not wait for itself."""

    pools: tuple[InstancePool, ...] = ()


_inside = _Inside()


class InstancePool:
    """Slots for the instances of one plugin.

    Parameters
    ----------
    kind : int or "fresh"
        How many instances live between calls; ``"fresh"`` keeps none and makes a new one for every call.
    at_once : int
        How many instances there may be at once with ``"fresh"``.
    """

    def __init__(self, plugin: str, code: Code, kind: Instances, at_once: int) -> None:
        self.plugin = plugin
        self._code = code
        self.kind = kind
        self.generation = 0
        self.started = False  # whether an instance was ever made of this code
        self.failed = False  # whether the last one failed to initialize
        self._size = at_once if kind == "fresh" else kind
        self._lock = threading.Lock()
        self._idle: list[Instance] = []
        self._busy = 0
        self._waiting: deque[_Waiter] = deque()
        self._closed = False

    def acquire(self, scope: CallScope, queue_limit: int) -> Instance | None:
        """Wait for a slot; the instance in it, or None for an empty one. `release` must follow.

        Raises
        ------
        PluginNotReady
            Closed meanwhile, or the plugin was called from its own host call.
        ResourceExhausted
            More calls wait than may.
        Cancelled
            While it waited.
        """
        with self._lock:
            self._check_open()
            if self._busy < self._size and not self._waiting:
                return self._take()
            if self in _inside.pools:
                raise PluginNotReady(f"{self.plugin} was called from its own host call, and has no other instance.")
            if len(self._waiting) >= queue_limit:
                raise ResourceExhausted(f"{len(self._waiting)} calls of {self.plugin} are waiting already.")
            waiter = _Waiter(threading.Event())
            self._waiting.append(waiter)
        return self._wait(waiter, scope)

    def _check_open(self) -> None:
        if self._closed:
            raise PluginNotReady(f"{self.plugin} is unloaded.", hint=f"Load it again under the name {self.plugin}.")

    def _take(self) -> Instance | None:
        self._busy += 1
        instance = self._idle.pop() if self._idle else None
        _inside.pools = (*_inside.pools, self)
        return instance

    def _wait(self, waiter: _Waiter, scope: CallScope) -> Instance | None:
        remove = scope.on_cancel(waiter.woken.set)
        try:
            waiter.woken.wait()
        finally:
            remove()
        with self._lock:
            if waiter.granted:
                self._busy -= 1  # it was booked for us by whoever made room
                if scope.ended is None and not self._closed:
                    return self._take()
                self._wake_next()
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            if scope.ended is not None:
                raise scope.ended
            self._check_open()
        raise PluginNotReady(f"{self.plugin} is not ready.")

    def release(self, instance: Instance | None, *, keep: bool) -> None:
        """Give a slot back, with the instance that is to be kept in it."""
        close: Instance | None = None
        with self._lock:
            pools = list(_inside.pools)
            pools.remove(self)
            _inside.pools = tuple(pools)
            self._busy -= 1
            usable = keep and not self._closed and self.kind != "fresh"
            if instance is not None:
                if usable and instance.generation == self.generation:
                    self._idle.append(instance)
                else:
                    close = instance
            self._wake_next()
        if close is not None:
            close.sandbox.close()

    def _wake_next(self) -> None:
        if self._waiting and self._busy < self._size:
            waiter = self._waiting.popleft()
            waiter.granted = True
            self._busy += 1
            waiter.woken.set()

    def generation_of(self, code: Code) -> int:
        """The generation an instance of this code belongs to: an outdated one's is over already."""
        with self._lock:
            return self.generation if code is self._code else -1

    def renew(self, code: Code, kind: Instances, at_once: int) -> list[Instance]:
        """Start a new generation: the idle instances are handed over to be closed, busy ones close when they return."""
        with self._lock:
            self.generation += 1
            self._code = code
            self.started = self.failed = False
            self.kind = kind
            self._size = at_once if kind == "fresh" else kind
            idle, self._idle = self._idle, []
            return idle

    def close(self) -> list[Instance]:
        """Take no more calls; the idle instances are handed over to be closed, waiting calls are woken and refused."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            waiting, self._waiting = list(self._waiting), deque()
        for waiter in waiting:
            waiter.woken.set()
        return idle

    def open(self) -> None:
        """Take calls again."""
        with self._lock:
            self._closed = False

    @property
    def idle(self) -> int:
        """How many instances wait for a call."""
        return len(self._idle)
