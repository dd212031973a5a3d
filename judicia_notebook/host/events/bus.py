"""``rt.host.events``: everybody who may receive events, and the way of an event to them.

An emit writes the event down once, puts it into the queue of each subscriber it is for, and returns; it waits for
nobody. All state is under one lock, held for no longer than that. Nothing of a guest or a callback runs under it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Never, NoReturn, Protocol, Self

from judicia_notebook.engine import safety, wire
from judicia_notebook.engine.interrupts import Changed
from judicia_notebook.engine.workers import Workers
from judicia_notebook.errors import InvalidPayload, NoSuchPlugin, PolicyError, ResourceExhausted, stays_in_process
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.events import history
from judicia_notebook.host.events.event import HOSTS_METADATA, PLATFORM, Emitted, Event, current_event, iso_time
from judicia_notebook.host.events.limits import KINDS, EventLimits
from judicia_notebook.host.events.patterns import is_pattern, is_type
from judicia_notebook.host.events.subscriber import CallbackSubscriber, Parked, Plugin, PluginSubscriber, Subscriber
from judicia_notebook.host.host_call import RateMeter
from judicia_notebook.policy.grants import is_grant
from judicia_notebook.reporting import suggestions

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.host.events.subscriber import Deliver
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.wasm.manifest import Manifest

AT_ONCE = 256
"""Subscribers that are served at the same time; a thread each, and only while there is something for them."""

CLOSE_SECONDS = 5.0
_NOTES = 1000


class LoadedPlugin(Plugin, Protocol):
    """What is looked at when a plugin is loaded or exchanged."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def digest(self) -> str: ...

    @property
    def functions(self) -> tuple[str, ...]: ...


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
        self.changed = Changed()
        self.workers = Workers("judicia-event", AT_ONCE)
        self._limits = EventLimits()
        self._unix_ns = unix_ns
        self._plugins: dict[str, PluginSubscriber] = {}
        self._callbacks: list[CallbackSubscriber] = []
        self._observing: dict[str, Callable[[], None]] = {}
        self._history = history.Bounded(lambda event: event.size)
        self._parked = history.Bounded(lambda parked: parked.size)
        self._numbers = itertools.count(1)
        self._rates = RateMeter()
        self._refused = dict.fromkeys(("hops", "emit_rate", "payload", "metadata"), 0)
        self._noted: set[tuple[str, str]] = set()
        self._closed = False
        self._recorder: Recorder | None = None
        self._deliver: Deliver | None = None

    def connect(self, recorder: Recorder, deliver: Deliver) -> None:
        """What a runtime gives: where to write down, and how to call a plugin's hook."""
        self._recorder, self._deliver = recorder, deliver

    @property
    def recorder(self) -> Recorder:
        """Where denials are written down."""
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
            What else subscribers shall know; ``hops`` and ``cause`` are filled by the host.

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
        """Write an event down and queue it for whom it may concern; its id.

        Raises
        ------
        ServiceError
            Beyond a limit; nothing was published.
        """
        event = Emitted(event_type, source, payload, metadata, cause=current_event.get(), call_id=call_id)
        self._check_limits(event)
        with self.changed:
            if self._closed:
                raise ServiceError("failed", "this runtime is closed")
            event.id = f"{self.recorder.run_id}-{next(self._numbers)}"
            event.timestamp = iso_time(self._unix_ns())
            event.at_ns = perf_counter_ns() - self.recorder.began_ns
            self._history.add(event, self._limits.history, self._room())
            for subscriber in self._everybody():
                subscriber.offer(event)
        return event.id

    def _check_limits(self, event: Emitted) -> None:
        limits = self._limits
        if event.hops > limits.hops:
            self._refuse("hops", f"the event would be {event.hops} events away from its cause; at most {limits.hops}")
        if len(event.payload) > limits.payload:
            self._refuse("payload", f"a payload of {len(event.payload)} bytes; at most {limits.payload}")
        if len(event.metadata) > limits.metadata:
            self._refuse("metadata", f"metadata of {len(event.metadata)} bytes; at most {limits.metadata}")
        rate = limits.emit_rate
        if event.source != PLATFORM and not self._rates.admit(event.source, "emit_event", rate):
            self._refuse("emit_rate", f"more than {rate} events a second")

    def _refuse(self, limit: str, text: str) -> None:
        with self.changed:
            self._refused[limit] += 1
        raise ServiceError("quota_exceeded", text)

    # Subscribing ----------------------------------------------------------------------------------------------------

    def subscribe(self, pattern: str, callback: Callable[[Event], object]) -> Subscription:
        """Have `callback(event)` called for each event of a pattern, in order, on a thread of its own.

        What the callback raises is retried, then parked; see `parked`.

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
        with self.changed:
            self._check_open()
            if len(self._callbacks) >= self._limits.callbacks:
                raise ResourceExhausted(
                    f"{len(self._callbacks)} callbacks are subscribed already.",
                    hint="cancel() of a subscription ends it; to allow more:  rt.host.events.set_limits(callbacks=...)",
                )
            subscriber = CallbackSubscriber(callback, self, pattern)
            self._callbacks.append(subscriber)
        return Subscription(self, subscriber)

    def unsubscribe(self, subscriber: CallbackSubscriber) -> None:
        """End a callback's subscription; what waits for it is dropped."""
        with self.changed:
            subscriber.close()
            if subscriber in self._callbacks:
                self._callbacks.remove(subscriber)

    def add_pattern(self, plugin: str, policy: Policy, pattern: str) -> None:
        """Subscribe a plugin that runs; it may ask twice.

        Raises
        ------
        ServiceError
            It has no `on_event`, or more patterns than there may be.
        """
        with self.changed:
            subscriber = self._plugins.get(plugin)
            if subscriber is None or subscriber.policy is not policy:  # unloaded, and another has its name
                raise ServiceError("not_found", "the plugin exports no on_event that an event could be delivered to")
            if pattern in subscriber.patterns:
                return
            if len(subscriber.patterns) >= self._limits.patterns:
                raise ServiceError("quota_exceeded", f"more than {self._limits.patterns} patterns")
            subscriber.patterns.append(pattern)
        self.recorder.add_audit("subscribe", plugin, pattern, "plugin")

    def plugin_loaded(self, plugin: LoadedPlugin) -> None:
        """Subscribe a plugin to what its manifest says. Other code under its name also loses what the old one added."""
        if self._deliver is None:
            raise RuntimeError("these events belong to no runtime")
        with self.changed:
            known = self._plugins.get(plugin.name)
            if "on_event" not in plugin.functions:
                self._drop_plugin(plugin.name)
                return
            if known is None or known.plugin is not plugin:
                self._drop_plugin(plugin.name)
                known = self._plugins[plugin.name] = PluginSubscriber(plugin, self, self._deliver)
                name = plugin.name
                self._observing[name] = plugin.policy.observe(lambda _: self._policy_changed(name))
            known.renew(plugin.digest, plugin.manifest.subscriptions)

    def plugin_unloaded(self, plugin: Plugin) -> None:
        """End a plugin's deliveries; what waits for it is dropped."""
        with self.changed:
            known = self._plugins.get(plugin.name)
            if known is not None and known.plugin is plugin:
                self._drop_plugin(plugin.name)

    def _drop_plugin(self, name: str) -> None:
        known = self._plugins.pop(name, None)
        if known is not None:
            self._observing.pop(name)()
            known.close()

    def _policy_changed(self, name: str) -> None:
        with self.changed:
            known = self._plugins.get(name)
            if known is None:
                return
            self._noted = {one for one in self._noted if one[0] != name}
            known.sift()
            self.changed.notify_all()
        known.stop_current()

    def _everybody(self) -> list[Subscriber]:
        return [*self._plugins.values(), *self._callbacks]

    # What became of it ----------------------------------------------------------------------------------------------

    @property
    def history(self) -> pd.DataFrame:
        """One row an event: who emitted it, in which call, caused by which, and what became of its deliveries.

        ``subscribers`` counts those it was queued for, ``delivered``, ``parked``, ``dropped`` (no room, or nobody there
        any more) and ``revoked`` what became of that; the rest still waits. ``attrs["dropped"]`` counts older events.
        """
        with self.changed:
            events, dropped = self._history.all(), self._history.dropped
        return history.history(self.recorder, events, dropped)

    @property
    def subscribers(self) -> pd.DataFrame:
        """One row a plugin or callback that receives events.

        ``withheld`` counts events it subscribed to and was not granted.
        """
        with self.changed:
            return history.subscribers(self._everybody())

    @property
    def parked(self) -> tuple[Parked, ...]:
        """Deliveries that were given up, oldest first, each with its event, subscriber and error."""
        with self.changed:
            return self._parked.all()

    @property
    def refused(self) -> dict[str, int]:
        """How many emits were refused, by the limit they were beyond."""
        with self.changed:
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
        with self.changed:
            self._check_open()
            wanted = deliveries or self._parked.all()
            kept = set(self._parked.all())
            there = [(one, self._receiver(one)) for one in wanted if one in kept]
            queued = 0
            for one, receiver in there:
                if receiver.has_room(one.emitted):
                    self._parked.remove(one)
                    one.emitted.became("parked", -1)
                    receiver.enqueue(one.emitted)
                    queued += 1
        return queued

    def _receiver(self, parked: Parked) -> Subscriber:
        """Who gets it now: a plugin may have been loaded again since."""
        found = parked.callback if parked.kind == "callback" else self._plugins.get(parked.subscriber)
        if found is None or found.closed or (isinstance(found, PluginSubscriber) and not found.succeeds(parked)):
            again = "" if parked.kind == "callback" else "The same file under this name does:  rt.load(path, name=...)"
            raise NoSuchPlugin(f"{parked.subscriber} receives no events any more.", hint=again)
        if not found.may_receive(parked.emitted.type):
            grant = f"subscribe_events={parked.emitted.type}"
            hint = suggestions.to_grant(found.name, grant) if is_grant(grant) else ""
            raise PolicyError(f"{found.name} may not receive {parked.emitted.type}.", hint=hint)
        return found

    def flush(self, timeout: float | None = None) -> None:
        """Wait until nothing waits and nothing is being delivered; parked deliveries do not count.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            There is still something; the message says for whom.
        RuntimeError
            From inside a delivery, which would wait for itself.
        """
        safety.check_process()
        if current_event.get() is not None:
            raise RuntimeError("flush() inside the delivery of an event would wait for itself.")
        with self.changed:
            for subscriber in self._everybody():
                subscriber.wake()
        if not self.workers.wait_until(self.changed, self._is_quiet, timeout):
            with self.changed:
                busy = ", ".join(f"{one.name} ({one.queued + 1})" for one in self._everybody() if not one.quiet)
            raise TimeoutError(f"After {timeout} s there are still events for {busy}.")

    def _is_quiet(self) -> bool:
        return all(subscriber.quiet for subscriber in self._everybody())

    def __repr__(self) -> str:
        with self.changed:
            waiting = sum(one.queued for one in self._everybody())
            subscribers, parked = len(self._everybody()), len(self._parked)
        return f"<Events: {subscribers} subscribers, {waiting} events waiting, {parked} parked>"

    # What subscribers share, and the end ----------------------------------------------------------------------------

    @property
    def limits(self) -> EventLimits:
        """How much there may be among events; `set_limits` changes them."""
        return self._limits

    @limits.setter
    def limits(self, _: Never) -> NoReturn:
        KINDS.refuse_assignment()

    def set_limits(self, **limits: float | str | timedelta) -> None:
        """Change limits, from the next event on; what is not named stays.

        Raises
        ------
        PolicyError
            No such limit, or no such number.
        """
        with self.changed:
            self._limits = KINDS.changed(self._limits, limits)
            self._parked.trim(self._limits.parked, self._limits.history_bytes)
            self._history.trim(self._limits.history, self._room())

    def park(self, parked: Parked) -> None:
        """Keep a delivery that was given up."""
        self._parked.add(parked, self._limits.parked, self._limits.history_bytes)
        self._history.trim(self._limits.history, self._room())

    def _room(self) -> int:
        """Bytes that the history may have beside what is parked."""
        return self._limits.history_bytes - self._parked.bytes

    def note_withheld(self, plugin: str, event_type: str) -> None:
        """Audit that a plugin did not get what it subscribed to: once a type, until its policy changes."""
        note = (plugin, event_type)
        if note in self._noted or len(self._noted) >= _NOTES:
            return
        self._noted.add(note)
        self.recorder.add_audit("denied", plugin, f"subscribe_events={event_type} for on_event", "event")

    def _check_open(self) -> None:
        if self._closed:
            raise ResourceExhausted("This runtime is closed.", hint="rt = jn.Runtime() starts another.")

    def kept(self) -> Iterator[str]:
        """What is kept of events, in words."""
        with self.changed:
            events, parked = len(self._history), len(self._parked)
        if events or parked:
            yield f"events: {events} in the history, {parked} parked"

    def forget(self) -> None:
        """Forget all events; what waits for a callback is dropped, and the callbacks stay."""
        with self.changed:
            for subscriber in self._everybody():
                subscriber.drop_waiting()
            self._history.clear()
            self._parked.clear()
            self._refused = dict.fromkeys(self._refused, 0)
            self._noted.clear()
        self._rates.clear()

    def end(self) -> None:
        """Deliver nothing any more."""
        with self.changed:
            self._closed = True
            for name in tuple(self._plugins):
                self._drop_plugin(name)
            for subscriber in self._callbacks:
                subscriber.close()
        self.workers.close()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Deliver nothing any more, and wait a moment for callbacks that run, but for one this is called from."""
        self.end()
        own = threading.get_ident()
        self.changed.wait_until(lambda: all(one.quiet or one.thread == own for one in self._callbacks), seconds)
        with self.changed:
            self._callbacks.clear()


class Subscription:
    """A callback's subscription. `Events.subscribe` makes them."""

    def __init__(self, events: Events, subscriber: CallbackSubscriber) -> None:
        self._events = events
        self._subscriber = subscriber

    @property
    def pattern(self) -> str:
        """What it is for."""
        return self._subscriber.patterns[0]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many events were ``delivered``, ``retried``, ``parked`` and ``dropped``."""
        return dict(self._subscriber.counts)

    def cancel(self) -> None:
        """End it: the callback gets nothing any more, but for what it is working on."""
        self._events.unsubscribe(self._subscriber)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<Subscription of {self._subscriber.name} to {self.pattern}>"
