"""A sweep with monitors: what was counted in each cell, on this thread, from its file, and where it cannot be had."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.sweep import counts, monitored
from tests.experiments.sweep.guests import VERSIONS
from tests.experiments.sweep.test_executors import Deadly
from tests.experiments.sweep.test_sweep import STUBBORN

WALK: dict[str, Any] = {"numbers": [3, 5], "repeats": 2, "progress": False}


def walk(path: Path | None = None, **options: Any) -> Any:
    """Both versions walk 3 and 5 steps, twice each."""
    return jn.sweep(VERSIONS, "walk", path=path, **{"monitors": ("loops", "functions"), **WALK, **options})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.jsonl"


def same(one: Any, other: Any) -> bool:
    """Whether two sweeps counted the same, in the same cells."""
    return list(one.counts) == list(other.counts) and all(
        one.counts[name].equals(other.counts[name]) for name in one.counts
    )


# --- what is counted --------------------------------------------------------------------------------------------------


def test_counts_of_two_versions_stand_beside_what_was_varied() -> None:
    frame = walk()
    loops = frame.counts["loops"]
    assert list(loops)[:8] == [
        "cell", "repeat", "param_plugin", "param_payload", "param_number_1", "param_quota", "param_grants", "function",
    ]  # fmt: skip
    assert loops.groupby("cell")["iterations"].sum().tolist() == [6, 6, 10, 10, 3, 3, 5, 5]
    assert loops.groupby("cell")["param_plugin"].agg(list).map(len).tolist() == [2] * 4 + [1] * 4  # loops
    both = loops[["cell", "repeat", "param_plugin", "param_number_1"]].drop_duplicates().reset_index(drop=True)
    pd.testing.assert_frame_equal(both, pd.DataFrame(frame)[list(both)])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cell_counts_what_a_monitored_call_does(version: str, rt: jn.Runtime) -> None:
    what = (
        "accesses",
        "branches",
        "coverage",
        "edges",
        "functions",
        "loops",
        "memory",
        "opcodes",
        "path",
        "watch=step",
    )
    frame = jn.sweep({version: VERSIONS[version]}, "walk", numbers=[4], repeats=1, monitors=what, progress=False)
    called = rt.load(VERSIONS[version]).monitor("walk", numbers=[4], what=what)
    assert set(frame.counts) == {"watch", *what[:-1]}
    for name in frame.counts:
        own = frame.counts[name].iloc[:, frame.counts[name].columns.get_loc("param_grants") + 1 :]
        pd.testing.assert_frame_equal(own, called.frame(name))


def test_rows_say_that_they_were_monitored_and_nothing_draws_their_times() -> None:
    frame = walk()
    assert set(frame["monitored"]) == {"functions, loops"}
    assert set(frame["origin"]) == {"monitor"}
    assert set(frame["metering"]) == {"epochs"}
    assert frame["fuel"].isna().all()
    assert len(jn.percentiles(frame)) == 0
    plain = jn.sweep(VERSIONS, "walk", **WALK)
    assert len(jn.percentiles(plain)) > 0
    assert plain["monitored"].isna().all()
    assert type(plain) is pd.DataFrame


def test_a_cell_that_fails_is_counted_up_to_there_and_one_without_a_call_has_no_rows() -> None:
    stubborn = VERSIONS["fast"].replace("(start $nothing)", "(start $trap)")
    frame = jn.sweep(
        {"fast": VERSIONS["fast"], "stubborn": stubborn}, "walk", numbers=[5, -1], repeats=1, monitors="functions",
        progress=False,
    )  # fmt: skip
    assert frame["outcome"].tolist()[:2] == ["ok", "trap"]
    assert set(frame["monitored"]) == {"functions"}
    calls = frame.counts["functions"].groupby(["cell", "function"])["calls"].sum()
    assert (calls[0, "step"], calls[1, "step"]) == (5, 1)
    assert set(frame.counts["functions"]["cell"]) == {0, 1}


@pytest.mark.parametrize("outcome", ["not_begun", "worker_lost"])
def test_a_cell_without_a_call_says_that_it_would_have_been_monitored(outcome: str) -> None:
    grid: dict[str, Any] = {"repeats": 1, "monitors": "loops, functions", "progress": False}
    if outcome == "not_begun":
        frame = jn.sweep(STUBBORN, "echo", [1], **grid)
    else:
        frame = jn.sweep(VERSIONS["fast"], "walk", numbers=[3], executor=Deadly({0}), **grid)
    assert frame[["outcome", "monitored", "origin"]].astype(str).to_numpy().tolist() == [
        [outcome, "functions, loops", "monitor"]
    ]
    assert list(frame.counts) == []


def test_a_limit_of_fuel_ends_a_cell_where_it_ends_an_unmonitored_one() -> None:
    quotas = [None, {"fuel": 40}]
    counted = walk(quotas=quotas, repeats=1)
    plain = jn.sweep(VERSIONS, "walk", **WALK | {"quotas": quotas, "repeats": 1})
    assert counted["outcome"].tolist() == plain["outcome"].tolist()
    assert set(counted["outcome"]) == {"ok", "quota_fuel"}
    ended = counted["outcome"] == "quota_fuel"
    assert counted[ended]["fuel"].tolist() == plain[ended]["fuel"].tolist()


def test_arguments_and_results_that_json_has_not_come_back() -> None:
    odd = """(module
      (func $odd (param f64 f32 i64 v128) (result i32 f64) (i32.const -7) (f64.const nan))
      (func (export "walk") (result i32)
        (call $odd (f64.const inf) (f32.const -0.5) (i64.const -9223372036854775808) (v128.const i32x4 1 2 3 255))
        (drop)))"""
    watched = jn.sweep(odd, "walk", numbers=[()], repeats=1, monitors="watch=1|0", progress=False).counts["watch"]
    assert watched["arguments"].iloc[0] == ()
    infinite, half, least, vector = watched["arguments"].iloc[1]
    assert (infinite, half, least) == (math.inf, -0.5, -(1 << 63))
    assert vector == bytes.fromhex("0100000002000000 03000000ff000000")
    number, nothing = watched["result"].iloc[1]
    assert number == -7
    assert math.isnan(nothing)
    assert watched.attrs["dropped"] == 0


# --- refused before anything runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"monitors": "coverge"}, "no monitor 'coverge'.*coverage"),
        ({"monitors": ()}, "names the monitors"),
        ({"monitors": "path=0"}, "the monitor path takes a number"),
        ({"monitors": "watch=stepp"}, "defines no function 'stepp'.*step"),
        ({"instances": 2}, "an instance of its own"),
        ({"metering": ["full", "epochs"]}, "make it two sweeps"),
    ],
)
def test_what_cannot_be_meant_is_said_before_a_call(options: dict[str, Any], why: str, path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        walk(path, **options)
    assert not path.exists() or path.read_bytes().count(b"\n") == 1


def test_a_module_that_cannot_be_rewritten_is_said_before_a_call(path: Path) -> None:
    many = "(local i32)" * 49_999
    full = f'(module (memory 1) (func (export "walk") (param i32) (result i32) {many} (i32.load (local.get 0))))'
    with pytest.raises(jn.LoadError, match="no room for more"):
        jn.sweep({**VERSIONS, "full": full}, "walk", **WALK, monitors="memory", path=path)
    assert path.read_bytes().count(b"\n") == 1


# --- kept and read ----------------------------------------------------------------------------------------------------


def test_a_file_has_the_counts_each_column_once_and_is_read_alone(path: Path) -> None:
    frame = walk(path)
    read = jn.read_sweep(path)
    assert same(frame, read)
    pd.testing.assert_frame_equal(read, frame, check_exact=True)
    assert read.attrs == frame.attrs
    lines = path.read_bytes().splitlines()
    columns = [line for line in lines if line.startswith(b'{"column"')]
    assert len(columns) == len(set(columns)) == len(lines) - 1 - 8
    again = walk(path)
    assert same(frame, again)
    assert path.read_bytes().splitlines() == lines


@pytest.mark.parametrize("cut", [1, 10, 400])
def test_a_monitored_sweep_goes_on_where_its_file_ends(cut: int, path: Path) -> None:
    whole = walk(path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert len(jn.read_sweep(path)) < 8
    assert same(walk(path), whole)
    assert same(jn.read_sweep(path), whole)


def test_what_was_counted_before_an_executor_broke_is_in_the_frame_of_the_error() -> None:
    with pytest.raises(jn.ResourceExhausted) as broken:
        walk(order="grid", executor=Deadly({4}, BrokenExecutor))
    frame = broken.value.frame  # type: ignore[attr-defined]
    assert set(frame.counts["loops"]["cell"]) == set(frame["cell"])
    assert 1 <= len(frame) <= 4


@pytest.mark.parametrize("monitors", [None, "loops", "coverage, loops"])
def test_a_sweep_with_other_monitors_is_another_sweep(monitors: str | None, path: Path) -> None:
    walk(path)
    with pytest.raises(JudiciaError, match=r"monitors \('functions, loops' there, .* here\) differ"):
        walk(path, monitors=monitors)


def test_the_frame_can_be_pickled_and_what_pandas_makes_of_it_is_a_plain_one() -> None:
    frame = walk()
    assert same(pickle.loads(pickle.dumps(frame)), frame)
    assert type(frame[frame["repeat"] == 0]) is pd.DataFrame
    with pytest.raises(KeyError, match="edges was not monitored, but functions, loops"):
        frame.counts["edges"]


def test_what_would_lose_the_counts_or_tell_names_is_refused(path: Path, rt: jn.Runtime, tmp_path: Path) -> None:
    frame = walk(path)
    with pytest.raises(JudiciaError, match="cannot be anonymous"):
        jn.read_sweep(path, anonymous=True)
    for anonymous in (False, True):
        with pytest.raises(ValueError, match=r"sweeps\['x'\] carried monitors, and a run keeps no counts"):
            rt.save(tmp_path / "run.zip", sweeps={"x": frame}, anonymous=anonymous)
    assert list(tmp_path.iterdir()) == [path]


# --- files of strangers -----------------------------------------------------------------------------------------------


def column(data: bytes, name: str | None = None) -> bytes:
    return b'{"column":"%s","data":%s}' % ((name or counts.digest_of(data)).encode(), data)


def with_column(data: bytes) -> Callable[[list[bytes]], object]:
    """A file whose last cell has this as the first column of its functions."""

    def change(lines: list[bytes]) -> None:
        start = lines[-1].rindex(b'"function":"') + 12
        lines[-1] = lines[-1][:start] + counts.digest_of(data).encode() + lines[-1][start + 32 :]
        lines.insert(1, column(data))

    return change


REFUSED: dict[str, tuple[Callable[[list[bytes]], object], str]] = {
    "another column": (
        lambda lines: lines.insert(1, column(b'{"dtype":"str","values":[]}', "0" * 32)), "not that of its digest"),
    "a column that is missing": (lambda lines: lines.pop(1), "is not in the file"),
    "a dtype": (with_column(b'{"dtype":"category","values":[]}'), "has the dtype category"),
    "a text among numbers": (with_column(b'{"dtype":"int64","values":["x"]}'), "a column of int64"),
    "a large number": (with_column(b'{"dtype":"int64","values":[9223372036854775808]}'), "a column of int64"),
    "an object": (with_column(b'{"dtype":"object","values":[{"bytes":"00","x":1}]}'), "no number"),
    "a monitor": (lambda lines: lines.append(lines.pop().replace(b'"loops":', b'"<b>":')), "no monitor '<b>'"),
    "a name of a column": (
        lambda lines: lines.append(lines.pop().replace(b'"index":', b'"cell":')), "has a column 'cell'"),
    "a parameter's name": (
        lambda lines: lines.append(lines.pop().replace(b'"index":', b'"param_n":')), "has a column 'param_n'"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_damaged_file_is_refused_with_the_line(what: str, path: Path) -> None:
    walk(path)
    lines = path.read_bytes().splitlines()
    change, why = REFUSED[what]
    change(lines)
    path.write_bytes(b"\n".join([*lines, b""]))
    with pytest.raises(JudiciaError, match=rf"line \d+, is not a finished cell: .*{why}"):
        jn.read_sweep(path)


def test_columns_of_a_stranger_that_do_not_fit_together_make_no_frame_and_their_texts_are_printable(path: Path) -> None:
    walk(path)
    lines = path.read_bytes().splitlines()
    with_column(b'{"dtype":"str","values":["\\u001b[2J","",""]}')(lines)
    path.write_bytes(b"\n".join([*lines, b""]))
    read = jn.read_sweep(path)
    with pytest.raises(JudiciaError, match=r"columns of \w+ in cell \d do not fit together"):
        [read.counts[name] for name in read.counts]
    assert counts.decode(b'{"dtype":"str","values":["\\u001b[2J"]}').tolist() == ["\ufffd[2J"]


def test_a_frame_that_would_be_too_large_is_refused_with_the_line_that_makes_a_part(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = walk(path)
    rows = len(frame.counts["functions"])
    monkeypatch.setattr(monitored, "MOST_VALUES", rows * len(frame.counts["functions"].columns) - 1)
    with pytest.raises(JudiciaError, match="more than") as refused:
        frame.counts["functions"]
    assert "frame.counts.of('functions', cells=range(10))" in str(refused.value)
    assert len(frame.counts.of("functions", cells=range(4))) == rows // 2
