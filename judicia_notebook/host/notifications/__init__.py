"""``judicia:notifications``: what plugins want people to be told.

- `notification`: what was said; `limits`: how much of everything there may be.
- `targets`: places outside, in Apprise's hands; `outbox`: a queue for one of them and the handing over, with retries.
- `board`: ``rt.host.notifications``; `frames`: it as DataFrames.
- Here: what a guest may ask for. It says to whom and what. Who it is the host says, where it goes the user does, and
  the answer is the same whether it goes anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.engine import wire
from judicia_notebook.errors import InvalidPayload
from judicia_notebook.host.dispatcher import Operation, ServiceError
from judicia_notebook.host.notifications.board import Notifications, TargetHandle
from judicia_notebook.host.notifications.limits import NotificationLimits
from judicia_notebook.host.notifications.notification import Notification, Type, Urgency
from judicia_notebook.host.notifications.outbox import Parked
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope
    from judicia_notebook.records.recorder import Recorder

__all__ = ["Notification", "NotificationLimits", "Notifications", "NotificationsService", "Parked", "TargetHandle"]


class Send(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to tell what."""

    recipient: str
    title: str
    message: str
    type: Type = "info"
    urgency: Urgency = "normal"
    metadata: dict[str, Any] | None = None


class NotificationsService:
    """``judicia:notifications`` of one runtime; `notifications` is what Python code has of it."""

    module = "judicia:notifications"
    left = "notifications"
    given = "notification targets"

    def __init__(self) -> None:
        self.notifications = Notifications()

    def operations(self) -> Iterable[Operation]:
        yield Operation(
            "send",
            self.send,
            capability="send_notifications",
            request=Send,
            target=lambda request: printable(request.recipient, 200),
        )

    def connect(self, recorder: Recorder, _deliver: object) -> None:
        """Take where rows go; no plugin is called."""
        self.notifications.connect(recorder)

    def kept(self) -> Iterator[str]:
        """What is kept of notifications, in words."""
        return self.notifications.kept()

    def forget(self) -> None:
        """Forget all notifications."""
        self.notifications.forget()

    def close(self) -> None:
        """Send nothing any more."""
        self.notifications.close()

    def send(self, scope: CallScope, request: Send) -> dict[str, str]:
        """Tell somebody something as this plugin."""
        try:
            packed = wire.encode(request.metadata or {})
        except InvalidPayload as error:  # what the request could say and JSON of its own cannot
            raise ServiceError("bad_request", f"field `metadata`: {error.message}") from None
        notification = Notification(
            scope.plugin,
            request.recipient,
            request.title,
            request.message,
            request.type,
            request.urgency,
            packed,
            scope.call_id,
        )
        return {"id": self.notifications.publish(notification, scope.policy)}
