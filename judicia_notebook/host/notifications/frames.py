"""Notifications and targets as frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.host.delivery.queue import FATES
from judicia_notebook.host.notifications.notification import Notification
from judicia_notebook.records.recorder import shown
from judicia_notebook.text import printable_json

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.host.notifications.outbox import Outbox
    from judicia_notebook.records.recorder import Recorder


def history(recorder: Recorder, notifications: Sequence[Notification], dropped: int) -> pd.DataFrame:
    """One row a notification, in the order of their ids."""
    from judicia_notebook.records.columns import frame, nullable, numbers, objects, texts, utc

    call_ids = numbers(notification.call_id for notification in notifications)
    columns: dict[str, Any] = {
        "notification_id": texts(notification.id for notification in notifications),
        "at": utc(recorder.began_utc, numbers(notification.at_ns for notification in notifications)),
        "source": texts(notification.source for notification in notifications),
        "call_id": nullable(call_ids, call_ids > 0),
        "recipient": texts(notification.recipient for notification in notifications),
        "title": texts(notification.title for notification in notifications),
        "message": texts(notification.message for notification in notifications),
        "type": texts(notification.type for notification in notifications),
        "urgency": texts(notification.urgency for notification in notifications),
        "metadata": objects(printable_json(notification.metadata) for notification in notifications),
        "targets": numbers(notification.targets for notification in notifications),
        **{str(fate): numbers(notification.fates[fate] for notification in notifications) for fate in FATES},
    }
    return frame(dropped, columns)


def targets(outboxes: Sequence[Outbox]) -> pd.DataFrame:
    """One row a target. Of its URL only the scheme is shown."""
    from judicia_notebook.records.columns import frame, numbers, objects, texts

    columns = {
        "target": texts(shown(outbox.target.name) for outbox in outboxes),
        "scheme": texts(outbox.target.scheme for outbox in outboxes),
        "recipients": objects(outbox.target.recipients for outbox in outboxes),
        "queued": numbers(outbox.queue.queued for outbox in outboxes),
        **{name: numbers(outbox.queue.counts[name] for outbox in outboxes) for name in (*FATES, "retried")},
    }
    return frame(0, columns)
