"""An event: the form that a subscriber sees, and the form that the platform keeps."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from judicia_notebook.engine import wire
from judicia_notebook.host.delivery.queue import Fate

PLATFORM: Final = "@platform"
"""The source of events from Python code; no plugin can have this name."""

HOSTS_METADATA: Final = ("hops", "cause")
"""Metadata that the host fills; an emit that names one of them is refused."""


class Event(msgspec.Struct, frozen=True):
    """An event as a Python callback gets it, and as JSON `on_event`.

    Attributes
    ----------
    id : str
        Unique among all runtimes; the same each time the event is delivered.
    type : str
        Such as ``submission.judged``.
    source : str
        The plugin that emitted it; ``@platform`` for Python code.
    timestamp : str
        When, in ISO 8601 and UTC, by the runtime's clock.
    payload : Any
        The emitter's data.
    metadata : dict
        The emitter's further data, and two entries of the host: ``hops``, how many events led to this one, and
        ``cause``, the id of the last of them or None.
    """

    id: str
    type: str
    source: str
    timestamp: str
    payload: Any
    metadata: dict[str, Any]


class Emitted:
    """An event as the platform keeps it: immutable but for the counts of what became of it.

    Payload and metadata are JSON text, written once and shared by all its deliveries.
    """

    __slots__ = (
        "at_ns",
        "call_id",
        "cause",
        "fates",
        "hops",
        "id",
        "metadata",
        "payload",
        "source",
        "subscribers",
        "timestamp",
        "type",
    )
    hops: int
    cause: str | None
    id: str
    timestamp: str

    def __init__(
        self,
        event_type: str,
        source: str,
        payload: bytes,
        metadata: Mapping[str, Any],
        *,
        cause: Emitted | None,
        call_id: int,
    ) -> None:
        self.type = event_type
        self.source = source
        self.payload = payload
        self.hops = 0 if cause is None else cause.hops + 1
        self.cause = None if cause is None else cause.id
        self.metadata = wire.encode({**metadata, "hops": self.hops, "cause": self.cause})
        self.call_id = call_id
        self.id = self.timestamp = ""  # until it is published
        self.at_ns = 0
        self.subscribers = 0
        self.fates: dict[Fate, int] = {}

    @property
    def size(self) -> int:
        """Bytes of payload and metadata."""
        return len(self.payload) + len(self.metadata)

    def became(self, fate: Fate, count: int = 1) -> None:
        """Count what became of a delivery; a replay takes ``parked`` back with a count of -1."""
        self.fates[fate] = self.fates.get(fate, 0) + count

    def envelope(self, *, timed: bool) -> bytes:
        """The request of `on_event`; a plugin that may not know the time reads null for it."""
        raw = {"payload": msgspec.Raw(self.payload), "metadata": msgspec.Raw(self.metadata)}
        head = {"id": self.id, "type": self.type, "source": self.source, "timestamp": self.timestamp if timed else None}
        wire.check_room_to_write(head | raw)
        return msgspec.json.encode(head | raw)

    def open(self) -> Event:
        """The event for one callback, freshly read: no callback sees what another one changed."""
        payload, metadata = wire.reread(self.payload), wire.reread(self.metadata)
        return Event(self.id, self.type, self.source, self.timestamp, payload, metadata)


current_event: contextvars.ContextVar[Emitted | None] = contextvars.ContextVar("judicia_event", default=None)
"""What is being delivered here: the cause of events emitted now. It follows into calls made or submitted meanwhile."""


def iso_time(unix_ns: int) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond.

    Examples
    --------
    >>> iso_time(1_735_689_600_123_000_000)
    '2025-01-01T00:00:00.123Z'
    """
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=unix_ns // 1_000_000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
