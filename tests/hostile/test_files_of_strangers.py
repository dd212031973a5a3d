"""Files that a stranger made, a run or a sweep's journal: they try to run in a spreadsheet or to use up the kernel."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import judicia_notebook as jn
from judicia_notebook.analysis.runs.run import of_recorder
from judicia_notebook.analysis.runs.tables import TABLES
from judicia_notebook.records.recorder import Recorder
from tests.support.effort import fuzz
from tests.support.guests import wat

AS_TEXT = pytest.mark.wall({"judicia_notebook.analysis.runs.cells:as_text": "lambda text: text"})
COUNTED = pytest.mark.wall({"judicia_notebook.analysis.runs.cells:Allowance.take": "lambda self, text: None"})
FEW_CELLS = pytest.mark.wall({"judicia_notebook.analysis.runs.archive:_check_cells": "lambda *found: None"})
MEMBERS = pytest.mark.wall({"judicia_notebook.analysis.runs.archive:_check_members": "lambda members, limit: None"})
DIRECTORY = pytest.mark.wall({"judicia_notebook.analysis.runs.archive:_check_directory": "lambda file: None"})
PRINTABLE = pytest.mark.wall({"judicia_notebook.text:printable": "lambda text, limit=500: text"})
A_CALL = pytest.mark.wall(
    {"judicia_notebook.experiments.sweep.journal:_read_entry": "lambda line, _: msgspec.json.decode(line, type=Entry)"}
)

Bomb = Callable[..., Path]
LOG_ROW = '1,e,2026-01-01T00:00:00.000000000Z,info,m,"{}",log\n'
FORMULAS = ("=HYPERLINK(1)", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", "\uff1d1+1", "|calc", "%0A=1")


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, bytes]:
    """The members of the file of a small run."""
    with jn.Runtime() as rt:
        rt.load("example:specimen", name="guest").call("echo", 1)
        saved = rt.save(tmp_path / "good.zip")
    with zipfile.ZipFile(saved) as good:
        return {name: good.read(name) for name in good.namelist()}


def written(parts: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bad:
        for name, data in parts.items():
            bad.writestr(name, data)
    return path


@pytest.fixture
def with_rows(parts: dict[str, bytes], tmp_path: Path) -> Bomb:
    """``with_rows(table, row, count)``: a run's file in which a table has so many of one row."""

    def with_rows(table: str, row: str, count: int) -> Path:
        meta = json.loads(parts["meta.json"])
        meta["tables"][table]["rows"] = count
        heads = parts[f"{table}.csv"].split(b"\n")[0] + b"\n"
        more = {"meta.json": json.dumps(meta).encode(), f"{table}.csv": heads + row.encode() * count}
        return written(parts | more, tmp_path / "bad.zip")

    return with_rows


def cells_of(path: Path) -> list[str]:
    """Every cell of a run's file, as a spreadsheet gets it."""
    with zipfile.ZipFile(path) as file:
        texts = [file.read(f"{table}.csv").decode() for table in TABLES]
    return [cell for text in texts for row in csv.reader(io.StringIO(text)) for cell in row]


def runs(cell: str) -> bool:
    """Whether a spreadsheet may take a cell for a formula; a negative number is none."""
    return (
        cell.lstrip()[:1] in set("=+-@|%\uff1d\uff0b\uff0d\uff20") and not cell.lstrip("-").replace(".", "").isdigit()
    )


# --- a spreadsheet ----------------------------------------------------------------------------------------------------


@AS_TEXT
def test_the_name_of_a_function_is_no_formula(rt: jn.Runtime, tmp_path: Path) -> None:
    cell = '(func (export "=HYPERLINK(1)") (param i32 i32) (result i64) (i64.const 0))'
    rt.load(wat(cell), name="guest").call("=HYPERLINK(1)")
    saved = rt.save(tmp_path / "run.zip")
    assert [one for one in cells_of(saved) if runs(one)] == []
    assert jn.read_run(saved).calls["function"].tolist() == ["=HYPERLINK(1)"]


@AS_TEXT
def test_no_text_in_any_table_is_a_formula(tmp_path: Path) -> None:
    recorder = Recorder()
    for number, text in enumerate(FORMULAS, 1):
        recorder.add_host_call(number, text, 1, text, text, text, 3, 1, 0, 8, text, text)
        recorder.add_log(number, text, 5, text, text, {text: text}, text)
        recorder.add_audit(text, text, text, text)
        recorder.add_policy(text, (text,), {"cpu": 0.1}, text)
    run = of_recorder(recorder)
    saved = run.save(tmp_path / "run.zip")
    assert [one for one in cells_of(saved) if runs(one)] == []
    read = jn.read_run(saved)
    for name in TABLES:
        pd.testing.assert_frame_equal(run.frames[name], read.frames[name], obj=name)


@AS_TEXT
def test_a_mark_of_the_guests_own_does_not_make_a_formula_again(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.add_log(1, "guest", 5, "info", "'=1+1", None, "log")
    recorder.add_log(1, "guest", 6, "info", "=1+1", None, "log")
    saved = of_recorder(recorder).save(tmp_path / "run.zip")
    assert jn.read_run(saved).logs["message"].tolist() == ["'=1+1", "=1+1"]
    assert "'=1+1" in cells_of(saved)  # the second one


@fuzz(40)
@given(st.lists(st.text(st.sampled_from("'=+-@ \t\r\n\"x,\uff1d"), max_size=5), min_size=1, max_size=5))
def test_whatever_a_text_begins_with_it_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    recorder = Recorder()
    for text in texts:
        recorder.add_log(1, text, 5, "info", text, None, "log")
    run = of_recorder(recorder)
    read = jn.read_run(run.save(tmp_path_factory.mktemp("runs") / "run.zip"))
    pd.testing.assert_frame_equal(run.logs, read.logs)


def test_a_run_of_the_version_before_is_read_as_it_was_written(parts: dict[str, bytes], tmp_path: Path) -> None:
    meta = json.loads(parts["meta.json"]) | {"version": 1}

    def without(table: str, *columns: str) -> bytes:  # there were none of these
        rows = list(csv.reader(io.StringIO(parts[table].decode())))
        kept = [at for at, name in enumerate(rows[0]) if name not in columns]
        return "".join(",".join(row[at] for at in kept) + "\n" for row in rows).encode()

    old = {
        "meta.json": json.dumps(meta).encode(),
        "calls.csv": without("calls.csv", "metering", "monitored").replace(b",echo,", b",'echo',"),
        "audit.csv": without("audit.csv", "call_id"),
    }
    assert jn.read_run(written(parts | old, tmp_path / "old.zip")).calls["function"].tolist() == ["'echo'"]


# --- memory -----------------------------------------------------------------------------------------------------------


@COUNTED
def test_little_json_does_not_become_many_lists(with_rows: Bomb) -> None:
    bad = with_rows("logs", LOG_ROW.format("[" + "[],[],[],[],[],[],[]," * 20 + "[]]"), 1000)
    with pytest.raises(jn.JudiciaError, match="values"):
        jn.read_run(bad, most="1MiB")


@COUNTED
def test_little_json_does_not_become_many_objects(with_rows: Bomb) -> None:
    bad = with_rows("logs", LOG_ROW.format('{""a"":' * 40 + "1" + "}" * 40), 1000)
    with pytest.raises(jn.JudiciaError, match="values"):
        jn.read_run(bad, most="1MiB")


@COUNTED
def test_values_are_counted_over_all_tables(with_rows: Bomb) -> None:
    row = '1,e,2026-01-01T00:00:00.000000000Z,"[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",{},error\n'
    with pytest.raises(jn.JudiciaError, match="values"):
        jn.read_run(with_rows("policies", row, 1000), most="1MiB")


def test_commas_within_texts_are_no_values(with_rows: Bomb) -> None:
    row = LOG_ROW.format('{""a"":""' + "," * 200 + '""}')
    assert len(jn.read_run(with_rows("logs", row, 2000), most="1MiB").logs) == 2000


@FEW_CELLS
def test_little_text_does_not_become_many_cells(with_rows: Bomb) -> None:
    bad = with_rows("host_calls", "1,,1" + "," * 5 + ",1,1,,\n", 50_000)
    with pytest.raises(jn.JudiciaError, match="cells"):
        jn.read_run(bad, most="1MiB")


@MEMBERS
def test_a_small_zip_that_is_large_unpacked_is_not_unpacked(with_rows: Bomb) -> None:
    bad = with_rows("logs", LOG_ROW.format("") + " " * 1000, 5000)
    assert bad.stat().st_size < 100_000
    with pytest.raises(jn.JudiciaError, match="unpacked"):
        jn.read_run(bad, most="1MiB")


@MEMBERS
def test_a_table_that_is_there_twice_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    path = written(parts, tmp_path / "bad.zip")
    with zipfile.ZipFile(path, "a") as bad, pytest.warns(UserWarning, match="Duplicate"):
        bad.writestr("calls.csv", parts["calls.csv"])
    with pytest.raises(jn.JudiciaError, match="not those of a run"):
        jn.read_run(path)


@MEMBERS
def test_a_member_with_a_path_is_refused(parts: dict[str, bytes], tmp_path: Path) -> None:
    path = written({**parts, "/etc/../../escaped.csv": b"x"}, tmp_path / "bad.zip")
    with pytest.raises(jn.JudiciaError, match="not those of a run"):
        jn.read_run(path)


@DIRECTORY
def test_a_zip_of_very_many_names_is_not_listed(parts: dict[str, bytes], tmp_path: Path) -> None:
    path = written(parts | {f"{number}": b"" for number in range(10_000)}, tmp_path / "bad.zip")
    tracemalloc.start()
    try:
        with pytest.raises(jn.JudiciaError, match="its files are not those of a run"):
            jn.read_run(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


# --- text -------------------------------------------------------------------------------------------------------------


@PRINTABLE
def test_what_a_run_calls_itself_does_not_move_the_cursor(parts: dict[str, bytes], tmp_path: Path) -> None:
    meta = json.loads(parts["meta.json"])
    meta["about"]["run_id"] = "\x1b[2J\u202enur"
    run = jn.read_run(written(parts | {"meta.json": json.dumps(meta).encode()}, tmp_path / "bad.zip"))
    assert repr(run).isprintable()
    assert run.title()[0].isprintable()


@pytest.mark.wall({"judicia_notebook.text:printable_json": "lambda value: value"})
def test_the_fields_in_a_run_do_not_move_the_cursor(parts: dict[str, bytes], tmp_path: Path) -> None:
    head = parts["logs.csv"].split(b"\n")[0]
    row = b'\n,guest,2026-01-01T00:00:00.000000000Z,info,quiet,"{""\\u001b[2J"": ""\\u202e""}",log\n'
    meta = json.loads(parts["meta.json"])
    meta["tables"]["logs"]["rows"] = 1
    strange = parts | {"logs.csv": head + row, "meta.json": json.dumps(meta).encode()}
    logs = jn.read_run(written(strange, tmp_path / "bad.zip")).logs
    assert len(logs) == 1
    assert not set(logs.to_string()) & set("\x1b\u202e")


@PRINTABLE
def test_what_refuses_a_run_does_not_move_the_cursor(parts: dict[str, bytes], tmp_path: Path) -> None:
    bad = parts["host_calls.csv"] + b'1,e,1,c,f,t,1.0,1.0,1,1,"\x1b[2J\xe2\x80\xae",d\n'
    meta = json.loads(parts["meta.json"])
    meta["tables"]["samples"]["rows"] = "\x1b[2J\u202e"
    path = written(parts | {"host_calls.csv": bad, "meta.json": json.dumps(meta).encode()}, tmp_path / "\x1b[2J.zip")
    with pytest.raises(jn.JudiciaError, match="cannot be read as a run: Expected `int`, got `str`") as refused:
        jn.read_run(path)
    assert str(refused.value).isprintable()


# --- a sweep's journal ------------------------------------------------------------------------------------------------


def resumed(path: Path, **changed: object) -> BaseException | pd.DataFrame:
    """What comes of a sweep whose journal has a changed call in it."""

    def sweep() -> pd.DataFrame:
        return jn.sweep("example:specimen", "echo", [1, 2], repeats=1, progress=False, path=path)

    sweep()
    lines = path.read_bytes().splitlines(keepends=True)
    entry = json.loads(lines[1])
    entry["call"] |= changed
    path.write_bytes(lines[0] + json.dumps(entry).encode() + b"\n" + lines[2])
    try:
        return sweep()
    except Exception as error:
        return error


@A_CALL
def test_a_text_where_a_number_belongs_is_named(tmp_path: Path) -> None:
    error = resumed(tmp_path / "sweep.jsonl", fuel="many")
    assert isinstance(error, jn.JudiciaError)
    assert "line 2" in str(error)


@A_CALL
def test_a_list_where_a_text_belongs_is_named(tmp_path: Path) -> None:
    error = resumed(tmp_path / "sweep.jsonl", outcome=["ok"])
    assert isinstance(error, jn.JudiciaError)
    assert "line 2" in str(error)


@A_CALL
def test_a_number_beyond_all_bounds_is_named(tmp_path: Path) -> None:
    error = resumed(tmp_path / "sweep.jsonl", bytes_in=1 << 63)
    assert isinstance(error, jn.JudiciaError)
    assert "line 2" in str(error)


@A_CALL
def test_an_instant_that_no_clock_had_is_named(tmp_path: Path) -> None:
    error = resumed(tmp_path / "sweep.jsonl", started="9999-12-31T23:59:59Z")
    assert isinstance(error, jn.JudiciaError)
    assert "line 2" in str(error)


@PRINTABLE
def test_a_text_of_a_journal_does_not_move_the_cursor(tmp_path: Path) -> None:
    frame = resumed(tmp_path / "sweep.jsonl", error="\x1b[2J\u202e")
    assert isinstance(frame, pd.DataFrame)
    assert all(map(str.isprintable, frame["error"].dropna()))
