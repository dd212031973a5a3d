"""Notifications and targets as frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.host.notifications.notification import FATES, Notification
from judicia_notebook.records.recorder import shown
from judicia_notebook.text import printable_json

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.host.notifications.outbox import Outbox
    from judicia_notebook.records.recorder import Recorder


def history(recorder: Recorder, notifications: Sequence[Notification], dropped: int) -> pd.DataFrame:
    """One row a notification, in the order of their ids."""
    from judicia_notebook.records.columns import frame, nullable, utc

    call_ids = _numbers(one.call_id for one in notifications)
    columns: dict[str, Any] = {
        "notification_id": _texts(one.id for one in notifications),
        "at": utc(recorder.began_utc, _numbers(one.at_ns for one in notifications)),
        "source": _texts(one.source for one in notifications),
        "call_id": nullable(call_ids, call_ids > 0),
        "recipient": _texts(one.recipient for one in notifications),
        "title": _texts(one.title for one in notifications),
        "message": _texts(one.message for one in notifications),
        "type": _texts(one.type for one in notifications),
        "urgency": _texts(one.urgency for one in notifications),
        "metadata": _objects(printable_json(one.metadata) for one in notifications),
        "targets": _numbers(one.targets for one in notifications),
        **{str(fate): _numbers(one.fates[fate] for one in notifications) for fate in FATES},
    }
    return frame(dropped, columns)


def targets(outboxes: Sequence[Outbox]) -> pd.DataFrame:
    """One row a target. Of its URL only the scheme is shown."""
    from judicia_notebook.records.columns import frame

    columns = {
        "target": _texts(shown(one.target.name) for one in outboxes),
        "scheme": _texts(one.target.scheme for one in outboxes),
        "recipients": _objects(one.target.recipients for one in outboxes),
        "queued": _numbers(one.queued for one in outboxes),
        **{name: _numbers(one.counts[name] for one in outboxes) for name in (*FATES, "retried")},
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

    kept = list(values)
    column = np.empty(len(kept), object)
    for place, value in enumerate(kept):
        column[place] = value
    return column
