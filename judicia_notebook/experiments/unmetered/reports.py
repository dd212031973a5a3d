"""Errors of a call in a child as data, and the same errors here. Only the kinds that are listed come through."""

from __future__ import annotations

from typing import Any

import msgspec

from judicia_notebook.errors import (
    AbiViolation,
    CallError,
    Cancelled,
    CapabilityDenied,
    GuestError,
    GuestTrap,
    HostFailure,
    InvalidPayload,
    JudiciaError,
    NoSuchFunction,
    PluginNotReady,
    QuotaExceeded,
    ResourceExhausted,
    describe,
)
from judicia_notebook.records.guest_frames import Backtrace, GuestFrame

_MOST_TEXT = 20_000  # characters; a sentence shows fewer
_MOST_PARTS = 64
_MOST_DATA = 1 << 20  # bytes of JSON that a guest gave with its error

_KINDS: dict[str, type[JudiciaError]] = {
    kind.__name__: kind
    for kind in (
        AbiViolation, Cancelled, CapabilityDenied, GuestError, GuestTrap, HostFailure, InvalidPayload, NoSuchFunction,
        PluginNotReady, QuotaExceeded, ResourceExhausted,
    )
}  # fmt: skip
_FIELDS: dict[type[JudiciaError], tuple[str, ...]] = {
    GuestError: ("code", "data"),
    GuestTrap: ("trap", "backtrace"),
    QuotaExceeded: ("quota", "limit", "used", "unit", "per_call", "ceiling"),
    CapabilityDenied: ("capability", "scope", "host_function"),
}
_OWN_MESSAGE = (GuestTrap, QuotaExceeded, CapabilityDenied)  # these make theirs of their fields


class Report(msgspec.Struct):
    """An error: its class, what all have, and what its class has."""

    kind: str
    message: str
    hint: str
    facts: tuple[str, ...] = ()
    code: str = ""
    data: Any = None
    trap: str = ""
    backtrace: tuple[str, ...] = ()
    quota: str = ""
    limit: float = 0.0
    used: float = 0.0
    unit: str = ""
    per_call: bool = False
    ceiling: float | None = None
    capability: str = ""
    scope: str = ""
    host_function: str = ""
    frames: tuple[GuestFrame, ...] = ()
    frames_note: str = ""


def make_report(error: JudiciaError) -> Report:
    """The report of an error; a kind that is not listed becomes a failure of the host."""
    kind = next((known for known in type(error).__mro__ if known.__name__ in _KINDS), None)
    if kind is None:
        return Report("HostFailure", _text(f"{type(error).__name__}: {describe(error)[0]}"), "")
    fields = {name: _portable(getattr(error, name)) for name in _FIELDS.get(kind, ())}
    facts: tuple[str, ...] = ()
    if isinstance(error, CallError):
        facts = tuple(_text(fact) for fact in error.facts[:_MOST_PARTS])
        fields["frames"] = tuple(_frame(frame) for frame in error.frames[:_MOST_PARTS])
        fields["frames_note"] = _text(error.frames_note)
    return Report(kind.__name__, _text(error.message), _text(error.hint), facts, **fields)


def read_report(report: Report, plugin: str, function: str) -> JudiciaError:
    """The error of a report.

    Raises
    ------
    ValueError
        There is no such kind.
    """
    kind = _KINDS.get(report.kind)
    if kind is None:
        raise ValueError(f"an error of the kind {report.kind[:40]!r}")
    fields: dict[str, Any] = {name: getattr(report, name) for name in _FIELDS.get(kind, ())}
    message = () if kind in _OWN_MESSAGE else (report.message,)
    if not issubclass(kind, CallError):
        return kind(*message, hint=report.hint)
    error = kind(*message, **fields, plugin=plugin, function=function)
    error.hint, error.facts = report.hint, report.facts
    if report.frames or report.frames_note:
        error.set_backtrace(Backtrace(report.frames, report.frames_note))
    return error


def _frame(frame: GuestFrame) -> GuestFrame:
    return frame._replace(function=_text(frame.function), file=_text(frame.file))


def _text(text: str) -> str:
    """A text that can be encoded, and not too long."""
    return text[:_MOST_TEXT].encode("utf-8", "replace").decode()


def _portable(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        return tuple(_text(str(part)) for part in value[:_MOST_PARTS])
    if isinstance(value, bool | int | float | None):
        return value
    try:
        data = msgspec.msgpack.encode(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        data = b""
    return msgspec.msgpack.decode(data) if 0 < len(data) <= _MOST_DATA else None
