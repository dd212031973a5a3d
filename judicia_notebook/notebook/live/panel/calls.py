"""The calls a panel makes: a single call, or a call every so many milliseconds, always in the background.

They are ordinary calls of the plugin, under its quotas, recorded with the origin ``panel``. The panel shows a call's
error and raises nothing. A repetition goes on through errors: it is there to show a plugin while it is denied.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from judicia_notebook.context import via
from judicia_notebook.engine import threads
from judicia_notebook.errors import CallError, InvalidPayload, JudiciaError
from judicia_notebook.notebook import line_parser
from judicia_notebook.notebook.live.answers import error_text, value_text
from judicia_notebook.notebook.live.panel.state import Answer
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.runtime.handle import CallHandle
    from judicia_notebook.runtime.plugin import Plugin


def payload_of(text: str) -> Any:
    """The JSON that the user typed; None for an empty text.

    Raises
    ------
    InvalidPayload
        It is no JSON.
    """
    if not text.strip():
        return None
    try:
        return line_parser.decode(text)
    except (line_parser.LineError, RecursionError) as error:
        raise InvalidPayload(f"The payload: {error}.") from None


class PanelCalls:
    """Makes a panel's calls, and keeps the last result.

    Parameters
    ----------
    changed : callable
        Called when a single call has ended, on the thread that ran it.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._lock = threading.RLock()
        self._handle: CallHandle | None = None
        self._stop: threading.Event | None = None  # of the repetition that goes on
        self._made = self._failed = 0
        self._thread: threads.Thread | None = None  # that repeats
        self._repeating = ""
        self.answer: Answer | None = None

    @property
    def made(self) -> int:
        """How many calls have ended since the last `make`."""
        return self._made

    @property
    def repeating(self) -> str:
        """The function that is called again and again; empty without a repetition."""
        return self._repeating if threads.is_alive(self._thread) else ""

    def make(self, plugin: Plugin, function: str, payload: Any, every_s: float | None = None) -> None:
        """Call a function now; again and again, if `every_s` is given. An earlier repetition ends.

        Raises
        ------
        NoSuchFunction, PluginNotReady, InvalidPayload, ResourceExhausted
            No call was made.
        """
        self.stop()
        with self._lock, via("panel"):
            handle = self._handle = plugin.submit(function, payload)
            self._made = self._failed = 0
            self.answer = None
            if every_s is None:
                handle.add_done_callback(self._ended_alone)
                return
            stop = self._stop = threading.Event()
            self._repeating = printable(f"{plugin.name}.{function} every {every_s * 1000:g} ms", 200)
            repeat = partial(self._repeat, plugin, function, payload, every_s, stop, handle)
            thread = self._thread = threads.Thread(repeat, "judicia-panel-calls")
        try:
            threads.start(thread, "to call it again")
            threads.wait_for_arrival(thread, "to call it again")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the repetition and its running call. A single call goes on."""
        with self._lock:
            stop, self._stop = self._stop, None
            self._repeating = ""
            if stop is None:
                return
            stop.set()
            handle = self._handle
        if handle is not None:
            handle.cancel()

    def close(self) -> None:
        """End all calls of this panel."""
        self.stop()
        handle = self._handle
        if handle is not None:
            handle.cancel()

    def _ended_alone(self, handle: CallHandle) -> None:
        self._note(handle)
        self._changed()

    def _repeat(
        self,
        plugin: Plugin,
        function: str,
        payload: Any,
        every_s: float,
        stop: threading.Event,
        handle: CallHandle,
    ) -> None:
        began = time.monotonic()
        while True:
            handle.exception()  # waits for its end
            if stop.is_set():
                return
            self._note(handle)
            if stop.wait(max(0.0, began + every_s - time.monotonic())):
                return
            began = time.monotonic()
            try:
                with self._lock, via("panel"):
                    if stop.is_set():
                        return
                    handle = self._handle = plugin.submit(function, payload)
            except JudiciaError as error:  # unloaded, or its function is gone
                self.answer = _failure(function, error, "", self._made, self._failed)
                self.stop()
                self._changed()
                return

    def _note(self, handle: CallHandle) -> None:
        """Keep a call's result."""
        error = handle.exception()
        record = handle.record
        cost = record.cost_line() if record is not None else ""
        self._made += 1
        if error is None:
            text = value_text(handle.result())
            self.answer = Answer(
                function=handle.function, ok=True, text=text, cost=cost, made=self._made, failed=self._failed
            )
        else:
            self._failed += 1
            self.answer = _failure(handle.function, error, cost, self._made, self._failed)


def _failure(function: str, error: BaseException, cost: str, made: int, failed: int) -> Answer:
    if isinstance(error, CallError) and error.record is not None:
        cost = error.record.cost_line()
    return Answer(function=function, ok=False, text=error_text(error), cost=cost, made=made, failed=failed)
