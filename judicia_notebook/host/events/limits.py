"""How much of everything there may be among events. Memory is bounded by these, whatever plugins do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from judicia_notebook.policy.quotas import QuotaKind

KINDS: Final[Mapping[str, QuotaKind]] = MappingProxyType(
    {
        "emit_rate": QuotaKind("events", "plugin and second", 5000, "emits of one plugin; Python's are not counted"),
        "hops": QuotaKind("hops", "event", 8, "how far events caused by events go: an emit beyond is refused"),
        "payload": QuotaKind("bytes", "event", 1 << 20, "the payload as JSON"),
        "metadata": QuotaKind("bytes", "event", 16 << 10, "the metadata as JSON"),
        "patterns": QuotaKind("patterns", "plugin", 100, "patterns subscribed to"),
        "callbacks": QuotaKind("callbacks", "runtime", 100, "Python callbacks subscribed"),
        "queue": QuotaKind("events", "subscriber", 10_000, "events waiting; one more is dropped, and counted"),
        "queue_bytes": QuotaKind("bytes", "subscriber", 32 << 20, "payloads and metadata waiting; likewise"),
        "attempts": QuotaKind(
            "attempts", "delivery", 4, "how often a failing handler is tried before it is parked", least=1
        ),
        "retry_delay": QuotaKind("s", "delivery", 0.05, "pause before the second attempt; then 4 times as long each"),
        "parked": QuotaKind("events", "runtime", 1000, "parked deliveries kept; the oldest go, and are counted"),
        "history": QuotaKind("events", "runtime", 20_000, "events kept in the history; the oldest go"),
        "history_bytes": QuotaKind("bytes", "runtime", 32 << 20, "payloads kept there and among the parked; likewise"),
    }
)
"""Every limit on events, in the order people read them. Times are seconds, sizes bytes."""


@dataclass(frozen=True, slots=True)
class EventLimits:
    """The limits in force; `KINDS` says what each is, and `Events.set_limits` changes them.

    Examples
    --------
    >>> EventLimits(hops=3).hops, EventLimits().attempts
    (3, 4)
    """

    emit_rate: int = 5000
    hops: int = 8
    payload: int = 1 << 20
    metadata: int = 16 << 10
    patterns: int = 100
    callbacks: int = 100
    queue: int = 10_000
    queue_bytes: int = 32 << 20
    attempts: int = 4
    retry_delay: float = 0.05
    parked: int = 1000
    history: int = 20_000
    history_bytes: int = 32 << 20
