"""What is recorded comes back: records, NA, cost lines, and texts of guests that are cut, cleaned and bounded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from judicia_notebook.records import frames
from judicia_notebook.records.record import CallRecord, LimitsInForce
from judicia_notebook.records.recorder import Recorder

AddCall = Callable[..., int]


def recorded(recorder: Recorder, position: int) -> CallRecord:
    record = recorder.call_at(position)
    assert record is not None
    return record


# --- calls -----------------------------------------------------------------------------------------------------------


def test_a_record_has_what_was_recorded_in_the_units_its_names_say(recorder: Recorder, add_call: AddCall) -> None:
    record = recorded(recorder, add_call(recorder))
    assert msgspec.structs.asdict(record) == {
        "run_id": recorder.run_id,
        "call_id": 7,
        "parent_call_id": 3,
        "plugin": "checker",
        "digest": "9f" * 32,
        "function": "check",
        "abi": "judicia-1",
        "metering": "full",
        "monitored": "coverage",
        "origin": "user",
        "instance_id": 2,
        "instance_call": 5,
        "thread": "MainThread",
        "label": "variant=A",
        "labels": {"variant": "A"},
        "started": recorder.began_utc + timedelta(seconds=1.5),
        "started_ms": 1500.0,
        "queue_ms": 0.011,
        "wall_ms": 0.013 + 0.017 + 0.3 + 0.070001 + 0.019999,
        "setup_ms": 0.013,
        "encode_ms": 0.017,
        "guest_ms": 0.3,
        "host_ms": 0.070001,
        "decode_ms": 0.019999,
        "lock_ms": 0.023,
        "cpu_ms": 0.31,
        "fuel": 12_840,
        "memory_bytes": 1_114_112,
        "memory_peak_bytes": 1_179_648,
        "grows_refused": 1,
        "bytes_in": 512,
        "bytes_out": 96,
        "host_calls": 2,
        "denied": 4,
        "limit_cpu_ms": 500.0,
        "limit_wall_ms": 10_000.0,
        "limit_memory_bytes": 1 << 26,
        "limit_fuel": 1_000_000,
        "policy_version": 6,
        "outcome": "trap",
        "error": "GuestTrap: checker.check stopped at `unreachable`.",
    }


def test_what_cannot_be_known_is_none(recorder: Recorder, add_call: AddCall, unknown: dict[str, Any]) -> None:
    record = msgspec.structs.asdict(recorded(recorder, add_call(recorder, **unknown)))
    assert {name for name, value in record.items() if value is None} == {
        *("parent_call_id", "instance_id", "instance_call", "label", "fuel", "memory_bytes", "memory_peak_bytes"),
        *("limit_cpu_ms", "limit_wall_ms", "limit_memory_bytes", "limit_fuel", "error"),
    }


def test_zero_is_a_number_and_not_unknown(recorder: Recorder, add_call: AddCall) -> None:
    limits = LimitsInForce(0.0, 0.0, 0, 0)
    changes = {"fuel": 0, "memory_bytes": 0, "memory_peak_bytes": 0, "instance_id": 0, "limits": limits}
    record = recorded(recorder, add_call(recorder, **changes))
    assert (record.fuel, record.memory_bytes, record.memory_peak_bytes, record.instance_id) == (0, 0, 0, 0)
    assert (record.limit_cpu_ms, record.limit_wall_ms, record.limit_memory_bytes, record.limit_fuel) == (0, 0, 0, 0)


def test_bytes_beyond_32_bits_fit(recorder: Recorder, add_call: AddCall) -> None:
    record = recorded(recorder, add_call(recorder, bytes_in=1 << 32, bytes_out=(1 << 32) + 1))
    assert (record.bytes_in, record.bytes_out) == (1 << 32, (1 << 32) + 1)


def test_the_record_of_a_dropped_row_is_none(add_call: AddCall) -> None:
    recorder = Recorder(capacity=10)
    first, *_, last = [add_call(recorder, call_id=number) for number in range(1, 100)]
    assert recorder.call_at(first) is None
    assert recorded(recorder, last).call_id == 99
    assert recorder.dropped["calls"] == 99 - len(recorder.calls) > 0


def test_call_ids_count_from_one(recorder: Recorder) -> None:
    assert [recorder.next_call_id() for _ in range(3)] == [1, 2, 3]


def test_a_recorder_knows_when_it_began_and_has_an_id_of_its_own(recorder: Recorder) -> None:
    assert abs(datetime.now(UTC) - recorder.began_utc) < timedelta(minutes=1)
    assert len(recorder.run_id) == 8
    assert recorder.run_id != Recorder().run_id


# --- cost lines ------------------------------------------------------------------------------------------------------

USUAL = {
    "setup_ns": 0,
    "encode_ns": 20_000,
    "guest_ns": 390_000,
    "host_ns": 0,
    "decode_ns": 10_000,
    "memory_peak_bytes": 1_153_434,
    "denied": 1,
    "outcome": "ok",
    "error": "",
}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "checker.check: ok · 420 µs (310 µs cpu) · 12 840 fuel · 2 host calls, 1 denied · 1.1 MiB"),
        (
            {"guest_ns": 50_300_000, "cpu_ns": 50_000_000, "fuel": -1, "outcome": "quota_cpu"},
            "checker.check: quota_cpu · 50.3 ms (50 ms cpu) · 2 host calls, 1 denied · 1.1 MiB",
        ),
        (
            {"host_calls": 1, "denied": 0},
            "checker.check: ok · 420 µs (310 µs cpu) · 12 840 fuel · 1 host call · 1.1 MiB",
        ),
        (
            {"host_calls": 0, "denied": 0, "fuel": 0, "memory_peak_bytes": -1},
            "checker.check: ok · 420 µs (310 µs cpu) · 0 fuel",
        ),
        (
            {"host_calls": 12_000, "denied": 12_000},
            "checker.check: ok · 420 µs (310 µs cpu) · 12 840 fuel · 12 000 host calls, 12 000 denied · 1.1 MiB",
        ),
    ],
)
def test_the_cost_line_says_what_is_known(
    recorder: Recorder, add_call: AddCall, changes: dict[str, Any], line: str
) -> None:
    assert recorded(recorder, add_call(recorder, **(USUAL | changes))).cost_line() == line


# --- texts of guests -------------------------------------------------------------------------------------------------


def test_long_texts_are_cut_and_say_so(recorder: Recorder, add_call: AddCall) -> None:
    error = recorded(recorder, add_call(recorder, error="x" * 5000)).error
    recorder.add_host_call(1, "p", 1, "random", "judicia:random bytes", "t" * 5000, 0, 0, 0, 0, "denied", "d" * 5000)
    recorder.add_log(1, "p", 0, "info", "m" * 50_000, None, "log")
    row = frames.host_calls(recorder).iloc[0]
    assert error == "x" * 200 + "…"
    assert (row.target, row.detail) == ("t" * 200 + "…", "d" * 200 + "…")
    assert frames.logs(recorder).message[0] == "m" * 10_000 + "…"


def test_what_is_cut_off_is_not_kept(add_call: AddCall) -> None:
    recorder = Recorder()
    add_call(recorder, error="x" * 5_000_000)
    recorder.add_audit("load", "p", "y" * 5_000_000, "Python")
    for table in (recorder.calls, recorder.audit):
        [run] = table.rows()
        assert all(len(part) < 300 for part in run.keys[0] if isinstance(part, str))


def test_terminal_and_direction_characters_are_shown_as_replaced(recorder: Recorder, add_call: AddCall) -> None:
    hostile = "a\x1b[2Jb\u202ec\x00d"
    assert recorded(recorder, add_call(recorder, error=hostile)).error == "a\ufffd[2Jb\ufffdc\ufffdd"
    add_call(recorder, function=hostile)
    assert frames.calls(recorder).function.tolist() == ["check", "a\ufffd[2Jb\ufffdc\ufffdd"]


def test_half_a_surrogate_pair_breaks_no_frame(recorder: Recorder, add_call: AddCall) -> None:
    half = "a\ud800b"
    add_call(recorder, error=half)
    recorder.add_log(1, "p", 0, "info", half, {"key": half}, "log")
    frames.calls(recorder).to_csv().encode()
    logs = frames.logs(recorder)
    assert logs.message.tolist() == ["a\ufffdb"]
    assert logs.fields.tolist() == [{"key": "a?b"}]


def test_a_log_message_is_one_line(recorder: Recorder) -> None:
    recorder.add_log(1, "p", 0, "info", "one\ntwo", None, "log")
    assert frames.logs(recorder).message.tolist() == ["one⏎two"]


def test_fields_come_back_as_they_were_and_too_many_are_named(recorder: Recorder) -> None:
    for fields in ({"tokens": 3, "at": [1, None, "x"]}, None, {}, {"big": "x" * 20_000}, {"odd": 1j}, {"n": 1 << 70}):
        recorder.add_log(1, "p", 0, "info", "m", fields, "log")
    assert frames.logs(recorder).fields.tolist() == [
        {"tokens": 3, "at": [1, None, "x"]},
        None,
        None,
        {"cut": "fields of 19.5 KiB were not kept"},
        {"odd": "1j"},
        {"n": 1 << 70},
    ]


def test_log_texts_weigh_at_most_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("judicia_notebook.records.recorder.KEY_CAPACITY", 1 << 20)
    recorder = Recorder()
    for number in range(500):
        recorder.add_log(1, "p", 0, "info", f"{number:>9000}", None, "log")
    messages = frames.logs(recorder).message
    assert recorder.dropped["logs"] == 500 - len(messages) > 300
    assert messages.str.len().sum() <= 1 << 20
    assert messages.iloc[-1].endswith("499")


# --- audit and policies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["denied", "escape"])
def test_a_plugin_cannot_wash_out_the_audit_by_what_it_tries(what: str) -> None:
    recorder = Recorder(capacity=10)
    recorder.add_audit("grant", "checker", "random", "magic")
    for _ in range(1000):
        recorder.add_audit(what, "checker", "network_access for judicia:http request", "plugin")
    audit = frames.audit(recorder)
    assert audit.iloc[0].what == "grant"
    assert audit.attrs["dropped"] == recorder.dropped["denials"] > 900


def test_policy_versions_count_through_the_runtime(recorder: Recorder) -> None:
    assert recorder.add_policy("checker", (), {}, "error") == 1
    assert recorder.add_policy("specimen", ("random",), {"cpu": 0.05, "fuel": None}, "trap") == 2
    assert recorder.add_policy("checker", (), {}, "error") == 3
    policies = frames.policies(recorder).set_index("policy_version")
    assert policies.loc[2, "grants"] == ("random",)
    assert policies.loc[2, "quota"] == {"cpu": 0.05, "fuel": None}
    assert policies.on_denied.tolist() == ["error", "trap", "error"]


def test_an_unknown_sample_event_is_an_error(recorder: Recorder) -> None:
    with pytest.raises(KeyError):
        recorder.add_sample(1, "enter", 0, 0, 0)


# --- what it may not load --------------------------------------------------------------------------------------------


def test_recording_and_importing_the_room_load_nothing_heavy() -> None:
    code = """
import sys
from judicia_notebook.analysis import plots
from judicia_notebook.records import frames
from judicia_notebook.records.recorder import Recorder
recorder = Recorder()
recorder.add_log(1, "p", 0, "info", "m", {"a": 1}, "log")
recorder.add_audit("load", "p", "", "Python")
print({"numpy", "pandas", "matplotlib", "IPython", "wasmtime"} & set(sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.stdout.strip(), ran.stderr) == ("set()", "")
