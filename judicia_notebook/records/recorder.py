"""The tables of one runtime, and the functions that add a row to them.

Recording is what the hot path does: it takes positional numbers, knows no frame, and costs about a microsecond a row.

- Instants (``at_ns``, ``started_ns``) are nanoseconds of ``time.perf_counter_ns`` since `Recorder.began_ns`. Their UTC
  is `Recorder.began_utc` plus that, so a clock set back during a run never turns rows around.
- A call's row is added when the call ends, so what it caused (host calls, samples, logs) stands in its tables first.
- An empty text is "none". Texts may come from a guest: they are cut here, and made printable where they are read.
- Denials have a table apart from the rest of the audit, or a plugin that knocks a million times would wash out who
  granted it what.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, NamedTuple, cast

import msgspec

from judicia_notebook.records.captures import Captures
from judicia_notebook.records.table import Layout, Table
from judicia_notebook.text import printable
from judicia_notebook.units import format_count, format_size, format_time

TEXT_LIMIT = 200
MESSAGE_LIMIT = 10_000
KEY_CAPACITY = 64 << 20

_CUT = TEXT_LIMIT + 1  # one more than is shown, so that the reader sees that it was cut
_MESSAGE_CUT = MESSAGE_LIMIT + 1

EVENTS = ("tick", "grow", "grow_refused")
_EVENT_CODES = {event: code for code, event in enumerate(EVENTS)}


class Subject(NamedTuple):
    """What was called. Make one object a plugin and function and pass it with every row."""

    plugin: str
    digest: str
    function: str
    abi: str


class LimitsInForce(NamedTuple):
    """The limits a call ran under: seconds, bytes, fuel; None where there was none."""

    cpu_s: float | None
    wall_s: float | None
    memory_bytes: int | None
    fuel: int | None


class Mark(NamedTuple):
    """Where the tables that a frame can be cut out of ended at one moment."""

    calls: int
    host_calls: int
    logs: int


CALL_ROW = Layout(
    call_id="q",
    parent_call_id="q",
    instance_id="q",
    instance_call="q",
    started_ns="q",
    queue_ns="q",
    setup_ns="q",
    encode_ns="q",
    guest_ns="q",
    host_ns="q",
    decode_ns="q",
    cpu_ns="q",
    fuel="q",
    memory_bytes="q",
    memory_peak_bytes="q",
    grows_refused="I",
    bytes_in="q",
    bytes_out="q",
    host_calls="I",
    denied="I",
)
HOST_CALL_ROW = Layout(call_id="q", seq="I", at_ns="q", wall_ns="q", bytes_in="q", bytes_out="q")
SAMPLE_ROW = Layout(call_id="q", event="B", at_ns="q", cpu_ns="q", memory_bytes="q")
LOG_ROW = Layout(call_id="q", at_ns="q")
AUDIT_ROW = Layout(at_ns="q")
POLICY_ROW = Layout(version="q", at_ns="q")


class CallKey(NamedTuple):
    """What the rows of `Recorder.calls` say beyond numbers."""

    subject: Subject
    origin: str
    thread: str
    label: str
    limits: LimitsInForce
    policy_version: int
    outcome: str
    error: str


class HostCallKey(NamedTuple):
    """What the rows of `Recorder.host_calls` say beyond numbers."""

    plugin: str
    capability: str
    function: str
    target: str
    decision: str
    detail: str


class LogKey(NamedTuple):
    """What the rows of `Recorder.logs` say beyond numbers; `fields` is JSON, empty for none."""

    plugin: str
    level: str
    message: str
    fields: bytes
    stream: str


class AuditKey(NamedTuple):
    """What the rows of `Recorder.audit` and `Recorder.denials` say beyond when."""

    what: str
    plugin: str
    detail: str
    via: str


class PolicyKey(NamedTuple):
    """A policy's content; `quota` is JSON."""

    plugin: str
    grants: tuple[str, ...]
    quota: bytes
    on_denied: str


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One call: a row of `Runtime.calls`, in the frame's columns and units; None where it cannot be known."""

    run_id: str
    call_id: int
    parent_call_id: int | None
    plugin: str
    digest: str
    function: str
    abi: str
    origin: str
    instance_id: int | None
    instance_call: int | None
    thread: str
    label: str | None
    started: datetime
    started_ms: float
    queue_ms: float
    wall_ms: float
    setup_ms: float
    encode_ms: float
    guest_ms: float
    host_ms: float
    decode_ms: float
    cpu_ms: float
    fuel: int | None
    memory_bytes: int | None
    memory_peak_bytes: int | None
    grows_refused: int
    bytes_in: int
    bytes_out: int
    host_calls: int
    denied: int
    limit_cpu_ms: float | None
    limit_wall_ms: float | None
    limit_memory_bytes: int | None
    limit_fuel: int | None
    policy_version: int
    outcome: str
    error: str | None

    def cost_line(self) -> str:
        """The call's cost for people, in one line.

        Examples
        --------
        ``checker.check: ok · 0.42 ms (0.31 ms cpu) · 12 840 fuel · 2 host calls, 1 denied · 1.1 MiB``
        """
        wall, cpu = format_time(self.wall_ms / 1e3), format_time(self.cpu_ms / 1e3)
        parts = [f"{self.plugin}.{self.function}: {self.outcome}", f"{wall} ({cpu} cpu)"]
        if self.fuel is not None:
            parts.append(f"{format_count(self.fuel)} fuel")
        if self.host_calls:
            plural = "s" if self.host_calls > 1 else ""
            denied = f", {format_count(self.denied)} denied" if self.denied else ""
            parts.append(f"{format_count(self.host_calls)} host call{plural}{denied}")
        if self.memory_peak_bytes is not None:
            parts.append(format_size(self.memory_peak_bytes))
        return " · ".join(parts)


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
    captures : Captures
        The beginnings of payloads, while somebody asks for them.

    Examples
    --------
    >>> recorder = Recorder(capacity=1000)
    >>> recorder.add_audit("load", "checker", "example:checker", "Python")
    >>> len(recorder.audit), recorder.dropped["audit"]
    (1, 0)
    """

    def __init__(self, capacity: int = 1_000_000, read_json: Callable[[bytes], Any] = json.loads) -> None:
        self.read_json = read_json
        self.run_id = secrets.token_hex(4)
        self.began_utc = datetime.now(UTC)
        self.began_ns = time.perf_counter_ns()
        self.calls = Table(CALL_ROW, capacity, KEY_CAPACITY)
        self.host_calls = Table(HOST_CALL_ROW, capacity, KEY_CAPACITY)
        self.samples = Table(SAMPLE_ROW, capacity, KEY_CAPACITY)
        self.logs = Table(LOG_ROW, capacity, KEY_CAPACITY)
        self.audit = Table(AUDIT_ROW, capacity, KEY_CAPACITY)
        self.denials = Table(AUDIT_ROW, capacity, KEY_CAPACITY)
        self.policies = Table(POLICY_ROW, capacity, KEY_CAPACITY)
        self.captures = Captures()
        self._call_ids = count(1)
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

    def next_call_id(self) -> int:
        """A number for a call that begins; 1 is the first."""
        return next(self._call_ids)

    def add_call(
        self,
        call_id: int,
        parent_call_id: int,
        subject: Subject,
        origin: str,
        instance_id: int,
        instance_call: int,
        thread: str,
        label: str,
        started_ns: int,
        queue_ns: int,
        setup_ns: int,
        encode_ns: int,
        guest_ns: int,
        host_ns: int,
        decode_ns: int,
        cpu_ns: int,
        fuel: int,
        memory_bytes: int,
        memory_peak_bytes: int,
        grows_refused: int,
        bytes_in: int,
        bytes_out: int,
        host_calls: int,
        denied: int,
        limits: LimitsInForce,
        policy_version: int,
        outcome: str,
        error: str,
    ) -> int:
        """Record a call that ended; returns the row's position, for `call_at`.

        `started_ns` is when it left its queue, after `queue_ns` there. A `fuel`, `memory_bytes` or `memory_peak_bytes`
        below 0 is not known, a `parent_call_id` of 0 is none, and where `instance_call` is below 1 no instance was
        entered, so that `instance_id` says nothing.
        """
        if len(error) > _CUT:
            error = error[:_CUT]
        return self.calls.add(
            (subject, origin, thread, label, limits, policy_version, outcome, error),
            call_id,
            parent_call_id,
            instance_id,
            instance_call,
            started_ns,
            queue_ns,
            setup_ns,
            encode_ns,
            guest_ns,
            host_ns,
            decode_ns,
            cpu_ns,
            fuel,
            memory_bytes,
            memory_peak_bytes,
            grows_refused,
            bytes_in,
            bytes_out,
            host_calls,
            denied,
        )

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
        if len(target) > _CUT:
            target = target[:_CUT]
        if len(detail) > _CUT:
            detail = detail[:_CUT]
        key = (plugin, capability, function, target, decision, detail)
        self.host_calls.add(key, call_id, seq, at_ns, wall_ns, bytes_in, bytes_out)

    def add_sample(self, call_id: int, event: str, at_ns: int, cpu_ns: int, memory_bytes: int) -> None:
        """Record a ``tick``, ``grow`` or ``grow_refused``; `cpu_ns` counts from the call's start.

        Entering and leaving need no sample, the call's row has them.
        """
        self.samples.add((), call_id, _EVENT_CODES[event], at_ns, cpu_ns, memory_bytes)

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
        self.logs.add((plugin, level, message, packed, stream), call_id, at_ns)

    def add_audit(self, what: str, plugin: str, detail: str, via: str) -> None:
        """Record now that something was loaded, granted, changed or denied, and by which way (magic, panel, Python)."""
        table = self.denials if what == "denied" else self.audit
        table.add((what, plugin, detail[:_CUT], via), time.perf_counter_ns() - self.began_ns)

    def add_policy(self, plugin: str, grants: tuple[str, ...], quota: Mapping[str, Any], on_denied: str) -> int:
        """Record a plugin's policy after a change; returns its version, counted from 1 through the whole runtime."""
        key = (plugin, tuple(grants), msgspec.json.encode(quota, enc_hook=str), on_denied)
        version = next(self._policy_versions)
        self.policies.add(key, version, time.perf_counter_ns() - self.began_ns)
        return version

    def call_at(self, position: int) -> CallRecord | None:
        """The call recorded at a position; None where it was dropped since."""
        found = self.calls.row_at(position)
        if found is None:
            return None
        key, numbers = found
        return self._call_record(
            CallKey(*cast("tuple[Any, ...]", key)), dict(zip(CALL_ROW.names[1:], numbers, strict=True))
        )

    def _call_record(self, key: CallKey, row: dict[str, int]) -> CallRecord:
        limits = key.limits
        setup, encode, guest, host, decode = (row[part.replace("_ms", "_ns")] / 1e6 for part in WALL_PARTS)
        entered = row["instance_call"] > 0
        return CallRecord(
            run_id=self.run_id,
            call_id=row["call_id"],
            parent_call_id=row["parent_call_id"] or None,
            plugin=shown(key.subject.plugin),
            digest=shown(key.subject.digest),
            function=shown(key.subject.function),
            abi=shown(key.subject.abi),
            origin=shown(key.origin),
            instance_id=row["instance_id"] if entered else None,
            instance_call=row["instance_call"] if entered else None,
            thread=shown(key.thread),
            label=shown(key.label) or None,
            started=self.began_utc + timedelta(microseconds=row["started_ns"] // 1000),
            started_ms=row["started_ns"] / 1e6,
            queue_ms=row["queue_ns"] / 1e6,
            wall_ms=setup + encode + guest + host + decode,
            setup_ms=setup,
            encode_ms=encode,
            guest_ms=guest,
            host_ms=host,
            decode_ms=decode,
            cpu_ms=row["cpu_ns"] / 1e6,
            fuel=_known(row["fuel"]),
            memory_bytes=_known(row["memory_bytes"]),
            memory_peak_bytes=_known(row["memory_peak_bytes"]),
            grows_refused=row["grows_refused"],
            bytes_in=row["bytes_in"],
            bytes_out=row["bytes_out"],
            host_calls=row["host_calls"],
            denied=row["denied"],
            limit_cpu_ms=None if limits.cpu_s is None else limits.cpu_s * 1e3,
            limit_wall_ms=None if limits.wall_s is None else limits.wall_s * 1e3,
            limit_memory_bytes=limits.memory_bytes,
            limit_fuel=limits.fuel,
            policy_version=key.policy_version,
            outcome=shown(key.outcome),
            error=shown(key.error) or None,
        )


# The parts of wall time in the order they are added, so that a record and its frame's row agree to the last bit.
WALL_PARTS = ("setup_ms", "encode_ms", "guest_ms", "host_ms", "decode_ms")


def shown(text: str, limit: int = TEXT_LIMIT) -> str:
    """A recorded text as its reader gets it: on one line, printable, cut."""
    return printable(text, limit)


def _known(number: int) -> int | None:
    return number if number >= 0 else None


def _pack_fields(fields: Mapping[str, Any]) -> bytes:
    try:
        packed = msgspec.json.encode(fields, enc_hook=str)
    except (UnicodeEncodeError, OverflowError):  # half a surrogate pair, an integer beyond 64 bits
        packed = json.dumps(fields, default=str, ensure_ascii=False).encode("utf-8", "replace")
    if len(packed) <= MESSAGE_LIMIT:
        return packed
    return msgspec.json.encode({"cut": f"fields of {format_size(len(packed))} were not kept"})
