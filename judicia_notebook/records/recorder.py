"""The tables of one runtime, and the functions that add a row to them.

Recording is what the hot path does: it knows no frame, and costs about a microsecond a row. What a row has is declared
in `judicia_notebook.records.record` for calls, and in `judicia_notebook.records.rows` for the rest.

- Instants (``at_ns``, ``started_ns``) are nanoseconds of ``time.perf_counter_ns`` since `Recorder.began_ns`. Their UTC
  is `Recorder.began_utc` plus that, so a clock set back during a run never turns rows around.
- A call's row is added when the call ends, so what it caused (host calls, samples, logs) stands in its tables first.
- An empty text is "none". Texts may come from a guest: they are cut here, and made printable where they are read.
- Denials and escapes have a table apart from the rest of the audit, or a plugin that knocks a million times would wash
  out the record of its grants.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from judicia_notebook.records.captures import Captures
from judicia_notebook.records.record import CALLS, CallKey, CallRecord, EndedCall
from judicia_notebook.records.rows import AUDIT, EVENTS, HOST_CALLS, LOGS, POLICIES, SAMPLES, HostCallKey
from judicia_notebook.records.schema import MESSAGE_LIMIT, TEXT_LIMIT
from judicia_notebook.records.table import Layout, Rows, Table, compiled_key
from judicia_notebook.text import printable
from judicia_notebook.units import format_size

K = TypeVar("K", bound=tuple[Any, ...])

KEY_CAPACITY = 64 << 20

_CUT = TEXT_LIMIT + 1  # one more than is shown, so that the reader sees that it was cut
_MESSAGE_CUT = MESSAGE_LIMIT + 1

_BY_GUESTS = frozenset({"denied", "escape"})  # rows of the audit that a guest's own acts make
_EVENT_CODES = {event: code for code, event in enumerate(EVENTS)}
_call_key = compiled_key(CallKey._fields)


class SampleLog(Protocol):
    """Where samples are kept: a `Table`, or what the engine writes into by itself."""

    layout: Layout[Any]

    @property
    def end(self) -> int: ...

    @property
    def dropped(self) -> int: ...

    def __len__(self) -> int: ...

    def add(self, key: tuple[()], numbers: tuple[int, ...], /) -> int: ...

    def rows(self, start: int = 0, stop: int | None = None) -> list[Rows[Any]]: ...

    def clear(self) -> None: ...


def _table_of_samples(layout: Layout[Any], capacity: int, _began_ns: int) -> SampleLog:
    return Table(layout, capacity, KEY_CAPACITY)


def _table(layout: Layout[Any], capacity: int, key_capacity: int, _began_ns: int) -> Table[Any]:
    return Table(layout, capacity, key_capacity)


class MakeTable(Protocol[K]):
    """Makes a table whose instants count from `began_ns`."""

    def __call__(self, layout: Layout[K], capacity: int, key_capacity: int, began_ns: int, /) -> Table[K]: ...


def cut(text: str) -> str:
    """What a row keeps of a text."""
    return text if len(text) <= _CUT else text[:_CUT]


class Mark(NamedTuple):
    """Where the tables that a frame can be cut out of ended at one moment."""

    calls: int
    host_calls: int
    logs: int


class Recorder:
    """Keeps what happened in one runtime, at most `capacity` rows a table. Safe to use from any thread.

    Attributes
    ----------
    run_id : str
        Eight random hexadecimal digits.
    began_utc : datetime
        When the recorder was made.
    began_ns : int
        The same moment on ``time.perf_counter_ns``.
    calls, host_calls, samples, logs, audit, denials, policies : Table
        For `judicia_notebook.records.frames` to read.
    read_json : callable
        Reads the JSON that plugins wrote. The runtime gives one that is bounded; this room may not know it.
    make_samples : callable, optional
        ``make_samples(layout, capacity, began_ns)`` makes the table of samples. The runtime gives one whose rows the
        engine writes.
    make_calls, make_host_calls : callable, optional
        ``make_calls(layout, capacity, key_capacity, began_ns)`` makes the table of calls, likewise.
    describe_engines : callable, optional
        The settings of the engines that ran the calls, as plain values. The runtime gives one that knows them.
    captures : Captures
        The beginnings of payloads, while a caller asks for them.

    Examples
    --------
    >>> recorder = Recorder(capacity=1000)
    >>> recorder.add_audit("load", "checker", "example:checker", "Python")
    >>> len(recorder.audit), recorder.dropped["audit"]
    (1, 0)
    """

    def __init__(
        self,
        capacity: int = 1_000_000,
        read_json: Callable[[bytes], Any] = json.loads,
        make_samples: Callable[[Layout[Any], int, int], SampleLog] | None = None,
        make_calls: MakeTable[CallKey] | None = None,
        make_host_calls: MakeTable[HostCallKey] | None = None,
        describe_engines: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self.read_json = read_json
        self.describe_engines = describe_engines
        self.run_id = secrets.token_hex(4)
        self.began_utc = datetime.now(UTC)
        self.began_ns = time.perf_counter_ns()
        self.calls = (make_calls or _table)(CALLS.layout, capacity, KEY_CAPACITY, self.began_ns)
        self.host_calls = (make_host_calls or _table)(HOST_CALLS.layout, capacity, KEY_CAPACITY, self.began_ns)
        make_samples = make_samples or _table_of_samples
        self.samples = make_samples(SAMPLES.layout, capacity, self.began_ns)
        self.logs = Table(LOGS.layout, capacity, KEY_CAPACITY)
        self.audit = Table(AUDIT.layout, capacity, KEY_CAPACITY)
        self.denials = Table(AUDIT.layout, capacity, KEY_CAPACITY)
        self.policies = Table(POLICIES.layout, capacity, KEY_CAPACITY)
        self.captures = Captures()
        self.next_call_id = count(1).__next__
        """Gives a number for a call that begins; 1 is the first."""
        self._policy_versions = count(1)

    @property
    def dropped(self) -> dict[str, int]:
        """How many of the oldest rows each table has dropped, and how many policy versions."""
        tables = ("calls", "host_calls", "samples", "logs", "audit", "denials", "policies")
        return {name: getattr(self, name).dropped for name in tables}

    def clear(self) -> None:
        """Forget all rows; numbers of calls and policies go on."""
        for name in self.dropped:
            getattr(self, name).clear()
        self.captures.clear()

    def mark(self) -> Mark:
        """Where the tables end now; a frame takes positions of two marks as `start` and `stop`."""
        return Mark(*(getattr(self, name).end for name in Mark._fields))

    def add_call(self, call: EndedCall) -> int:
        """Record a call that ended; returns the row's position, for `call_at`."""
        call.error = cut(call.error)
        return self.calls.add(_call_key(call), call)

    def add_host_call(
        self,
        call_id: int,
        plugin: str,
        seq: int,
        capability: str,
        function: str,
        target: str,
        at_ns: int,
        wall_ns: int,
        bytes_in: int,
        bytes_out: int,
        decision: str,
        detail: str,
    ) -> None:
        """Record a host call.

        `function` reads like ``judicia:clock now``; `decision` is allowed, denied, limited or failed.
        """
        key = (plugin, capability, function, cut(target), decision, cut(detail))
        self.host_calls.add(key, (call_id, seq, at_ns, wall_ns, bytes_in, bytes_out))

    def add_sample(self, call_id: int, event: str, at_ns: int, cpu_ns: int, memory_bytes: int) -> None:
        """Record a ``tick``, ``grow`` or ``grow_refused``; `cpu_ns` counts from the call's start.

        Entering and leaving need no sample, the call's row has them.
        """
        self.samples.add((), (call_id, _EVENT_CODES[event], at_ns, cpu_ns, memory_bytes))

    def add_log(
        self,
        call_id: int,
        plugin: str,
        at_ns: int,
        level: str,
        message: str,
        fields: Mapping[str, Any] | None,
        stream: str,
    ) -> None:
        """Record a line that a plugin wrote; `stream` is log, stdout or stderr, and `call_id` 0 is outside any call."""
        if len(message) > _MESSAGE_CUT:
            message = message[:_MESSAGE_CUT]
        packed = _pack_fields(fields) if fields else b""
        self.logs.add((plugin, level, message, packed, stream), (call_id, at_ns))

    def add_audit(self, what: str, plugin: str, detail: str, via: str, call_id: int = 0) -> None:
        """Record now that something was loaded, granted, changed, denied or tried.

        `via` is by which way (magic, panel, Python, plugin, event), `call_id` the plugin's call that did it; 0 where
        none did.
        """
        table = self.denials if what in _BY_GUESTS else self.audit
        table.add((what, plugin, detail[:_CUT], via), (time.perf_counter_ns() - self.began_ns, call_id))

    def add_policy(self, plugin: str, grants: tuple[str, ...], quota: Mapping[str, Any], on_denied: str) -> int:
        """Record a plugin's policy after a change; returns its version, counted from 1 through the whole runtime."""
        key = (plugin, tuple(grants), msgspec.json.encode(quota, enc_hook=str), on_denied)
        version = next(self._policy_versions)
        self.policies.add(key, (version, time.perf_counter_ns() - self.began_ns))
        return version

    def call_at(self, position: int) -> CallRecord | None:
        """The call recorded at a position; None where it was dropped since."""
        row = self.calls.row_at(position)
        return None if row is None else CallRecord(**CALLS.values(row, self))


def shown(text: str, limit: int = TEXT_LIMIT) -> str:
    """A recorded text as its reader gets it: on one line, printable, cut."""
    return printable(text, limit)


def _pack_fields(fields: Mapping[str, Any]) -> bytes:
    try:
        packed = msgspec.json.encode(fields, enc_hook=str)
    except (UnicodeEncodeError, OverflowError):  # half a surrogate pair, an integer beyond 64 bits
        packed = json.dumps(fields, default=str, ensure_ascii=False).encode("utf-8", "replace")
    if len(packed) <= MESSAGE_LIMIT:
        return packed
    return msgspec.json.encode({"cut": f"fields of {format_size(len(packed))} were not kept"})
