"""The deliveries to one receiver, in order, with retries and parking.

A queue knows neither events nor notifications: its `Receiver` says what it may receive, and makes each attempt.

- The thread that puts a delivery in also sees to it that one thread serves the queue. The serving thread stays until
  the queue is empty. So a receiver never has two deliveries at once, and never waits for another receiver.
- The thread repeats a failed attempt after a pause. Later deliveries wait meanwhile, or the order would be lost.
- After the last attempt the thread parks the delivery, and the next delivery gets its turn.
- Before each attempt the thread asks again whether the receiver may have the delivery: a revoke takes back what waits.
- A delivery counts as settled in the same step in which the queue lets go of it. If its thread ends before that step,
  the delivery is parked, and another thread serves the rest.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, Protocol, TypeVar, get_args

from judicia_notebook.engine.workers import Attendance

if TYPE_CHECKING:
    from judicia_notebook.engine.interrupts import Changed
    from judicia_notebook.engine.workers import Workers

RETRY_FACTOR: Final = 4
LONGEST_PAUSE: Final = 60.0
"""Seconds between two attempts, at most."""

Fate = Literal["delivered", "parked", "dropped", "revoked"]
FATES: Final[tuple[Fate, ...]] = get_args(Fate)
"""What can become of a delivery. It is ``dropped`` where there is no room, or the receiver has gone."""


class Published(Protocol):
    """A thing that a service published once, and that its queues deliver to several receivers."""

    @property
    def size(self) -> int: ...  # bytes

    def became(self, fate: Fate, count: int = 1) -> None:
        """Count what became of its deliveries; a replay takes ``parked`` back with a count of -1."""


class Delivery(Protocol):
    """One published thing on its way to one receiver."""

    @property
    def published(self) -> Published: ...


class Failure(NamedTuple):
    """Why an attempt failed: as text, since an exception would keep every frame that it went through.

    Attributes
    ----------
    text, traceback : str
    is_final : bool
        Whether another attempt makes no sense.
    """

    text: str
    traceback: str = ""
    is_final: bool = False


D = TypeVar("D", bound=Delivery)
D_contra = TypeVar("D_contra", bound=Delivery, contravariant=True)


class Receiver(Protocol[D_contra]):
    """The place that a queue delivers to."""

    @property
    def name(self) -> str: ...

    def may_receive(self, delivery: D_contra, /) -> bool:
        """Whether grants allow the delivery at this moment. The lock is held."""

    def attempt(self, delivery: D_contra, /) -> Failure | None:
        """Make an attempt, on this thread, without the lock. An exception ends the thread."""

    def park(self, delivery: D_contra, attempts: int, failure: Failure, /) -> None:
        """Keep a delivery that was given up. The lock is held."""

    def after_parking(self, failure: Failure, /) -> None:
        """Report a delivery that was given up. The lock is not held: loggers may do anything."""


class DeliveryLimits(Protocol):
    """How much a service keeps, and how often and after which pause a queue tries again."""

    @property
    def queue(self) -> int: ...  # deliveries that wait in each queue

    @property
    def attempts(self) -> int: ...

    @property
    def retry_delay(self) -> float: ...  # seconds before the second attempt

    @property
    def parked(self) -> int: ...  # deliveries

    @property
    def history(self) -> int: ...  # published things

    @property
    def history_bytes(self) -> int: ...  # of history and parked deliveries together


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What the queues of one service share.

    Attributes
    ----------
    changed : Changed
        The lock of the service's whole state; notified when a queue has become quiet or closed.
    workers : Workers
    limits : callable
        The limits in force.
    queue_bytes : callable
        Bytes that may wait in each queue.
    """

    changed: Changed
    workers: Workers
    limits: Callable[[], DeliveryLimits]
    queue_bytes: Callable[[], float]


class Queue(Generic[D]):
    """Deliveries to one receiver. All but `_serve` and what it calls run with the lock held.

    Attributes
    ----------
    receiver : Receiver
    counts : dict
        What became of the deliveries, and how many attempts were repeated.
    closed : bool
    thread : int
        Identifies the thread that serves the queue; 0 where there is none.
    current : Delivery or None
        The delivery that the thread works on.
    """

    def __init__(self, receiver: Receiver[D], shared: Shared) -> None:
        self.receiver = receiver
        self.counts = dict.fromkeys((*FATES, "retried"), 0)
        self.closed = False
        self.thread = 0
        self.current: D | None = None
        self._shared = shared
        self._changed = shared.changed
        self._waiting: deque[D] = deque()
        self._bytes = 0
        self._attendance = Attendance(shared.workers, shared.changed, self._serve, self._lost)

    @property
    def queued(self) -> int:
        """Deliveries that wait, without the current one."""
        return len(self._waiting)

    @property
    def quiet(self) -> bool:
        """Whether nothing waits and nothing is being delivered."""
        return not self._waiting and self.current is None

    def has_room(self, delivery: D) -> bool:
        """Whether the delivery may wait here, too."""
        full = len(self._waiting) >= self._shared.limits().queue
        return not full and self._bytes + delivery.published.size <= self._shared.queue_bytes()

    def put(self, delivery: D) -> None:
        """Queue a delivery; a full or closed queue drops and counts it."""
        if self.closed or not self.has_room(delivery):
            self._count(delivery, "dropped")
            return
        self._append(delivery)
        self.wake()

    def wake(self) -> None:
        """See to it that a thread serves the queue."""
        if self._waiting and not self.closed:
            self._attendance.ask()

    def sift(self) -> None:
        """Drop the deliveries that the receiver may not receive any more."""
        waiting = self._take_all()
        for delivery in waiting:
            if self.receiver.may_receive(delivery):
                self._append(delivery)
            else:
                self._count(delivery, "revoked")
        self._changed.notify_all()

    def drop_waiting(self) -> None:
        """Drop what waits; the current delivery goes on."""
        for delivery in self._take_all():
            self._count(delivery, "dropped")
        self._changed.notify_all()

    def close(self) -> None:
        """Deliver nothing any more; the current attempt is the last."""
        self.closed = True
        self.drop_waiting()

    def is_over(self, delivery: D) -> bool:
        """Whether the delivery must not happen any more."""
        return self.closed or not self.receiver.may_receive(delivery)

    def _append(self, delivery: D) -> None:
        self._waiting.append(delivery)
        self._bytes += delivery.published.size

    def _take_all(self) -> deque[D]:
        waiting, self._waiting, self._bytes = self._waiting, deque(), 0
        return waiting

    def _count(self, delivery: D, fate: Fate) -> None:
        self.counts[fate] += 1
        delivery.published.became(fate)

    def _settle(self, delivery: D, fate: Fate) -> None:
        """Note what became of the current delivery. It is over then, also if the thread ends right now."""
        self._count(delivery, fate)
        self.current = None

    # On the queue's thread ------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        self.thread = threading.get_ident()
        while (delivery := self._next()) is not None:
            self._deliver(delivery)

    def _next(self) -> D | None:
        with self._changed:
            self.current = None
            if not self._waiting:
                self.thread = 0
                self._attendance.end()
                self._changed.notify_all()
                return None
            self.current = delivery = self._waiting[0]  # noted first: a thread that ends right after would lose it
            self._waiting.popleft()
            self._bytes -= delivery.published.size
            return delivery

    def _lost(self, error: BaseException) -> None:
        """Park the delivery in whose middle the thread ended, and have another thread serve the rest."""
        delivery, self.current, self.thread = self.current, None, 0
        if delivery is not None and not (self._waiting and self._waiting[0] is delivery):
            self._count(delivery, "parked")
            failure = Failure(f"its thread was ended from outside: {type(error).__name__}")
            self.receiver.park(delivery, 1, failure)
        self._changed.notify_all()
        self.wake()

    def _deliver(self, delivery: D) -> None:
        """Try until the receiver has taken it, the last attempt has failed, or the receiver may not have it."""
        attempts = 0
        while self._is_wanted(delivery):
            attempts += 1
            failure = self.receiver.attempt(delivery)
            with self._changed:
                if failure is None:
                    self._settle(delivery, "delivered")
                    return
                if self.is_over(delivery):
                    continue  # the revoke made it fail: it counts as revoked
                if not failure.is_final and attempts < self._shared.limits().attempts:
                    self._pause(delivery, attempts)
                    continue
                self.receiver.park(delivery, attempts, failure)
                self._settle(delivery, "parked")
            self.receiver.after_parking(failure)
            return

    def _is_wanted(self, delivery: D) -> bool:
        with self._changed:
            if self.is_over(delivery):
                self._settle(delivery, "dropped" if self.closed else "revoked")
                return False
            return True

    def _pause(self, delivery: D, attempts: int) -> None:
        self.counts["retried"] += 1
        # The exponent has a bound, too: the power of a great many attempts is a number that no float holds.
        seconds = min(self._shared.limits().retry_delay * RETRY_FACTOR ** min(attempts - 1, 20), LONGEST_PAUSE)
        self._changed.wait_for(lambda: self.is_over(delivery), seconds)
