"""A sweep on this thread: which cells there are, what their rows say, and how it goes on after an end too soon."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from judicia_notebook.experiments.sweep import laboratory
from judicia_notebook.records import frames
from judicia_notebook.records.recorder import Recorder
from tests.support.waiting import PATIENCE, until

SPECIMEN = "example:specimen"

STUBBORN = """(module
  (memory (export "memory") 1)
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 16))
  (func (export "judicia_free") (param i32 i32))
  (func (export "on_initialize") (param i32 i32) (result i64) unreachable)
  (func (export "echo") (param i32 i32) (result i64) (i64.const 0)))"""

COUNTER = """(module
  (memory (export "memory") 1)
  (global $count (mut i32) (i32.const 48))
  (func (export "judicia_alloc") (param i32) (result i32) (i32.const 16))
  (func (export "judicia_free") (param i32 i32))
  (func (export "count") (param i32 i32) (result i64)
    (local $turns i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (local.set $turns (global.get $count))
    (loop $again
      (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
      (br_if $again (local.get $turns)))
    (i32.store8 (i32.const 64) (i32.const 49))
    (i64.const 0x4000000001)))"""


def sweep(*arguments: Any, **more: Any) -> Any:
    return jn.sweep(*arguments, progress=False, **more)


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n") - 1 if path.exists() else 0


def when(condition: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """Does something on another thread as soon as a condition holds."""

    def watch() -> None:
        until(condition)
        act()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


# --- the grid ---------------------------------------------------------------------------------------------------------


def test_every_point_of_the_grid_is_there_as_often_as_asked() -> None:
    frame = sweep(
        {"one": SPECIMEN, "two": SPECIMEN},
        "echo",
        ["a", "b", "c"],
        quotas=[None, {"memory": "2MiB"}],
        grants=[(), ["random"]],
        repeats=3,
        warmup=0,
    )
    assert frame["cell"].tolist() == list(range(2 * 3 * 2 * 2 * 3))
    point = ["param_plugin", "param_payload", "param_quota", "param_grants"]
    assert frame.groupby(point)["repeat"].apply(list).tolist() == [[0, 1, 2]] * 24
    assert set(frame["outcome"]) == {"ok"}
    assert set(frame["origin"]) == {"sweep"}


def test_its_columns_are_those_of_the_calls_with_what_was_varied_before_them() -> None:
    frame = sweep(SPECIMEN, "echo", [{"size": 1, "kind": "x", "list": [1]}, {"size": 2, "kind": "y", "list": [2]}])
    like = frames.calls(Recorder())
    assert list(frame.columns) == [
        "cell", "repeat", "param_plugin", "param_payload", "param_size", "param_kind", "param_quota", "param_grants",
        "worker", *like.columns,
    ]  # fmt: skip
    for name in like.columns:
        assert frame[name].dtype.name == like[name].dtype.name, name
    assert frame.groupby("param_payload")["param_size"].unique().map(list).to_dict() == {0: [1], 1: [2]}
    parts = frame["setup_ms"] + frame["encode_ms"] + frame["guest_ms"] + frame["host_ms"] + frame["decode_ms"]
    assert parts.tolist() == frame["wall_ms"].tolist()


@pytest.mark.parametrize(
    ("payloads", "named"),
    [
        ([3, "b", None], [3, "b", 2]),
        ({100: "x" * 100, 200: "x" * 200}, [100, 200]),
        ({n: [int(n)] for n in np.array([10, 100])}, [10, 100]),
        (["x" * 100, [1], {"a": 1}], [0, 1, 2]),
        ((n for n in (1.5, 2.5)), [1.5, 2.5]),
    ],
)
def test_a_payload_is_called_by_its_name_else_by_itself_else_by_its_place(payloads: Any, named: list[Any]) -> None:
    frame = sweep(SPECIMEN, "echo", payloads, repeats=1, warmup=0)
    assert frame["param_payload"].tolist() == named


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "int64"), ([2**53 + 1, None], "Int64"), ([2**64 - 1, 0], "uint64"), ([2**64 - 1, None], "UInt64"),
        ([True, False], "bool"), ([True, None], "boolean"), ([1, 0.5], "float64"), ([1.5, None], "Float64"),
        ([2**53 + 1, 0.5], "object"), ([2**64 - 1, -1], "object"), ([True, 1], "object"), (["a", 1], "object"),
        (["a", None], "str or object"),  # the second with pandas 2
    ],
)  # fmt: skip
def test_what_was_varied_comes_back_exactly_with_a_dtype_that_holds_it(values: list[Any], dtype: str) -> None:
    frame = sweep(SPECIMEN, "echo", [{"value": value} for value in values], repeats=1, warmup=0, order="grid")
    column = frame["param_value"]
    assert str(column.dtype) in dtype.split(" or ")
    told = [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]
    assert told == values


def test_quotas_and_grants_hold_in_their_cells_and_are_told_as_numbers_and_texts() -> None:
    frame = sweep(
        SPECIMEN,
        "call_host",
        [{"service": "clock", "n": 2}],
        quotas={"plain": None, "small": {"memory": "2MiB", "cpu": "50ms"}, "fueled": jn.Quota(fuel=10_000_000)},
        grants={"none": (), "clock": ["wall_clock"]},
        repeats=2,
        order="grid",
    )
    told = frame.drop_duplicates("param_quota").set_index("param_quota")
    told = told[["param_quota_memory_bytes", "param_quota_cpu_ms", "param_quota_fuel"]].astype(object)
    assert told.where(told.notna(), None).T.to_dict("list") == {
        "plain": [None, None, None],
        "small": [2 << 20, 50.0, None],
        "fueled": [None, None, 10_000_000],
    }
    assert frame.groupby("param_quota")["limit_memory_bytes"].unique().map(list)["small"] == [2 << 20]
    assert frame.groupby("param_quota")["limit_fuel"].unique().map(list)["fueled"] == [10_000_000]
    assert frame.groupby("param_grants")["denied"].unique().map(list).to_dict() == {"clock": [0], "none": [2]}


def test_a_loaded_plugin_is_swept_as_it_is_and_stays_so(rt: jn.Runtime) -> None:
    p = rt.load(SPECIMEN, name="mine", grant=["random"], quota={"memory": "3MiB"})
    p.policy.grant("wall_clock")
    before = len(rt.calls)
    frame = sweep(p, "call_host", [{"service": "random"}, {"service": "clock"}], repeats=1)
    assert frame["denied"].tolist() == [0, 0]
    assert set(frame["plugin"]) == set(frame["param_plugin"]) == {"mine"}
    assert set(frame["limit_memory_bytes"]) == {3 << 20}
    assert len(rt.calls) == before
    assert frame["param_grants"].unique().tolist() == ["as loaded"]


@pytest.mark.parametrize(
    ("arguments", "more", "error", "says"),
    [
        ((SPECIMEN, "ecco", [1]), {}, jn.NoSuchFunction, "Did you mean 'echo'"),
        (("example:nothing", "echo", [1]), {}, jn.NoSuchExample, "nothing"),
        ((SPECIMEN, "echo", [object()]), {}, jn.InvalidPayload, "JSON"),
        ((SPECIMEN, "echo", []), {}, ValueError, "no payloads"),
        ((SPECIMEN, "echo", "text"), {}, TypeError, "list of payloads"),
        (([], "echo", [1]), {}, ValueError, "no plugins"),
        (([SPECIMEN, SPECIMEN], "echo", [1]), {}, ValueError, "called specimen"),
        ((SPECIMEN, "echo", [1]), {"quotas": [{"cpuu": 1}]}, jn.PolicyError, "cpuu"),
        ((SPECIMEN, "echo", [1]), {"quotas": {"cpu": "1h"}}, jn.PolicyError, "ceiling"),
        ((SPECIMEN, "echo", [1]), {"quotas": []}, ValueError, "empty"),
        ((SPECIMEN, "echo", [1]), {"quotas": "50ms"}, TypeError, "not '50ms'"),
        ((SPECIMEN, "echo", [1]), {"quotas": {"cpuu": "50ms"}}, TypeError, "not '50ms'"),
        ((SPECIMEN, "echo", [1]), {"grants": 3}, TypeError, "a list, or names and values; not 3"),
        ((SPECIMEN, "echo", [1]), {"grants": [["fly"]]}, jn.PolicyError, "fly"),
        ((SPECIMEN, "echo", [1]), {"grants": ["random", ["random"]]}, ValueError, "twice"),
        ((SPECIMEN, "echo", [1]), {"repeats": 0}, ValueError, "repeats"),
        ((SPECIMEN, "echo", [1]), {"warmup": -1}, ValueError, "warmup"),
        ((SPECIMEN, "echo", [1]), {"order": "by chance"}, ValueError, "order"),
        ((SPECIMEN, "echo", [1]), {"instances": 0}, ValueError, "instances"),
        ((SPECIMEN, "echo", [1]), {"executor": 3}, TypeError, "executor"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_runs(
    arguments: tuple[Any, ...], more: dict[str, Any], error: type[Exception], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        sweep(*arguments, path=tmp_path / "never.jsonl", **more)
    assert not (tmp_path / "never.jsonl").exists()


# --- measuring --------------------------------------------------------------------------------------------------------


def test_failures_are_rows_like_any_other() -> None:
    frame = sweep(
        {"specimen": SPECIMEN, "stubborn": STUBBORN},
        "echo",
        [[1]],
        repeats=2,
    )
    assert frame.groupby("param_plugin", observed=True)["outcome"].unique().map(list).to_dict() == {
        "specimen": ["ok"],
        "stubborn": ["not_begun"],
    }
    failed = frame[frame["outcome"] == "not_begun"]
    assert failed["error"].str.contains("failed to initialize").all()
    assert failed["wall_ms"].isna().all()
    assert (failed["host_calls"] == 0).all()

    ended = sweep(SPECIMEN, "fail", [{"code": "a"}], repeats=1)
    assert ended["outcome"].tolist() == ["guest_error"]
    trapped = sweep(SPECIMEN, "trap", [None], repeats=2, instances=1)
    assert trapped["outcome"].tolist() == ["trap", "trap"]
    assert trapped["wall_ms"].notna().all()


def test_with_fresh_instances_every_cell_is_cold_and_uses_the_same_fuel() -> None:
    frame = sweep(COUNTER, "count", [None], repeats=20)
    assert set(frame["instance_call"]) == {1}
    assert frame["instance_id"].nunique() == 20
    assert frame["fuel"].nunique() == 1


def test_a_kept_instance_lives_through_the_repeats_of_one_configuration_after_its_warm_up() -> None:
    frame = sweep({"a": COUNTER, "b": COUNTER}, "count", [None, 1], repeats=4, warmup=2, instances=1)
    for _, rows in frame.groupby(["param_plugin", "param_payload"]):
        assert rows["instance_call"].tolist() == [3, 4, 5, 6]
        assert rows["instance_id"].nunique() == 1
        assert (rows["fuel"].diff().dropna() > 0).all()  # each call counts one further than the last
    assert frame["instance_id"].nunique() == 4


def test_the_order_is_the_seeds_and_the_frame_is_the_grids() -> None:
    def order(**more: Any) -> list[int]:
        frame = sweep(SPECIMEN, "echo", [1, 2, 3], repeats=4, **more)
        assert frame["cell"].tolist() == list(range(12))
        found: list[int] = frame.sort_values("call_id")["cell"].tolist()
        return found

    assert order(order="grid") == list(range(12))
    first = order(seed=1)
    assert first != list(range(12))
    assert order(seed=1) == first
    assert order(seed=2) != first


def test_a_bar_counts_the_cells(capsys: pytest.CaptureFixture[str]) -> None:
    jn.sweep(SPECIMEN, "echo", [1, 2], repeats=3)
    assert "6 of 6 cells" in capsys.readouterr().err


# --- its file ---------------------------------------------------------------------------------------------------------


def test_a_finished_sweep_is_read_from_its_file_without_a_call(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    first = sweep(SPECIMEN, "echo", [1, {"a": None}], repeats=3, path=path)
    text = path.read_bytes()
    again = sweep(SPECIMEN, "echo", [1, {"a": None}], repeats=3, path=path)
    assert again.equals(first)
    assert again.dtypes.equals(first.dtypes)
    assert path.read_bytes() == text


def test_a_sweep_goes_on_where_its_file_ends_also_in_the_middle_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    first = sweep(SPECIMEN, "echo", [1, 2], repeats=5, path=path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]) + lines[5][:30])
    again = sweep(SPECIMEN, "echo", [1, 2], repeats=5, path=path)
    assert again["cell"].tolist() == list(range(10))
    kept = again["run_id"].astype(str) == first["run_id"].astype(str)
    assert kept.sum() == 4
    assert lines_of(path) == 10
    assert sweep(SPECIMEN, "echo", [1, 2], repeats=5, path=path).equals(again)  # nothing is left of the line

    path.write_bytes(lines[0][:20])  # cut off while it was begun
    assert len(sweep(SPECIMEN, "echo", [1, 2], repeats=5, path=path)) == 10
    assert lines_of(path) == 10


def test_repeats_of_a_kept_instance_are_measured_again_together_and_what_was_kept_stays(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    first = sweep(SPECIMEN, "echo", [1], repeats=6, instances=1, path=path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]))
    again = sweep(SPECIMEN, "echo", [1], repeats=6, instances=1, path=path)
    assert again["cell"].tolist() == list(range(6))
    assert (again["run_id"].astype(str) == first["run_id"].astype(str)).sum() == 3
    assert again["instance_call"].tolist() == first["instance_call"].tolist()
    assert path.read_bytes().startswith(b"".join(lines[:4]))
    assert path.read_bytes().count(b"\n") == 7


@pytest.mark.parametrize(
    ("arguments", "more", "differs"),
    [
        ((SPECIMEN, "echo", [1, 3]), {}, "payloads"),
        ((SPECIMEN, "echo_bytes", [1, 2]), {}, "function"),
        (({"other": SPECIMEN}, "echo", [1, 2]), {}, "plugins"),
        ((SPECIMEN, "echo", [1, 2]), {"repeats": 6}, "repeats"),
        ((SPECIMEN, "echo", [1, 2]), {"grants": [()]}, "grants"),
        ((SPECIMEN, "echo", [1, 2]), {"quotas": [{"cpu": "1s"}]}, "quotas"),
        ((SPECIMEN, "echo", [1, 2]), {"instances": 1}, "instances"),
    ],
)
def test_the_file_of_another_grid_is_left_alone(
    arguments: tuple[Any, ...], more: dict[str, Any], differs: str, tmp_path: Path
) -> None:
    path = tmp_path / "sweep.jsonl"
    sweep(SPECIMEN, "echo", [1, 2], repeats=1, path=path)
    text = path.read_bytes()
    with pytest.raises(jn.JudiciaError, match=f"another sweep: .*{differs}"):
        sweep(*arguments, path=path, **({"repeats": 1} | more))
    assert path.read_bytes() == text


@pytest.mark.parametrize("text", [b"precious\n", b"precious", b"{}\n", b"[1]\n", b"\xff\xfe\n"])
def test_a_file_that_is_no_sweeps_is_left_alone(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(text)
    with pytest.raises(jn.JudiciaError, match="not the file of a sweep"):
        sweep(SPECIMEN, "echo", [1], path=path)
    assert path.read_bytes() == text


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    sweep(SPECIMEN, "echo", [1, 2], repeats=1, path=path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{oops}\n" + lines[2])
    with pytest.raises(jn.JudiciaError, match="line 2"):
        sweep(SPECIMEN, "echo", [1, 2], repeats=1, path=path)


def test_ctrl_c_keeps_what_is_done_and_the_same_sweep_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    watch = when(lambda: lines_of(path) >= 5, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt) as stopped:
        sweep(SPECIMEN, "sleep", [{"ms": 20}], repeats=2000, path=path)
    watch.join(PATIENCE)
    done = stopped.value.frame  # type: ignore[attr-defined]
    assert 5 <= len(done) < 2000
    assert done.attrs["cells"] == 2000
    assert len(done) == done["cell"].nunique()
    assert lines_of(path) - len(done) in (0, 1)  # it may be pressed between the file and the frame
    assert set(done["outcome"]) == {"ok"}
    assert "goes on from there" in str(stopped.value)

    watch = when(lambda: lines_of(path) >= len(done) + 3, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt) as again:
        sweep(SPECIMEN, "sleep", [{"ms": 20}], repeats=2000, path=path)
    watch.join(PATIENCE)
    more = again.value.frame  # type: ignore[attr-defined]
    assert len(more) >= len(done) + 2
    assert set(done["cell"]) < set(more["cell"])


def test_without_a_file_ctrl_c_hands_over_what_is_done() -> None:
    watch = when(lambda: calls_under_way() >= 2, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt) as stopped:
        sweep(SPECIMEN, "sleep", [{"ms": 20}], repeats=2000)
    watch.join(PATIENCE)
    assert "are in its frame" in str(stopped.value)
    assert len(stopped.value.frame) < 2000  # type: ignore[attr-defined]
    assert calls_under_way() == 0


def calls_under_way() -> int:
    """How many calls have been recorded where cells are being measured."""
    benches = [bench for one in tuple(laboratory._busy) for bench in tuple(one._benches.values())]
    return sum(len(bench._runtime._recorder.calls) for bench in benches)
