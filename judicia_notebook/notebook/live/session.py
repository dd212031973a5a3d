"""The kernel's half of a live widget: its views come and go, ask for operations, and are told what holds.

`LiveSession` is what panel, charts and call card have in common; ``session.js`` is the other half. It knows neither
widgets nor plugins.

- A page says hello, alive and bye. A `Feed` counts the views, and calls `_beat` while there is one.
- A page asks for one operation at a time. It is answered ``done``, with the revision of a state that has it, or
  ``refused`` with the error. A message that makes no sense is refused as well, and nothing that a page says raises.
- A state is sent whole under a revision that only rises, so that a page can tell an old state from a new one.
- A message that cannot be sent is dropped: the comm may be gone, and who changed a policy has nothing to do with that.
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
    """Serves the views of one widget. A subclass says what an operation does and what a view is told.

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
        """End everything that it keeps going."""
        self.feed.close()

    def card(self) -> Card:
        """What is to be seen where there is no kernel."""
        raise NotImplementedError

    # What a subclass says -------------------------------------------------------------------------------------

    def _operate(self, operation: messages.Operation) -> int:
        """Carry out an operation; the revision of a state that has it."""
        raise NotImplementedError

    def _welcome(self, view: str) -> None:
        """A view is new, or was thought to be gone: tell it everything."""
        raise NotImplementedError

    def _beat(self) -> None:
        """Tell what is new; called on the feed's thread while a view is open."""
        raise NotImplementedError

    def _open(self) -> None:
        """The first view is about to be there."""

    def _rest(self) -> None:
        """The last view has gone."""

    # What a page says -----------------------------------------------------------------------------------------

    def receive(self, content: object) -> None:
        """One message of the page, whatever it is; nothing is raised."""
        try:
            message = messages.read(content)
            if isinstance(message, messages.Operation):
                revision = self._operate(message)
                self._send(messages.Done(id=message.id, revision=revision))
            elif message.type == "bye":
                self.feed.bye(message.view)
            elif self.feed.heard(message.view) or message.type == "hello":
                self._welcome(message.view)
        except Exception as error:  # a refusal is an answer too, and the kernel's log is no place for it
            self._send(messages.refusal(messages.id_of(content), error))

    # What the kernel says -------------------------------------------------------------------------------------

    def _send_state(self, text: Callable[[], str]) -> int:
        """Send what holds now, under the next revision, which is returned."""
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
