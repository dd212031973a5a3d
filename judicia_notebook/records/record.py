"""One call as it is recorded: `CallRecord` declares the columns of `Runtime.calls`, a call fills in an `EndedCall`.

A new column is a field here, an attribute that `judicia_notebook.runtime.call` sets, and a row of ``docs/columns.md``.
A column that is no number, or whose value many rows share, is a part of `CallKey` as well.
"""

# Annotations are looked at when the class is made, so they are no texts here: no `from __future__ import annotations`.

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from judicia_notebook.records.labels import LabelColumns, LabelText
from judicia_notebook.records.schema import (
    KEPT,
    Anonymous,
    Instant,
    KeyNumber,
    Message,
    Milliseconds,
    Number,
    RunId,
    Schema,
    Sum,
    Text,
    declared,
)
from judicia_notebook.units import format_count, format_size, format_time


class Subject(NamedTuple):
    """What was called. Make one object a plugin and function and pass it with every row."""

    plugin: str
    digest: str
    function: str
    abi: str
    metering: str
    monitored: str = ""


class LimitsInForce(NamedTuple):
    """The limits a call ran under: seconds, bytes, fuel; None where there was none."""

    cpu_s: float | None
    wall_s: float | None
    memory_bytes: int | None
    fuel: int | None


class CallKey(NamedTuple):
    """What the rows of `Recorder.calls` say beyond numbers; `labels` is JSON, empty for none."""

    subject: Subject
    origin: str
    thread: str
    labels: str
    limits: LimitsInForce
    policy_version: int
    outcome: str
    error: str


WALL_PARTS = ("setup_ms", "encode_ms", "guest_ms", "host_ms", "decode_ms")
"""The parts of wall time, in the order in which they are added."""

_ENTERED = {"least": 1, "known_by": "instance_call", "na": "no instance was entered"}
_LIMIT = {"meaning": "the limit in force", "na": "no limit"}


class CallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One call: a row of `Runtime.calls`, in the frame's columns and units; None where it cannot be known."""

    run_id: Annotated[str, RunId("random, 8 hexadecimal digits", anonymous=Anonymous("numbered", "run"))]
    call_id: Annotated[int, Number("counted from 1 in the runtime")]
    parent_call_id: Annotated[
        int | None, Number("the call that caused this one", least=1, na="no other call caused it")
    ]
    plugin: Annotated[
        str, Text("the name it is loaded by", source="subject.plugin", anonymous=Anonymous("numbered", "plugin"))
    ]
    digest: Annotated[
        str, Text("SHA-256 of the code", source="subject.digest", anonymous=Anonymous("numbered", "digest"))
    ]
    function: Annotated[
        str, Text("the export", source="subject.function", anonymous=Anonymous("unless_told", "function"))
    ]
    abi: Annotated[str, Text("how it was called", source="subject.abi", anonymous=KEPT)]
    metering: Annotated[
        str,
        Text(
            "what its code meters: `full`, `epochs` (no fuel) or `none`; see [metering.md](metering.md)",
            source="subject.metering",
            anonymous=KEPT,
        ),
    ]
    monitored: Annotated[
        str | None,
        Text(
            "the monitors whose counters its code had, such as `coverage, functions`; its times are theirs, too",
            source="subject.monitored",
            na="no monitor counted",
            anonymous=KEPT,
        ),
    ] = None
    origin: Annotated[
        str,
        Text(
            "the caller: `user`, `event`, `http`, `lifecycle`, `bench`, `profile`, `sweep`, `panel`; "
            "`warmup` of a bench's calls before it measures, `monitor` of calls that a monitor counted in",
            anonymous=KEPT,
        ),
    ]
    instance_id: Annotated[int | None, Number("the instance that was entered", **_ENTERED)]
    instance_call: Annotated[
        int | None,
        Number("which call of that instance, from 1; a lifecycle hook does not count", **_ENTERED),
    ]
    thread: Annotated[
        str, Text("the Python thread's name", na="it has no name", anonymous=Anonymous("numbered", "thread"))
    ]
    label: Annotated[
        str | None,
        LabelText(
            "all labels of `jn.label` as one text: `variant=A, size=3`",
            na="outside of a label",
            anonymous=Anonymous("unless_told", "label"),
        ),
    ]
    labels: Annotated[
        dict[str, Any],
        LabelColumns(
            "one column for each label of `jn.label` there is, `label_variant`, with the dtype of its values",
            na="the call has no such label",
            anonymous=Anonymous("unless_told", "label"),
        ),
    ] = {}
    started: Annotated[
        datetime,
        Instant(
            "when it left its queue: system clock at the runtime's start, plus `started_ms`",
            stored_as="started_ns",
            error="that of the system clock, set once",
        ),
    ]
    started_ms: Annotated[float, Milliseconds("the same since the runtime was made, `perf_counter_ns`")]
    queue_ms: Annotated[
        float,
        Milliseconds(
            "waiting for an instance, `perf_counter_ns`; not in `wall_ms`",
            error="of the clock, and until its thread is woken: 0.1 ms and more",
        ),
    ]
    wall_ms: Annotated[
        float,
        Sum("the sum of the five that follow, added in this order", parts=WALL_PARTS, error="exact as a sum"),
    ]
    setup_ms: Annotated[
        float,
        Milliseconds(
            "making the instance if there is none, start function and `on_initialize` included "
            "(which has a row of its own as well), and arming it"
        ),
    ]
    encode_ms: Annotated[float, Milliseconds("JSON from Python, copying")]
    guest_ms: Annotated[
        float,
        Milliseconds(
            "the rest of the time in the instance: the function itself, `judicia_alloc` for the request, "
            "`judicia_free` of answer and request, and going in and out",
            error="that of the other parts together; not below 0",
        ),
    ]
    host_ms: Annotated[
        float,
        Milliseconds("in host functions, waits included; a little more than the sum of `host_calls.wall_ms`"),
    ]
    decode_ms: Annotated[float, Milliseconds("copying the answer, JSON to Python")]
    lock_ms: Annotated[
        float,
        Milliseconds(
            "waiting for Python's lock, which another thread held, when the guest had ended; not in `wall_ms`",
            error="some µs of Python's way back",
        ),
    ]
    cpu_ms: Annotated[
        float,
        Milliseconds(
            "CPU time of the calling thread, `thread_time_ns`, in the instance and in host functions",
            error="measured below",
        ),
    ]
    fuel: Annotated[
        int | None,
        Number(
            "Wasmtime's fuel, with that of `judicia_alloc` and `judicia_free`",
            least=0,
            unit="fuel",
            error="exact; where it is `limit_fuel` the call took that or more",
            na="the call ended in a way after which Wasmtime does not tell it: a quota other than fuel, a cancel, "
            "a trap other than `unreachable`; or its `metering` is not `full`, but for a monitored call with a limit "
            "of fuel",
        ),
    ]
    memory_bytes: Annotated[
        int | None,
        Number("memory the plugin had as it was entered", least=0, unit="bytes", na="no instance was entered"),
    ]
    memory_peak_bytes: Annotated[
        int | None,
        Number(
            "memory it had as it was left, which is the most: memories never shrink",
            least=0,
            unit="bytes",
            na="no instance was entered or made",
        ),
    ]
    grows_refused: Annotated[
        int,
        Number(
            "grows that a limit refused; not those beyond the module's own maximum, which Wasmtime refuses by itself",
            code="I",
            unit="count",
        ),
    ]
    bytes_in: Annotated[
        int, Number("the request as it was sent; 0 without a payload and in numeric calls", unit="bytes")
    ]
    bytes_out: Annotated[int, Number("the answer as it was read; 0 without a value and in numeric calls", unit="bytes")]
    host_calls: Annotated[int, Number("host calls begun, also refused ones", code="I", unit="count")]
    denied: Annotated[int, Number("those that the policy denied", code="I", unit="count")]
    limit_cpu_ms: Annotated[
        float | None, KeyNumber(source="limits.cpu_s", scale=1e3, dtype="Float64", unit="ms", **_LIMIT)
    ]
    limit_wall_ms: Annotated[
        float | None, KeyNumber(source="limits.wall_s", scale=1e3, dtype="Float64", unit="ms", **_LIMIT)
    ]
    limit_memory_bytes: Annotated[int | None, KeyNumber(source="limits.memory_bytes", unit="bytes", **_LIMIT)]
    limit_fuel: Annotated[
        int | None,
        KeyNumber("the limit in force; at most 2^63 - 1 is shown", source="limits.fuel", unit="fuel", na="no limit"),
    ]
    policy_version: Annotated[int, KeyNumber("of `rt.policies`", dtype="int64")]
    outcome: Annotated[str, Text("`ok`, or what ended it", anonymous=KEPT)]
    error: Annotated[
        str | None,
        Message("its first 200 characters", na="it ended ok", anonymous=Anonymous("class_alone")),
    ]

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


CALLS = Schema(CallKey, declared(CallRecord), slots=True)


class EndedCall:
    """A call's row while it is filled in: an attribute for each part of `CallKey` and each number of ``CALLS.layout``.

    All have to be set. `started_ns` is when the call left its queue, after `queue_ns` there. A `fuel`, `memory_bytes`
    or `memory_peak_bytes` below 0 is not known, a `parent_call_id` of 0 is none, and where `instance_call` is below 1
    no instance was entered, so that `instance_id` says nothing.
    """

    __slots__ = (*CallKey._fields, *CALLS.layout.names)

    if TYPE_CHECKING:  # the slots follow from the declarations, which mypy cannot see; a name that is none raises

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...
