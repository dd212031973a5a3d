"""The kernel's half of a live widget: views come and go, request operations, and get the present state.

`LiveSession` is the common part of panel, charts and call card; ``session.js`` is the other half. It knows neither
widgets nor plugins.

- A page says hello, alive and bye. A `Feed` counts the views, and calls `_beat` while there is one.
- A page requests one operation at a time. The session answers ``done``, with the revision of a state that has it, or
  ``refused``, with the error. It refuses a malformed message as well, and no message of a page raises.
- The session sends a state whole, under a revision that only rises, so that a page can tell an old state from a new
  one.
- The session drops a message that cannot be sent: the comm may be gone, and that must not fail the caller's change of a
  policy.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.notebook.live import messages
from judicia_notebook.notebook.live.feed import Feed

if TYPE_CHECKING:
    from judicia_notebook.notebook.cards import Card

Send = Callable[[dict[str, Any]], object]

_log = logging.getLogger(__name__)


class LiveSession:
    """Serves the views of one widget. A subclass carries out operations and sends views their states.

    Parameters
    ----------
    send : callable
        ``send(message)``: to all views.
    beat_seconds : float
        From the end of one beat to the next, while a view is open.
    """

    def __init__(self, send: Send, beat_seconds: float = 0.3) -> None:
        self._send_raw = send
        self._lock = threading.RLock()  # re-entrant: a signal handler may come in while its thread is inside
        self._revision = 0
        self._sent_at = 0.0
        self.feed = Feed(self._beat, opened=self._open, closed=self._rest, seconds=beat_seconds)

    def close(self) -> None:
        """End the feed, and everything that the subclass keeps going."""
        self.feed.close()

    def card(self) -> Card:
        """The card for a page without a kernel."""
        raise NotImplementedError

    # What a subclass says -------------------------------------------------------------------------------------

    def _operate(self, operation: messages.Operation) -> int:
        """Carry out an operation. Returns the revision of a state that has it."""
        raise NotImplementedError

    def _welcome(self, view: str) -> None:
        """A view is new, or had been dropped: send it everything."""
        raise NotImplementedError

    def _beat(self) -> None:
        """Send the news; called on the feed's thread while a view is open."""
        raise NotImplementedError

    def _open(self) -> None:
        """The first view is about to be there."""

    def _rest(self) -> None:
        """The last view has gone."""

    # What a page says -----------------------------------------------------------------------------------------

    def receive(self, content: object) -> bool:
        """Take a message of the page, which may be anything; raise nothing. Returns whether that changed something."""
        try:
            message = messages.read(content)
            if isinstance(message, messages.Operation):
                revision = self._operate(message)
                self._send(messages.Done(id=message.id, revision=revision))
                return True
            if message.type == "bye":
                self.feed.bye(message.view)
            elif self.feed.hear(message.view) or message.type == "hello":
                self._welcome(message.view)
        except Exception as error:  # a refusal is an answer, too: the page shows it, not the kernel's log
            self._send(messages.refusal(messages.id_of(content), error))
        return False

    # What the kernel says -------------------------------------------------------------------------------------

    def _send_state(self, text: Callable[[], str]) -> int:
        """Send the present state under the next revision. Returns the revision."""
        with self._lock:
            self._revision += 1
            revision = self._revision
            self._send(messages.Whole(revision=revision, state=text()))
            return revision

    def _send(self, message: messages.Said) -> None:
        try:
            self._send_raw(msgspec.to_builtins(message))
        except Exception:
            _log.debug("A message to a live view was not sent.", exc_info=True)
        self._sent_at = time.monotonic()

    @property
    def _silence(self) -> float:
        """Seconds since the last message."""
        return time.monotonic() - self._sent_at
