"""The columns of every table but the calls', and the keys of their rows: the values that are no numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

from judicia_notebook.records.record import CALLS
from judicia_notebook.records.schema import (
    KEPT,
    MESSAGE_LIMIT,
    Anonymous,
    Instant,
    Made,
    Message,
    Milliseconds,
    Number,
    Schema,
    SinceCall,
    Text,
)

EVENTS = ("tick", "grow", "grow_refused")
"""The events of samples; a row holds the index of its event here."""

_PLUGIN, _DETAIL = Anonymous("numbered", "plugin"), Anonymous("numbered", "detail")


class HostCallKey(NamedTuple):
    """What the rows of `Recorder.host_calls` say beyond numbers."""

    plugin: str
    capability: str
    function: str
    target: str
    decision: str
    detail: str


class SampleKey(NamedTuple):
    """The rows of `Recorder.samples` say nothing beyond numbers."""


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


HOST_CALLS = Schema(
    HostCallKey,
    {
        "call_id": Number("the call it was made in"),
        "plugin": Text("the plugin that made it", anonymous=_PLUGIN),
        "seq": Number("counted from 1 in the call", code="I", unit="count"),
        "capability": Text("the capability it needs", na="it needs none", anonymous=KEPT),
        "function": Text("module and name", anonymous=KEPT),
        "target": Text("what it was about, its first 200 characters", na="there is none",
                       anonymous=Anonymous("numbered", "target")),
        "at_ms": SinceCall("when it began, since the call left its queue, `perf_counter_ns`"),
        "wall_ms": Milliseconds("how long it took, `perf_counter_ns`"),
        "bytes_in": Number("from the guest", unit="bytes"),
        "bytes_out": Number("to the guest", unit="bytes"),
        "decision": Text("`allowed`, `denied`, `limited` or `failed`", anonymous=KEPT),
        "detail": Text("the reason, or the result", na="nothing to add", anonymous=_DETAIL),
    },
)  # fmt: skip

SAMPLES = Schema(
    SampleKey,
    {
        "call_id": Number("the call"),
        "event": Made("`enter`, `tick`, `grow`, `grow_refused` or `exit`", code="B", dtype="category", anonymous=KEPT),
        "at_ms": SinceCall("since the call left its queue, `perf_counter_ns`"),
        "cpu_ms": Milliseconds("CPU time of the calling thread until then, `thread_time_ns`", error="as in `calls`"),
        "memory_bytes": Number("memory it had then; on a refused grow without what was refused", least=0, unit="bytes",
                               na="not known"),
    },
)  # fmt: skip

LOGS = Schema(
    LogKey,
    {
        "call_id": Number("the call it was written in", least=1, na="outside of any call"),
        "plugin": Text("the plugin that wrote it", anonymous=_PLUGIN),
        "at": Instant("when: `perf_counter_ns` since the runtime's start, on the system clock of that start"),
        "level": Text("as the plugin said", na="it said none", anonymous=KEPT),
        "message": Message("its first 10 000 characters", limit=MESSAGE_LIMIT, empty=True,
                           na="never; an empty text where there is none", anonymous=Anonymous("numbered", "message")),
        "fields": Made("a dictionary", na="None where there are none", anonymous=Anonymous("removed")),
        "stream": Text("`log`, `stdout` or `stderr`", anonymous=KEPT),
    },
)  # fmt: skip

AUDIT = Schema(
    AuditKey,
    {
        "at": Instant("as in `logs`"),
        "what": Text("such as `load`, `grant`, `denied`, `escape`, `memory` or `global`", anonymous=KEPT),
        "plugin": Text("the plugin it is about", na="it is about no single plugin", anonymous=_PLUGIN),
        "detail": Text("its first 200 characters", na="nothing to add", anonymous=_DETAIL),
        "via": Text("magic, panel, Python, plugin or event", na="not known", anonymous=KEPT),
        "call_id": Number("the call of the plugin that did it, or tried to", least=1, na="no call of the plugin's did"),
    },
)

POLICIES = Schema(
    PolicyKey,
    {
        "policy_version": Number("counted from 1 in the runtime", stored_as="version"),
        "plugin": Text("whose", anonymous=_PLUGIN),
        "at": Instant("as in `logs`"),
        "grants": Made("a tuple", na="never; empty without grants", anonymous=Anonymous("scopes")),
        "quota": Made("a dictionary", anonymous=KEPT),
        "on_denied": Text("the effect of a denial", anonymous=KEPT),
    },
)

SCHEMAS: dict[str, Schema[Any]] = {
    "calls": CALLS,
    "host_calls": HOST_CALLS,
    "samples": SAMPLES,
    "logs": LOGS,
    "audit": AUDIT,
    "policies": POLICIES,
}
"""By the names that the frames have in `Runtime` and `Run`."""
