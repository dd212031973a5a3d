"""Notifications and targets as frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    from judicia_notebook.records.columns import frame, nullable, utc

    call_ids = _numbers(notification.call_id for notification in notifications)
    columns: dict[str, Any] = {
        "notification_id": _texts(notification.id for notification in notifications),
        "at": utc(recorder.began_utc, _numbers(notification.at_ns for notification in notifications)),
        "source": _texts(notification.source for notification in notifications),
        "call_id": nullable(call_ids, call_ids > 0),
        "recipient": _texts(notification.recipient for notification in notifications),
        "title": _texts(notification.title for notification in notifications),
        "message": _texts(notification.message for notification in notifications),
        "type": _texts(notification.type for notification in notifications),
        "urgency": _texts(notification.urgency for notification in notifications),
        "metadata": _objects(printable_json(notification.metadata) for notification in notifications),
        "targets": _numbers(notification.targets for notification in notifications),
        **{str(fate): _numbers(notification.fates[fate] for notification in notifications) for fate in FATES},
    }
    return frame(dropped, columns)


def targets(outboxes: Sequence[Outbox]) -> pd.DataFrame:
    """One row a target. Of its URL only the scheme is shown."""
    from judicia_notebook.records.columns import frame

    columns = {
        "target": _texts(shown(outbox.target.name) for outbox in outboxes),
        "scheme": _texts(outbox.target.scheme for outbox in outboxes),
        "recipients": _objects(outbox.target.recipients for outbox in outboxes),
        "queued": _numbers(outbox.queue.queued for outbox in outboxes),
        **{name: _numbers(outbox.queue.counts[name] for outbox in outboxes) for name in (*FATES, "retried")},
    }
    return frame(0, columns)


def _texts(values: Iterable[str]) -> Any:
    import pandas as pd

    return pd.Series(list(values), dtype="str")


def _numbers(values: Iterable[int]) -> Any:
    import numpy as np

    return np.fromiter(values, "i8")


def _objects(values: Iterable[Any]) -> Any:
    """Tuples and dictionaries as they are: NumPy would make rows of them."""
    import numpy as np

    objects = list(values)
    column = np.empty(len(objects), object)
    for place, value in enumerate(objects):
        column[place] = value
    return column
