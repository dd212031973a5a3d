"""A call in the background, as a card that keeps itself up to date: elapsed, CPU, host calls, Cancel, then the answer.

A `HandleSession` is the kernel's half and knows no widget; its page is ``call_card.js``.

- The card shows the state of the call's handle. Cancel is a message, pending until a state shows that the call is
  ending.
- While a view is open and the call goes on, a feed sends the call's use. The feed ends with the call, for good. A view
  that opens later gets the call's end once.
- Texts may come from a guest: they are cut and made printable here, and the page puts them in as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from judicia_notebook.errors import CallError, Cancelled, PolicyError
from judicia_notebook.notebook.cards import Block, Card, Line, Row
from judicia_notebook.notebook.live import messages
from judicia_notebook.notebook.live.activity import memory_of
from judicia_notebook.notebook.live.answers import error_text, value_text
from judicia_notebook.notebook.live.readings import Ticks
from judicia_notebook.notebook.live.session import LiveSession, Send
from judicia_notebook.notebook.live.widget import live_widget
from judicia_notebook.text import printable
from judicia_notebook.units import format_count, format_size, format_time

if TYPE_CHECKING:
    from anywidget import AnyWidget

    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.runtime.handle import CallHandle

NAME_LIMIT = 120
BEAT_SECONDS = 0.2

CallState = Literal["waiting", "running", "ending", "ok", "failed", "cancelled"]


class HandleState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the card shows; texts are empty where not known."""

    call: int
    title: str
    state: CallState
    elapsed: str
    cpu: str
    memory: str
    host_calls: int
    denied: int
    answer: str = ""
    cost: str = ""

    @property
    def ended(self) -> bool:
        """Whether the call has ended, so that no field changes any more."""
        return self.state in ("ok", "failed", "cancelled")


def handle_state(handle: CallHandle, ticks: Ticks | None = None) -> HandleState:
    """How a call in the background goes, or went."""
    call = handle.call
    scope = call.scope
    ended = handle.done()  # first: what is read after this is of a call that has ended, or may have
    answer, cost = "", ""
    state: CallState = "waiting"
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
    """The call's row. A failed call has it in its error, also after the table has dropped it."""
    error = handle.exception()
    record = error.record if isinstance(error, CallError) else None
    return handle.record or record


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


class HandleSession(LiveSession):
    """The kernel's half of the card of one call. `close` ends the feed; the call goes on.

    Parameters
    ----------
    handle : CallHandle
    send : callable
        ``send(message)``: to all views of the card.
    """

    def __init__(self, handle: CallHandle, send: Send) -> None:
        self._handle = handle
        self._ticks = Ticks(handle.call.scope.recorder)
        super().__init__(send, BEAT_SECONDS)
        handle.add_done_callback(self._call_ended)

    def _operate(self, operation: messages.Operation) -> int:
        if not isinstance(operation, messages.CancelCall):
            raise PolicyError("The card of a call can only cancel the call.")
        if operation.call != self._handle.call.scope.call_id:
            raise PolicyError(f"This is not the card of call {operation.call}.")
        self._handle.cancel()
        return self.push()

    def _welcome(self, _: str) -> None:
        self.push()

    def _beat(self) -> None:
        self.push()

    def push(self) -> int:
        """Send the present state. Returns its revision."""
        return self._send_state(lambda: msgspec.json.encode(handle_state(self._handle, self._ticks)).decode())

    def _call_ended(self, _: CallHandle) -> None:
        had_views = self.feed.views > 0
        self.feed.close()
        if had_views:
            self.push()

    def card(self) -> Card:
        """The call as it is now, for a page without a kernel."""
        return handle_card(self._handle)


def make_handle_card(handle: CallHandle) -> AnyWidget:
    """A card of a call in the background that keeps itself up to date."""
    kind = live_widget("call_card", ("panel/panel.css", "call_card/call_card.css"))
    card: AnyWidget = kind(lambda send: HandleSession(handle, send))
    return card
