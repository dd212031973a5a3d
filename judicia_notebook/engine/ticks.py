"""The one ticker of this process. It runs only while calls run.

Wasmtime's epoch belongs to the whole engine, so there is one ticker, and each store looks at its own limits when the
epoch moves. The ticker never decides anything.

A call announces itself by entering `running`; when nothing has run for a few ticks the ticker parks. Entering and
parking cannot miss each other: the call writes `running` and then reads `parked`; the ticker writes `parked` and then
reads `running`.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from judicia_notebook.errors import ResourceExhausted

if TYPE_CHECKING:
    from collections.abc import Callable

TICK = 0.01
"""Seconds between two ticks."""

_IDLE_TICKS = 5


class Ticker:
    """Calls `advance` every `TICK` seconds while `running` is not empty."""

    def __init__(self, advance: Callable[[], object], interval: float = TICK) -> None:
        self.interval = interval
        self.running: dict[int, object] = {}
        self.parked = True
        self.ticks = 0
        self._advance = advance
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Make sure there is a thread to tick.

        Raises
        ------
        ResourceExhausted
            The system gives no thread.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name="judicia-ticker", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise ResourceExhausted(f"No thread is to be had to enforce time limits: {error}.") from None
                self._thread = thread

    def wake(self) -> None:
        """Make sure ticks come; called by a call that has entered `running` and found the ticker parked."""
        self._wake.set()

    def _run(self) -> None:
        idle = 0
        while True:
            if idle >= _IDLE_TICKS:
                self._wake.clear()
                self.parked = True
                if not self.running:
                    self._wake.wait()
                idle = 0
            self.parked = False
            time.sleep(self.interval)
            if self.running:
                idle = 0
                self.ticks += 1
                self._advance()
            else:
                idle += 1
