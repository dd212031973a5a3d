"""The one ticker of this process. It ticks only while calls run.

Wasmtime's epoch belongs to the whole engine, so there is one ticker, and each store looks at its own limits when the
epoch moves. The ticker never decides anything.

A call announces itself by entering `running`; when nothing has run for a few ticks the ticker parks. Entering and
parking cannot miss each other: the call writes `running` and then reads `parked`; the ticker writes `parked` and then
reads `running`.

All limits of time hang on this thread, and an exception can end a thread at any bytecode (MemoryError, or what a
debugger raises in it). So it cannot die unseen:

- Its loop outlives exceptions.
- A second thread, the watch, looks at it while calls run: it replaces a ticker that has ended, and advances the epoch
  itself as long as the ticker does not. The ticker looks at the watch in turn.
- `beat` is the time of the last turn after which both were well. Each entry looks at it. Where the beat is old, the
  entry waits for a new beat, and is refused if none comes. An old beat alone refuses nothing: a thread that holds the
  GIL, or a stop of the process, delays the beat as well.
- No lock is held where an exception could leave it held: what the two sleep on is a `_Wakeup`, and they replace each
  other without a lock. A thread that finds another in its place leaves.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from time import monotonic

from judicia_notebook.engine import threads
from judicia_notebook.errors import ResourceExhausted

TICK = 0.01
"""Seconds between two ticks."""

WATCH = 0.05
"""Seconds between two looks of the watch at the ticker."""

STALE = 1.0
"""Seconds after which an entry wants to see another beat."""

PATIENCE = 5.0
"""Seconds that an entry waits for that beat."""

_FEWEST_LOOKS = 100  # however long each of them took: a busy process must not look like a dead ticker
_LOOK = 0.002
_RETRY = 1.0  # seconds until a thread that could not be started is tried again
_IDLE_TICKS = 5
_PURPOSE = "to enforce time limits"


class _Wakeup:
    """What a thread sleeps on, for a while or until another thread wakes it.

    It is a single lock of C. An Event guards itself with another lock, which stays held for ever if an exception ends
    a thread at the wrong moment.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """End the sleep, or the next one."""
        with contextlib.suppress(RuntimeError):  # set already
            self._lock.release()

    def is_set(self) -> bool:
        """Whether it was set, and the thread that sleeps on it has not woken yet."""
        return not self._lock.locked()

    def wait(self, seconds: float = -1) -> None:
        """Sleep until it is set, or for so many seconds."""
        self._lock.acquire(timeout=seconds)


class Ticker:
    """Calls `advance` every `interval` seconds while `running` is not empty.

    Attributes
    ----------
    running : dict
        The sandboxes that want ticks, by their keys.
    parked : bool
        Whether no tick comes before `wake`.
    ticks, turns : int
        How often the epoch was advanced by the ticker, and how often it has come round.
    beat : float
        ``monotonic`` of the last turn after which ticker and watch were well.
    """

    def __init__(self, advance: Callable[[], object], interval: float = TICK) -> None:
        self.interval = interval
        self.running: dict[int, object] = {}
        self.parked = True
        self.ticks = self.turns = 0
        self.beat = 0.0
        self._advance = advance
        self._wake, self._watch_wake = _Wakeup(), _Wakeup()
        self._woken = self._tried = 0.0
        self._idle = 0
        self._trouble = ""
        self._starting = threading.RLock()  # re-entrant: a signal handler may make a call
        self._thread: threads.Thread | None = None
        self._watch: threads.Thread | None = None

    # On the thread of a call ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Make sure that ticks can come; called by each entry that finds the ticker parked or its beat old.

        Raises
        ------
        ResourceExhausted
            The system gives no thread, or the ticker shows no sign of life.
        """
        if self.parked and self._is_ready():
            return
        turns = self.turns
        with self._starting:
            self._start_threads()
        self.wake()
        self._wait_for_turn(turns)

    def wake(self) -> None:
        """Make sure that ticks come; for a call that has entered `running` and sees the ticker parked."""
        if not self._wake.is_set():
            self._woken = monotonic()
        self._wake.set()
        self._watch_wake.set()

    def _is_ready(self) -> bool:
        """Whether both threads sleep, and not through what should have woken them."""
        late = self._wake.is_set() and monotonic() - self._woken > STALE
        return not late and threads.is_alive(self._thread) and threads.is_alive(self._watch)

    def _start_threads(self) -> None:
        if not threads.is_alive(self._thread):
            threads.wait_for_arrival(self._start_ticker(), _PURPOSE)
        if not threads.is_alive(self._watch):
            threads.wait_for_arrival(self._start_watch(), _PURPOSE)

    def _wait_for_turn(self, turns: int) -> None:
        """Wait until the ticker has come round.

        Raises
        ------
        ResourceExhausted
            It has not.
        """
        until, looks = monotonic() + PATIENCE, 0
        while self.turns == turns:
            if looks > _FEWEST_LOOKS and monotonic() > until:
                trouble = f" (the last error there: {self._trouble})" if self._trouble else ""
                raise ResourceExhausted(
                    f"No plugin can run now: the thread that enforces time limits shows no sign of life{trouble}.",
                    hint="faulthandler.dump_traceback() shows where each thread is; a new kernel helps in any case.",
                )
            looks += 1
            time.sleep(_LOOK)

    # On both threads of the ticker ----------------------------------------------------------------------------

    def _start_ticker(self) -> threads.Thread:
        thread = threads.Thread(self._run, "judicia-ticker", debugged=False)
        threads.start(thread, _PURPOSE)
        self._thread = thread
        return thread

    def _start_watch(self) -> threads.Thread:
        thread = threads.Thread(self._run_watch, "watch-of-judicia-ticker", debugged=False)
        threads.start(thread, _PURPOSE)
        self._watch = thread
        return thread

    def _replace(self, thread: threads.Thread | None, start: Callable[[], object]) -> bool:
        """Start the other thread if it has ended; whether it is there."""
        if threads.is_alive(thread):
            return True
        if monotonic() - self._tried < _RETRY:
            return False
        self._tried = monotonic()
        with contextlib.suppress(ResourceExhausted):
            start()
        return False  # the next look shows whether it lives

    def _outlive(self, step: Callable[[], None], replaced: Callable[[threading.Thread], bool]) -> None:
        """Do a step again and again, whatever it raises, until another thread has the place of this one."""
        me = threading.current_thread()
        while not replaced(me):
            try:
                step()
            except BaseException as error:
                self._trouble = type(error).__name__

    # The ticker -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._idle = 0
        self._set_out()
        self._outlive(self._turn, lambda me: self._thread is not me and threads.is_alive(self._thread))

    def _turn(self) -> None:
        if self._idle >= _IDLE_TICKS:
            self._park()
            self._idle = 0
        self._wake.wait(self.interval)
        if self.running:
            self._idle = 0
            self._advance()
            self.ticks += 1
        else:
            self._idle += 1
        self.turns += 1
        if self._replace(self._watch, self._start_watch):
            self.beat = monotonic()

    def _park(self) -> None:
        # First `parked`, then `running`: an entering call does it the other way round.
        self.parked = True
        if not self.running:
            self._wake.wait()
        self._set_out()

    def _set_out(self) -> None:
        self.beat = monotonic()
        self.parked = False
        self._watch_wake.set()

    # The watch ------------------------------------------------------------------------------------------------

    def _run_watch(self) -> None:
        self._outlive(self._look, lambda me: self._watch is not me and threads.is_alive(self._watch))

    def _look(self) -> None:
        if self.parked and not self.running:
            self._watch_wake.wait()
        turns = self.turns
        self._watch_wake.wait(WATCH)
        if self.running and self.turns == turns:
            self._advance()
        self._replace(self._thread, self._start_ticker)
