"""``rt.host.notifications``: the notifications, the displays that show them, and the targets they go out to.

A send writes the notification down, puts it into the outbox of each target it is for, and returns without waiting for
them. All state is under the broker's lock. The sender's thread calls the displays, without the lock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Self

from judicia_notebook.engine import safety, wire
from judicia_notebook.errors import InvalidPayload, PolicyError, ResourceExhausted, stays_in_process
from judicia_notebook.host.delivery.broker import CLOSE_SECONDS, Broker
from judicia_notebook.host.delivery.queue import Queue
from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.displays import show
from judicia_notebook.host.host_call import RateMeter
from judicia_notebook.host.notifications import frames
from judicia_notebook.host.notifications.limits import KINDS, NotificationLimits
from judicia_notebook.host.notifications.notification import (
    PLATFORM,
    TYPES,
    URGENCIES,
    Notification,
    Type,
    Urgency,
    is_line,
    is_text,
)
from judicia_notebook.host.notifications.outbox import Outbox, Outgoing, Parked
from judicia_notebook.host.notifications.targets import Target
from judicia_notebook.reporting import suggestions
from judicia_notebook.text import listed

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.records.recorder import Recorder

AT_ONCE = 20
"""Targets that are served at the same time; a thread each, and only while there is something for them."""


@stays_in_process("Its frames can be.")
class Notifications:
    """Notifications of one runtime. A `Runtime` has one, as ``rt.host.notifications``.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt:
    ...     _ = rt.host.notifications.send("judges", "Contest begins", "In five minutes.", urgency="high")
    ...     rt.host.notifications.history[["source", "recipient", "title"]].values.tolist()
    [['@platform', 'judges', 'Contest begins']]
    """

    limit_kinds = KINDS
    """What each of `limits` counts, its unit and its default."""

    def __init__(self) -> None:
        self._limits = NotificationLimits()
        self._broker: Broker[Notification, Parked] = Broker(
            "notifications", "judicia-notify", AT_ONCE, limits=lambda: self._limits, queues=self._queues
        )
        self._changed = self._broker.changed
        self._outboxes: list[Outbox] = []
        self._numbers = itertools.count(1)
        self._target_numbers = itertools.count(1)
        self._rates = RateMeter()
        self._recorder: Recorder | None = None

    def connect(self, recorder: Recorder) -> None:
        """Take the runtime's recorder, which has the calls that notifications belong to."""
        self._recorder = recorder

    @property
    def recorder(self) -> Recorder:
        """The recorder that calls are written to."""
        if self._recorder is None:
            raise RuntimeError("these notifications belong to no runtime")
        return self._recorder

    # Sending --------------------------------------------------------------------------------------------------------

    def send(
        self,
        recipient: str,
        title: str,
        message: str,
        *,
        type: Type = "info",  # noqa: A002
        urgency: Urgency = "normal",
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Send a notification as the platform, for instance to try a target.

        Parameters
        ----------
        recipient, title : str
            One line each.
        message : str
        type : "info", "success", "warning", "error" or "announcement"
        urgency : "low", "normal", "high" or "critical"
        metadata : mapping, optional
            For programs that read the history; it does not go out.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        InvalidPayload
            No such type or urgency, control characters, or no JSON form.
        ResourceExhausted
            Beyond a limit, or the runtime is closed.
        """
        safety.check_process()
        for name, value, known in (("type", type, TYPES), ("urgency", urgency, URGENCIES)):
            if value not in known:
                raise InvalidPayload(f"{name} is one of {', '.join(known)}, not {value!r}.")
        packed = wire.encode(dict(metadata or {}), "metadata")
        try:
            return self.publish(Notification(PLATFORM, recipient, title, message, type, urgency, packed), None)
        except ServiceError as error:
            kind = InvalidPayload if error.code == "bad_request" else ResourceExhausted
            raise kind(f"{error.message[:1].upper()}{error.message[1:]}.") from None

    def publish(self, notification: Notification, policy: Policy | None) -> str:
        """Write a notification down, queue it for its targets, show it, and return its id.

        Raises
        ------
        ServiceError
            Beyond a limit, or not a text; nothing was sent.
        """
        self._check(notification)
        with self._changed:
            if self._broker.closed:
                raise ServiceError("failed", "this runtime is closed")
            notification.id = f"{self.recorder.run_id}-n{next(self._numbers)}"
            notification.at_ns = perf_counter_ns() - self.recorder.began_ns
            self._broker.keep(notification)
            for outbox in self._outboxes:
                if outbox.target.is_for(notification.recipient):
                    notification.targets += 1
                    outbox.queue.put(Outgoing(notification, policy))
        show(notification)
        return notification.id

    def _check(self, notification: Notification) -> None:
        limits = self._limits
        for name, fits in (("recipient", is_line), ("title", is_line), ("message", is_text)):
            text, most = getattr(notification, name), getattr(limits, name)
            if not text:
                raise ServiceError("bad_request", f"field `{name}`: it is empty")
            size = len(text.encode("utf-8", "replace"))
            if size > most:
                raise ServiceError("quota_exceeded", f"field `{name}`: {size} bytes; at most {most}")
            if not fits(text):
                raise ServiceError("bad_request", f"field `{name}`: control or direction characters")
        if len(notification.packed) > limits.metadata:
            raise ServiceError(
                "quota_exceeded", f"field `metadata`: {len(notification.packed)} bytes; at most {limits.metadata}"
            )
        rate = limits.send_rate
        if notification.source != PLATFORM and self._rates.refuse(notification.source, "send_notifications", rate):
            raise ServiceError("quota_exceeded", f"more than {rate} notifications a second")

    # Targets --------------------------------------------------------------------------------------------------------

    def add_target(self, url: str, recipients: str | Iterable[str] = "*", *, name: str = "") -> TargetHandle:
        """Have notifications sent out, in the background, through Apprise (the extra ``notify``).

        Parameters
        ----------
        url : str
            As Apprise reads it: ``mailto://user:password@example.org``, ``json://example.org/hook``, and many others.
            It is kept in memory, and shown nowhere.
        recipients : str or iterable of str
            The recipients whose notifications go there: names, or patterns such as ``"team-*"``.
        name : str, optional
            The target's name.

        Returns
        -------
        TargetHandle
            Its ``remove()`` ends it; so does leaving a ``with`` block.

        Raises
        ------
        PolicyError
            Apprise is not installed, or makes nothing of the URL.
        ResourceExhausted
            More targets than there may be, or the runtime is closed.
        """
        safety.check_process()
        target = Target(url, recipients, name, next(self._target_numbers))
        with self._changed:
            self._broker.check_open()
            if len(self._outboxes) >= self._limits.targets:
                there = listed([outbox.target.name for outbox in self._outboxes])
                raise ResourceExhausted(
                    f"There are {len(self._outboxes)} targets already: {there}.",
                    hint="remove() of a target ends it; to allow more:  rt.host.notifications.set_limits(targets=...)",
                )
            outbox = Outbox(target, self._broker)
            self._outboxes.append(outbox)
        return TargetHandle(self, outbox)

    def remove_target(self, outbox: Outbox) -> None:
        """Send nothing more there, and drop the notifications that wait for it."""
        with self._changed:
            outbox.queue.close()
            if outbox in self._outboxes:
                self._outboxes.remove(outbox)

    # Looking on -----------------------------------------------------------------------------------------------------

    @property
    def history(self) -> pd.DataFrame:
        """One row a notification: its sender, recipient and texts, the call that sent it, and what became of it.

        ``targets`` counts the targets it was queued for. ``delivered``, ``parked``, ``dropped`` (no room, or the target
        is gone) and ``revoked`` count what became of that; the rest still waits. ``attrs["dropped"]`` counts older
        rows.
        """
        with self._changed:
            notifications, dropped = self._broker.history.all(), self._broker.history.dropped
        return frames.history(self.recorder, notifications, dropped)

    @property
    def targets(self) -> pd.DataFrame:
        """One row a target: its recipients, the waiting deliveries, and what became of the others."""
        with self._changed:
            return frames.targets(self._outboxes)

    @property
    def parked(self) -> tuple[Parked, ...]:
        """Deliveries that were given up, oldest first, each with its notification, target and error."""
        with self._changed:
            return self._broker.parked.all()

    def replay(self, *deliveries: Parked) -> int:
        """Queue parked deliveries again, all of them if none is named; how many found room.

        Raises
        ------
        PolicyError
            The target is gone, or the sender may not send now; the delivery stays parked.
        """
        safety.check_process()
        return self._broker.replay(deliveries, _again)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until nothing waits and nothing is being sent; parked deliveries do not count.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            A delivery is still there; the message names its target.
        """
        safety.check_process()
        self._broker.flush(timeout)

    def _queues(self) -> Iterator[Queue[Outgoing]]:
        return (outbox.queue for outbox in self._outboxes)

    def __repr__(self) -> str:
        with self._changed:
            sent, waiting = len(self._broker.history), sum(not queue.quiet for queue in self._queues())
            return (
                f"<Notifications: {sent} kept, {len(self._outboxes)} targets, {waiting} of them busy, "
                f"{len(self._broker.parked)} parked>"
            )

    # Limits, and the end --------------------------------------------------------------------------------------------

    @KINDS.in_force
    def limits(self) -> NotificationLimits:
        """How much there may be among notifications; `set_limits` changes them."""
        return self._limits

    def set_limits(self, **limits: float | str) -> None:
        """Change limits, from the next notification on; what is not named stays.

        Raises
        ------
        PolicyError
            No such limit, or no such number.
        """
        with self._changed:
            self._limits = KINDS.changed(self._limits, limits)
            self._broker.trim()

    def kept(self) -> Iterator[str]:
        """The notifications that are kept, in words."""
        return self._broker.summary()

    def forget(self) -> None:
        """Forget all notifications, and drop those that wait for a target; the targets stay."""
        self._broker.forget()
        self._rates.clear()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Send nothing any more, and wait a moment for what is being sent."""
        self._broker.close(seconds)


class TargetHandle:
    """A place that notifications go out to. `Notifications.add_target` makes them."""

    def __init__(self, notifications: Notifications, outbox: Outbox) -> None:
        self._notifications = notifications
        self._outbox = outbox

    @property
    def name(self) -> str:
        """Its name."""
        return self._outbox.target.name

    @property
    def recipients(self) -> tuple[str, ...]:
        """The recipients whose notifications go there."""
        return self._outbox.target.recipients

    @property
    def counts(self) -> Mapping[str, int]:
        """How many were ``delivered``, ``parked``, ``dropped`` and ``revoked``, and how many attempts were repeated."""
        return dict(self._outbox.queue.counts)

    def remove(self) -> None:
        """Send nothing more there, but for what is being sent."""
        self._notifications.remove_target(self._outbox)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return repr(self._outbox.target)


def _again(parked: Parked) -> tuple[Queue[Outgoing], Outgoing]:
    """A second delivery, unless the queue would drop it at once."""
    if parked.outbox.queue.closed:
        raise PolicyError(f"The target {parked.target} is gone.")
    outgoing = Outgoing(parked.notification, parked.policy)
    if not outgoing.allowed:
        sender = parked.notification.source
        hint = suggestions.to_grant(sender, "send_notifications")
        raise PolicyError(f"{sender} may not send notifications now.", hint=hint)
    return parked.outbox.queue, outgoing
