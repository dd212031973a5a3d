"""How much of everything there may be among notifications. Memory is bounded by these, whatever plugins do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from judicia_notebook.policy.quotas import QuotaKind

KINDS: Final[Mapping[str, QuotaKind]] = MappingProxyType(
    {
        "send_rate": QuotaKind("notifications", "plugin and second", 100, "of one plugin; Python's are not counted"),
        "recipient": QuotaKind("bytes", "notification", 200, "to whom, as UTF-8"),
        "title": QuotaKind("bytes", "notification", 500, "the title as UTF-8"),
        "message": QuotaKind("bytes", "notification", 16 << 10, "the message as UTF-8"),
        "metadata": QuotaKind("bytes", "notification", 4 << 10, "the metadata as JSON"),
        "targets": QuotaKind("targets", "runtime", 20, "that notifications go out to"),
        "queue": QuotaKind("notifications", "target", 1000, "waiting; one more is dropped, and counted"),
        "attempts": QuotaKind(
            "attempts", "delivery", 4, "how often a target is tried before the delivery is parked", least=1
        ),
        "retry_delay": QuotaKind("s", "delivery", 0.5, "pause before the second attempt; then 4 times as long each"),
        "parked": QuotaKind("deliveries", "runtime", 1000, "parked ones that are kept; the oldest go, and are counted"),
        "history": QuotaKind("notifications", "runtime", 10_000, "kept in the history; the oldest go"),
        "history_bytes": QuotaKind("bytes", "runtime", 16 << 20, "kept there and among the parked; likewise"),
    }
)
"""Every limit on notifications, in the order people read them. Times are seconds, sizes bytes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force; `KINDS` says what each is.

    Examples
    --------
    >>> Limits(queue=10).queue, Limits().attempts
    (10, 4)
    """

    send_rate: int = 100
    recipient: int = 200
    title: int = 500
    message: int = 16 << 10
    metadata: int = 4 << 10
    targets: int = 20
    queue: int = 1000
    attempts: int = 4
    retry_delay: float = 0.5
    parked: int = 1000
    history: int = 10_000
    history_bytes: int = 16 << 20
