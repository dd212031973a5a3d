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

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.records import labels
from judicia_notebook.records.columns import Columns, categories, frame, nullable
from judicia_notebook.records.columns import texts as text_column
from judicia_notebook.records.record import CALLS, WALL_PARTS, CallKey, CallRecord
from judicia_notebook.records.rows import AUDIT, EVENTS, HOST_CALLS, LOGS, POLICIES, SAMPLES
from judicia_notebook.records.schema import TEXT_LIMIT
from judicia_notebook.text import printable, printable_json

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.records.columns import Array
    from judicia_notebook.records.recorder import Recorder


def calls(recorder: Recorder, *, plugin: str | None = None, start: int = 0, stop: int | None = None) -> pd.DataFrame:
    """One row a call, in the order in which they ended.

    ``wall_ms`` is exactly ``setup_ms + encode_ms + guest_ms + host_ms + decode_ms``, added in this order, without
    ``queue_ms``.
    """
    rows = _call_columns(recorder, CALLS.reads, plugin, start, stop)
    return frame(recorder.calls.dropped, CALLS.arrays(rows, recorder))


def of_records(records: Sequence[CallRecord]) -> pd.DataFrame:
    """The rows of some calls alone, with the columns and dtypes of `calls`."""
    return frame(0, of_values([msgspec.structs.asdict(record) for record in records]))


def of_values(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of `calls` from rows that were recorded elsewhere, which may lack columns.

    Instants may be texts in ISO 8601, as JSON has them.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, column in CALLS.columns.items():
        if not column.is_fixed:
            read = [row.get(name) or {} for row in rows]
            columns |= labels.columns([{key: labels.shown(value) for key, value in row.items()} for row in read])
            continue
        dtype, values = column.dtype, [row.get(name) for row in rows]
        if dtype == "category":
            texts = [None if value is None else printable(value, TEXT_LIMIT) for value in values]
            known = pd.Index(sorted({text for text in texts if text is not None}), dtype="str")
            columns[name] = pd.Categorical(texts, categories=known)
        elif dtype == "str":
            columns[name] = text_column(None if value is None else printable(value, TEXT_LIMIT) for value in values)
        elif dtype.startswith("datetime64"):
            columns[name] = pd.DatetimeIndex(pd.to_datetime(values, utc=True, format="ISO8601")).as_unit("ns")
        elif dtype == "float64":
            columns[name] = pd.array([float("nan") if value is None else value for value in values], dtype=dtype)
        else:
            columns[name] = pd.array(values, dtype=dtype)
    return columns


def host_calls(
    recorder: Recorder, *, plugin: str | None = None, start: int = 0, stop: int | None = None
) -> pd.DataFrame:
    """One row a host call, in the order in which they ended; ``at_ms`` since the call began."""
    runs = recorder.host_calls.rows(start, stop)
    rows = Columns(HOST_CALLS.layout, runs, HOST_CALLS.reads, _of_plugin(plugin))
    at_ms = _known_ms(_since_begin(recorder, rows["call_id"], rows["at_ns"]))
    return frame(recorder.host_calls.dropped, HOST_CALLS.arrays(rows, recorder, at_ms=at_ms))


def samples(recorder: Recorder, *, plugin: str | None = None, start: int = 0, stop: int | None = None) -> pd.DataFrame:
    """CPU time and memory during each call: enter, ticks, grows and exit, sorted by call and time.

    Enter and exit are derived from the calls' rows. `start` and `stop` are positions of calls. Without these and
    without `plugin` the samples of running calls are there too.
    """
    import numpy as np

    ended_names = ("call_id", "cpu_ms", "memory_bytes", "memory_peak_bytes", *WALL_PARTS)
    ended = _call_columns(recorder, ended_names, plugin, start, stop)
    inside = Columns(SAMPLES.layout, recorder.samples.rows(), SAMPLES.reads)
    if plugin is not None or start > 0 or stop is not None:
        inside.keep(np.isin(inside["call_id"], ended["call_id"]))
    nothing, wall_ms = np.zeros(len(ended)), CALLS.columns["wall_ms"]
    names = ("enter", *EVENTS, "exit")
    codes = np.repeat([0, len(names) - 1], len(ended))
    event = np.concatenate([codes[: len(ended)], inside["event"] + 1, codes[len(ended) :]])
    call_id = np.concatenate([ended["call_id"], inside["call_id"], ended["call_id"]])
    ticked_ms = _since_begin(recorder, inside["call_id"], inside["at_ns"])
    at_ms = np.concatenate([nothing, ticked_ms, wall_ms.array(ended, recorder)])
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
    rows = Columns(LOGS.layout, recorder.logs.rows(start, stop), LOGS.reads, _of_plugin(plugin))
    fields = rows.values(lambda key: printable_json(read_json(key.fields)) if key.fields else None, "object")
    return frame(recorder.logs.dropped, LOGS.arrays(rows, recorder, fields=fields))


def audit(recorder: Recorder, *, plugin: str | None = None) -> pd.DataFrame:
    """One row an event of the runtime in the order of time: loads, grants, revokes, quota changes, denials, escapes."""
    runs = [*recorder.audit.rows(), *recorder.denials.rows()]
    rows = Columns(AUDIT.layout, runs, AUDIT.reads, _of_plugin(plugin))
    rows.keep(rows["at_ns"].argsort(kind="stable"))
    return frame(recorder.audit.dropped + recorder.denials.dropped, AUDIT.arrays(rows, recorder))


def policies(recorder: Recorder, *, plugin: str | None = None) -> pd.DataFrame:
    """One row a policy version: what the plugin was granted (a tuple), its quota (a dictionary), what a denial does."""
    rows = Columns(POLICIES.layout, recorder.policies.rows(), POLICIES.reads, _of_plugin(plugin))
    grants = rows.values(lambda key: tuple(printable_json([*key.grants])), "object")
    quota = rows.values(lambda key: msgspec.json.decode(key.quota), "object")
    return frame(recorder.policies.dropped, POLICIES.arrays(rows, recorder, grants=grants, quota=quota))


def _call_columns(
    recorder: Recorder, names: Iterable[str], plugin: str | None = None, start: int = 0, stop: int | None = None
) -> Columns[CallKey]:
    wanted: Callable[[CallKey], bool] | None = None if plugin is None else lambda key: key.subject.plugin == plugin
    return Columns(CALLS.layout, recorder.calls.rows(start, stop), names, wanted)


def _of_plugin(plugin: str | None) -> Callable[[Any], bool] | None:
    return None if plugin is None else lambda key: bool(key.plugin == plugin)


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
