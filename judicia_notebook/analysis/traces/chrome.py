"""The recorder's tables as Chrome trace events, for ui.perfetto.dev (which keeps the file on your machine).

A plugin is a process, an instance a thread of it: calls are slices, host calls slices inside them, memory is a counter,
denials, refused grows, log lines and changes of policy are instants. A wait in the queue is an asynchronous slice.

The format wants the slices of a thread nested. But the recorder reads its clocks a few microseconds apart, and an
instance may be in its next call before the answer of the last call is decoded. So a slice is cut where the next slice
begins, or where the slice around it ends. The whole times are in its arguments.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.records import frames

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.records.recorder import Recorder

RUNTIME, NO_INSTANCE = 0, 0
_QUEUED_MS = 0.05
_AT_ONCE = 10_000
_FOR_EVER = float("inf")
_CALL_ARGUMENTS = (
    "call_id", "parent_call_id", "origin", "thread", "label", "instance_call", "outcome", "error", "queue_ms",
    "setup_ms", "encode_ms", "guest_ms", "host_ms", "decode_ms", "cpu_ms", "fuel", "memory_peak_bytes",
    "bytes_in", "bytes_out", "host_calls", "denied",
)  # fmt: skip
_HOST_ARGUMENTS = ("call_id", "seq", "capability", "target", "bytes_in", "bytes_out", "decision", "detail")

Event = dict[str, Any]


def export(recorder: Recorder, path: str | os.PathLike[str]) -> Path:
    """Write all records; compressed, if the name ends in ``.gz``. Returns the path."""
    target = Path(path)
    encode = msgspec.json.encode
    with gzip.open(target, "wb", compresslevel=5) if target.suffix == ".gz" else target.open("wb") as file:
        head = {"run_id": recorder.run_id, "began": recorder.began_utc.isoformat(), "dropped": recorder.dropped}
        file.write(b'{"displayTimeUnit":"ms","otherData":' + encode(head) + b',"traceEvents":[\n')
        separator = b""
        for event in events(recorder):
            file.write(separator + encode(event))
            separator = b",\n"
        file.write(b"\n]}\n")
    return target


def events(recorder: Recorder) -> Iterator[Event]:
    """The trace events: names of processes and threads, then slices, waits, counters and instants."""
    calls = frames.calls(recorder)
    host_calls = frames.host_calls(recorder)
    host_calls = host_calls[host_calls["at_ms"].notna()]  # of calls that have ended
    logs = frames.logs(recorder)
    plugins = sorted({*calls["plugin"].dropna(), *logs["plugin"].dropna()})
    process = {plugin: number for number, plugin in enumerate(plugins, RUNTIME + 1)}
    lanes = _Lanes(calls, process)
    yield from _names(process, lanes)
    yield from _slices(calls, host_calls, lanes)
    yield from _queues(calls, lanes)
    yield from _memory(recorder, lanes)
    yield from _denials(host_calls, lanes)
    yield from _lines(recorder, logs, lanes, process)


class _Lanes:
    """Which process and thread each call is drawn in, and when it began; by arrays, since there may be a million."""

    def __init__(self, calls: pd.DataFrame, process: dict[str, int]) -> None:
        import numpy as np

        self._ids = calls["call_id"].to_numpy()
        self._order = self._ids.argsort(kind="stable")
        self._ids = self._ids[self._order]
        self.pid = calls["plugin"].map(process).to_numpy("i8")
        self.tid = calls["instance_id"].fillna(NO_INSTANCE).to_numpy("i8")
        self.begin_us = calls["started_ms"].to_numpy("f8") * 1e3
        self.all = np.unique(np.stack([self.pid, self.tid], 1), axis=0).tolist()

    def rows_of(self, call_ids: Any) -> Any:
        """The rows of these calls; all of them have one."""
        import numpy as np

        return self._order[np.searchsorted(self._ids, call_ids)]

    def find(self, call_id: int | None) -> tuple[int, int] | None:
        """The process and thread of a call; None where it has no row."""
        import numpy as np

        at = int(np.searchsorted(self._ids, call_id or 0))
        if at == len(self._ids) or self._ids[at] != call_id:
            return None
        row = self._order[at]
        return int(self.pid[row]), int(self.tid[row])


def _names(process: dict[str, int], lanes: _Lanes) -> Iterator[Event]:
    for plugin, pid in {"runtime": RUNTIME, **process}.items():
        yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": plugin}}
        yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
    for pid, tid in lanes.all:
        name = f"instance {tid}" if tid != NO_INSTANCE else "no instance"
        yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}


def _columns(frame: pd.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    """The rows of some columns as plain Python values, None for NA; a few at a time, since each is an object."""
    for first in range(0, len(frame), _AT_ONCE):
        part = frame.iloc[first : first + _AT_ONCE]
        yield from zip(*(_plain(part[name]) for name in names), strict=True)


def _plain(column: pd.Series[Any]) -> list[Any]:
    import numpy as np
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        texts = [*column.cat.categories, None]  # NA has the code -1
        return [texts[code] for code in column.cat.codes]
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "if":
        return list(column.to_numpy().tolist())
    return list(column.astype(object).where(column.notna(), None))


def _rows(frame: pd.DataFrame, names: tuple[str, ...]) -> Iterator[Event]:
    """The rows as dictionaries, without NA."""
    for values in _columns(frame, *names):
        yield {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _slices(calls: pd.DataFrame, host_calls: pd.DataFrame, lanes: _Lanes) -> Iterator[Event]:
    """Calls and host calls, thread by thread in the order of time, none reaching beyond the one it is in."""
    import numpy as np

    home = lanes.rows_of(host_calls["call_id"].to_numpy())
    began = lanes.begin_us[home] + host_calls["at_ms"].to_numpy("f8") * 1e3
    begin = np.concatenate([lanes.begin_us, began])
    wall_ms = np.concatenate([calls["wall_ms"].to_numpy("f8"), host_calls["wall_ms"].to_numpy("f8")])
    end = begin + wall_ms * 1e3
    pid, tid = (np.concatenate([lane, lane[home]]) for lane in (lanes.pid, lanes.tid))
    order = np.lexsort((-end, begin, tid, pid))
    place = [each[order].tolist() for each in (pid, tid, begin, end)]
    calls_first = order < len(calls)
    cuts = _cut(list(zip(*place[:2], strict=True)), place[2], place[3], calls_first.tolist())
    told = (
        _rows(calls.iloc[order[calls_first]], ("function", *_CALL_ARGUMENTS)),
        _rows(host_calls.iloc[order[~calls_first] - len(calls)], ("function", *_HOST_ARGUMENTS)),
    )
    for is_call, one_pid, one_tid, one_begin, until in zip(calls_first.tolist(), *place[:3], cuts, strict=True):
        arguments = next(told[0] if is_call else told[1])
        yield {
            "name": arguments.pop("function"), "cat": "call" if is_call else "host", "ph": "X",
            "pid": one_pid, "tid": one_tid, "ts": _us(one_begin), "dur": max(0.0, _us(until - one_begin)),
            "args": arguments,
        }  # fmt: skip


def _cut(
    lanes: list[tuple[int, int]], begins: list[float], ends: list[float], are_calls: list[bool]
) -> Iterator[float]:
    """Where each slice ends, so that those of one thread are nested."""
    following = _following(lanes, begins, ends, are_calls)
    around: list[float] = []
    lane: tuple[int, int] | None = None
    for this, begin, end, limit in zip(lanes, begins, ends, following, strict=True):
        if this != lane:
            lane, around = this, []
        while around and around[-1] <= begin:
            around.pop()
        cut = min(end, limit, *around[-1:])
        around.append(cut)
        yield cut


def _following(
    lanes: list[tuple[int, int]], begins: list[float], ends: list[float], are_calls: list[bool]
) -> list[float]:
    """For each call, the begin of the next call of its thread that is not within it; for other slices, never."""
    found = [_FOR_EVER] * len(begins)
    coming: list[tuple[float, float]] = []
    lane: tuple[int, int] | None = None
    for place in reversed(range(len(begins))):
        if lanes[place] != lane:
            lane, coming = lanes[place], []
        if are_calls[place]:
            while coming and coming[-1][1] <= ends[place]:
                coming.pop()
            found[place] = coming[-1][0] if coming else _FOR_EVER
            coming.append((begins[place], ends[place]))
    return found


def _queues(calls: pd.DataFrame, lanes: _Lanes) -> Iterator[Event]:
    waited = (calls["queue_ms"] >= _QUEUED_MS).to_numpy()
    columns = _columns(calls[waited], "call_id", "started_ms", "queue_ms")
    for pid, tid, (call_id, started, queue) in zip(
        lanes.pid[waited].tolist(), lanes.tid[waited].tolist(), columns, strict=True
    ):
        event = {"name": "in the queue", "cat": "queue", "id": call_id, "pid": pid, "tid": tid}
        yield {**event, "ph": "b", "ts": _us((started - queue) * 1e3), "args": {"call_id": call_id}}
        yield {**event, "ph": "e", "ts": _us(started * 1e3)}


def _memory(recorder: Recorder, lanes: _Lanes) -> Iterator[Event]:
    """Memory of each instance where it changes, and the grows that were refused."""
    import numpy as np

    samples = frames.samples(recorder)
    samples = samples[samples["at_ms"].notna() & samples["memory_bytes"].notna()]
    home = lanes.rows_of(samples["call_id"].to_numpy())
    pid, tid = lanes.pid[home], lanes.tid[home]
    at = lanes.begin_us[home] + samples["at_ms"].to_numpy("f8") * 1e3
    memory = samples["memory_bytes"].to_numpy("i8")
    refused = (samples["event"] == "grow_refused").to_numpy()
    order = np.lexsort((np.arange(len(at)), at, tid, pid))
    pid, tid, at, memory, refused = (each[order] for each in (pid, tid, at, memory, refused))
    keep = np.ones(len(at), bool)
    keep[1:] = refused[1:] | (np.diff(memory) != 0) | (np.diff(pid) != 0) | (np.diff(tid) != 0)
    columns = (each[keep].tolist() for each in (pid, tid, at, memory, refused))
    for one_pid, one_tid, when, size, was_refused in zip(*columns, strict=True):
        event = {"pid": one_pid, "tid": one_tid, "ts": _us(when), "cat": "memory", "args": {"bytes": size}}
        if was_refused:
            yield {**event, "name": "grow refused", "ph": "i", "s": "t"}
        else:
            yield {**event, "name": f"memory of instance {one_tid}", "ph": "C"}


def _denials(host_calls: pd.DataFrame, lanes: _Lanes) -> Iterator[Event]:
    denied = host_calls[host_calls["decision"] == "denied"]
    home = lanes.rows_of(denied["call_id"].to_numpy()).tolist()
    for row, (at, capability, function) in zip(home, _columns(denied, "at_ms", "capability", "function"), strict=True):
        yield {
            "name": f"denied {capability}", "cat": "denied", "ph": "i", "s": "t",
            "pid": int(lanes.pid[row]), "tid": int(lanes.tid[row]),
            "ts": _us(float(lanes.begin_us[row]) + at * 1e3), "args": {"function": function},
        }  # fmt: skip


def _lines(recorder: Recorder, logs: pd.DataFrame, lanes: _Lanes, process: dict[str, int]) -> Iterator[Event]:
    """Log lines, and changes of the runtime and its policies."""
    for call_id, plugin, at, level, message in _columns(logs, "call_id", "plugin", "at", "level", "message"):
        pid, tid = lanes.find(call_id) or (process[plugin], NO_INSTANCE)
        yield {
            "name": f"{level}: {message[:80]}", "cat": "log", "ph": "i", "s": "t", "pid": pid, "tid": tid,
            "ts": _since(recorder, at), "args": {"message": message},
        }  # fmt: skip
    audit = frames.audit(recorder)
    for at, what, plugin, detail, by in _columns(audit, "at", "what", "plugin", "detail", "via"):
        if what != "denied":
            yield {
                "name": f"{what} {plugin}", "cat": "audit", "ph": "i", "s": "g", "pid": RUNTIME, "tid": 0,
                "ts": _since(recorder, at), "args": {"detail": detail, "via": by},
            }  # fmt: skip


def _since(recorder: Recorder, at: Any) -> float:
    return _us((at - recorder.began_utc).total_seconds() * 1e6)


def _us(microseconds: float) -> float:
    """To the nanosecond, which is what a trace's clock has."""
    return round(microseconds, 3)
