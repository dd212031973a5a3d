"""Threads for calls in the background.

The package makes these threads itself, and uses no executor, for three reasons: a guest needs half a megabyte of native
stack, so they are made with room to spare; they must not keep the interpreter from exiting while a guest spins; and
none of them may be lost with its work. An exception can end a thread at any bytecode:

- Each work comes with a function, `lost`, that is called if its thread ends before it. So no caller waits for ever.
- A thread that ends calls it on its way out. Where it could not, the next caller that brings work or waits notices the
  ended thread, and calls it (`check`).
- Work that waits in the queue gets another thread then. If the system gives none, its `lost` is called, too.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from judicia_notebook.engine import threads
from judicia_notebook.engine.interrupts import Changed
from judicia_notebook.engine.safety import THREAD_STACK
from judicia_notebook.errors import ResourceExhausted

MOST = 64
IDLE_SECONDS = 5.0
LOOK_SECONDS = 0.5
"""Seconds after which a caller that waits for work looks whether its thread is still there."""

_PURPOSE = "for a call in the background"

_stack_size = threading.RLock()  # re-entrant for the same reason as the lock below


Lost = Callable[[BaseException], object]


class _Job:
    """Work, and the function that is called if its thread ends before it."""

    __slots__ = ("lost", "work")

    def __init__(self, work: Callable[[], object], lost: Lost | None) -> None:
        self.work = work
        self.lost = lost


class _Worker(threads.Thread):
    """A thread, and the work that it is at."""

    job: _Job | None = None


class Workers:
    """Runs functions on daemon threads, as many as are needed at once, up to `most`."""

    def __init__(self, name: str = "judicia-call", most: int = MOST) -> None:
        self._name = name
        self._most = most
        # Its lock is re-entrant: a signal handler that cancels a queued call may come in while its thread is inside.
        self._ready = Changed()
        self._waiting: deque[_Job] = deque()
        self._threads: set[_Worker] = set()
        self._idle: set[_Worker] = set()
        self._closed = False

    def run(self, work: Callable[[], object], lost: Lost | None = None) -> None:
        """Have `work` called on one of the threads. It must keep its exceptions to itself.

        Parameters
        ----------
        work : callable
        lost : callable, optional
            ``lost(error)`` is called once or more, on any thread, if the thread ended before the work did. It may
            also come when the work has just ended.

        Raises
        ------
        ResourceExhausted
            There is no thread and the system gives none; the work is not done.
        """
        job = _Job(work, lost)
        with self._ready:
            self._waiting.append(job)
            if self._is_staffed():
                return
        self.check()
        try:
            self._hire()
        except ResourceExhausted:
            with self._ready:
                if self._threads or job not in self._waiting:
                    return  # a thread that is there will come to it
                self._waiting.remove(job)
            raise

    def check(self) -> None:
        """Look for threads that have ended at their work: call its `lost`, and replace them."""
        with self._ready:
            ended = [thread for thread in self._threads if thread.begun and not thread.is_alive()]
        for thread in ended:
            self._leave(thread, RuntimeError("its thread has ended"))

    def wait_until(self, changed: Changed, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until work here makes `predicate` true, without the lock of `changed`, and look after the threads."""
        until = float("inf") if timeout is None else time.monotonic() + timeout
        while not changed.wait_until(predicate, max(0.0, min(LOOK_SECONDS, until - time.monotonic()))):
            if time.monotonic() >= until:
                return False
            self.check()
        return True

    def close(self) -> None:
        """Let the idle threads end, and the others after their work."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def _free(self) -> int:
        return sum(thread.is_alive() for thread in self._idle)

    def _is_staffed(self) -> bool:
        """Whether threads that are free suffice for what waits; with the lock held."""
        self._ready.notify()
        return self._free >= len(self._waiting)

    def _hire(self) -> None:
        """Start one more thread, if it is needed and may be.

        Raises
        ------
        ResourceExhausted
        """
        with self._ready:
            if self._is_staffed() or len(self._threads) >= self._most:
                return
            thread = _Worker(lambda: self._serve(thread), self._name)
            self._threads.add(thread)
        try:
            with _stack_size:  # the size is the process's: no other thread of ours may start in between
                before = threading.stack_size(THREAD_STACK)
                try:
                    threads.start(thread, _PURPOSE)
                finally:
                    threading.stack_size(before)
            threads.wait_for_arrival(thread, _PURPOSE)
        except BaseException:
            with self._ready:
                self._threads.discard(thread)
            raise

    # On one of the threads ------------------------------------------------------------------------------------

    def _serve(self, me: _Worker) -> None:
        error: BaseException = RuntimeError("its thread has ended")
        try:
            while (job := self._next(me)) is not None:
                job.work()
                me.job = None
                del job  # a call's payload and answer are not kept by an idle thread
        except BaseException as raised:
            error = raised
            if me.job is None or me.job.lost is None:
                raise
        finally:
            self._leave(me, error)

    def _next(self, me: _Worker) -> _Job | None:
        """The next work; None when none came for a while, and the thread is to end."""
        until = time.monotonic() + IDLE_SECONDS
        with self._ready:
            self._idle.add(me)
            try:
                while not self._waiting:
                    left = until - time.monotonic()
                    if self._closed or left <= 0:
                        self._threads.discard(me)
                        return None
                    self._ready.wait(left)
                me.job = self._waiting[0]  # noted before it leaves the queue: no thread's end in between loses it
                self._waiting.popleft()
                return me.job
            finally:
                self._idle.discard(me)

    def _leave(self, thread: _Worker, error: BaseException) -> None:
        """Strike off a thread that ends or has ended: call the `lost` of its work, and hire for the work that waits."""
        with self._ready:
            self._threads.discard(thread)
            self._idle.discard(thread)
            job, thread.job = thread.job, None
            if job in self._waiting:
                job = None
        if job is not None and job.lost is not None:
            job.lost(error)
        if self._waiting:
            self._hire_or_tell()

    def _hire_or_tell(self) -> None:
        try:
            self._hire()
        except ResourceExhausted as error:
            with self._ready:
                if self._threads:
                    return
                abandoned, self._waiting = self._waiting, deque()
            for job in abandoned:
                if job.lost is not None:
                    job.lost(error)


class Attendance:
    """Sees to it that one thread at a time serves a queue, and that it is served again after a thread was lost.

    Parameters
    ----------
    workers : Workers
    lock : RLock
        Of the queue; `ask` and `end` are called with it held.
    serve : callable
        What the thread does until nothing waits; then it calls `end`.
    lost : callable
        ``lost(error)``: the thread ended before that. Called with the lock held.
    """

    def __init__(
        self, workers: Workers, lock: contextlib.AbstractContextManager[object], serve: Callable[[], object], lost: Lost
    ) -> None:
        self._workers = workers
        self._lock = lock
        self._serve = serve
        self._on_lost = lost
        self._asked: object = None  # a thread is asked for and has not come yet
        self._there: object = None

    def ask(self) -> None:
        """Have a thread come, if none is there or on its way."""
        if self._asked is not None or self._there is not None:
            return
        visit = object()
        with contextlib.suppress(ResourceExhausted):  # there is no thread: the next caller asks again
            try:
                self._asked = visit
                self._workers.run(partial(self._come, visit), partial(self._lose, visit))
            except BaseException:
                self._asked = None
                raise

    def end(self) -> None:
        """The thread leaves."""
        self._there = None

    def _come(self, visit: object) -> None:
        with self._lock:
            if self._asked is visit:
                self._asked = None
            if self._there is not None:
                return
            self._there = visit
        self._serve()

    def _lose(self, visit: object, error: BaseException) -> None:
        with self._lock:
            if self._asked is visit:
                self._asked = None
            elif self._there is visit:
                self._there = None
            else:
                return
            self._on_lost(error)
