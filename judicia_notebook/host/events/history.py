"""What was emitted and what became of it, bounded, and as frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, get_args

from judicia_notebook.engine import wire
from judicia_notebook.host.events.event import Emitted, Fate
from judicia_notebook.records.recorder import shown
from judicia_notebook.text import printable_json

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.host.events.subscriber import Subscriber
    from judicia_notebook.records.recorder import Recorder


class Bounded:
    """Things in their order, as many as there is room for; the oldest go first, and are counted.

    Parameters
    ----------
    size : callable
        Bytes of one of them.
    """

    def __init__(self, size: Callable[[Any], int]) -> None:
        self._size = size
        self._kept: deque[Any] = deque()
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """Of all of them together."""
        return self._bytes

    def add(self, one: Any, most: int, most_bytes: int) -> None:
        """Keep one more, and let the oldest go until all fit."""
        self._kept.append(one)
        self._bytes += self._size(one)
        self.trim(most, most_bytes)

    def trim(self, most: int, most_bytes: int) -> None:
        """Let the oldest go until there are at most so many, of at most so many bytes."""
        while self._kept and (len(self._kept) > most or self._bytes > most_bytes):
            self._bytes -= self._size(self._kept.popleft())
            self.dropped += 1

    def clear(self) -> None:
        """Forget all of them, and how many went."""
        self._kept.clear()
        self._bytes = self.dropped = 0

    def remove(self, one: Any) -> None:
        """Take one out again.

        Raises
        ------
        ValueError
            It is not there.
        """
        self._kept.remove(one)
        self._bytes -= self._size(one)

    def all(self) -> tuple[Any, ...]:
        """All of them, oldest first."""
        return tuple(self._kept)


def history(recorder: Recorder, events: Sequence[Emitted], dropped: int) -> pd.DataFrame:
    """One row an event, in the order of their ids."""
    import numpy as np

    from judicia_notebook.records.columns import frame, nullable, utc

    call_ids = _numbers(event.call_id for event in events)
    fates: tuple[Fate, ...] = get_args(Fate)
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
        **{str(fate): _numbers(event.fates.get(fate, 0) for event in events) for fate in fates},
    }
    return frame(dropped, columns)


def subscribers(everybody: Sequence[Subscriber]) -> pd.DataFrame:
    """One row a subscriber: who, to what, what waits, and what became of its deliveries."""
    import numpy as np

    from judicia_notebook.records.columns import frame

    columns = {
        "subscriber": _texts(shown(one.name) for one in everybody),
        "kind": _texts(one.kind for one in everybody),
        "patterns": _objects(np.empty(len(everybody), object), (tuple(one.patterns) for one in everybody)),
        "queued": _numbers(one.queued for one in everybody),
        **{
            name: _numbers(one.counts[name] for one in everybody)
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
