"""Blocking work on threads of its own, so that a call ends on time whatever a disk, a database or a name server does.

A system call that waits for a disk or a server cannot be interrupted. So the thread inside the guest never makes one:

- The guest's thread hands the work to a worker thread and waits for it. It stops waiting when the call is cancelled or
  its time is up, and abandons the work.
- The worker asks before each step whether its work was abandoned, above all before the step that makes a change
  visible. Then it stops and cleans up.
- A plugin may have `MOST_ABANDONED` pieces of abandoned work that still hang. It gets no further thread until one ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from judicia_notebook.engine.invocation import SLICE, Latch
from judicia_notebook.engine.workers import Workers
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.host.dispatcher import ServiceError

MOST_THREADS: Final = 32
"""Threads for one kind of work, of all plugins of a runtime."""

MOST_ABANDONED: Final = 4
"""Pieces of work of one plugin that may hang after their calls have ended."""

T = TypeVar("T")


class Abandoned(Exception):
    """The call that this work was for has ended."""


class Waiting(Protocol):
    """The call that waits for the work: a `CallScope`, or a request within a call that has less time."""

    @property
    def plugin(self) -> str:
        """The plugin's name."""

    def on_cancel(self, hook: Callable[[], None]) -> Callable[[], None]:
        """Have `hook` called when the call is cancelled. The returned function takes it back."""

    def check(self) -> BaseException | None:
        """The error that ends the call; None while it may go on."""

    def remaining(self) -> float | None:
        """Seconds that are left; None without a limit."""


class Task(Generic[T]):
    """One piece of work, and its result."""

    __slots__ = ("_work", "abandoned", "done", "error", "value", "woken")

    def __init__(self, work: Callable[[Task[T]], T]) -> None:
        self._work = work
        self.done = self.abandoned = False
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
        Abandoned
        """
        if self.abandoned:
            raise Abandoned


class Offload:
    """The threads of one runtime for one kind of work, and the calls that wait for it.

    Parameters
    ----------
    name : str
        Of the threads.
    what, waits_for : str
        Nouns for the texts to the guest: the thing that the work is done with, and the thing that it waits for.
    """

    def __init__(self, name: str = "judicia-files", what: str = "files", waits_for: str = "the file system") -> None:
        self._workers = Workers(name, most=MOST_THREADS)
        self._what = what
        self._waits_for = waits_for
        self._lock = threading.RLock()  # a signal handler may come in while its thread is inside
        self._abandoned: dict[str, list[Task[Any]]] = {}  # by plugin: work that hangs and that no call waits for

    def close(self) -> None:
        """Let the threads end. A thread that hangs ends when its system call returns."""
        self._workers.close()

    def run(self, call: Waiting, work: Callable[[Task[T]], T]) -> T:
        """Have `work` done, and wait for it as long as the call may.

        Raises
        ------
        ServiceError
            What the work raises, and ``failed`` where earlier work of this plugin still hangs.
        CallError
            The call was cancelled, or a limit ended it.
        """
        plugin = call.plugin
        if self._hanging(plugin) >= MOST_ABANDONED:
            raise ServiceError("failed", f"earlier work with {self._what} still waits for {self._waits_for}")
        task = Task(work)
        remove = call.on_cancel(task.woken.set)
        ended: BaseException | None = None
        try:
            self._start(task)
            while not task.done and (ended := call.check()) is None:
                rest = call.remaining()
                if not task.woken.wait(SLICE if rest is None else min(SLICE, rest + 0.001)):
                    self._workers.check()  # the worker may have been ended from outside
        finally:
            remove()
            self._abandon(plugin, task)
        try:
            if task.error is not None and not isinstance(task.error, Abandoned):
                raise task.error
            if task.abandoned and ended is not None:
                raise ended
            return task.value  # type: ignore[return-value]  # it is done, and well
        finally:
            del task, ended  # the traceback of what is raised has this frame

    def _start(self, task: Task[Any]) -> None:
        try:
            self._workers.run(task, task.lost)
        except ResourceExhausted:
            task.done = True
            raise ServiceError("failed", f"there is no thread for work with {self._what}") from None

    def _abandon(self, plugin: str, task: Task[Any]) -> None:
        with self._lock:
            if not task.done:
                task.abandoned = True
                self._abandoned.setdefault(plugin, []).append(task)

    def _hanging(self, plugin: str) -> int:
        """How much earlier work of a plugin hangs."""
        with self._lock:
            hanging = self._abandoned[plugin] = [task for task in self._abandoned.get(plugin, ()) if not task.done]
            return len(hanging)
