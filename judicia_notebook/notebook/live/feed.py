"""A steady beat for a widget whose views are open in a browser.

A `Feed` belongs to one widget. It knows which of its views are open. While at least one view is open, it calls `beat` a
few times a second from a thread of its own. Without a view there is no thread. It knows neither plugins nor messages.

- A view says hello, then every few seconds that it is alive, then bye. A view may go without a bye: its tab was closed,
  or its page loaded again. The feed drops it after a lease of silence.
- A kernel that runs a cell may read no messages. So a view's silence counts only while the kernel's event loop runs:
  each beat schedules a mark in the loop, and the next beat checks whether the loop has set it.
- A message from a view that was dropped by mistake opens the view again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable

from judicia_notebook.engine import interrupts, threads

LEASE_SECONDS = 20.0
MOST_VIEWS = 32

_log = logging.getLogger(__name__)


class Feed:
    """Calls `beat` every `seconds` while a view is open.

    Parameters
    ----------
    beat : callable
        Called on the feed's thread; an exception is logged once.
    opened, closed : callable
        Called before the first view is there, and after the last one has gone.
    seconds : float
        From the end of one beat to the next.
    lease : float
        Seconds of silence after which a view counts as gone.
    """

    def __init__(
        self,
        beat: Callable[[], object],
        *,
        opened: Callable[[], object],
        closed: Callable[[], object],
        seconds: float = 0.3,
        lease: float = LEASE_SECONDS,
    ) -> None:
        self._beat = beat
        self._opened = opened
        self._closed_hook = closed
        self._seconds = seconds
        self._lease = lease
        # Re-entrant: a signal handler may use the feed while its own thread holds the lock.
        self._lock = threading.RLock()
        self._silent: dict[str, float] = {}  # seconds of silence that count, by view
        self._stop: threading.Event | None = None  # of the thread that beats now
        self._thread: threads.Thread | None = None
        self._ended = False
        self._failed = False
        self._ear = _Ear()

    @property
    def views(self) -> int:
        """How many views are open."""
        return len(self._silent)

    def has(self, view: str) -> bool:
        """Whether this view is open."""
        return view in self._silent

    @property
    def running(self) -> bool:
        """Whether there is a thread."""
        return self._stop is not None and threads.is_alive(self._thread)

    def hear(self, view: str) -> bool:
        """Count a view's message as a sign of life. Returns whether the view is new, or had been dropped.

        Raises
        ------
        ResourceExhausted
            There is no thread. The view may say hello again.
        """
        with self._lock:
            if self._ended or (view not in self._silent and len(self._silent) >= MOST_VIEWS):
                return False
            known = view in self._silent and self.running
            self._silent[view] = 0.0
            if self._stop is None:
                self._opened()
                self._stop = threading.Event()
            self._keep_beating(self._stop)
            return not known

    def _keep_beating(self, stop: threading.Event) -> None:
        """Start a thread, if there is none or it has ended."""
        if threads.is_alive(self._thread):
            return
        thread = threads.Thread(lambda: self._run(stop), "judicia-panel")
        try:
            threads.start(thread, "for a live view")
            threads.wait_for_arrival(thread, "for a live view")
        except BaseException:
            # Without a thread nothing counts the views' silence: none of them would ever be dropped.
            self._silent.clear()
            self._rest_without_views()
            raise
        self._thread = thread

    def bye(self, view: str) -> None:
        """A view has gone."""
        with self._lock:
            self._silent.pop(view, None)
            self._rest_without_views()

    def close(self) -> None:
        """End it for good."""
        with self._lock:
            self._ended = True
            self._silent.clear()
            self._rest_without_views()

    def _rest_without_views(self) -> None:
        if not self._silent and self._stop is not None:
            self._stop.set()
            self._stop = self._thread = None
            self._closed_hook()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._seconds):
            try:
                self._beat()
                if self._ear.listened():
                    self._count_silence(stop)
            except BaseException:  # the next message of a view replaces a thread that ends all the same
                if not self._failed:
                    self._failed = True
                    _log.exception("A live view could not be brought up to date.")

    def _count_silence(self, stop: threading.Event) -> None:
        with self._lock:
            if stop.is_set():
                return
            for view in tuple(self._silent):
                self._silent[view] += self._seconds
                if self._silent[view] > self._lease:
                    del self._silent[view]
            self._rest_without_views()


class _Ear:
    """Whether the event loop that this was made in has run since the last check."""

    def __init__(self) -> None:
        self._came_by = True
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:  # no kernel: the caller speaks to the feed directly
            self._loop = None

    def listened(self) -> bool:
        if interrupts.in_foreground() is not None:  # a cell is inside a call, and the loop cannot run
            return False
        loop = self._loop
        if loop is None or loop.is_closed():
            return True
        came_by, self._came_by = self._came_by, False
        if came_by:  # otherwise the mark of an earlier beat still waits in the loop
            with contextlib.suppress(RuntimeError):  # the loop was closed just now
                loop.call_soon_threadsafe(self._mark)
        return came_by

    def _mark(self) -> None:
        self._came_by = True
