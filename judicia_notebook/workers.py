"""Threads for calls in the background.

Ours rather than an executor's, for two reasons: a guest needs half a megabyte of native stack, so they are made with
room to spare, and they must not keep the interpreter from exiting while a guest spins.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from judicia_notebook.engine.interrupts import Changed
from judicia_notebook.engine.safety import THREAD_STACK
from judicia_notebook.errors import ResourceExhausted

MOST = 64
IDLE_SECONDS = 5.0

_stack_size = threading.RLock()  # re-entrant for the same reason as the lock below


class Workers:
    """Runs functions on daemon threads, as many as are needed at once, up to `most`."""

    def __init__(self, name: str = "judicia-call", most: int = MOST) -> None:
        self._name = name
        self._most = most
        # Its lock is re-entrant: a signal handler that cancels a queued call may come in while its thread is inside.
        self._ready = Changed()
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._free = 0
        self._closed = False

    def run(self, work: Callable[[], None]) -> None:
        """Have `work` called on one of the threads. It must keep its exceptions to itself.

        Raises
        ------
        ResourceExhausted
            There is no thread and the system gives none; the work is not done.
        """
        with self._ready:
            self._waiting.append(work)
            self._ready.notify()
            if self._free >= len(self._waiting) or self._threads >= self._most:
                return
            self._threads += 1
        try:
            self._start()
        except RuntimeError as error:
            with self._ready:
                self._threads -= 1
                if self._threads or work not in self._waiting:
                    return  # one that is there will come to it
                self._waiting.remove(work)
            raise ResourceExhausted(f"No thread is to be had for a call in the background: {error}.") from None

    def close(self) -> None:
        """Let the idle threads end, and the others when they have done what they do."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def _start(self) -> None:
        with _stack_size:  # the size is the process's, so nobody else may start a thread of ours in between
            before = threading.stack_size(THREAD_STACK)
            try:
                threading.Thread(target=self._serve, name=self._name, daemon=True).start()
            finally:
                threading.stack_size(before)

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            work()
            del work  # a call's payload and answer are not kept by an idle thread

    def _next(self) -> Callable[[], None] | None:
        """What to do next; None when there was nothing for a while, and the thread is to end."""
        until = time.monotonic() + IDLE_SECONDS
        with self._ready:
            self._free += 1
            try:
                while not self._waiting:
                    left = until - time.monotonic()
                    if self._closed or left <= 0:
                        self._threads -= 1
                        return None
                    self._ready.wait(left)
                return self._waiting.popleft()
            finally:
                self._free -= 1
