"""File system work on threads of its own, so that a call ends on time whatever the file system does.

A system call that waits for a disk or a server cannot be interrupted. So the thread inside the guest never makes one:
it waits for a thread that does, and leaves when the call is cancelled or its time is up. What was left behind looks
whether it was before each step, in particular before the one that makes a change visible, and cleans up after itself.
A plugin whose left work still hangs gets no more threads than `MOST_LEFT`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from judicia_notebook.engine.invocation import SLICE, Latch
from judicia_notebook.engine.workers import Workers
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.host.dispatcher import ServiceError

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope

MOST_THREADS: Final = 32
"""Threads for file system work, of all plugins of a runtime."""

MOST_LEFT: Final = 4
"""Pieces of work of one plugin that may hang after their calls have ended."""

T = TypeVar("T")


class Left(Exception):
    """Nobody waits for this any more."""


class Errand(Generic[T]):
    """One piece of work, and what came of it."""

    __slots__ = ("_work", "done", "error", "left", "value", "woken")

    def __init__(self, work: Callable[[Errand[T]], T]) -> None:
        self._work = work
        self.done = self.left = False
        self.value: T | None = None
        self.error: BaseException | None = None
        self.woken = Latch()

    def __call__(self) -> None:
        try:
            self.check()
            self.value = self._work(self)
        except BaseException as error:
            self.error = error
        self.done = True
        self.woken.set()

    def lost(self, error: BaseException) -> None:
        """The thread ended before the work did."""
        if not self.done:
            self.error = self.error or ServiceError("failed", "the thread of this work was ended from outside")
            self.error.__cause__ = error
            self.done = True
        self.woken.set()

    def check(self) -> None:
        """Between two steps of the work.

        Raises
        ------
        Left
        """
        if self.left:
            raise Left


class Errands:
    """The threads of one runtime for one kind of work, and who waits for them.

    Parameters
    ----------
    name : str
        Of the threads.
    what, waits_for : str
        What the work is with and what it waits for, for the texts to the guest.
    """

    def __init__(self, name: str = "judicia-files", what: str = "files", waits_for: str = "the file system") -> None:
        self._workers = Workers(name, most=MOST_THREADS)
        self._what = what
        self._waits_for = waits_for
        self._lock = threading.RLock()  # a signal handler may come in while its thread is inside
        self._left: dict[str, list[Errand[Any]]] = {}  # by plugin: what nobody waits for any more, and hangs

    def close(self) -> None:
        """Let the threads end; one that hangs ends when its file system answers."""
        self._workers.close()

    def run(self, scope: CallScope, work: Callable[[Errand[T]], T]) -> T:
        """Have `work` done, and wait for it as long as the call may.

        Raises
        ------
        ServiceError
            What the work raises, and ``failed`` where earlier work of this plugin still hangs.
        CallError
            The call was cancelled, or a limit ended it.
        """
        plugin = scope.plugin
        if self._hanging(plugin) >= MOST_LEFT:
            raise ServiceError("failed", f"earlier work with {self._what} still waits for {self._waits_for}")
        errand = Errand(work)
        remove = scope.on_cancel(errand.woken.set)
        ended: BaseException | None = None
        try:
            self._start(errand)
            while not errand.done and (ended := scope.check()) is None:
                rest = scope.remaining()
                if not errand.woken.wait(SLICE if rest is None else min(SLICE, rest + 0.001)):
                    self._workers.check()  # whether the thread is still there that it waits for
        finally:
            remove()
            self._leave(plugin, errand)
        if errand.error is not None and not isinstance(errand.error, Left):
            raise errand.error
        if errand.left and ended is not None:
            raise ended
        return errand.value  # type: ignore[return-value]  # it is done, and well

    def _start(self, errand: Errand[Any]) -> None:
        try:
            self._workers.run(errand, errand.lost)
        except ResourceExhausted:
            errand.done = True
            raise ServiceError("failed", f"there is no thread for work with {self._what}") from None

    def _leave(self, plugin: str, errand: Errand[Any]) -> None:
        with self._lock:
            if not errand.done:
                errand.left = True
                self._left.setdefault(plugin, []).append(errand)

    def _hanging(self, plugin: str) -> int:
        """How much earlier work of a plugin hangs."""
        with self._lock:
            left = self._left[plugin] = [errand for errand in self._left.get(plugin, ()) if not errand.done]
            return len(left)
