"""A recorder, and a call for it whose every number differs from the others, so that no column can stand for another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from judicia_notebook.records.record import EndedCall, LimitsInForce, Subject
from judicia_notebook.records.recorder import Recorder

AddCall = Callable[..., int]

CALL: dict[str, Any] = {
    "call_id": 7,
    "parent_call_id": 3,
    "subject": Subject("checker", "9f" * 32, "check", "judicia-1", "full", "coverage"),
    "origin": "user",
    "instance_id": 2,
    "instance_call": 5,
    "thread": "MainThread",
    "labels": '{"variant":"A"}',
    "started_ns": 1_500_000_000,
    "queue_ns": 11_000,
    "setup_ns": 13_000,
    "encode_ns": 17_000,
    "guest_ns": 300_000,
    "host_ns": 70_001,
    "decode_ns": 19_999,
    "lock_ns": 23_000,
    "cpu_ns": 310_000,
    "fuel": 12_840,
    "memory_bytes": 1_114_112,
    "memory_peak_bytes": 1_179_648,
    "grows_refused": 1,
    "bytes_in": 512,
    "bytes_out": 96,
    "host_calls": 2,
    "denied": 4,
    "limits": LimitsInForce(0.5, 10.0, 1 << 26, 1_000_000),
    "policy_version": 6,
    "outcome": "trap",
    "error": "GuestTrap: checker.check stopped at `unreachable`.",
}

UNKNOWN: dict[str, Any] = {
    "parent_call_id": 0,
    "instance_id": 0,
    "instance_call": 0,
    "labels": "",
    "fuel": -1,
    "memory_bytes": -1,
    "memory_peak_bytes": -1,
    "limits": LimitsInForce(None, None, None, None),
    "error": "",
}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def add_call() -> AddCall:
    """Adds `CALL` to a recorder, with changes by name; `plugin`, `function`, `monitored` are short for a subject."""

    def add(
        recorder: Recorder,
        *,
        plugin: str = "checker",
        function: str = "check",
        monitored: str = "coverage",
        **changes: Any,
    ) -> int:
        subject = CALL["subject"]._replace(plugin=plugin, function=function, monitored=monitored)
        call = EndedCall()
        for name, value in (CALL | {"subject": subject} | changes).items():
            setattr(call, name, value)
        return recorder.add_call(call)

    return add


@pytest.fixture
def unknown() -> dict[str, Any]:
    """The changes that make everything NA that can be."""
    return UNKNOWN
