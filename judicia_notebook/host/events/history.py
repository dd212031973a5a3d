"""Events and their subscribers as frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    from judicia_notebook.records.columns import frame, nullable, numbers, objects, texts, utc

    call_ids = numbers(event.call_id for event in events)
    columns = {
        "event_id": texts(event.id for event in events),
        "type": texts(event.type for event in events),
        "source": texts(event.source for event in events),
        "at": utc(recorder.began_utc, numbers(event.at_ns for event in events)),
        "timestamp": texts(event.timestamp for event in events),
        "hops": numbers(event.hops for event in events),
        "cause": texts(event.cause for event in events),
        "call_id": nullable(call_ids, call_ids > 0),
        "bytes": numbers(event.size for event in events),
        "payload": objects(printable_json(wire.reread(event.payload)) for event in events),
        "subscribers": numbers(event.subscribers for event in events),
        **{str(fate): numbers(event.fates.get(fate, 0) for event in events) for fate in FATES},
    }
    return frame(dropped, columns)


def subscribers(there: Sequence[Subscriber]) -> pd.DataFrame:
    """One row a subscriber: its name and patterns, what waits, and what became of its deliveries."""
    from judicia_notebook.records.columns import frame, numbers, objects, texts

    columns = {
        "subscriber": texts(shown(subscriber.name) for subscriber in there),
        "kind": texts(subscriber.kind for subscriber in there),
        "patterns": objects(tuple(subscriber.patterns) for subscriber in there),
        "queued": numbers(subscriber.queue.queued for subscriber in there),
        **{
            name: numbers(subscriber.counts[name] for subscriber in there)
            for name in ("delivered", "retried", "parked", "dropped", "revoked", "withheld")
        },
    }
    return frame(0, columns)
