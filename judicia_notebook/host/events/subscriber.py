"""The subscribers of events: plugins that export `on_event`, and Python callbacks.

Each has a queue (`judicia_notebook.host.delivery.queue`), so that no subscriber waits for another one. A plugin's
policy is asked three times whether the plugin may receive an event: when the event is emitted, before each attempt,
and once more when the call exists that a revoke would have to cancel.
"""

from __future__ import annotations

import contextvars
import traceback
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.errors import Cancelled, JudiciaError, PluginNotReady, describe
from judicia_notebook.host.delivery import broker
from judicia_notebook.host.delivery.queue import Failure, Queue
from judicia_notebook.host.events.event import Emitted, Event, current_event
from judicia_notebook.host.events.patterns import matches, may
from judicia_notebook.reporting.notices import callback_failed
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.host.delivery.broker import Broker
    from judicia_notebook.host.delivery.hook import Deliver
    from judicia_notebook.host.delivery.plugin_registry import LoadedPlugin, Registration

_TRACEBACK_CHARACTERS = 4000


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Parked(broker.Parked[Emitted]):
    """A delivery that was given up; `Events.replay` tries it again.

    Attributes
    ----------
    subscriber, kind : str
        The subscriber's name, and whether it is a ``plugin`` or a ``callback``.
    attempts : int
    error, traceback : str
        The failure of the last attempt; the traceback only where a Python callback failed.
    """

    kind: str
    callback: CallbackSubscriber | None = None
    plugin: weakref.ref[LoadedPlugin] | None = None  # found again by its name, so that no unloaded one is kept
    digest: str = ""

    @property
    def event(self) -> Event:
        """The event that could not be delivered."""
        return self.published.open()

    @property
    def subscriber(self) -> str:
        """The name of the plugin or callback."""
        return self.receiver

    @property
    def traceback(self) -> str:
        """Where a Python callback failed."""
        return self.failure.traceback

    @property
    def _title(self) -> str:
        return f"{self.published.type} {self.published.id}"


class EventDelivery(NamedTuple):
    """An event on its way to a subscriber, and its emitter's context: labels, measurements, the cause."""

    published: Emitted
    context: contextvars.Context


class Subscriber:
    """The common part of plugins and callbacks. Methods run with the lock held; `attempt` and what it calls do not.

    Attributes
    ----------
    name, kind : str
        ``plugin`` or ``callback``.
    queue : Queue
    withheld : int
        Events that it subscribed to and was not granted.
    """

    kind = ""

    def __init__(self, name: str, events: Broker[Emitted, Parked]) -> None:
        self.name = name
        self.withheld = 0
        self.events = events
        self.queue: Queue[EventDelivery] = events.queue_to(self)

    @property
    def patterns(self) -> Sequence[str]:
        """The patterns it subscribed to."""
        raise NotImplementedError

    @property
    def counts(self) -> dict[str, int]:
        """Its deliveries by outcome, its repeated attempts, and the events that its grants withheld."""
        return {**self.queue.counts, "withheld": self.withheld}

    def wants(self, event_type: str) -> bool:
        """Whether it subscribed to events of this type."""
        return not self.queue.closed and any(matches(pattern, event_type) for pattern in self.patterns)

    def is_granted(self, event_type: str) -> bool:
        """Whether it may receive events of this type, at this moment."""
        raise NotImplementedError

    def delivery(self, event: Emitted) -> EventDelivery:
        """A delivery to it that remembers the context of this thread."""
        return EventDelivery(event, contextvars.copy_context())

    def may_receive(self, delivery: EventDelivery) -> bool:
        return self.is_granted(delivery.published.type)

    def attempt(self, delivery: EventDelivery) -> Failure | None:
        def handle() -> None:
            current_event.set(delivery.published)
            self._handle(delivery.published)

        try:
            delivery.context.copy().run(handle)
        except BaseException as error:
            return _failure(error)
        return None

    def _handle(self, event: Emitted) -> None:
        """Have the event handled, on this thread."""
        raise NotImplementedError

    def park(self, delivery: EventDelivery, attempts: int, failure: Failure) -> None:
        raise NotImplementedError

    def after_parking(self, failure: Failure) -> None:
        pass


class PluginSubscriber(Subscriber):
    """A plugin that exports `on_event`."""

    kind = "plugin"

    def __init__(self, registration: Registration[str], events: Broker[Emitted, Parked], deliver: Deliver) -> None:
        super().__init__(registration.name, events)
        self._registration = registration
        self._policy = registration.policy
        self._deliver = deliver
        self._cancel: Callable[[str], None] | None = None

    @property
    def patterns(self) -> list[str]:
        return self._registration.wishes

    def succeeds(self, parked: Parked) -> bool:
        """Whether a delivery was for this plugin, for the same file, or the user gave this plugin its name."""
        plugin = self._registration.plugin
        same = parked.plugin is not None and parked.plugin() is plugin
        return plugin is not None and (same or self._registration.digest == parked.digest or not plugin.claimed)

    def is_granted(self, event_type: str) -> bool:
        return may(self._policy.state, "subscribe_events", self.name, event_type)

    def _handle(self, event: Emitted) -> None:
        plugin = self._registration.plugin
        if plugin is None:
            raise PluginNotReady("Its runtime is gone.")
        try:
            self._deliver(
                plugin,
                "on_event",
                event.envelope(timed=self._policy.state.allows("wall_clock")),
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
        """Cancel the running delivery if the plugin may not receive it any more."""
        current, cancel = self.queue.current, self._cancel
        if current is not None and cancel is not None and self.queue.is_over(current):
            cancel("unloaded" if self.queue.closed else "subscribe_events was revoked")

    def park(self, delivery: EventDelivery, attempts: int, failure: Failure) -> None:
        plugin, digest = self._registration.reference, self._registration.digest
        event = delivery.published
        self.events.park(Parked(event, self.name, attempts, failure, self.kind, plugin=plugin, digest=digest))


class CallbackSubscriber(Subscriber):
    """A Python callback."""

    kind = "callback"

    def __init__(self, callback: Callable[[Event], object], events: Broker[Emitted, Parked], pattern: str) -> None:
        super().__init__(str(getattr(callback, "__qualname__", type(callback).__qualname__)), events)
        self._callback = callback
        self._patterns = (pattern,)

    @property
    def patterns(self) -> tuple[str]:
        return self._patterns

    def is_granted(self, event_type: str) -> bool:  # noqa: ARG002  # the user's own code needs no grant
        return True

    def _handle(self, event: Emitted) -> None:
        try:
            self._callback(event.open())
        except Exception as error:
            callback_failed("A callback for events (it is tried again, then parked)", self._callback, error)
            raise

    def park(self, delivery: EventDelivery, attempts: int, failure: Failure) -> None:
        self.events.park(Parked(delivery.published, self.name, attempts, failure, self.kind, callback=self))


def _failure(error: BaseException) -> Failure:
    """A failed attempt as text.

    A delivery that a person cancelled is not tried again: that person would have to cancel each attempt.
    """
    trace = ""
    try:
        if isinstance(error, JudiciaError):
            text = f"{type(error).__name__}: {describe(error)[0]}"
        else:
            text = f"{type(error).__name__}: {error}"
            trace = "".join(traceback.format_exception(error))[-_TRACEBACK_CHARACTERS:]
    except Exception:  # a callback's exception may be anything, also one whose text cannot be read
        text = type(error).__name__
    return Failure(printable(text, 1000), trace, isinstance(error, Cancelled))
