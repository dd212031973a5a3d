"""``rt.host.events``: the subscribers, and the way of an event to them.

An emit writes the event down once, puts it into the queue of each subscriber it is for, and returns without waiting for
any of them. All state is under the broker's lock, and no code of a guest or a callback runs while a thread holds it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Self

from judicia_notebook.engine import safety, wire
from judicia_notebook.errors import InvalidPayload, NoSuchPlugin, PolicyError, ResourceExhausted, stays_in_process
from judicia_notebook.host.delivery.broker import CLOSE_SECONDS, Broker
from judicia_notebook.host.delivery.plugin_registry import LoadedPlugin, PluginRegistry
from judicia_notebook.host.delivery.queue import Queue
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.events import history
from judicia_notebook.host.events.event import HOSTS_METADATA, PLATFORM, Emitted, Event, current_event, iso_time
from judicia_notebook.host.events.limits import KINDS, EventLimits
from judicia_notebook.host.events.patterns import is_pattern, is_type
from judicia_notebook.host.events.subscriber import (
    CallbackSubscriber,
    EventDelivery,
    Parked,
    PluginSubscriber,
    Subscriber,
)
from judicia_notebook.host.host_call import RateMeter
from judicia_notebook.policy.grants import is_grant
from judicia_notebook.reporting import suggestions

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.host.delivery.hook import Deliver
    from judicia_notebook.host.delivery.plugin_registry import Registration
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.records.recorder import Recorder

AT_ONCE = 256
"""Subscribers that are served at the same time; a thread each, and only while there is something for them."""


@stays_in_process("Its frames can be.")
class Events:
    """Events of one runtime. A `Runtime` has one, as ``rt.host.events``.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt:
    ...     seen = []
    ...     _ = rt.host.events.subscribe("submission.*", lambda event: seen.append(event.payload))
    ...     _ = rt.host.events.emit("submission.judged", {"verdict": "accepted"})
    ...     rt.host.events.flush(timeout=30)
    ...     seen
    [{'verdict': 'accepted'}]
    """

    limit_kinds = KINDS
    """What each of `limits` counts, its unit and its default."""

    def __init__(self, unix_ns: Callable[[], int] = time.time_ns) -> None:
        self._limits = EventLimits()
        self._unix_ns = unix_ns
        self._broker: Broker[Emitted, Parked] = Broker(
            "events",
            "judicia-event",
            AT_ONCE,
            limits=lambda: self._limits,
            queues=self._queues,
            queue_bytes=lambda: self._limits.queue_bytes,
        )
        self._changed = self._broker.changed
        self._plugins: PluginRegistry[str, PluginSubscriber] = PluginRegistry(
            "on_event", self._changed, self._join, lambda gone: gone.queue.close(), self._policy_changed
        )
        self._callbacks: list[CallbackSubscriber] = []
        self._numbers = itertools.count(1)
        self._rates = RateMeter()
        self._refused = dict.fromkeys(("hops", "emit_rate", "payload", "metadata"), 0)
        self._recorder: Recorder | None = None
        self._deliver: Deliver | None = None

    def connect(self, recorder: Recorder, deliver: Deliver) -> None:
        """Take the runtime's recorder, and its way to call a plugin's hook."""
        self._recorder, self._deliver = recorder, deliver

    @property
    def recorder(self) -> Recorder:
        """The recorder that denials are written to."""
        if self._recorder is None:
            raise RuntimeError("these events belong to no runtime")
        return self._recorder

    # Emitting -------------------------------------------------------------------------------------------------------

    def emit(self, type: str, payload: Any = None, metadata: Mapping[str, Any] | None = None) -> str:  # noqa: A002
        """Publish an event, of any type, with the source ``@platform``.

        Parameters
        ----------
        type : str
            Segments of ``a-z 0-9 _ -`` with dots between, such as ``submission.judged``.
        payload : Any
            Anything with a JSON form.
        metadata : mapping, optional
            More that subscribers shall know; the host fills ``hops`` and ``cause``.

        Returns
        -------
        str
            The event's id.

        Raises
        ------
        InvalidPayload
            No type, or no JSON form.
        ResourceExhausted
            Beyond a limit of `EventLimits`, or the runtime is closed.
        """
        safety.check_process()
        if not is_type(type):
            raise InvalidPayload(f"An event's type is like 'submission.judged', not {type!r}.")
        for name in HOSTS_METADATA:
            if metadata and name in metadata:
                raise InvalidPayload(f"metadata: {name!r} is filled by the host.")
        body = wire.encode(payload)
        plain = wire.decode(wire.encode(dict(metadata or {}), "metadata"))
        try:
            return self.publish(type, PLATFORM, body, plain, call_id=0)
        except ServiceError as error:
            raise ResourceExhausted(f"{error.message[:1].upper()}{error.message[1:]}.") from None

    def publish(
        self, event_type: str, source: str, payload: bytes, metadata: Mapping[str, Any], *, call_id: int
    ) -> str:
        """Write an event down, queue it for its subscribers, and return its id.

        Raises
        ------
        ServiceError
            Beyond a limit; nothing was published.
        """
        event = Emitted(event_type, source, payload, metadata, cause=current_event.get(), call_id=call_id)
        self._check_limits(event)
        with self._changed:
            if self._broker.closed:
                raise ServiceError("failed", "this runtime is closed")
            event.id = f"{self.recorder.run_id}-{next(self._numbers)}"
            event.timestamp = iso_time(self._unix_ns())
            event.at_ns = perf_counter_ns() - self.recorder.began_ns
            self._broker.keep(event)
            for subscriber in self._all_subscribers():
                if subscriber.wants(event.type):
                    self._offer(subscriber, event)
        return event.id

    def _offer(self, subscriber: Subscriber, event: Emitted) -> None:
        """Queue an event, or audit that it is withheld: once for each type, until the plugin's policy changes."""
        if subscriber.is_granted(event.type):
            event.subscribers += 1
            subscriber.queue.put(subscriber.delivery(event))
            return
        subscriber.withheld += 1
        if self._plugins.is_first_denial(subscriber.name, event.type):
            self.recorder.add_audit("denied", subscriber.name, f"subscribe_events={event.type} for on_event", "event")

    def _check_limits(self, event: Emitted) -> None:
        limits = self._limits
        if event.hops > limits.hops:
            self._refuse("hops", f"the event would be {event.hops} events away from its cause; at most {limits.hops}")
        if len(event.payload) > limits.payload:
            self._refuse("payload", f"a payload of {len(event.payload)} bytes; at most {limits.payload}")
        if len(event.metadata) > limits.metadata:
            self._refuse("metadata", f"metadata of {len(event.metadata)} bytes; at most {limits.metadata}")
        rate = limits.emit_rate
        if event.source != PLATFORM and self._rates.refuse(event.source, "emit_event", rate):
            self._refuse("emit_rate", f"more than {rate} events a second")

    def _refuse(self, limit: str, text: str) -> None:
        with self._changed:
            self._refused[limit] += 1
        raise ServiceError("quota_exceeded", text)

    # Subscribing ----------------------------------------------------------------------------------------------------

    def subscribe(self, pattern: str, callback: Callable[[Event], object]) -> Subscription:
        """Have `callback(event)` called for each event of a pattern, in order, on a thread of its own.

        An event for which the callback raises is delivered again, then parked; see `parked`.

        Parameters
        ----------
        pattern : str
            A type, ``contest.*`` (one more segment), ``contest.**`` (one or more) or ``**`` (everything).
        callback : callable
            Takes an `Event`.

        Returns
        -------
        Subscription
            Its ``cancel()`` ends it; so does leaving a ``with`` block.

        Raises
        ------
        PolicyError
            No pattern.
        ResourceExhausted
            More callbacks than there may be, or the runtime is closed.
        """
        safety.check_process()
        if not is_pattern(pattern):
            raise PolicyError(f"An event pattern is like 'contest.*' or 'contest.**', not {pattern!r}.")
        with self._changed:
            self._broker.check_open()
            if len(self._callbacks) >= self._limits.callbacks:
                raise ResourceExhausted(
                    f"{len(self._callbacks)} callbacks are subscribed already.",
                    hint="cancel() of a subscription ends it; to allow more:  rt.host.events.set_limits(callbacks=...)",
                )
            subscriber = CallbackSubscriber(callback, self._broker, pattern)
            self._callbacks.append(subscriber)
        return Subscription(self, subscriber)

    def unsubscribe(self, subscriber: CallbackSubscriber) -> None:
        """End a callback's subscription, and drop the events that wait for it."""
        with self._changed:
            subscriber.queue.close()
            if subscriber in self._callbacks:
                self._callbacks.remove(subscriber)

    def add_pattern(self, plugin: str, policy: Policy, pattern: str, call_id: int) -> None:
        """Subscribe a plugin that runs, in the call that asks for it; the second time does nothing.

        Raises
        ------
        ServiceError
            It has no `on_event`, or more patterns than there may be.
        """
        with self._changed:
            subscriber = self._plugins.current(plugin, policy)
            if subscriber is None:
                raise ServiceError("not_found", "the plugin exports no on_event that an event could be delivered to")
            if pattern in subscriber.patterns:
                return
            if len(subscriber.patterns) >= self._limits.patterns:
                raise ServiceError("quota_exceeded", f"more than {self._limits.patterns} patterns")
            subscriber.patterns.append(pattern)
        self.recorder.add_audit("subscribe", plugin, pattern, "plugin", call_id)

    def plugin_loaded(self, plugin: LoadedPlugin) -> None:
        """Subscribe a plugin to its manifest's patterns. Other code under its name loses those the old code added."""
        self._plugins.admit(plugin, lambda: dict.fromkeys(plugin.manifest.subscriptions))

    def plugin_unloaded(self, plugin: LoadedPlugin) -> None:
        """End a plugin's deliveries, and drop the events that wait for it."""
        self._plugins.leave(plugin)

    def _join(self, registration: Registration[str]) -> PluginSubscriber:
        if self._deliver is None:
            raise RuntimeError("these events belong to no runtime")
        return PluginSubscriber(registration, self._broker, self._deliver)

    def _policy_changed(self, name: str) -> None:
        """Take back the waiting and running deliveries that the plugin may not receive any more."""
        with self._changed:
            subscriber = self._plugins.get(name)
            if subscriber is None:
                return
            subscriber.queue.sift()
        subscriber.stop_current()

    def _queues(self) -> Iterator[Queue[EventDelivery]]:
        return (subscriber.queue for subscriber in self._all_subscribers())

    def _all_subscribers(self) -> list[Subscriber]:
        return [*self._plugins, *self._callbacks]

    # What became of them ---------------------------------------------------------------------------------------------

    @property
    def history(self) -> pd.DataFrame:
        """One row an event: its emitter, the call, the event that caused it, and what became of its deliveries.

        ``subscribers`` counts the subscribers it was queued for. ``delivered``, ``parked``, ``dropped`` (no room, or
        the subscriber is gone) and ``revoked`` count what became of that; the rest still waits. ``attrs["dropped"]``
        counts older events.
        """
        with self._changed:
            events, dropped = self._broker.history.all(), self._broker.history.dropped
        return history.history(self.recorder, events, dropped)

    @property
    def subscribers(self) -> pd.DataFrame:
        """One row a plugin or callback that receives events.

        ``withheld`` counts events it subscribed to and was not granted.
        """
        with self._changed:
            return history.subscribers(self._all_subscribers())

    @property
    def parked(self) -> tuple[Parked, ...]:
        """Deliveries that were given up, oldest first, each with its event, subscriber and error."""
        with self._changed:
            return self._broker.parked.all()

    @property
    def refused(self) -> dict[str, int]:
        """How many emits were refused, by the limit they were beyond."""
        with self._changed:
            return dict(self._refused)

    def replay(self, *deliveries: Parked) -> int:
        """Queue parked deliveries again, all of them if none is named; how many found room.

        Raises
        ------
        NoSuchPlugin
            The subscriber is gone; the delivery stays parked.
        PolicyError
            It may not receive the event now; likewise.
        """
        safety.check_process()
        return self._broker.replay(deliveries, self._again)

    def _again(self, parked: Parked) -> tuple[Queue[EventDelivery], EventDelivery]:
        """A second delivery; the plugin may have been loaded again since the first."""
        found = parked.callback if parked.kind == "callback" else self._plugins.get(parked.subscriber)
        if found is None or found.queue.closed or (isinstance(found, PluginSubscriber) and not found.succeeds(parked)):
            again = "" if parked.kind == "callback" else "The same file under this name does:  rt.load(path, name=...)"
            raise NoSuchPlugin(f"{parked.subscriber} receives no events any more.", hint=again)
        event = parked.published
        if not found.is_granted(event.type):
            grant = f"subscribe_events={event.type}"
            hint = suggestions.to_grant(found.name, grant) if is_grant(grant) else ""
            raise PolicyError(f"{found.name} may not receive {event.type}.", hint=hint)
        return found.queue, found.delivery(event)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until nothing waits and nothing is being delivered; parked deliveries do not count.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            A delivery is still there; the message names its subscriber.
        RuntimeError
            From inside a delivery, which would wait for itself.
        """
        safety.check_process()
        if current_event.get() is not None:
            raise RuntimeError("flush() inside the delivery of an event would wait for itself.")
        self._broker.flush(timeout)

    def __repr__(self) -> str:
        with self._changed:
            waiting = sum(queue.queued for queue in self._queues())
            subscribers, parked = len(self._all_subscribers()), len(self._broker.parked)
        return f"<Events: {subscribers} subscribers, {waiting} events waiting, {parked} parked>"

    # Limits, and the end --------------------------------------------------------------------------------------------

    @KINDS.in_force
    def limits(self) -> EventLimits:
        """How much there may be among events; `set_limits` changes them."""
        return self._limits

    def set_limits(self, **limits: float | str | timedelta) -> None:
        """Change limits, from the next event on; what is not named stays.

        Raises
        ------
        PolicyError
            No such limit, or no such number.
        """
        with self._changed:
            self._limits = KINDS.changed(self._limits, limits)
            self._broker.trim()

    def kept(self) -> Iterator[str]:
        """The events that are kept, in words."""
        return self._broker.summary()

    def forget(self) -> None:
        """Forget all events, and drop those that wait for a callback; the callbacks stay."""
        self._broker.forget()
        with self._changed:
            self._refused = dict.fromkeys(self._refused, 0)
            self._plugins.forget_denials()
        self._rates.clear()

    def end(self) -> None:
        """Deliver nothing any more."""
        with self._changed:
            self._plugins.clear()
            self._broker.end()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Deliver nothing any more, and wait a moment for callbacks that run, except for one that calls this."""
        self.end()
        self._broker.close(seconds)
        with self._changed:
            self._callbacks.clear()


class Subscription:
    """A callback's subscription. `Events.subscribe` makes them."""

    def __init__(self, events: Events, subscriber: CallbackSubscriber) -> None:
        self._events = events
        self._subscriber = subscriber

    @property
    def pattern(self) -> str:
        """The pattern of its events."""
        return self._subscriber.patterns[0]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many events were ``delivered``, ``retried``, ``parked`` and ``dropped``."""
        return dict(self._subscriber.counts)

    def cancel(self) -> None:
        """End it: the callback gets no further event. The event it works on is its last."""
        self._events.unsubscribe(self._subscriber)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<Subscription of {self._subscriber.name} to {self.pattern}>"
