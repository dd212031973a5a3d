"""``judicia:notifications``: plugins' messages to people.

- `notification`: a message and its fields; `limits`: how many messages, targets and bytes there may be.
- `targets`: places outside, in Apprise's hands; `outbox`: one target's queue and its deliveries, with retries.
- `board`: ``rt.host.notifications``; `frames`: its contents as DataFrames.
- Here: the operation of a guest. The guest names the recipient and gives the text. The host adds the sender, and the
  user decides where it goes. The guest gets the same answer whether it goes anywhere or not.
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
    """A recipient, and a message."""

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
        """The notifications that are kept, in words."""
        return self.notifications.kept()

    def forget(self) -> None:
        """Forget all notifications."""
        self.notifications.forget()

    def close(self) -> None:
        """Send nothing any more."""
        self.notifications.close()

    def send(self, scope: CallScope, request: Send) -> dict[str, str]:
        """Send a notification as this plugin."""
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
