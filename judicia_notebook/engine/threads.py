"""Threads of ours: the code that starts a thread learns whether the thread came to its work.

``Thread.start`` returns before the thread's own function runs. A function that `threading.settrace` or `setprofile`
installed, or want of memory, may end the thread before that. Then the work is not done, and no error says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from judicia_notebook.engine.invocation import Latch
from judicia_notebook.errors import ResourceExhausted

ARRIVAL_SECONDS = 1.0
"""A thread that lives and has not come to its work after so long is slow, and not lost."""

_LOOK_SECONDS = 0.02


class Thread(threading.Thread):
    """A daemon thread that says when it has come to its work.

    Parameters
    ----------
    work : callable
        What the thread does.
    name : str
    debugged : bool
        Whether a debugger that suspends all threads suspends this one, too.
    """

    def __init__(self, work: Callable[[], object], name: str, *, debugged: bool = True) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self.arrived = Latch()
        self.begun = False  # whether the system has given a thread for it
        if not debugged:
            self.pydev_do_not_trace = self.is_pydev_daemon_thread = True

    def run(self) -> None:
        self.arrived.set()
        work = self._work
        del self._work  # it may refer to this thread, which would then wait for the garbage collector
        work()


def is_alive(thread: threading.Thread | None) -> bool:
    """Whether there is a thread, and it has not ended."""
    return thread is not None and thread.is_alive()


def start(thread: Thread, purpose: str) -> None:
    """Start a thread.

    Raises
    ------
    ResourceExhausted
        The system gives no thread.
    """
    try:
        thread.start()
        thread.begun = True
    except RuntimeError as error:
        raise ResourceExhausted(
            f"The system gives no thread {purpose}: {error}.",
            hint="`ulimit -u`, and a container's limit on pids, bound the threads of all processes together.",
        ) from None


def wait_for_arrival(thread: Thread, purpose: str) -> None:
    """Wait until a thread that was started has come to its work.

    Raises
    ------
    ResourceExhausted
        It ended before that.
    """
    until = monotonic() + ARRIVAL_SECONDS
    while not thread.arrived.wait(_LOOK_SECONDS) and monotonic() < until:
        if not thread.is_alive() and not thread.arrived.wait(0):
            raise ResourceExhausted(
                f"There is no thread {purpose}: the new thread ended before it came to its work.",
                hint="A trace function may do that: threading.settrace(None); threading.setprofile(None).",
            )
