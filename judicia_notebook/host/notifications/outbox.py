"""What waits for one target, in order, and the handing over, with retries.

Whoever adds a notification sees to it that one thread serves the outbox, and that thread stays until nothing waits. So
no target waits for another, and no sender for any. A target that fails is tried again after a pause, on the same
thread; what comes after it waits. After the last attempt the delivery is parked with its error.

Whether the sender may still send is asked again before each attempt: what was queued goes with a revoke.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from judicia_notebook.engine.workers import Attendance
from judicia_notebook.host.notifications.notification import FATES, Fate, Notification
from judicia_notebook.host.notifications.targets import Target

if TYPE_CHECKING:
    from judicia_notebook.engine.interrupts import Changed
    from judicia_notebook.engine.workers import Workers
    from judicia_notebook.host.notifications.limits import NotificationLimits
    from judicia_notebook.policy.policy import Policy

_log = logging.getLogger("judicia_notebook")
RETRY_FACTOR = 4
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Parked:
    """A delivery that was given up; `Notifications.replay` tries it again.

    Attributes
    ----------
    notification : Notification
    target : str
        The name of the target that did not take it.
    attempts : int
    error : str
        What the last attempt ended with. It holds nothing of the target's URL.
    """

    notification: Notification
    target: str
    attempts: int
    error: str
    outbox: Outbox
    policy: Policy | None

    @property
    def size(self) -> int:
        """Bytes of the notification, and characters of what is said about it."""
        return self.notification.size + len(self.error)

    def __repr__(self) -> str:
        count = f"{self.attempts} attempt{'s' if self.attempts > 1 else ''}"
        return f"<Parked {self.notification.id} for {self.target} after {count}: {self.error}>"


class House(Protocol):
    """What all outboxes of a runtime share."""

    changed: Changed
    workers: Workers

    @property
    def limits(self) -> NotificationLimits: ...

    def park(self, parked: Parked) -> None: ...


class Outgoing(NamedTuple):
    """A notification on its way; without a policy it is the user's own."""

    notification: Notification
    policy: Policy | None

    @property
    def allowed(self) -> bool:
        """Whether its sender may still send."""
        return self.policy is None or self.policy.state.allows("send_notifications")


class Outbox:
    """One target and its queue. All but `_serve` and what it calls run with the house's lock held.

    Attributes
    ----------
    target : Target
    counts : dict
        What became of its deliveries, and attempts that were repeated.
    """

    def __init__(self, target: Target, house: House) -> None:
        self.target = target
        self.house = house
        self.counts = dict.fromkeys((*FATES, "retried"), 0)
        self.closed = False
        self._told = False
        self.current: Outgoing | None = None
        self._queue: deque[Outgoing] = deque()
        self._attendance = Attendance(house.workers, house.changed, self._serve, self._lost)

    @property
    def queued(self) -> int:
        """Notifications that wait, the one being sent not counted."""
        return len(self._queue)

    @property
    def quiet(self) -> bool:
        """Whether nothing waits and nothing is being sent."""
        return not self._queue and self.current is None

    @property
    def has_room(self) -> bool:
        """Whether one more may wait."""
        return len(self._queue) < self.house.limits.queue

    def enqueue(self, outgoing: Outgoing) -> None:
        """Queue a notification; what finds no room is dropped and counted."""
        if self.closed or not self.has_room:
            self._count(outgoing, "dropped")
            return
        self._queue.append(outgoing)
        self.wake()

    def wake(self) -> None:
        """See to it that a thread serves the queue."""
        if self._queue and not self.closed:
            self._attendance.ask()

    def close(self) -> None:
        """Send nothing any more."""
        self.closed = True
        self.drop_waiting()

    def drop_waiting(self) -> None:
        """Let go of what waits."""
        for one in self._queue:
            self._count(one, "dropped")
        self._queue.clear()
        self.house.changed.notify_all()

    def _count(self, outgoing: Outgoing, fate: Fate) -> None:
        self.counts[fate] += 1
        outgoing.notification.fates[fate] += 1

    def _settle(self, outgoing: Outgoing, fate: Fate) -> None:
        """Note what became of the delivery that runs. It is over then, also if the thread ends now."""
        self._count(outgoing, fate)
        self.current = None

    # The handing over, on a thread of its own ---------------------------------------------------------------------

    def _serve(self) -> None:
        while (outgoing := self._next()) is not None:
            self._send(outgoing)

    def _next(self) -> Outgoing | None:
        with self.house.changed:
            self.current = self._queue[0] if self._queue else None  # noted before it leaves the queue
            if self.current is None:
                self._attendance.end()
                self.house.changed.notify_all()
            else:
                self._queue.popleft()
            return self.current

    def _lost(self, error: BaseException) -> None:
        """The thread ended in the middle of a delivery, which is parked; what waits goes on without it."""
        outgoing, self.current = self.current, None
        if outgoing is not None and not (self._queue and self._queue[0] is outgoing):
            self._count(outgoing, "parked")
            told = f"its thread was ended from outside: {type(error).__name__}"
            self.house.park(Parked(outgoing.notification, self.target.name, 1, told, self, outgoing.policy))
        self.house.changed.notify_all()
        self.wake()

    def _send(self, outgoing: Outgoing) -> None:
        """Try until it is taken, given up, or no longer wanted."""
        attempts, given_up = 0, ""
        while not given_up and self._is_wanted(outgoing):
            attempts += 1
            error = self.target.deliver(outgoing.notification)
            with self.house.changed:
                if not error:
                    self._settle(outgoing, "delivered")
                    return
                if self._is_over(outgoing):
                    continue
                if attempts >= self.house.limits.attempts:
                    self.house.park(
                        Parked(outgoing.notification, self.target.name, attempts, error, self, outgoing.policy)
                    )
                    self._settle(outgoing, "parked")
                    given_up = error
                else:
                    self._pause(outgoing, attempts)
        if given_up:
            self._tell(given_up)

    def _tell(self, error: str) -> None:
        """Log the first delivery that was given up, outside the lock: a handler may send notifications."""
        if not self._told:
            self._told = True
            _log.error(
                "The target %s did not take a notification: %s. rt.host.notifications.parked holds it; further ones "
                "are not told.", self.target.name, error,
            )  # fmt: skip

    def _is_over(self, outgoing: Outgoing) -> bool:
        return self.closed or not outgoing.allowed

    def _is_wanted(self, outgoing: Outgoing) -> bool:
        with self.house.changed:
            if self._is_over(outgoing):
                self._settle(outgoing, "dropped" if self.closed else "revoked")
                return False
            return True

    def _pause(self, outgoing: Outgoing, attempts: int) -> None:
        self.counts["retried"] += 1
        seconds = min(self.house.limits.retry_delay * RETRY_FACTOR ** min(attempts - 1, 20), LONGEST_PAUSE)
        self.house.changed.wait_for(lambda: self._is_over(outgoing), seconds)
