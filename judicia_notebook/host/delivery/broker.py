"""What the queues of one service share: one lock, the threads, the history, parked deliveries, replay, and the end.

- A service keeps what it publishes in the history (`keep`), then puts it into the queues of its receivers.
- The history and the parked deliveries share one limit in bytes. The broker drops the oldest of each first, and counts
  them.
- `replay` checks all requested deliveries before it queues any of them: a refusal leaves everything parked.

The service owns its receivers and brings them by `queues`, so that it decides about their order.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from judicia_notebook.engine.interrupts import Changed
from judicia_notebook.engine.workers import Workers
from judicia_notebook.errors import ResourceExhausted
from judicia_notebook.host.delivery.queue import Delivery, DeliveryLimits, Failure, Published, Queue, Receiver, Shared

CLOSE_SECONDS = 5.0
"""Seconds that closing waits for deliveries that run."""


class Sized(Protocol):
    """A thing with a size in bytes."""

    @property
    def size(self) -> int: ...


S = TypeVar("S", bound=Sized)
T = TypeVar("T", bound=Published)
D = TypeVar("D", bound=Delivery)


class Bounded(Generic[S]):
    """Things in their order, as many as there is room for; the oldest go first, and are counted.

    Attributes
    ----------
    bytes : int
        Of all of them together.
    dropped : int
        How many were dropped for want of room.
    """

    def __init__(self) -> None:
        self._kept: deque[S] = deque()
        self.bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, thing: S, most: int, most_bytes: int) -> None:
        """Keep one more, and let the oldest go until all fit."""
        self._kept.append(thing)
        self.bytes += thing.size
        self.trim(most, most_bytes)

    def trim(self, most: int, most_bytes: int) -> None:
        """Let the oldest go until there are at most so many, of at most so many bytes."""
        while self._kept and (len(self._kept) > most or self.bytes > most_bytes):
            self.bytes -= self._kept.popleft().size
            self.dropped += 1

    def remove(self, thing: S) -> None:
        """Take a thing out again.

        Raises
        ------
        ValueError
            It is not there.
        """
        self._kept.remove(thing)
        self.bytes -= thing.size

    def clear(self) -> None:
        """Forget all of them, and how many went."""
        self._kept.clear()
        self.bytes = self.dropped = 0

    def all(self) -> tuple[S, ...]:
        """All of them, oldest first."""
        return tuple(self._kept)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Parked(Generic[T]):
    """A delivery that was given up.

    Attributes
    ----------
    published : Published
    receiver : str
        The receiver's name.
    attempts : int
    failure : Failure
        The failure of the last attempt.
    """

    published: T
    receiver: str
    attempts: int
    failure: Failure

    @property
    def error(self) -> str:
        """The error of the last attempt."""
        return self.failure.text

    @property
    def size(self) -> int:
        """Bytes of the published thing, and characters of the failure's texts."""
        return self.published.size + len(self.failure.text) + len(self.failure.traceback)

    @property
    def _title(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        count = f"{self.attempts} attempt{'s' if self.attempts > 1 else ''}"
        return f"<Parked {self._title} for {self.receiver} after {count}: {self.error}>"


P = TypeVar("P", bound=Parked[Any])


class Broker(Generic[T, P]):
    """What the queues of one service of one runtime share.

    Parameters
    ----------
    what : str
        What is published, for people: ``events``.
    threads, at_once : str, int
        The name of the threads, and how many receivers are served at the same time: a thread each, and only while
        there is something for them.
    limits : callable
        The limits in force.
    queues : callable
        All queues, in the service's order.
    queue_bytes : callable, optional
        Bytes that may wait in each queue.

    Attributes
    ----------
    changed : Changed
        The lock of the service's whole state. A thread holds it while it changes the state, and never while code of a
        guest, a callback or a target runs.
    closed : bool
    history, parked : Bounded
    """

    def __init__(
        self,
        what: str,
        threads: str,
        at_once: int,
        limits: Callable[[], DeliveryLimits],
        queues: Callable[[], Iterable[Queue[Any]]],
        queue_bytes: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self.changed = Changed()
        self.closed = False
        self.history: Bounded[T] = Bounded()
        self.parked: Bounded[P] = Bounded()
        self._what = what
        self._workers = Workers(threads, at_once)
        self._limits = limits
        self._queues = queues
        self._shared = Shared(self.changed, self._workers, limits, queue_bytes)

    def queue_to(self, receiver: Receiver[D]) -> Queue[D]:
        """A queue for one more receiver."""
        return Queue(receiver, self._shared)

    def check_open(self) -> None:
        """Refuse where the runtime is closed.

        Raises
        ------
        ResourceExhausted
        """
        if self.closed:
            raise ResourceExhausted("This runtime is closed.", hint="rt = jn.Runtime() starts another.")

    # The past; with the lock held -----------------------------------------------------------------------------------

    def keep(self, published: T) -> None:
        """Keep what is published in the history."""
        self.history.add(published, self._limits().history, self._room())

    def park(self, parked: P) -> None:
        """Keep a delivery that was given up."""
        limits = self._limits()
        self.parked.add(parked, limits.parked, limits.history_bytes)
        self.history.trim(limits.history, self._room())

    def trim(self) -> None:
        """Let go of what lowered limits leave no room for."""
        limits = self._limits()
        self.parked.trim(limits.parked, limits.history_bytes)
        self.history.trim(limits.history, self._room())

    def _room(self) -> int:
        """Bytes that the history may have beside what is parked."""
        return self._limits().history_bytes - self.parked.bytes

    # For users; called without the lock -----------------------------------------------------------------------------

    def replay(self, wanted: Sequence[P], again: Callable[[P], tuple[Queue[D], D]]) -> int:
        """Queue parked deliveries again; how many found room. The others stay parked.

        Parameters
        ----------
        wanted : sequence of Parked
            All, if it is empty.
        again : callable
            Returns the present queue and a new delivery; raises where the receiver is gone or may not receive it.

        Raises
        ------
        ResourceExhausted
            The runtime is closed.
        """
        with self.changed:
            self.check_open()
            there = self.parked.all()
            still_parked = set(there)
            found = [(parked, *again(parked)) for parked in dict.fromkeys(wanted or there) if parked in still_parked]
            queued = 0
            for parked, queue, delivery in found:
                if queue.has_room(delivery):
                    self.parked.remove(parked)
                    parked.published.became("parked", -1)
                    queue.put(delivery)
                    queued += 1
        return queued

    def flush(self, timeout: float | None) -> None:
        """Wait until nothing waits and nothing is being delivered; parked deliveries do not count.

        Raises
        ------
        TimeoutError
            After `timeout` seconds a delivery is still there; the message names its receiver.
        """
        with self.changed:
            for queue in self._queues():
                queue.wake()
        if not self._workers.wait_until(self.changed, self._is_quiet, timeout):
            with self.changed:
                busy = ", ".join(
                    f"{queue.receiver.name} ({queue.queued + 1})" for queue in self._queues() if not queue.quiet
                )
            raise TimeoutError(f"After {timeout} s there are still {self._what} for {busy}.")

    def _is_quiet(self) -> bool:
        return all(queue.quiet for queue in self._queues())

    def summary(self) -> Iterator[str]:
        """The kept things in words; nothing where there are none."""
        with self.changed:
            published, parked = len(self.history), len(self.parked)
        if published or parked:
            yield f"{self._what}: {published} in the history, {parked} parked"

    def forget(self) -> None:
        """Forget the past, and drop what waits."""
        with self.changed:
            for queue in self._queues():
                queue.drop_waiting()
            self.history.clear()
            self.parked.clear()

    # The end --------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Deliver nothing any more; the attempts that run are the last."""
        with self.changed:
            self.closed = True
            for queue in self._queues():
                queue.close()
        self._workers.close()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """End, and wait a moment for the attempts that run, except for one that calls this itself."""
        self.end()
        own = threading.get_ident()
        self.changed.wait_until(lambda: all(queue.quiet or queue.thread == own for queue in self._queues()), seconds)
