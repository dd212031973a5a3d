"""The recorder's tables as pandas DataFrames, one function a table.

Units are in the column names. All columns and dtypes are there also without rows. ``frame.attrs["dropped"]`` counts the
older rows that the recorder no longer keeps.

- Texts that a guest may have written are made printable. pandas escapes them where it writes HTML.
- `plugin` keeps one plugin's rows; `start` and `stop` are positions in the table, such as `Recorder.mark` notes.
- An instant inside a call (``at_ms``) counts from the moment the call left its queue. It is NA while that call has no
  row: it is still running, or its row was dropped.
- Wall times are of ``time.perf_counter_ns`` and CPU times of the calling thread's clock, so the two need not agree
  where a call is as short as their resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.records.columns import Columns, categories, frame, nullable, utc
from judicia_notebook.records.recorder import (
    AUDIT_ROW,
    CALL_ROW,
    EVENTS,
    HOST_CALL_ROW,
    LOG_ROW,
    MESSAGE_LIMIT,
    POLICY_ROW,
    SAMPLE_ROW,
    WALL_PARTS,
    AuditKey,
    CallKey,
    CallRecord,
    HostCallKey,
    LogKey,
    PolicyKey,
    Recorder,
    shown,
)
from judicia_notebook.text import printable_json

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.records.columns import Array

_CALL_NUMBERS = ("started_ns", *(name.replace("_ns", "_ms") for name in CALL_ROW.names[1:]))


def calls(recorder: Recorder, *, plugin: str | None = None, start: int = 0, stop: int | None = None) -> pd.DataFrame:
    """One row a call, in the order in which they ended.

    ``wall_ms`` is exactly ``setup_ms + encode_ms + guest_ms + host_ms + decode_ms``, added in this order, without
    ``queue_ms``.
    """
    rows = _call_columns(recorder, _CALL_NUMBERS, plugin, start, stop)
    entered = rows["instance_call"] > 0
    columns = {
        "run_id": rows.texts(lambda _: recorder.run_id),
        "call_id": rows["call_id"],
        "parent_call_id": nullable(rows["parent_call_id"], rows["parent_call_id"] > 0),
        "plugin": rows.texts(lambda key: key.subject.plugin),
        "digest": rows.texts(lambda key: key.subject.digest),
        "function": rows.texts(lambda key: key.subject.function),
        "abi": rows.texts(lambda key: key.subject.abi),
        "origin": rows.texts(lambda key: key.origin),
        "instance_id": nullable(rows["instance_id"], entered),
        "instance_call": nullable(rows["instance_call"], entered),
        "thread": rows.texts(lambda key: key.thread),
        "label": rows.texts(lambda key: key.label),
        "started": utc(recorder.began_utc, rows["started_ns"]),
        "started_ms": rows["started_ms"],
        "queue_ms": rows["queue_ms"],
        "wall_ms": _wall_ms(rows),
        **{name: rows[name] for name in WALL_PARTS},
        "cpu_ms": rows["cpu_ms"],
        "fuel": rows.known("fuel"),
        "memory_bytes": rows.known("memory_bytes"),
        "memory_peak_bytes": rows.known("memory_peak_bytes"),
        **{name: rows[name] for name in ("grows_refused", "bytes_in", "bytes_out", "host_calls", "denied")},
        "limit_cpu_ms": rows.values(lambda key: _ms(key.limits.cpu_s), "Float64"),
        "limit_wall_ms": rows.values(lambda key: _ms(key.limits.wall_s), "Float64"),
        "limit_memory_bytes": rows.values(lambda key: key.limits.memory_bytes, "Int64"),
        "limit_fuel": rows.values(lambda key: _int64(key.limits.fuel), "Int64"),
        "policy_version": rows.values(lambda key: key.policy_version, "int64"),
        "outcome": rows.texts(lambda key: key.outcome),
        "error": rows.texts(lambda key: key.error),
    }
    return frame(recorder.calls.dropped, columns)


def of_records(records: Sequence[CallRecord]) -> pd.DataFrame:
    """The rows of some calls alone, with the columns and dtypes of `calls`."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, dtype in calls(Recorder(capacity=1)).dtypes.items():
        values = [getattr(record, str(name)) for record in records]
        if isinstance(dtype, pd.CategoricalDtype):
            names = sorted({value for value in values if value is not None})
            columns[str(name)] = pd.Categorical(values, categories=pd.Index(names, dtype="str"))
        else:
            columns[str(name)] = pd.Series(values, dtype=dtype)
    return frame(0, columns)


def host_calls(
    recorder: Recorder, *, plugin: str | None = None, start: int = 0, stop: int | None = None
) -> pd.DataFrame:
    """One row a host call, in the order in which they ended; ``at_ms`` since the call began."""
    names = ("call_id", "seq", "at_ns", "wall_ms", "bytes_in", "bytes_out")
    rows = Columns(HOST_CALL_ROW, recorder.host_calls.rows(start, stop), names, HostCallKey, _of_plugin(plugin))
    columns = {
        "call_id": rows["call_id"],
        "plugin": rows.texts(lambda key: key.plugin),
        "seq": rows["seq"],
        "capability": rows.texts(lambda key: key.capability),
        "function": rows.texts(lambda key: key.function),
        "target": rows.texts(lambda key: key.target),
        "at_ms": _known_ms(_since_begin(recorder, rows["call_id"], rows["at_ns"])),
        "wall_ms": rows["wall_ms"],
        "bytes_in": rows["bytes_in"],
        "bytes_out": rows["bytes_out"],
        "decision": rows.texts(lambda key: key.decision),
        "detail": rows.texts(lambda key: key.detail),
    }
    return frame(recorder.host_calls.dropped, columns)


def samples(recorder: Recorder, *, plugin: str | None = None, start: int = 0, stop: int | None = None) -> pd.DataFrame:
    """CPU time and memory during each call: enter, ticks, grows and exit, sorted by call and time.

    Enter and exit are derived from the calls' rows. `start` and `stop` are positions of calls. Without these and
    without `plugin` the samples of running calls are there too.
    """
    import numpy as np

    ended_names = ("call_id", "cpu_ms", "memory_bytes", "memory_peak_bytes", *WALL_PARTS)
    ended = _call_columns(recorder, ended_names, plugin, start, stop)
    inside_names = ("call_id", "event", "at_ns", "cpu_ms", "memory_bytes")
    inside = Columns(SAMPLE_ROW, recorder.samples.rows(), inside_names, tuple)
    if plugin is not None or start > 0 or stop is not None:
        inside.keep(np.isin(inside["call_id"], ended["call_id"]))
    nothing = np.zeros(len(ended))
    names = ("enter", *EVENTS, "exit")
    codes = np.repeat([0, len(names) - 1], len(ended))
    event = np.concatenate([codes[: len(ended)], inside["event"] + 1, codes[len(ended) :]])
    call_id = np.concatenate([ended["call_id"], inside["call_id"], ended["call_id"]])
    at_ms = np.concatenate([nothing, _since_begin(recorder, inside["call_id"], inside["at_ns"]), _wall_ms(ended)])
    cpu_ms = np.concatenate([nothing, inside["cpu_ms"], ended["cpu_ms"]])
    memory = np.concatenate([ended["memory_bytes"], inside["memory_bytes"], ended["memory_peak_bytes"]])
    # A tick reads its clock apart from the call's, so it is rank that keeps enter and exit outermost, not time.
    rank = np.where(event == 0, 0, np.where(event == len(names) - 1, 2, 1))
    order = np.lexsort((at_ms, rank, call_id))
    columns = {
        "call_id": call_id[order],
        "event": categories(event[order], names),
        "at_ms": _known_ms(at_ms[order]),
        "cpu_ms": cpu_ms[order],
        "memory_bytes": nullable(memory[order], memory[order] >= 0),
    }
    return frame(recorder.samples.dropped, columns)


def logs(recorder: Recorder, *, plugin: str | None = None, start: int = 0, stop: int | None = None) -> pd.DataFrame:
    """One row a line that a plugin wrote. ``fields`` holds dictionaries, or None."""
    read_json = recorder.read_json
    rows = Columns(LOG_ROW, recorder.logs.rows(start, stop), ("call_id", "at_ns"), LogKey, _of_plugin(plugin))
    columns = {
        "call_id": nullable(rows["call_id"], rows["call_id"] > 0),
        "plugin": rows.texts(lambda key: key.plugin),
        "at": utc(recorder.began_utc, rows["at_ns"]),
        "level": rows.texts(lambda key: key.level),
        "message": rows.values(lambda key: shown(key.message, MESSAGE_LIMIT), "str"),
        "fields": rows.values(lambda key: printable_json(read_json(key.fields)) if key.fields else None, "object"),
        "stream": rows.texts(lambda key: key.stream),
    }
    return frame(recorder.logs.dropped, columns)


def audit(recorder: Recorder, *, plugin: str | None = None) -> pd.DataFrame:
    """One row an event of the runtime in the order of time: loads, grants, revokes, quota changes, denials."""
    runs = [*recorder.audit.rows(), *recorder.denials.rows()]
    rows = Columns(AUDIT_ROW, runs, ("at_ns",), AuditKey, _of_plugin(plugin))
    rows.keep(rows["at_ns"].argsort(kind="stable"))
    columns = {
        "at": utc(recorder.began_utc, rows["at_ns"]),
        "what": rows.texts(lambda key: key.what),
        "plugin": rows.texts(lambda key: key.plugin),
        "detail": rows.texts(lambda key: key.detail),
        "via": rows.texts(lambda key: key.via),
    }
    return frame(recorder.audit.dropped + recorder.denials.dropped, columns)


def policies(recorder: Recorder, *, plugin: str | None = None) -> pd.DataFrame:
    """One row a policy version: what the plugin was granted (a tuple), its quota (a dictionary), what a denial does."""
    rows = Columns(POLICY_ROW, recorder.policies.rows(), ("version", "at_ns"), PolicyKey, _of_plugin(plugin))
    columns = {
        "policy_version": rows["version"],
        "plugin": rows.texts(lambda key: key.plugin),
        "at": utc(recorder.began_utc, rows["at_ns"]),
        "grants": rows.values(lambda key: tuple(printable_json([*key.grants])), "object"),
        "quota": rows.values(lambda key: msgspec.json.decode(key.quota), "object"),
        "on_denied": rows.texts(lambda key: key.on_denied),
    }
    return frame(recorder.policies.dropped, columns)


def _call_columns(
    recorder: Recorder, names: Sequence[str], plugin: str | None = None, start: int = 0, stop: int | None = None
) -> Columns[CallKey]:
    wanted: Callable[[CallKey], bool] | None = None if plugin is None else lambda key: key.subject.plugin == plugin
    return Columns(CALL_ROW, recorder.calls.rows(start, stop), names, CallKey, wanted)


def _of_plugin(plugin: str | None) -> Callable[[Any], bool] | None:
    return None if plugin is None else lambda key: bool(key.plugin == plugin)


def _wall_ms(rows: Columns[CallKey]) -> Array:
    first, *others = (rows[name] for name in WALL_PARTS)
    total: Array = first.copy()
    for part in others:
        total += part
    return total


def _since_begin(recorder: Recorder, call_id: Array, at_ns: Array) -> Array:
    """Milliseconds since each row's call began; NaN where that call has no row."""
    import numpy as np

    begun = _call_columns(recorder, ("call_id", "started_ns"))
    if not len(begun):
        return np.full(len(call_id), np.nan)
    order = begun["call_id"].argsort(kind="stable")
    ids, started_ns = begun["call_id"][order], begun["started_ns"][order]
    place = np.searchsorted(ids, call_id).clip(max=len(ids) - 1)
    since: Array = np.where(ids[place] == call_id, (at_ns - started_ns[place]) / 1e6, np.nan)
    return since


def _known_ms(values: Array) -> Any:
    import numpy as np

    return nullable(values, ~np.isnan(values))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _int64(number: int | None) -> int | None:
    """Fuel is counted in 64 bits without a sign, of which a frame's integers have 63."""
    return None if number is None else min(number, (1 << 63) - 1)
