"""`Runtime.export_trace`, read back as a viewer of Chrome trace events reads it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.traces import chrome
from judicia_notebook.notebook.live.activity import calls_waiting
from judicia_notebook.records.recorder import Recorder
from tests.support.recorded import AddCall
from tests.support.waiting import PATIENCE, until

REQUIRED = {
    "X": {"name", "cat", "ts", "dur", "pid", "tid", "args"},
    "C": {"name", "ts", "pid", "args"},
    "i": {"name", "ts", "pid", "tid", "s"},
    "b": {"name", "cat", "id", "ts", "pid"},
    "e": {"name", "cat", "id", "ts", "pid"},
    "M": {"name", "pid", "args"},
}
CLOCK = 0.0015  # microseconds that rounding may cost


class Reader:
    """What a viewer makes of the file. Raises AssertionError where it could make nothing of it."""

    def __init__(self, document: dict[str, Any]) -> None:
        assert document["displayTimeUnit"] in {"ms", "ns"}
        self.events: list[dict[str, Any]] = document["traceEvents"]
        for event in self.events:
            assert set(event) >= REQUIRED[event["ph"]]
            assert type(event["pid"]) is int
            if event["ph"] != "M":
                assert type(event["ts"]) in {int, float}
            if event["ph"] == "X":
                assert event["dur"] >= 0
            if event["ph"] == "C":
                assert all(type(value) in {int, float} for value in event["args"].values())
            if event["ph"] == "i":
                assert event["s"] in {"g", "p", "t"}
        self._check_pairs()
        self.parents = self._nest()

    def _check_pairs(self) -> None:
        opened = {(one["cat"], one["id"]): one["ts"] for one in self.events if one["ph"] == "b"}
        closed = {(one["cat"], one["id"]): one["ts"] for one in self.events if one["ph"] == "e"}
        assert opened.keys() == closed.keys()
        assert all(opened[key] <= closed[key] for key in opened)

    def _nest(self) -> dict[int, dict[str, Any] | None]:
        """The slice that each slice is in; slices of one thread have to be nested."""
        parents: dict[int, dict[str, Any] | None] = {}
        lanes: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for event in self.events:
            if event["ph"] == "X":
                lanes.setdefault((event["pid"], event["tid"]), []).append(event)
        for slices in lanes.values():
            around: list[dict[str, Any]] = []
            for event in sorted(slices, key=lambda one: (one["ts"], -one["dur"])):
                while around and around[-1]["ts"] + around[-1]["dur"] <= event["ts"] + CLOCK:
                    around.pop()
                if around:
                    assert event["ts"] + event["dur"] <= around[-1]["ts"] + around[-1]["dur"] + CLOCK
                parents[id(event)] = around[-1] if around else None
                around.append(event)
        return parents

    def of(self, phase: str, category: str) -> list[dict[str, Any]]:
        return [one for one in self.events if one["ph"] == phase and one.get("cat") == category]

    def name_of(self, pid: int, tid: int | None = None) -> str:
        kind = "process_name" if tid is None else "thread_name"
        [name] = [
            one["args"]["name"]
            for one in self.events
            if one["ph"] == "M" and one["name"] == kind and one["pid"] == pid and tid in {None, one["tid"]}
        ]
        return str(name)


def read(path: Path) -> Reader:
    return Reader(json.loads(path.read_bytes()))


@pytest.fixture
def specimen(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:specimen", instances=2)


def test_every_call_and_host_call_is_a_slice_in_its_instances_lane(
    rt: jn.Runtime, specimen: jn.Plugin, tmp_path: Path
) -> None:
    handles = [specimen.submit("log", {"n": 3}) for _ in range(10)]
    assert [handle.result(30) for handle in handles]
    reader = read(rt.export_trace(tmp_path / "x.json"))
    calls, host_calls = reader.of("X", "call"), reader.of("X", "host")
    assert {one["args"]["call_id"] for one in calls} == set(rt.calls["call_id"])
    assert len(host_calls) == len(rt.host_calls) == 30
    for call in calls:
        assert reader.name_of(call["pid"]) == "specimen"
        row = rt.calls.set_index("call_id").loc[call["args"]["call_id"]]
        assert reader.name_of(call["pid"], call["tid"]) == f"instance {row['instance_id']}"
        assert call["ts"] == pytest.approx(row["started_ms"] * 1e3, abs=0.01)
        assert call["dur"] <= row["wall_ms"] * 1e3 + CLOCK
    for one in host_calls:
        parent = reader.parents[id(one)]
        assert parent is not None
        assert parent["args"]["call_id"] == one["args"]["call_id"]


def test_memory_is_a_counter_that_ends_where_the_instance_does(
    rt: jn.Runtime, specimen: jn.Plugin, tmp_path: Path
) -> None:
    specimen.call("grow", {"bytes": 4 << 20, "step": 1 << 20})
    reader = read(rt.export_trace(tmp_path / "x.json"))
    values = [one["args"]["bytes"] for one in reader.of("C", "memory")]
    assert len(values) >= 4
    assert values == sorted(set(values))
    assert values[-1] == specimen.calls["memory_peak_bytes"].iloc[-1]


def test_denials_log_lines_and_changes_of_policy_are_instants(
    rt: jn.Runtime, specimen: jn.Plugin, tmp_path: Path
) -> None:
    specimen.call("call_host", {"service": "clock", "n": 2})
    specimen.policy.grant("random")
    specimen.call("log", {"n": 1})
    reader = read(rt.export_trace(tmp_path / "x.json"))
    assert [one["name"] for one in reader.of("i", "denied")] == ["denied wall_clock"] * 2
    assert [one["name"] for one in reader.of("i", "log")] == ["info: line 1"]
    assert {one["name"] for one in reader.of("i", "audit")} == {"load specimen", "grant specimen"}


def test_waiting_in_the_queue_is_told_apart_from_the_call(rt: jn.Runtime, tmp_path: Path) -> None:
    specimen = rt.load("example:specimen")
    first, *others = (specimen.submit(*call) for call in (("sleep", {"ms": 60_000}), ("echo", 1), ("echo", 2)))
    until(lambda: calls_waiting(specimen) == 2)  # nobody who was late to submit finds a free instance
    first.cancel()
    assert [handle.result(PATIENCE) for handle in others] == [1, 2]
    reader = read(rt.export_trace(tmp_path / "x.json"))
    waited = rt.calls.set_index("call_id")["queue_ms"]
    ends = {one["id"]: one["ts"] for one in reader.of("e", "queue")}
    for one in reader.of("b", "queue"):
        assert ends[one["id"]] - one["ts"] == pytest.approx(waited[one["id"]] * 1e3, abs=0.01)
    assert len(ends) >= 2


def test_a_name_in_gz_is_written_compressed(rt: jn.Runtime, specimen: jn.Plugin, tmp_path: Path) -> None:
    specimen.call("echo", 1)
    path = rt.export_trace(tmp_path / "x.json.gz")
    reader = Reader(json.loads(gzip.decompress(path.read_bytes())))
    assert len(reader.of("X", "call")) == 1


def test_calls_whose_clocks_overlap_are_cut_so_that_they_nest(
    recorder: Recorder, add_call: AddCall, tmp_path: Path
) -> None:
    parts = {"queue_ns": 0, "setup_ns": 0, "encode_ns": 0, "guest_ns": 1_000_000, "host_ns": 0, "decode_ns": 0}
    for number, started in enumerate((0, 900_000, 1_900_000), 1):  # each is not over when the next begins
        add_call(recorder, **{**parts, "call_id": number, "parent_call_id": 0, "started_ns": started})
    recorder.add_host_call(1, "checker", 1, "", "judicia:log write", "", 800_000, 500_000, 0, 0, "allowed", "")
    reader = read(chrome.export(recorder, tmp_path / "x.json"))
    durations = {one["args"]["call_id"]: one["dur"] for one in reader.of("X", "call")}
    assert durations == {1: 900.0, 2: 1000.0, 3: 1000.0}
    assert [one["dur"] for one in reader.of("X", "host")] == [100.0]


def test_a_call_within_a_call_keeps_its_length(recorder: Recorder, add_call: AddCall, tmp_path: Path) -> None:
    parts = {"queue_ns": 0, "setup_ns": 0, "encode_ns": 0, "host_ns": 0, "decode_ns": 0}
    add_call(recorder, **{**parts, "call_id": 2, "parent_call_id": 1, "started_ns": 100_000, "guest_ns": 200_000})
    add_call(recorder, **{**parts, "call_id": 1, "parent_call_id": 0, "started_ns": 0, "guest_ns": 1_000_000})
    reader = read(chrome.export(recorder, tmp_path / "x.json"))
    inner = next(one for one in reader.of("X", "call") if one["args"]["call_id"] == 2)
    parent = reader.parents[id(inner)]
    assert parent is not None
    assert (parent["args"]["call_id"], parent["dur"], inner["dur"]) == (1, 1000.0, 200.0)


def test_a_runtime_that_did_nothing_gives_a_file_that_opens(rt: jn.Runtime, tmp_path: Path) -> None:
    assert [one["ph"] for one in read(rt.export_trace(tmp_path / "x.json")).events] == ["M", "M"]
