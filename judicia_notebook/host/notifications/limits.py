"""The limits on notifications. They bound memory, whatever plugins do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from judicia_notebook.policy.limits import LimitTable, limit

_FORGOTTEN = "the oldest are forgotten, and counted"


@dataclass(frozen=True, slots=True)
class NotificationLimits:
    """The limits in force; `Notifications.set_limits` changes them. Times are seconds, sizes bytes.

    Examples
    --------
    >>> NotificationLimits(queue=10).queue, NotificationLimits().attempts
    (10, 4)
    """

    send_rate: int = limit(100, "notifications", "plugin and second", "of one plugin; Python's are not counted")
    recipient: int = limit(200, "bytes", "notification", "to whom, as UTF-8")
    title: int = limit(500, "bytes", "notification", "the title as UTF-8")
    message: int = limit(16 << 10, "bytes", "notification", "the message as UTF-8")
    metadata: int = limit(4 << 10, "bytes", "notification", "the metadata as JSON")
    targets: int = limit(20, "targets", "runtime", "that notifications go out to", beyond="the user can add no more")
    queue: int = limit(
        1000,
        "notifications",
        "target",
        "that wait",
        beyond="the notification is dropped for this target, and counted",
    )
    attempts: int = limit(
        4, "attempts", "delivery", "how often a target is tried", beyond="the delivery is parked", least=1
    )
    retry_delay: float = limit(
        0.5, "s", "delivery", "pause before the second attempt; then 4 times as long each", beyond="the next attempt"
    )
    parked: int = limit(1000, "deliveries", "runtime", "parked ones that are kept", beyond=_FORGOTTEN)
    history: int = limit(10_000, "notifications", "runtime", "kept in the history", beyond=_FORGOTTEN)
    history_bytes: int = limit(16 << 20, "bytes", "runtime", "kept there and among the parked", beyond=_FORGOTTEN)


KINDS: Final = LimitTable(NotificationLimits, "notifications", "notifications")
