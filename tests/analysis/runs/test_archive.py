"""A run kept in a file and read again: the same frames, whoever wrote the file."""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import judicia_notebook as jn
from judicia_notebook.analysis.runs import archive
from judicia_notebook.analysis.runs.run import Run, of_recorder
from judicia_notebook.analysis.runs.tables import TABLES
from judicia_notebook.errors import JudiciaError
from judicia_notebook.records.recorder import Recorder
from tests.support.effort import fuzz

AddCall = Callable[..., int]
Change = Callable[[dict[str, bytes]], None]

AWKWARD = (
    "NA",
    "nan",
    "null",
    "-",
    " spaces ",
    'a "quoted", text',
    "1e5",
    "007",
    "é\ud800\x00\r\n\x1b[2J",
    "=1+1",
    "True",
)


def fill(recorder: Recorder, add_call: AddCall, unknown: dict[str, Any]) -> None:
    """Rows in all tables: texts that look like something else, numbers at their ends, and everything that can be NA."""
    for number, text in enumerate(AWKWARD, 1):
        add_call(
            recorder,
            call_id=number,
            plugin=text,
            labels=json.dumps({"text": text, "n": number}),
            error=text,
            thread=text,
            guest_ns=number**15,
        )
        recorder.add_host_call(number, text, 1, "random", "bytes", text, 3 + number, 333, 0, 8, "allowed", text)
        recorder.add_log(number, text, number * 10**9 + 1, "info", text, {"text": text, "n": 0.1}, "log")
        recorder.add_audit("loaded", text, text, "Python", number - 1)
        recorder.add_policy(text, ("log", f"read_files={number}"), {"cpu": 0.1, "memory": None}, "error")
    add_call(recorder, call_id=99, plugin="x", function="y", fuel=(1 << 63) - 1)
    add_call(recorder, call_id=100, plugin="x", function="y", **unknown)
    recorder.add_log(0, "x", 5, "info", "", None, "stdout")
    recorder.add_sample(1, "grow", 1_600_000_001, 7, 65536)
    recorder.add_sample(7777, "tick", 1, 7, -1)
    recorder.add_policy("x", (), {}, "trap")


def assert_same(run: Run, other: Run) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(run.frames[name], other.frames[name], obj=name)
        assert run.frames[name].attrs == other.frames[name].attrs


def test_every_frame_comes_back_with_its_rows_and_dtypes_whatever_its_texts_look_like(
    recorder: Recorder, add_call: AddCall, unknown: dict[str, Any], tmp_path: Path
) -> None:
    fill(recorder, add_call, unknown)
    run = of_recorder(recorder)
    assert all(len(frame) for frame in run.frames.values())
    read = jn.read_run(run.save(tmp_path / "run.zip"))
    assert_same(run, read)
    assert set(read.calls["plugin"].cat.categories) == set(run.calls["plugin"].cat.categories) > {"NA", "nan", "007"}
    assert read.logs["fields"].tolist() == run.logs["fields"].tolist()
    assert isinstance(read.policies["grants"][0], tuple)
    assert_same(run, jn.read_run(read.save(tmp_path / "again.zip")))


@pytest.mark.parametrize("text", ["007", "1e5", "True", "2024-01-01", "NA", "inf", "0x10", " 1"])
def test_a_text_that_looks_like_something_else_stays_a_text(recorder: Recorder, text: str, tmp_path: Path) -> None:
    recorder.add_host_call(1, text, 1, text, text, text, 3, 0, 0, 8, text, text)
    recorder.add_log(1, text, 5, text, text, None, text)
    run = of_recorder(recorder)
    read = jn.read_run(run.save(tmp_path / "run.zip"))
    assert_same(run, read)
    assert read.host_calls["plugin"].tolist() == [run.host_calls["plugin"][0]]


def test_a_run_without_any_rows_keeps_its_columns_and_dtypes(recorder: Recorder, tmp_path: Path) -> None:
    run = of_recorder(recorder)
    assert_same(run, jn.read_run(run.save(tmp_path / "run.zip")))


def test_a_file_of_version_2_is_read_and_its_labels_are_columns() -> None:
    read = jn.read_run(Path(__file__).with_name("version-2.zip"))
    variants = ["A", "A", "B", "B"]
    assert read.calls["label"].tolist()[1:] == [f"variant={variant}, size=3" for variant in variants]
    assert read.calls["label_variant"].tolist()[1:] == variants
    assert read.calls["label_size"].tolist()[1:] == ["3"] * 4
    assert read.calls.loc[0, ["label", "label_variant", "label_size"]].isna().all()
    assert read.calls["outcome"].tolist() == ["ok", *["ok", "trap"] * 2]
    assert read.calls["error"].isna().tolist() == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("version", "lacking"), [(2, {"metering", "monitored"}), (3, {"monitored"}), (4, set[str]())], ids=["2", "3", "4"]
)
def test_what_older_files_lack_is_not_known(
    recorder: Recorder, tmp_path: Path, version: int, lacking: set[str]
) -> None:
    def older(members: dict[str, bytes]) -> None:
        audit = pd.read_csv(io.BytesIO(members["audit.csv"]), dtype="str")
        members["audit.csv"] = audit.drop(columns="call_id").to_csv(index=False, lineterminator="\n").encode()
        calls = members["calls.csv"].decode().strip().split(",")
        members["calls.csv"] = (",".join(name for name in calls if name not in lacking) + "\n").encode()

    recorder.add_audit("denied", "checker", "random for judicia:random bytes", "plugin", 7)
    recorder.add_audit("grant", "checker", "random", "magic")
    run = of_recorder(recorder)
    saved = run.save(tmp_path / "run.zip")
    assert jn.read_run(saved).audit["call_id"].tolist() == [7, pd.NA]
    read = jn.read_run(rewritten(rewritten(saved, older), in_meta(version=version)))
    for name in TABLES:
        assert list(read.frames[name].columns) == list(run.frames[name].columns)
        assert read.frames[name].dtypes.map(str).tolist() == run.frames[name].dtypes.map(str).tolist()
    assert read.audit["call_id"].isna().tolist() == [True, True]
    pd.testing.assert_frame_equal(read.audit.drop(columns="call_id"), run.audit.drop(columns="call_id"))


def test_dropped_rows_are_still_counted(add_call: AddCall, tmp_path: Path) -> None:
    recorder = Recorder(capacity=100)
    for number in range(1000):
        add_call(recorder, call_id=number + 1)
    run = of_recorder(recorder)
    read = jn.read_run(run.save(tmp_path / "run.zip"))
    assert len(read.calls) + read.calls.attrs["dropped"] == 1000
    assert read.calls.attrs["dropped"] > 0


@fuzz(30)
@given(
    texts=st.lists(st.text(max_size=12), min_size=1, max_size=4),
    nanoseconds=st.integers(0, 1 << 62),
    fields=st.dictionaries(st.text(max_size=3), st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1)
                           | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5), max_size=3),
)  # fmt: skip
def test_any_text_number_and_field_comes_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], nanoseconds: int, fields: dict[str, Any]
) -> None:
    recorder = Recorder()
    for text in texts:
        recorder.add_host_call(1, text, 1, "random", text, text, 3, nanoseconds, 0, 8, "allowed", text)
        recorder.add_log(1, text, nanoseconds % (10**18), "info", text, fields, "log")
    run = of_recorder(recorder)
    assert_same(run, jn.read_run(run.save(tmp_path_factory.mktemp("runs") / "run.zip")))


def test_a_runtime_saves_what_it_recorded_and_says_with_what(tmp_path: Path) -> None:
    with jn.Runtime() as rt:
        specimen = rt.load("example:specimen")
        with jn.label(variant="A"):
            specimen.call("echo", [1, 2])
        saved = rt.save(tmp_path / "run.zip")
        calls, digest = rt.calls, specimen.digest
    read = jn.read_run(str(saved))
    pd.testing.assert_frame_equal(read.calls, calls)
    assert read.meta["plugins"] == {"specimen": [digest]}
    assert read.meta["run_id"] == calls["run_id"][0]
    assert read.meta["packages"].keys() >= {"python", "wasmtime", "pandas"}
    assert read.meta["machine"]["processors"] >= 1
    assert read.meta["clocks"]["cpu"]["resolution_s"] > 0
    assert read.meta["units"]["_ms"] == "milliseconds"
    assert repr(read).startswith(f"<run {calls['run_id'][0]}: 1 calls, ")


def test_any_program_can_read_the_file(tmp_path: Path) -> None:
    with jn.Runtime() as rt:
        rt.load("example:specimen").call("echo", [1, 2])
        saved = rt.save(tmp_path / "run.zip")
    with zipfile.ZipFile(saved) as file:
        assert sorted(file.namelist()) == sorted(["meta.json", *(f"{name}.csv" for name in TABLES)])
        meta = json.loads(file.read("meta.json"))
        calls = pd.read_csv(io.BytesIO(file.read("calls.csv")))
    assert meta["format"], meta["version"] == ("judicia-run", 1)
    assert list(meta["tables"]["calls"]["columns"]) == list(calls.columns)
    assert calls["plugin"].tolist() == ["specimen"]


def test_an_old_file_stays_whole_until_the_new_one_is(recorder: Recorder, tmp_path: Path) -> None:
    run = of_recorder(recorder)
    path = run.save(tmp_path / "run.zip")
    before = path.read_bytes()
    cannot_be_written = pd.DataFrame({"fields": [object()]})
    with pytest.raises(TypeError):
        Run(**(run.frames | {"logs": cannot_be_written}), meta=run.meta).save(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["run.zip"]


# Files of strangers ----------------------------------------------------------------------------------------------


@pytest.fixture
def saved(recorder: Recorder, add_call: AddCall, unknown: dict[str, Any], tmp_path: Path) -> Path:
    fill(recorder, add_call, unknown)
    return of_recorder(recorder).save(tmp_path / "run.zip")


def rewritten(saved: Path, change: Change, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(saved) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    with zipfile.ZipFile(saved, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return saved


def in_meta(**changes: Any) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members["meta.json"] = json.dumps(json.loads(members["meta.json"]) | changes).encode()

    return change


def in_member(name: str, pattern: bytes, replacement: bytes) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members[name], number = re.subn(pattern, lambda _: replacement, members[name], count=1)
        assert number

    return change


def with_member(name: str, content: bytes | None) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members.pop(name, None)
        if content is not None:
            members[name] = content

    return change


def rows_of(table: str, rows: int) -> Change:
    def change(members: dict[str, bytes]) -> None:
        meta = json.loads(members["meta.json"])
        meta["tables"][table]["rows"] = rows
        members["meta.json"] = json.dumps(meta).encode()

    return change


_HEADS = b"call_id,event,at_ms,cpu_ms,memory_bytes\n"

REFUSED: dict[str, tuple[Change, str]] = {
    "a later version": (in_meta(version=9, written_by="judicia-notebook 7.0"), r"judicia-notebook 7\.0 in version 9"),
    "another format": (in_meta(format="recipe"), "zip of another kind"),
    "no meta": (with_member("meta.json", None), "no meta.json"),
    "meta of another shape": (in_meta(tables=[]), "tables"),
    "meta nested too deep": (with_member("meta.json", b"[" * 100_000), "cannot be read as a run"),
    "a member too few": (with_member("logs.csv", None), "not those of a run"),
    "a member too many": (with_member("../evil.csv", b""), "not those of a run"),
    "fewer rows than told": (rows_of("calls", 100), "calls.csv: .*rows"),
    "more rows than told": (rows_of("calls", 1), "calls.csv: .*rows"),
    "negative rows": (rows_of("calls", -1), "rows"),
    "more rows than there may be": (rows_of("calls", 1 << 40), "more than 4 000 000"),
    "another column": (in_member("calls.csv", b"call_id", b"call_ix"), "columns"),
    "a column too many": (in_member("samples.csv", rb"memory_bytes\n", b"memory_bytes,x\n"), "columns"),
    "a cell too many": (in_member("samples.csv", rb"(?<=\n)1,", b"1,1,"), "samples.csv"),
    "text where a number is": (in_member("samples.csv", rb"(?<=\n)1,", b"one,"), "samples.csv"),
    "an event there is none of": (in_member("samples.csv", rb",enter,", b",explode,"), "'explode' is none of"),
    "a number beyond 64 bits": (in_member("samples.csv", rb"(?<=\n)1,", b"9" * 30 + b","), "samples.csv"),
    "no instant": (in_member("audit.csv", rb"\n20", b"\nxx20"), "audit.csv"),
    "no JSON": (in_member("policies.csv", rb'"\[', b'"[['), "policies.csv"),
    "JSON nested too deep": (in_member("policies.csv", rb'"\[', b'"' + b"[" * 100_000), "cannot be read as a run"),
    "no UTF-8": (in_member("audit.csv", rb"loaded", b"\xff\xfe"), "audit.csv"),
    "a line of commas": (with_member("samples.csv", _HEADS + b"," * 30_000_000), "longer than any of a run"),
    "heads of commas": (with_member("samples.csv", b"," * 30_000_000), "columns"),
    "zeros that were compressed": (with_member("logs.csv", b"\0" * 200_000_000), r"191 MiB, more than 100 MiB"),
    "a label of no dtype": (in_member("meta.json", rb'(?<="label_n": )"Int64"', b'"c16"'), "label_n is of c16"),
    "a label that is no name": (in_member("meta.json", rb'"label_n"', b'"label_,n"'), "no column is called label_,n"),
    "a label that is not there": (in_member("meta.json", rb'"label_n"', b'"label_m"'), "is label_n, not label_m"),
    "more labels than there may be": (
        in_member("meta.json", rb'"label_n"', b", ".join(b'"label_n%d": "str"' % n for n in range(1001)) + b', "x"'),
        "1003 columns label_",
    ),
    "a meta of zeros": (with_member("meta.json", b" " * 20_000_000), "meta.json is too large"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_is_not_what_it_should_be_is_refused_with_the_reason(saved: Path, what: str) -> None:
    change, reason = REFUSED[what]
    rewritten(saved, change)
    with pytest.raises(JudiciaError, match=reason):
        jn.read_run(saved, most="100MiB")


def test_a_zip_that_says_less_than_it_holds_gives_no_more_than_it_says(saved: Path) -> None:
    rewritten(saved, with_member("logs.csv", b"call_id,plugin,at,level,message,fields,stream\n" + b"\n" * 50_000_000))
    packed = saved.read_bytes()
    saved.write_bytes(packed.replace((50_000_046).to_bytes(4, "little"), (60).to_bytes(4, "little")))
    with zipfile.ZipFile(saved) as file:
        assert file.getinfo("logs.csv").file_size == 60
    with pytest.raises(JudiciaError, match="cannot be read as a run"):
        jn.read_run(saved)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_what_is_compressed_in_another_way_is_refused(saved: Path, method: int) -> None:
    rewritten(saved, lambda _: None, method)
    with pytest.raises(JudiciaError, match="compressed"):
        jn.read_run(saved)


@pytest.mark.parametrize("twice", ["meta.json", "calls.csv"])
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_member_that_is_there_twice_is_refused(saved: Path, twice: str) -> None:
    with zipfile.ZipFile(saved, "a") as file:
        file.writestr(twice, file.read(twice))
    with pytest.raises(JudiciaError, match="not those of a run"):
        jn.read_run(saved)


def test_texts_of_a_stranger_are_made_printable(saved: Path) -> None:
    rewritten(saved, in_member("audit.csv", rb"loaded", b"\x1b[2J<script>"))
    assert "\x1b" not in "".join(jn.read_run(saved).audit["what"])


def test_a_damaged_file_is_refused_or_read_and_never_anything_else(saved: Path) -> None:
    whole, dice = saved.read_bytes(), random.Random(7)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(dice.choice([1, 1, 4])):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        saved.write_bytes(damaged[: dice.choice([len(damaged), dice.randrange(len(damaged))])])
        with contextlib.suppress(JudiciaError):
            jn.read_run(saved)


@pytest.mark.parametrize("shift", [1, 1000, 1 << 30])
def test_a_file_whose_parts_would_lie_before_its_beginning_is_refused(saved: Path, shift: int) -> None:
    data = bytearray(saved.read_bytes())
    at = len(data) - 22 + 16  # where the end of the zip says that its directory begins
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "little") + shift).to_bytes(4, "little")
    saved.write_bytes(data)
    with pytest.raises(JudiciaError, match=r"run\.zip cannot be read as a run"):
        jn.read_run(saved)


def test_no_file_and_no_zip_say_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        jn.read_run(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("not a zip")
    with pytest.raises(JudiciaError, match=r"text\.zip cannot be read as a run: File is not a zip file"):
        jn.read_run(tmp_path / "text.zip")


def test_what_may_be_read_can_be_raised_and_lowered(saved: Path) -> None:
    with pytest.raises(JudiciaError, match=r"more than 100 B \(most=\)"):
        jn.read_run(saved, most=100)
    assert len(jn.read_run(saved, most=archive.MOST_BYTES * 2).calls)
