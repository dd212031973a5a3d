"""The frames of the runtime: their columns, dtypes, NA, order, filters, and what is derived."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pandas as pd
import pytest

from judicia_notebook.records import frames
from judicia_notebook.records.record import LimitsInForce
from judicia_notebook.records.recorder import Recorder
from judicia_notebook.records.rows import SCHEMAS

AddCall = Callable[..., int]

STRING = str(pd.Series(["a"], dtype="str").dtype)  # "str", or "object" before pandas 3


def fill(recorder: Recorder, add_call: AddCall) -> None:
    """One row at least in each table, of two plugins."""
    for call_id, plugin in ((1, "checker"), (2, "specimen")):
        started_ns = call_id * 1_000_000_000
        recorder.add_policy(plugin, ("random",), {"cpu": 0.05}, "error")
        recorder.add_audit("load", plugin, "example", "magic")
        recorder.add_audit("denied", plugin, "random for judicia:random bytes", "plugin")
        function = "judicia:random bytes"
        recorder.add_host_call(
            call_id, plugin, 1, "random", function, "", started_ns + 40_000, 900, 2, 40, "denied", "no"
        )
        recorder.add_sample(call_id, "tick", started_ns + 200_000, 150_000, 1 << 20)
        recorder.add_sample(call_id, "grow", started_ns + 100_000, 90_000, 1 << 20)
        recorder.add_log(call_id, plugin, started_ns + 50_000, "info", "hello", {"n": 1}, "log")
        add_call(recorder, call_id=call_id, plugin=plugin, started_ns=started_ns)


@pytest.fixture
def filled(recorder: Recorder, add_call: AddCall) -> Recorder:
    fill(recorder, add_call)
    return recorder


# --- columns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("rows", ["no rows", "rows"])
def test_a_frame_has_its_columns_and_dtypes_with_and_without_rows(
    recorder: Recorder, add_call: AddCall, name: str, rows: str
) -> None:
    if rows == "rows":
        fill(recorder, add_call)
    frame = getattr(frames, name)(recorder)
    if name == "calls" and rows == "rows":
        assert str(frame.pop("label_variant").dtype) == STRING
    declared = {column: STRING if dtype == "str" else dtype for column, dtype in SCHEMAS[name].dtypes.items()}
    assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == declared
    assert list(frame.columns) == list(declared)
    assert (len(frame) > 0) == (rows == "rows")


def test_a_row_of_the_calls_frame_is_the_calls_record(
    recorder: Recorder, add_call: AddCall, unknown: dict[str, Any]
) -> None:
    positions = [add_call(recorder), add_call(recorder, call_id=8, **unknown)]
    frame = frames.calls(recorder)
    for position in positions:
        record = recorder.call_at(position)
        assert record is not None
        values = msgspec.structs.asdict(record)
        values["label_variant"] = values.pop("labels").get("variant")
        for name, value in values.items():
            cell = frame.loc[position, name]
            assert pd.isna(cell) if value is None else cell == value, name


def test_wall_time_is_exactly_the_sum_of_its_parts(recorder: Recorder, add_call: AddCall) -> None:
    for number in range(1, 500):
        parts = {f"{part}_ns": number * prime for part, prime in (("setup", 7), ("encode", 911), ("guest", 100_003))}
        add_call(recorder, **parts, host_ns=number * 37, decode_ns=number * 1009)
    frame = frames.calls(recorder)
    assert (frame.wall_ms == frame.setup_ms + frame.encode_ms + frame.guest_ms + frame.host_ms + frame.decode_ms).all()


def test_what_cannot_be_known_is_na(recorder: Recorder, add_call: AddCall, unknown: dict[str, Any]) -> None:
    add_call(recorder, **unknown)
    missing = frames.calls(recorder).iloc[0].isna()
    assert set(missing.index[missing]) == {
        *("parent_call_id", "instance_id", "instance_call", "label", "fuel", "memory_bytes", "memory_peak_bytes"),
        *("limit_cpu_ms", "limit_wall_ms", "limit_memory_bytes", "limit_fuel", "error"),
    }


def test_times_are_utc_and_to_the_nanosecond(recorder: Recorder, add_call: AddCall) -> None:
    add_call(recorder, started_ns=1_500_000_123)
    recorder.add_log(0, "checker", 2_000_000_007, "info", "m", None, "log")
    began = pd.Timestamp(recorder.began_utc)
    assert frames.calls(recorder).started[0] == began + timedelta(seconds=1.5) + pd.Timedelta(123, "ns")
    assert frames.logs(recorder)["at"][0] == began + timedelta(seconds=2) + pd.Timedelta(7, "ns")


def test_a_limit_beyond_63_bits_breaks_no_frame(recorder: Recorder, add_call: AddCall) -> None:
    add_call(recorder, limits=LimitsInForce(None, None, None, (1 << 64) - 1))
    assert frames.calls(recorder).limit_fuel[0] == (1 << 63) - 1


def test_rows_of_many_chunks_keep_their_own_texts(recorder: Recorder, add_call: AddCall) -> None:
    for number in range(10_000):
        add_call(recorder, call_id=number + 1, plugin=f"p{number % 3}", labels=f'{{"n":{number}}}', fuel=number)
    frame = frames.calls(recorder)
    assert frame.label.tolist() == [f"n={number}" for number in range(10_000)]
    assert frame.plugin.tolist() == [f"p{number % 3}" for number in range(10_000)]
    assert frame.fuel.tolist() == list(range(10_000))


# --- parts of a frame ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_frame_of_one_plugin_has_only_its_rows(filled: Recorder, name: str) -> None:
    make = getattr(frames, name)
    whole, part = make(filled), make(filled, plugin="specimen")
    assert 0 < len(part) < len(whole)
    if name == "samples":
        assert set(part.call_id) == {2}
    else:
        assert part.plugin.unique().tolist() == ["specimen"]
        assert part.plugin.cat.categories.tolist() == ["specimen"]
    assert len(make(filled, plugin="nobody")) == 0


def test_frames_between_two_marks_have_what_came_between(recorder: Recorder, add_call: AddCall) -> None:
    fill(recorder, add_call)
    start = recorder.mark()
    fill(recorder, add_call)
    stop = recorder.mark()
    fill(recorder, add_call)
    assert len(frames.calls(recorder, start=start.calls, stop=stop.calls)) == 2
    assert len(frames.host_calls(recorder, start=start.host_calls, stop=stop.host_calls)) == 2
    assert len(frames.logs(recorder, start=start.logs, stop=stop.logs)) == 2
    assert len(frames.calls(recorder, start=start.calls)) == 4


def test_samples_of_a_run_of_calls_are_those_of_these_calls(recorder: Recorder, add_call: AddCall) -> None:
    for call_id in (1, 2, 3):
        recorder.add_sample(call_id, "tick", 0, 0, 0)
        add_call(recorder, call_id=call_id)
    part = frames.samples(recorder, start=1, stop=2)
    assert part.call_id.tolist() == [2, 2, 2]


def test_a_frame_says_how_many_rows_were_dropped(add_call: AddCall) -> None:
    recorder = Recorder(capacity=10)
    for number in range(1, 100):
        add_call(recorder, call_id=number)
    frame = frames.calls(recorder)
    assert frame.attrs["dropped"] == 99 - len(frame)
    assert frame.call_id.iloc[-1] == 99


# --- what is derived -------------------------------------------------------------------------------------------------


def test_enter_and_exit_are_derived_from_the_calls_row(filled: Recorder) -> None:
    samples = frames.samples(filled, plugin="checker")
    expected = [
        (1, "enter", 0.0, 0.0, 1_114_112),
        (1, "grow", 0.1, 0.09, 1 << 20),
        (1, "tick", 0.2, 0.15, 1 << 20),
        (1, "exit", 0.42, 0.31, 1_179_648),
    ]
    assert [row[:2] + row[4:] for row in samples.itertuples(index=False, name=None)] == [
        row[:2] + row[4:] for row in expected
    ]
    assert samples.at_ms.tolist() == pytest.approx([row[2] for row in expected])
    assert samples.cpu_ms.tolist() == pytest.approx([row[3] for row in expected])
    assert samples.at_ms.iloc[-1] == frames.calls(filled, plugin="checker").wall_ms[0]


def test_samples_are_sorted_by_call_and_exit_stays_last_whatever_a_ticks_clock_says(
    recorder: Recorder, add_call: AddCall
) -> None:
    for call_id in (2, 1):
        recorder.add_sample(call_id, "tick", 1_500_000_000 + 900_000_000, 5, 6)
        recorder.add_sample(call_id, "grow_refused", 1_500_000_000 - 10, 5, 6)
        add_call(recorder, call_id=call_id, started_ns=1_500_000_000)
    samples = frames.samples(recorder)
    assert samples.call_id.tolist() == [1] * 4 + [2] * 4
    assert samples.event.tolist() == ["enter", "grow_refused", "tick", "exit"] * 2


def test_instants_inside_a_call_that_still_runs_are_na(recorder: Recorder, add_call: AddCall) -> None:
    for call_id in (1, 2):
        recorder.add_sample(call_id, "tick", 1_600_000_000, 5, 6)
        recorder.add_host_call(
            call_id, "checker", 1, "", "judicia:log write", "", 1_600_000_000, 0, 0, 0, "allowed", ""
        )
    add_call(recorder, call_id=2, started_ns=1_500_000_000)
    host_calls, samples = frames.host_calls(recorder), frames.samples(recorder)
    assert host_calls.at_ms.isna().tolist() == [True, False]
    assert host_calls.at_ms[1] == 100.0
    assert samples.call_id.tolist() == [1, 2, 2, 2]
    assert samples.at_ms.isna().tolist() == [True, False, False, False]


def test_the_audit_tells_denials_and_the_rest_in_the_order_of_time(recorder: Recorder) -> None:
    for what in ("load", "denied", "grant", "denied", "revoke"):
        recorder.add_audit(what, "checker", "", "Python")
    audit = frames.audit(recorder)
    assert audit.what.tolist() == ["load", "denied", "grant", "denied", "revoke"]
    assert audit["at"].is_monotonic_increasing
    assert audit.detail.isna().all()


# --- HTML ------------------------------------------------------------------------------------------------------------


def test_no_text_of_a_guest_is_html(recorder: Recorder, add_call: AddCall) -> None:
    hostile = "<script>alert(1)</script>"
    add_call(recorder, plugin=hostile, function=hostile, error=hostile, labels=json.dumps({"by": hostile}))
    recorder.add_host_call(7, hostile, 1, hostile, hostile, hostile, 0, 0, 0, 0, "denied", hostile)
    recorder.add_log(7, hostile, 0, hostile, hostile, {hostile: hostile}, "log")
    recorder.add_audit(hostile, hostile, hostile, hostile)
    recorder.add_policy(hostile, (hostile,), {hostile: hostile}, "error")
    with pd.option_context("display.max_columns", None, "display.max_colwidth", None):
        for name in ("calls", "host_calls", "logs", "audit", "policies"):
            html = getattr(frames, name)(recorder)._repr_html_()
            assert "&lt;script&gt;" in html, name
            assert "<script" not in html, name
