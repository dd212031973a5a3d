"""Threads for calls in the background.

Ours rather than an executor's, for two reasons: a guest needs half a megabyte of native stack, so they are made with
room to spare, and they must not keep the interpreter from exiting while a guest spins.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from judicia_notebook.engine.safety import THREAD_STACK

MOST = 64
IDLE_SECONDS = 5.0

_stack_size = threading.Lock()


class Workers:
    """Runs functions on daemon threads, as many as are needed at once, up to `most`."""

    def __init__(self, name: str = "judicia-call", most: int = MOST) -> None:
        self._name = name
        self._most = most
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads = 0
        self._free = 0

    def run(self, work: Callable[[], None]) -> None:
        """Have `work` called on one of the threads. It must keep its exceptions to itself."""
        with self._lock:
            self._waiting.put(work)
            if self._free >= self._waiting.qsize() or self._threads >= self._most:
                return
            self._threads += 1
        self._start()

    def _start(self) -> None:
        with _stack_size:  # the size is the process's, so nobody else may start a thread of ours in between
            before = threading.stack_size(THREAD_STACK)
            try:
                threading.Thread(target=self._serve, name=self._name, daemon=True).start()
            finally:
                threading.stack_size(before)

    def _serve(self) -> None:
        while True:
            with self._lock:
                self._free += 1
            try:
                work = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                work = None
            with self._lock:
                self._free -= 1
                if work is None and self._waiting.empty():
                    self._threads -= 1
                    return
            if work is not None:
                work()
            del work  # a call's payload and answer are not kept by an idle thread
