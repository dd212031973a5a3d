"""Events and their subscribers as frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.engine import wire
from judicia_notebook.host.delivery.queue import FATES
from judicia_notebook.host.events.event import Emitted
from judicia_notebook.records.recorder import shown
from judicia_notebook.text import printable_json

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.host.events.subscriber import Subscriber
    from judicia_notebook.records.recorder import Recorder


def history(recorder: Recorder, events: Sequence[Emitted], dropped: int) -> pd.DataFrame:
    """One row an event, in the order of their ids."""
    import numpy as np

    from judicia_notebook.records.columns import frame, nullable, utc

    call_ids = _numbers(event.call_id for event in events)
    columns = {
        "event_id": _texts(event.id for event in events),
        "type": _texts(event.type for event in events),
        "source": _texts(event.source for event in events),
        "at": utc(recorder.began_utc, _numbers(event.at_ns for event in events)),
        "timestamp": _texts(event.timestamp for event in events),
        "hops": _numbers(event.hops for event in events),
        "cause": _texts(event.cause for event in events),
        "call_id": nullable(call_ids, call_ids > 0),
        "bytes": _numbers(event.size for event in events),
        "payload": _objects(
            np.empty(len(events), object), (printable_json(wire.reread(event.payload)) for event in events)
        ),
        "subscribers": _numbers(event.subscribers for event in events),
        **{str(fate): _numbers(event.fates.get(fate, 0) for event in events) for fate in FATES},
    }
    return frame(dropped, columns)


def subscribers(there: Sequence[Subscriber]) -> pd.DataFrame:
    """One row a subscriber: its name and patterns, what waits, and what became of its deliveries."""
    import numpy as np

    from judicia_notebook.records.columns import frame

    columns = {
        "subscriber": _texts(shown(subscriber.name) for subscriber in there),
        "kind": _texts(subscriber.kind for subscriber in there),
        "patterns": _objects(np.empty(len(there), object), (tuple(subscriber.patterns) for subscriber in there)),
        "queued": _numbers(subscriber.queue.queued for subscriber in there),
        **{
            name: _numbers(subscriber.counts[name] for subscriber in there)
            for name in ("delivered", "retried", "parked", "dropped", "revoked", "withheld")
        },
    }
    return frame(0, columns)


def _texts(values: Iterable[str | None]) -> Any:
    import pandas as pd

    return pd.Series(list(values), dtype="str")


def _numbers(values: Iterable[int]) -> Any:
    import numpy as np

    return np.fromiter(values, "i8")


def _objects(column: Any, values: Iterable[Any]) -> Any:
    """Lists and dictionaries as they are: NumPy would make rows of them."""
    for place, value in enumerate(values):
        column[place] = value
    return column
