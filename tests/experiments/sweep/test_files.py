"""The file of a sweep, handed on: it is read alone, names nobody, and stands in the file of a run."""

from __future__ import annotations

import getpass
import json
import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.errors import JudiciaError

SPECIMEN = "example:specimen"
VERSION_1 = Path(__file__).with_name("version-1.jsonl")
Lines = list[dict[str, Any]]


def sweep(*arguments: Any, **options: Any) -> pd.DataFrame:
    return jn.sweep(*arguments, **({"repeats": 2, "progress": False} | options))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.jsonl"


def study(path: Path | None, **options: Any) -> pd.DataFrame:
    plugins = {'a, "b"': SPECIMEN, "c": SPECIMEN}
    payloads = {"empty": {"n": -0.0, "text": "=1+1"}, "": {"n": 2.5, "text": ""}}
    quotas = {"none": None, "small": {"memory": "2MiB", "cpu": 0.25}}
    with jn.label(variant="A", size=3):
        return sweep(plugins, "echo", payloads, quotas=quotas, grants=[(), ("random",)], path=path, **options)


def rewrite(path: Path, change: Callable[[Lines], object]) -> None:
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


# --- read alone -------------------------------------------------------------------------------------------------------


def test_the_frame_of_a_file_alone_is_that_of_its_sweep(path: Path) -> None:
    made = study(path)
    read = jn.read_sweep(path)
    pd.testing.assert_frame_equal(read, made, check_exact=True)
    assert read.attrs == made.attrs
    assert read.attrs["cells"] == len(read) == 32
    digest = read["digest"].iloc[0]
    assert [plugin["digest"] for plugin in read.attrs["sweep"]["plugins"]] == [digest, digest]
    assert read.attrs["sweep"]["about"]["packages"]["wasmtime"]
    assert read["label_size"].tolist() == [3] * 32


def test_what_an_interrupted_sweep_has_is_read_and_so_is_a_line_that_was_cut_off(path: Path) -> None:
    made = study(path)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:6]) + whole[6][:50])
    read = jn.read_sweep(path)
    assert len(read) == 5
    cells = made[made["cell"].isin(read["cell"])]
    assert read["param_payload"].tolist() == cells["param_payload"].tolist()
    assert read.attrs["cells"] == 32


def test_neither_host_nor_process_nor_user_is_in_a_file(path: Path) -> None:
    with ThreadPoolExecutor(2, thread_name_prefix=f"worker-{os.getpid()}") as pool:
        study(path, executor=pool)
    for line in path.read_text().splitlines()[1:]:
        entry = json.loads(line)
        said = f"{entry['worker']} {entry['call']['thread']}"
        assert str(os.getpid()) not in said
        assert platform.node() not in said
    assert "worker-pid_0" in path.read_text()


# --- anonymous --------------------------------------------------------------------------------------------------------


@pytest.fixture
def zoltan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "zoltanq")
    monkeypatch.setattr(platform, "node", lambda: "lab-7")


@pytest.mark.usefixtures("zoltan")
def test_an_anonymous_frame_keeps_the_study_and_names_nobody(path: Path, tmp_path: Path) -> None:
    payloads = {"small": {"zoltanq": 1, "n": 1}, "of Zoltanq": {"zoltanq": 2, "n": 2}}
    with jn.label(by="lab-7"):
        grants = {"own": None, "files": [f"read_files={tmp_path}@data"]}
        made = sweep([SPECIMEN], "echo", payloads, grants=grants, path=path)
    read = jn.read_sweep(path, anonymous=True)
    said = (read.to_csv() + json.dumps(read.attrs)).lower()
    telling = ("zoltanq", "lab-7", "specimen", str(tmp_path), made["digest"].iloc[0])
    assert [name for name in telling if name in said] == []
    assert set(read["param_plugin"]) == set(read["plugin"]) == {"plugin-1"}
    assert set(read["param_payload"]) == {"small", "param-1"}
    assert set(read["param_grants"]) == {"own", "files"}
    params = ["param_plugin", "param_payload", "param_name_1", "param_n", "param_quota", "param_grants"]
    assert read.filter(like="param_").columns.tolist() == params
    pd.testing.assert_frame_equal(read[["cell", "wall_ms", "fuel"]], made[["cell", "wall_ms", "fuel"]])
    assert read["started"].min() == pd.Timestamp(0, tz="UTC")
    assert read.attrs["sweep"]["plugins"] == [{"name": "plugin-1", "digest": "digest-1"}]


@pytest.mark.usefixtures("zoltan")
def test_scopes_of_grants_that_name_a_configuration_are_numbered(path: Path, tmp_path: Path) -> None:
    sweep({"mine": SPECIMEN}, "echo", [1], grants=[[f"read_files={tmp_path}@data", "random"]], path=path)
    read = jn.read_sweep(path, anonymous=True)
    assert set(read["param_grants"]) == {"read_files=scope-1, random"}
    assert set(read["param_plugin"]) == {"mine"}


# --- in the file of a run ---------------------------------------------------------------------------------------------


def test_sweeps_stand_in_a_run_as_they_were(path: Path, tmp_path: Path) -> None:
    made = study(path)
    mixed = sweep(SPECIMEN, "echo", [1, "two", None, 2.5])
    with jn.Runtime() as rt:
        rt.load(SPECIMEN).call("echo", 1)
        saved = rt.save(tmp_path / "run.zip", sweeps={"study": jn.read_sweep(path), "mixed-2": mixed})
    run = jn.read_run(saved)
    pd.testing.assert_frame_equal(run.sweeps["study"], made, check_exact=True)
    pd.testing.assert_frame_equal(run.sweeps["mixed-2"], mixed, check_exact=True)
    assert run.sweeps["study"].attrs == made.attrs
    again = jn.read_run(run.save(tmp_path / "again.zip"))
    pd.testing.assert_frame_equal(again.sweeps["study"], made)
    hidden = jn.read_run(run.save(tmp_path / "anonymous.zip", anonymous=True))
    assert set(hidden.calls["plugin"]) == set(hidden.sweeps["study"]["plugin"]) == {"plugin-1"}
    assert ("sweeps", "study (32 cells), mixed-2 (8 cells)") in run.rows()


@pytest.mark.parametrize(
    ("sweeps", "reason"),
    [
        ({"../x": "made"}, "a sweep's name is at most"),
        ({"x": "calls"}, "is no frame of jn.sweep"),
        ({"x": "more"}, "look at its column more"),
        ({"x": "other order"}, "another order"),
    ],
)
def test_what_is_no_sweep_is_not_saved(sweeps: dict[str, str], reason: str, tmp_path: Path) -> None:
    made = sweep(SPECIMEN, "echo", [1])
    with jn.Runtime() as rt:
        frames = {"made": made, "calls": rt.calls, "more": made.assign(more=1), "other order": made[made.columns[::-1]]}
        with pytest.raises(ValueError, match=reason):
            rt.save(tmp_path / "run.zip", sweeps={name: frames[which] for name, which in sweeps.items()})
    assert list(tmp_path.iterdir()) == []


# --- which plugins differ, and how ------------------------------------------------------------------------------------


TWO = {"slow": SPECIMEN, "fast": SPECIMEN}


@pytest.mark.parametrize(
    ("plugins", "payloads", "more", "how"),
    [
        ({"slow": SPECIMEN, "new": SPECIMEN}, [1], {}, r"plugins \(fast only there; new only here\)"),
        (TWO, {"one": 2}, {}, r"payloads \(1 only there; one only here\)"),
        (TWO, [1], {"quotas": [{"cpu": 1}]}, r"quotas \(as loaded only there; cpu 1 s"),
        (TWO, [1], {"quotas": {"as loaded": {"cpu": 1}}}, r"quotas \(as loaded is another one\)"),
    ],
)
def test_the_error_says_which_part_differs_and_how(
    plugins: Any, payloads: Any, more: dict[str, Any], how: str, path: Path
) -> None:
    sweep(TWO, "echo", [1], path=path)
    with pytest.raises(JudiciaError, match=how):
        sweep(plugins, "echo", payloads, path=path, **more)


def test_another_module_is_told_with_both_digests(path: Path) -> None:
    made = sweep(TWO, "echo", [1], path=path)

    def rebuild(lines: Lines) -> None:
        lines[0]["description"]["plugins"][1]["digest"] = "ab" * 32
        lines[0]["grid"]["plugins"] = "another"

    rewrite(path, rebuild)
    here = made["digest"].iloc[0][:12]
    with pytest.raises(JudiciaError, match=rf"plugins \(fast: module abababababab… there, {here}… here\) differ"):
        sweep(TWO, "echo", [1], path=path)


def test_grants_of_a_loaded_plugin_that_differ_are_told(path: Path) -> None:
    with jn.Runtime() as rt:
        plugin = rt.load(SPECIMEN, grant=["random"])
        sweep(plugin, "echo", [1], path=path)
        plugin.policy.revoke("random")
        plugin.policy.grant("wall_clock")
        with pytest.raises(JudiciaError, match=r"plugins \(specimen: granted random there, wall_clock here\) differ"):
            sweep(plugin, "echo", [1], path=path)


# --- older files ------------------------------------------------------------------------------------------------------


def test_a_file_of_the_first_format_is_read_without_parameters() -> None:
    read = jn.read_sweep(VERSION_1)
    assert len(read) == 8
    assert read.filter(like="param_").columns.tolist() == []
    assert read["repeat"].tolist() == [0, 1] * 4
    assert set(read["worker"]) == {0}
    assert set(read["outcome"]) == {"ok"}


def test_a_sweep_goes_on_with_a_file_of_the_first_format_and_renews_it(path: Path) -> None:
    made = sweep(SPECIMEN, "echo", [1, 2], path=path)

    def age(lines: Lines) -> None:
        grid = {part: value for part, value in lines[0]["grid"].items() if part != "kind"}
        lines[0] = {"format": "judicia-sweep-1", "grid": grid}
        for line in lines[1:]:
            line["worker"] = "lab 1234 1"
            del line["call"]["labels"]
        del lines[3:]

    rewrite(path, age)
    again = sweep(SPECIMEN, "echo", [1, 2], path=path)
    assert (again["run_id"].astype(str) == made["run_id"].iloc[0]).sum() == 2
    assert "lab 1234" not in path.read_text()
    pd.testing.assert_frame_equal(jn.read_sweep(path), again)


# --- files of strangers -----------------------------------------------------------------------------------------------


def first_payload(**changes: Any) -> Callable[[Lines], object]:
    return lambda lines: lines[0]["description"]["axes"][1][0].update(changes)


def first_call(**changes: Any) -> Callable[[Lines], object]:
    return lambda lines: lines[1]["call"].update(changes)


REFUSED: dict[str, tuple[Callable[[Lines], object], str]] = {
    "a later format": (lambda lines: lines[0].update(format="judicia-sweep-4"), "later format"),
    "another format": (lambda lines: lines[0].update(format="recipe"), "not the file of a sweep"),
    "no repeats": (lambda lines: lines[0]["grid"].pop("repeats"), "no number of repeats"),
    "many repeats": (lambda lines: lines[0]["grid"].update(repeats=1 << 70), "not the file of a sweep"),
    "an axis of no values": (lambda lines: lines[0]["description"]["axes"].append([]), "its grid has 0 cells"),
    "a list as a parameter": (first_payload(n=[1]), "damaged first line"),
    "a parameter of control characters": (
        first_payload(**{"\x1b[2J": 1}), "names a parameter"),
    "a thousand parameters": (
        first_payload(**{f"n{n}": 1 for n in range(1001)}), "more than 1000"),
    "a cell that is not in the grid": (lambda lines: lines[1].update(cell=4), "its grid has 4 cells"),
    "a cell below 0": (lambda lines: lines[1].update(cell=-1), "has the cell -1"),
    "a label that is no name": (first_call(labels={"a b": 1}), "no label is called 'a b'"),
    "too many labels": (
        first_call(labels={f"n{n}": 1 for n in range(101)}), "line 2, is not a finished cell"),
    "text where a number is": (first_call(fuel="x"), "line 2, is not a finished cell"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_is_not_what_it_should_be_is_refused_with_the_reason(what: str, path: Path) -> None:
    sweep(SPECIMEN, "echo", [1, 2], path=path)
    change, reason = REFUSED[what]
    rewrite(path, change)
    with pytest.raises(JudiciaError, match=reason):
        jn.read_sweep(path)


def test_a_file_may_not_have_more_than_is_said(path: Path) -> None:
    sweep(SPECIMEN, "echo", [1, 2], path=path)
    with pytest.raises(JudiciaError, match=r"more than 1 KiB \(most=\)"):
        jn.read_sweep(path, most="1KiB")
    with pytest.raises(FileNotFoundError):
        jn.read_sweep(path.with_name("none.jsonl"))


def test_texts_of_a_stranger_are_made_printable(path: Path) -> None:
    sweep(SPECIMEN, "echo", [1, 2], path=path)
    rewrite(path, lambda lines: lines[1]["call"].update(error="\x1b[2J", labels={"a": "\x1b[2J"}))
    read = jn.read_sweep(path)
    assert "\x1b" not in "".join([*read["error"].dropna(), *read["label_a"].dropna()])
