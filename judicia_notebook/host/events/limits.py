"""The limits on events. They bound memory, whatever plugins do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from judicia_notebook.policy.limits import LimitTable, limit

_DROPPED = "the event is dropped for this subscriber, and counted"
_FORGOTTEN = "the oldest are forgotten, and counted"


@dataclass(frozen=True, slots=True)
class EventLimits:
    """The limits in force; `Events.set_limits` changes them. Times are seconds, sizes bytes.

    Examples
    --------
    >>> EventLimits(hops=3).hops, EventLimits().attempts
    (3, 4)
    """

    emit_rate: int = limit(5000, "events", "plugin and second", "emits of one plugin; Python's are not counted")
    hops: int = limit(
        8,
        "hops",
        "event",
        "how far events caused by events go",
        beyond="`quota_exceeded`: an event emitted while another is handled is one hop further, and so a cycle ends",
    )
    payload: int = limit(1 << 20, "bytes", "event", "the payload as JSON")
    metadata: int = limit(16 << 10, "bytes", "event", "the metadata as JSON")
    patterns: int = limit(100, "patterns", "plugin", "patterns subscribed to")
    callbacks: int = limit(
        100, "callbacks", "runtime", "Python callbacks subscribed", beyond="the user can subscribe no more"
    )
    queue: int = limit(10_000, "events", "subscriber", "events waiting", beyond=_DROPPED)
    queue_bytes: int = limit(32 << 20, "bytes", "subscriber", "payloads and metadata waiting", beyond=_DROPPED)
    attempts: int = limit(
        4, "attempts", "delivery", "how often a failing handler is tried", beyond="the event is parked", least=1
    )
    retry_delay: float = limit(
        0.05, "s", "delivery", "pause before the second attempt; then 4 times as long each", beyond="the next attempt"
    )
    parked: int = limit(1000, "events", "runtime", "parked deliveries kept", beyond=_FORGOTTEN)
    history: int = limit(20_000, "events", "runtime", "events kept in the history", beyond=_FORGOTTEN)
    history_bytes: int = limit(
        32 << 20, "bytes", "runtime", "payloads kept there and among the parked", beyond=_FORGOTTEN
    )


KINDS: Final = LimitTable(EventLimits, "events", "events")
