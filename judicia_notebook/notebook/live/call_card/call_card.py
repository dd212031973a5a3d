"""A call in the background, as a card that keeps itself up to date: elapsed, CPU, host calls, Cancel, then the answer.

A `HandleSession` is the kernel's half and knows no widget; its page is ``background.js``.

- The card says what the call's handle says. Cancel is a message, pending until a state shows that the call is ending.
- While a view is open and the call goes on, a feed sends what it used; with the call, the feed ends for good. A view
  that opens later is told once how it ended.
- Texts may come from a guest: they are cut and made printable here, and the page puts them in as text.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.errors import CallError, Cancelled, PolicyError, printable
from judicia_notebook.notebook.cards import Block, Card, Line, Row
from judicia_notebook.notebook.live import messages
from judicia_notebook.notebook.live.answers import error_text, value_text
from judicia_notebook.notebook.live.feed import Feed
from judicia_notebook.notebook.live.panel.state import memory_of
from judicia_notebook.notebook.live.readings import Ticks
from judicia_notebook.notebook.live.widget import Send, live_widget
from judicia_notebook.units import format_count, format_size, format_time

if TYPE_CHECKING:
    from anywidget import AnyWidget

    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.runtime.handle import CallHandle

NAME_LIMIT = 120
BEAT_SECONDS = 0.2

_log = logging.getLogger(__name__)


class HandleState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the card shows; texts are empty where not known.

    `state` is waiting, running, ending, ok, failed or cancelled.
    """

    call: int
    title: str
    state: str
    elapsed: str
    cpu: str
    memory: str
    host_calls: int
    denied: int
    answer: str = ""
    cost: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state in ("ok", "failed", "cancelled")


def handle_state(handle: CallHandle, ticks: Ticks | None = None) -> HandleState:
    """How a call in the background goes, or went."""
    call = handle.call
    scope = call.scope
    ended = handle.done()  # first: what is read after this is of a call that has ended, or may have
    answer, cost, state = "", "", "waiting"
    if ended:
        error, record = handle.exception(), _record_of(handle)
        answer = value_text(handle.result()) if error is None else error_text(error)
        cost = record.cost_line() if record is not None else ""
        state = "ok" if error is None else "cancelled" if isinstance(error, Cancelled) else "failed"
    elif scope.ended is not None:
        state = "ending"
    elif handle.running():
        state = "running"
    ticked = (ticks or Ticks(scope.recorder)).of([scope.call_id]).get(scope.call_id)
    cpu_ns = call.cpu_ns if ended else (ticked.cpu_ns if ticked else 0)
    return HandleState(
        call=scope.call_id,
        title=printable(f"{handle.plugin}.{handle.function}", NAME_LIMIT),
        state=state,
        elapsed=format_time(handle.elapsed),
        cpu=format_time(cpu_ns / 1e9) if call.started_ns else "",
        memory=_memory(handle) if call.started_ns else "",
        host_calls=scope.host_calls,
        denied=scope.denied,
        answer=answer,
        cost=cost,
    )


def _record_of(handle: CallHandle) -> CallRecord | None:
    """Its row; also of one that the table has dropped since, if it failed and so has it in its error."""
    error = handle.exception()
    kept = error.record if isinstance(error, CallError) else None
    return handle.record or kept


def _memory(handle: CallHandle) -> str:
    if not handle.done():
        return format_size(memory_of(handle.call))
    peak = handle.call.memory_peak
    return format_size(peak) if peak >= 0 else ""


def handle_card(handle: CallHandle) -> Card:
    """A call in the background as it is now."""
    state = handle_state(handle)
    title = f"{state.title} in the background"
    if state.ended:
        cost = (Row("cost", state.cost),) if state.cost else ()
        return Card(title, state.state, (Block("answer" if state.state == "ok" else "error", state.answer), *cost))
    denied = f", {format_count(state.denied)} denied" if state.denied else ""
    calls = f"{format_count(state.host_calls)} host call{'' if state.host_calls == 1 else 's'}{denied}"
    used = [state.cpu and f"{state.cpu} cpu", calls, state.memory]
    so_far = Row("so far", " · ".join(part for part in [state.elapsed, *used] if part))
    waits = (Row("waits for", f"an instance, held by {handle.held_by}"),) if state.state == "waiting" else ()
    lines = (Line("To wait for its answer:", "handle.result()"), Line("To end it:", "handle.cancel()"))
    return Card(title, state.state, (so_far, *waits, *lines))


class HandleSession:
    """The kernel's half of the card of one call.

    Parameters
    ----------
    handle : CallHandle
    send : callable
        ``send(message)``: to all views of the card.
    """

    def __init__(self, handle: CallHandle, send: Send) -> None:
        self._handle = handle
        self._send_raw = send
        self._lock = threading.RLock()  # re-entrant: a signal handler may come in while its thread is inside
        self._revision = 0
        self._ticks = Ticks(handle.call.scope.recorder)
        self.feed = Feed(self._beat, opened=lambda: None, closed=lambda: None, seconds=BEAT_SECONDS)
        handle.add_done_callback(self._call_ended)

    def close(self) -> None:
        """End the feed. The call goes on."""
        self.feed.close()

    def receive(self, content: object) -> None:
        """One message of the page, whatever it is; nothing is raised."""
        try:
            message = messages.read(content)
            if isinstance(message, messages.CancelCall):
                self._cancel(message)
            elif isinstance(message, messages.Operation):
                raise PolicyError("The card of a call can cancel it, and nothing else.")
            elif message.type == "bye":
                self.feed.bye(message.view)
            elif self.feed.heard(message.view) or message.type == "hello":
                self.push()
        except Exception as error:  # a refusal is an answer too, and the kernel's log is no place for it
            self._send(messages.refused(messages.id_of(content), error))

    def _cancel(self, message: messages.CancelCall) -> None:
        if message.call != self._handle.call.scope.call_id:
            raise PolicyError(f"This is not the card of call {message.call}.")
        self._handle.cancel()
        self._send(messages.done(message.id, self.push()))

    def push(self) -> int:
        """Send what holds now; the revision it was sent as."""
        with self._lock:
            self._revision += 1
            text = msgspec.json.encode(handle_state(self._handle, self._ticks)).decode()
            self._send({"type": "state", "revision": self._revision, "state": text})
            return self._revision

    def _beat(self) -> None:
        self.push()

    def _call_ended(self, _: CallHandle) -> None:
        had_views = self.feed.views > 0
        self.feed.close()
        if had_views:
            self.push()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._send_raw(message)
        except Exception:  # the comm may be gone
            _log.debug("A message to the card of a call was not sent.", exc_info=True)

    def card(self) -> Card:
        """The call as it is now, for a page without a kernel."""
        return handle_card(self._handle)


def make_handle_card(handle: CallHandle) -> AnyWidget:
    """A card of a call in the background that keeps itself up to date."""
    kind = live_widget(("page.js", "call_card/call_card.js"), ("panel/panel.css", "call_card/call_card.css"))
    card: AnyWidget = kind(lambda send: HandleSession(handle, send))
    return card
