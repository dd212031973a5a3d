"""One subscriber: what waits for it, in order, and the handing over, with retries.

How a queue is worked off: whoever adds an event sees to it that one thread serves the subscriber, and that thread stays
until the queue is empty. So a subscriber never has two events at once, and never waits for another subscriber. An event
whose handler fails is tried again after a pause, on the same thread; what comes after it waits, or the order would be
lost. After the last attempt it is parked, and the next one gets its turn.

Whether a plugin may receive an event is asked three times, as its policy is at each moment: when the event is emitted,
before each attempt, and once more when the call exists that a revoke would have to cancel.
"""

from __future__ import annotations

import contextvars
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from judicia_notebook.engine.workers import Attendance
from judicia_notebook.errors import Cancelled, JudiciaError, PluginNotReady, describe, printable
from judicia_notebook.host.events.event import Emitted, Event, Fate, current_event
from judicia_notebook.host.events.patterns import matches, may
from judicia_notebook.reporting.notices import callback_failed

if TYPE_CHECKING:
    from judicia_notebook.engine.interrupts import Changed
    from judicia_notebook.engine.workers import Workers
    from judicia_notebook.host.events.limits import EventLimits
    from judicia_notebook.policy.policy import Policy

RETRY_FACTOR = 4
LONGEST_PAUSE = 60.0
_TRACEBACK_CHARACTERS = 4000

Begun = Callable[[Callable[[str], None]], None]


class Plugin(Protocol):
    """What is needed of a loaded plugin."""

    name: str
    policy: Policy
    claimed: str


class Deliver(Protocol):
    """How the runtime calls a hook of a plugin: on this thread, as a call with its own row and quotas.

    `begun` is handed what cancels the call, before it is made. What the plugin causes is raised.
    """

    def __call__(
        self, plugin: Any, hook: str, payload: bytes, *, origin: str, parent_call_id: int, begun: Begun
    ) -> Any: ...


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Parked:
    """A delivery that was given up; `Events.replay` tries it again.

    Attributes
    ----------
    subscriber, kind : str
        To whom, and whether that is a ``plugin`` or a ``callback``.
    attempts : int
    error, traceback : str
        What the last attempt ended with; the traceback only where a Python callback failed.
    """

    emitted: Emitted
    subscriber: str
    kind: str
    attempts: int
    error: str
    traceback: str
    callback: Subscriber | None = None  # a plugin is looked for by its name, so that an unloaded one is not kept
    plugin: weakref.ref[Plugin] | None = None
    digest: str = ""

    @property
    def size(self) -> int:
        """Bytes of the event, and characters of what is said about it."""
        return self.emitted.size + len(self.error) + len(self.traceback)

    @property
    def event(self) -> Event:
        """What could not be delivered."""
        return self.emitted.open()

    def __repr__(self) -> str:
        count = f"{self.attempts} attempt{'s' if self.attempts > 1 else ''}"
        return f"<Parked {self.emitted.type} {self.emitted.id} for {self.subscriber} after {count}: {self.error}>"


class House(Protocol):
    """What all subscribers of a runtime share."""

    changed: Changed
    workers: Workers

    @property
    def limits(self) -> EventLimits: ...

    def park(self, parked: Parked) -> None: ...

    def note_withheld(self, plugin: str, event_type: str) -> None: ...


class _Waiting(NamedTuple):
    event: Emitted
    context: contextvars.Context


class Subscriber:
    """Somebody who receives events. All but `_serve` and what it calls run with the house's lock held.

    Attributes
    ----------
    name, kind : str
        ``plugin`` or ``callback``.
    patterns : list of str
    counts : dict
        What became of its deliveries, attempts that were repeated, and what its grants kept from it.
    """

    kind = ""

    def __init__(self, name: str, house: House, patterns: Iterable[str]) -> None:
        self.name = name
        self.house = house
        self.patterns = list(patterns)
        self.counts = dict.fromkeys(("delivered", "retried", "parked", "dropped", "revoked", "withheld"), 0)
        self.closed = False
        self.thread = 0  # that serves it
        self.current: Emitted | None = None
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._attendance = Attendance(house.workers, house.changed, self._serve, self._lost)

    # What differs between plugins and callbacks ----------------------------------------------------------------

    def may_receive(self, event_type: str) -> bool:
        """Whether it is allowed to, at this moment."""
        raise NotImplementedError

    def hand_over(self, event: Emitted) -> None:
        """Have the event handled, on this thread."""
        raise NotImplementedError

    # The queue ----------------------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Events that wait, the one being delivered not counted."""
        return len(self._queue)

    @property
    def quiet(self) -> bool:
        """Whether nothing waits and nothing is being delivered."""
        return not self._queue and self.current is None

    def offer(self, event: Emitted) -> None:
        """Queue an event if it is for this subscriber."""
        if self.closed or not any(matches(pattern, event.type) for pattern in self.patterns):
            return
        if not self.may_receive(event.type):
            self.counts["withheld"] += 1
            self.house.note_withheld(self.name, event.type)
            return
        event.subscribers += 1
        self.enqueue(event)

    def has_room(self, event: Emitted) -> bool:
        """Whether the queue can take this event."""
        limits = self.house.limits
        return len(self._queue) < limits.queue and self._queued_bytes + event.size <= limits.queue_bytes

    def enqueue(self, event: Emitted) -> None:
        """Queue an event; what finds no room is dropped and counted."""
        if not self.has_room(event):
            self._count(event, "dropped")
            return
        self._queue.append(_Waiting(event, contextvars.copy_context()))
        self._queued_bytes += event.size
        self.wake()

    def wake(self) -> None:
        """See to it that a thread serves the queue."""
        if self._queue and not self.closed:
            self._attendance.ask()

    def sift(self) -> None:
        """Take out of the queue what may not be received any more."""
        waiting, self._queue, self._queued_bytes = self._queue, deque(), 0
        for one in waiting:
            if self.may_receive(one.event.type):
                self._queue.append(one)
                self._queued_bytes += one.event.size
            else:
                self._count(one.event, "revoked")

    def close(self) -> None:
        """Receive nothing any more."""
        self.closed = True
        self.drop_waiting()

    def drop_waiting(self) -> None:
        """Let go of what waits."""
        for one in self._queue:
            self._count(one.event, "dropped")
        self._queue.clear()
        self._queued_bytes = 0
        self.house.changed.notify_all()

    def _count(self, event: Emitted, fate: Fate) -> None:
        self.counts[fate] += 1
        event.became(fate)

    def _settle(self, event: Emitted, fate: Fate) -> None:
        """Note what became of the delivery that runs. It is over then, also if the thread ends now."""
        self._count(event, fate)
        self.current = None

    # The handing over, on a thread of its own ---------------------------------------------------------------------

    def _serve(self) -> None:
        self.thread = threading.get_ident()
        while (waiting := self._next()) is not None:
            self._deliver(waiting)

    def _next(self) -> _Waiting | None:
        with self.house.changed:
            self.current = None
            if not self._queue:
                self.thread = 0
                self._attendance.end()
                self.house.changed.notify_all()
                return None
            waiting = self._queue[0]
            self.current = waiting.event  # noted before it leaves the queue: in between it would be nobody's
            self._queue.popleft()
            self._queued_bytes -= waiting.event.size
            return waiting

    def _lost(self, error: BaseException) -> None:
        """The thread ended in the middle of a delivery, which is parked; what waits goes on without it."""
        event, self.current, self.thread = self.current, None, 0
        if event is not None and not (self._queue and self._queue[0].event is event):
            self._count(event, "parked")
            self.house.park(_parked(event, self, 1, error))
        self.house.changed.notify_all()
        self.wake()

    def _deliver(self, waiting: _Waiting) -> None:
        """Try until it is handled, given up, or no longer wanted."""
        event, attempts = waiting.event, 0
        while self._is_wanted(event):
            attempts += 1
            error = self._attempt(waiting)
            parked = None if error is None else _parked(event, self, attempts, error)
            with self.house.changed:
                if parked is None:
                    self._settle(event, "delivered")
                    return
                if self._is_over(event):
                    continue
                if isinstance(error, Cancelled) or attempts >= self.house.limits.attempts:
                    self.house.park(parked)  # who cancelled it would have to do so again
                    self._settle(event, "parked")
                    return
                self._pause(event, attempts)

    def _is_over(self, event: Emitted) -> bool:
        return self.closed or not self.may_receive(event.type)

    def _is_wanted(self, event: Emitted) -> bool:
        with self.house.changed:
            if self._is_over(event):
                self._settle(event, "dropped" if self.closed else "revoked")
                return False
            return True

    def _attempt(self, waiting: _Waiting) -> BaseException | None:
        """Have it handled where it was emitted, as far as labels, measurements and the causing event go."""

        def handle() -> None:
            current_event.set(waiting.event)
            self.hand_over(waiting.event)

        try:
            waiting.context.copy().run(handle)
        except BaseException as error:
            return error
        return None

    def _pause(self, event: Emitted, attempts: int) -> None:
        self.counts["retried"] += 1
        seconds = min(self.house.limits.retry_delay * RETRY_FACTOR ** min(attempts - 1, 20), LONGEST_PAUSE)
        self.house.changed.wait_for(lambda: self._is_over(event), seconds)


class PluginSubscriber(Subscriber):
    """A plugin that exports `on_event`."""

    kind = "plugin"

    def __init__(self, plugin: Plugin, house: House, deliver: Deliver) -> None:
        super().__init__(plugin.name, house, ())
        self._plugin = weakref.ref(plugin)  # its runtime keeps it; the engine keeps us, where no collector sees a cycle
        self.policy = plugin.policy
        self._from_manifest: tuple[str, ...] = ()
        self._digest = ""
        self._deliver_to = deliver
        self._cancel: Callable[[str], None] | None = None

    @property
    def identity(self) -> tuple[weakref.ref[Plugin], str]:
        """The plugin, and the digest of its file."""
        return self._plugin, self._digest

    @property
    def plugin(self) -> Plugin | None:
        """The plugin, if its runtime is still there."""
        return self._plugin()

    def renew(self, digest: str, from_manifest: Iterable[str]) -> None:
        """Take up the patterns of a manifest; what the code itself asked for holds only for that code."""
        added = [one for one in self.patterns if one not in self._from_manifest] if digest == self._digest else []
        self._digest, self._from_manifest = digest, tuple(from_manifest)
        self.patterns = list(dict.fromkeys((*self._from_manifest, *added)))

    def succeeds(self, parked: Parked) -> bool:
        """Whether it is the plugin that a delivery was for, the same file, or one that the user gave its name to."""
        plugin = self.plugin
        same = parked.plugin is not None and parked.plugin() is plugin
        return plugin is not None and (same or self._digest == parked.digest or not plugin.claimed)

    def may_receive(self, event_type: str) -> bool:
        return may(self.policy.state, "subscribe_events", self.name, event_type)

    def hand_over(self, event: Emitted) -> None:
        plugin = self.plugin
        if plugin is None:
            raise PluginNotReady("Its runtime is gone.")
        try:
            self._deliver_to(
                plugin,
                "on_event",
                event.envelope(timed=self.policy.state.allows("wall_clock")),
                origin="event",
                parent_call_id=event.call_id,
                begun=self._begun,
            )
        finally:
            self._cancel = None

    def _begun(self, cancel: Callable[[str], None]) -> None:
        self._cancel = cancel
        self.stop_current()  # a revoke that came before this line found nothing to cancel

    def stop_current(self) -> None:
        """Cancel the delivery that runs, if it is no longer to be."""
        current, cancel = self.current, self._cancel
        if current is not None and cancel is not None and self._is_over(current):
            cancel("unloaded" if self.closed else "subscribe_events was revoked")


class CallbackSubscriber(Subscriber):
    """A Python callback."""

    kind = "callback"

    def __init__(self, callback: Callable[[Event], object], house: House, pattern: str) -> None:
        super().__init__(str(getattr(callback, "__qualname__", type(callback).__qualname__)), house, [pattern])
        self._callback = callback

    def may_receive(self, _event_type: str) -> bool:
        return True

    def hand_over(self, event: Emitted) -> None:
        try:
            self._callback(event.open())
        except Exception as error:
            callback_failed("A callback for events (it is tried again, then parked)", self._callback, error)
            raise


def _parked(event: Emitted, subscriber: Subscriber, attempts: int, error: BaseException) -> Parked:
    """What is kept of a failure: text, since an exception would keep every frame it went through, with all in them."""
    told = ""
    try:
        if isinstance(error, JudiciaError):
            text = f"{type(error).__name__}: {describe(error)[0]}"
        else:
            text = f"{type(error).__name__}: {error}"
            told = "".join(traceback.format_exception(error))[-_TRACEBACK_CHARACTERS:]
    except Exception:  # a callback's exception may be anything, also one that cannot say what it is
        text = type(error).__name__
    whose = (None, *subscriber.identity) if isinstance(subscriber, PluginSubscriber) else (subscriber,)
    return Parked(event, subscriber.name, subscriber.kind, attempts, printable(text, 1000), told, *whose)
