"""What live views read from the recorder, without a frame: only what is new, by position.

A call-heavy plugin adds ten thousand rows between two looks, so rows are counted by their key's index with NumPy, and
only the few rows that are shown are unpacked. Nothing here knows how anything is shown.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.records.table import Key, Rows, Table

RATE_SECONDS = 1.0


class Found(NamedTuple):
    """One row: its key, and its numbers by name."""

    key: Any
    numbers: dict[str, int]


class Progress(NamedTuple):
    """What a running call has used, as of its last tick: nanoseconds and bytes."""

    cpu_ns: int
    memory_bytes: int


def columns_of(run: Rows, table: Table) -> Any:
    """The numbers of a run of rows, without a copy."""
    import numpy as np

    kind = np.dtype(table.layout.numpy_dtype())
    return np.frombuffer(run.data, kind, count=run.length, offset=run.first * kind.itemsize)


def _unpack(run: Rows, table: Table, row: int) -> Found:
    packed = table.layout.packed
    index, *numbers = packed.unpack_from(run.data, (run.first + row) * packed.size)
    return Found(run.keys[index], dict(zip(table.layout.names[1:], numbers, strict=True)))


def latest(table: Table, start: int, stop: int, belongs: Callable[[Key], bool], most: int) -> list[Found]:
    """The last rows between two positions whose key belongs, newest first."""
    import numpy as np

    found: list[Found] = []
    for run in reversed(table.rows(start, stop)):
        indexes = columns_of(run, table)["key"]
        wanted = [index for index in np.unique(indexes).tolist() if belongs(run.keys[index])]
        if wanted:
            where = np.flatnonzero(np.isin(indexes, wanted))[len(found) - most :]
            found += [_unpack(run, table, row) for row in reversed(where.tolist())]
        if len(found) >= most:
            break
    return found


class Tail:
    """The last rows of a table that belong to a plugin, kept from one look to the next.

    Parameters
    ----------
    table : Table
    plugin_of : callable
        ``plugin_of(key)``: the plugin's name in a row's key.
    most : int
    """

    def __init__(self, table: Table, plugin_of: Callable[[Any], str], most: int) -> None:
        self._table = table
        self._plugin_of = plugin_of
        self._most = most
        self._plugin = ""
        self._at = 0
        self._rows: deque[Found] = deque(maxlen=most)

    def of(self, plugin: str) -> list[Found]:
        """The last rows of this plugin, newest first."""
        if plugin != self._plugin:
            self._plugin, self._at = plugin, 0
            self._rows.clear()
        end = self._table.end
        if end != self._at:
            new = latest(self._table, self._at, end, lambda key: self._plugin_of(key) == plugin, self._most)
            self._rows.extendleft(reversed(new))
            self._at = end
        return list(self._rows)


class Tally:
    """How many rows of a table there were of each kind, also of those the table has dropped since it was first asked.

    Parameters
    ----------
    table : Table
    kind_of : callable
        ``kind_of(key)``: what a row with this key is counted under.
    """

    def __init__(self, table: Table, kind_of: Callable[[Any], tuple[str, ...]]) -> None:
        self._table = table
        self._kind_of = kind_of
        self._at = 0
        self._counts: Counter[tuple[str, ...]] = Counter()

    def counts(self) -> Counter[tuple[str, ...]]:
        """The numbers as of now."""
        import numpy as np

        end = self._table.end
        if end != self._at:
            for run in self._table.rows(self._at, end):
                occurrences = np.bincount(columns_of(run, self._table)["key"])
                for index in np.flatnonzero(occurrences).tolist():
                    self._counts[self._kind_of(run.keys[index])] += int(occurrences[index])
            self._at = end
        return self._counts


class Rate:
    """How fast counters grew over about the last second."""

    def __init__(self) -> None:
        self.last = 0.0
        self._seen: deque[tuple[float, dict[str, int]]] = deque()

    def fastest(self, counts: dict[str, int]) -> float:
        """Rows a second of whichever counter grew fastest."""
        now = time.monotonic()
        while len(self._seen) > 1 and now - self._seen[1][0] >= RATE_SECONDS:
            self._seen.popleft()
        self._seen.append((now, dict(counts)))
        since, before = self._seen[0]
        if now - since >= RATE_SECONDS / 4:
            self.last = max((counts[name] - before.get(name, 0) for name in counts), default=0) / (now - since)
        return self.last

    def clear(self) -> None:
        """Forget what was seen."""
        self.last = 0.0
        self._seen.clear()


class Ticks:
    """What running calls have used, from their ticks."""

    def __init__(self, recorder: Recorder) -> None:
        self._table = recorder.samples
        self._at = 0
        self._progress: dict[int, Progress] = {}

    def of(self, call_ids: Iterable[int]) -> dict[int, Progress]:
        """The last tick of each of these calls; none where it has not come to one."""
        import numpy as np

        running = set(call_ids)
        self._progress = {call_id: seen for call_id, seen in self._progress.items() if call_id in running}
        end = self._table.end
        # A call that began before the first look has left ticks of which only the last matters: a few chunks hold it.
        for run in self._table.rows(max(self._at, end - 65536), end) if running else ():
            columns = columns_of(run, self._table)
            for row in np.flatnonzero(np.isin(columns["call_id"], list(running))).tolist():
                one = columns[row]
                self._progress[int(one["call_id"])] = Progress(int(one["cpu_ns"]), int(one["memory_bytes"]))
        self._at = end
        return self._progress
