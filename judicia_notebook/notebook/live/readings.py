"""The recorder's new rows for live views, by position and without a frame.

A call-heavy plugin adds ten thousand rows between two readings. So NumPy counts rows by their key's index, and only the
few rows that a view shows are unpacked. This module does not know how views show them.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from judicia_notebook.records.table import K, Row

if TYPE_CHECKING:
    from judicia_notebook.records.record import CallKey
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.records.rows import HostCallKey
    from judicia_notebook.records.table import Table

L = TypeVar("L", bound=tuple[str, ...])

RATE_SECONDS = 1.0


class Progress(NamedTuple):
    """A running call's use as of its last tick: nanoseconds and bytes."""

    cpu_ns: int
    memory_bytes: int


def latest(table: Table[K], start: int, stop: int, belongs: Callable[[K], bool], most: int) -> list[Row[K]]:
    """The last rows between two positions whose key belongs, newest first."""
    import numpy as np

    found: list[Row[K]] = []
    for run in reversed(table.rows(start, stop)):
        indexes = table.layout.array(run)["key"]
        wanted = [index for index in np.unique(indexes).tolist() if belongs(run.keys[index])]
        if wanted:
            where = np.flatnonzero(np.isin(indexes, wanted))[len(found) - most :]
            for row in reversed(where.tolist()):
                index, numbers = table.layout.unpack(run.data, run.first + row)
                found.append(Row(run.keys[index], numbers))
        if len(found) >= most:
            break
    return found


class Tail(Generic[K]):
    """The last rows of a table that belong to a plugin, kept from one reading to the next.

    Parameters
    ----------
    table : Table
    plugin_of : callable
        ``plugin_of(key)``: the plugin's name in a row's key.
    most : int
    """

    def __init__(self, table: Table[K], plugin_of: Callable[[K], str], most: int) -> None:
        self._table = table
        self._plugin_of = plugin_of
        self._most = most
        self._plugin = ""
        self._at = 0
        self._rows: deque[Row[K]] = deque(maxlen=most)

    def of(self, plugin: str) -> list[Row[K]]:
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


class Tally(Generic[K, L]):
    """How many rows of each kind a table has had, those included that it has dropped since the first reading.

    Parameters
    ----------
    table : Table
    kind_of : callable
        ``kind_of(key)``: what a row with this key is counted under.
    """

    def __init__(self, table: Table[K], kind_of: Callable[[K], L]) -> None:
        self._table = table
        self._kind_of = kind_of
        self._at = 0
        self._counts: Counter[L] = Counter()

    def counts(self) -> Counter[L]:
        """The numbers as of now."""
        import numpy as np

        end = self._table.end
        if end != self._at:
            for run in self._table.rows(self._at, end):
                occurrences = np.bincount(self._table.layout.array(run)["key"])
                for index in np.flatnonzero(occurrences).tolist():
                    self._counts[self._kind_of(run.keys[index])] += int(occurrences[index])
            self._at = end
        return self._counts


class CallKind(NamedTuple):
    """The key that ended calls are counted under."""

    plugin: str
    outcome: str


class HostCallKind(NamedTuple):
    """The key that host calls are counted under; `capability` is empty where every plugin may call."""

    plugin: str
    capability: str
    decision: str


class HostFunctionKind(NamedTuple):
    """The same, and the function that was called."""

    plugin: str
    capability: str
    function: str
    decision: str


def tally_calls(recorder: Recorder) -> Tally[CallKey, CallKind]:
    """The ended calls by plugin and outcome."""
    return Tally(recorder.calls, lambda key: CallKind(key.subject.plugin, key.outcome))


def tally_host_calls(recorder: Recorder) -> Tally[HostCallKey, HostCallKind]:
    """The host calls by plugin, capability and decision."""
    return Tally(recorder.host_calls, lambda key: HostCallKind(key.plugin, key.capability, key.decision))


def tally_host_functions(recorder: Recorder) -> Tally[HostCallKey, HostFunctionKind]:
    """The host calls by plugin, capability, function and decision."""
    return Tally(
        recorder.host_calls, lambda key: HostFunctionKind(key.plugin, key.capability, key.function, key.decision)
    )


class Rate:
    """How fast counters grew over about the last second."""

    def __init__(self) -> None:
        self.last = 0.0
        self._seen: deque[tuple[float, dict[str, int]]] = deque()

    def fastest(self, counts: dict[str, int]) -> float:
        """Rows a second of the counter that grew fastest."""
        now = time.monotonic()
        while len(self._seen) > 1 and now - self._seen[1][0] >= RATE_SECONDS:
            self._seen.popleft()
        self._seen.append((now, dict(counts)))
        since, before = self._seen[0]
        if now - since >= RATE_SECONDS / 4:
            self.last = max((counts[name] - before.get(name, 0) for name in counts), default=0) / (now - since)
        return self.last

    def clear(self) -> None:
        """Forget the earlier counts."""
        self.last = 0.0
        self._seen.clear()


class Ticks:
    """The use of running calls, from their ticks."""

    def __init__(self, recorder: Recorder) -> None:
        self._table = recorder.samples
        self._at = 0
        self._progress: dict[int, Progress] = {}

    def of(self, call_ids: Iterable[int]) -> dict[int, Progress]:
        """The last tick of each of these calls; a call that has had none is left out."""
        import numpy as np

        running = set(call_ids)
        self._progress = {call_id: seen for call_id, seen in self._progress.items() if call_id in running}
        end = self._table.end
        # A call that began before the first look has left ticks of which only the last matters: a few chunks hold it.
        for run in self._table.rows(max(self._at, end - 65536), end) if running else ():
            columns = self._table.layout.array(run)
            for row in np.flatnonzero(np.isin(columns["call_id"], list(running))).tolist():
                sample = columns[row]
                self._progress[int(sample["call_id"])] = Progress(int(sample["cpu_ns"]), int(sample["memory_bytes"]))
        self._at = end
        return self._progress
