"""A run for a review that must not know whose it is."""

from __future__ import annotations

import getpass
import json
import platform
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.analysis.runs.anonymity import anonymous
from judicia_notebook.analysis.runs.run import Run, of_recorder
from judicia_notebook.analysis.runs.tables import Tables
from judicia_notebook.records.recorder import Recorder

AddCall = Callable[..., int]

USER, NODE = "zoltanq", "lab-7.dept.example"
TELLING = ("zoltanq", "lab-7", "acme", "secret")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only after there is a folder, which pytest names after the user."""
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    monkeypatch.setattr(platform, "node", lambda: NODE)


@pytest.fixture
def run(recorder: Recorder, add_call: AddCall, unknown: dict[str, Any]) -> Run:
    for number, plugin in enumerate(("acme_checker", "acme_judge", "acme_checker"), 1):
        add_call(recorder, call_id=number, plugin=plugin, labels='{"variant":"A"}', thread="acme worker",
                 started_ns=number * 10**9, error=f"HostFailure: /home/{USER}/secret was not there")  # fmt: skip
        recorder.add_host_call(number, plugin, 1, "read_files", "judicia:files read", f"/home/{USER}/x", 5, 5, 0, 8,
                               "failed", "secret")  # fmt: skip
        recorder.add_log(number, plugin, number * 10**9, "info", f"I am {USER}", {"at": "acme"}, "log")
        recorder.add_audit("loaded", plugin, f"/home/{USER}/{plugin}.wasm", "Python", number)
        recorder.add_policy(plugin, ("log", f"read_files=/home/{USER}"), {"cpu": 0.1}, "error")
    add_call(
        recorder,
        call_id=9,
        plugin="acme_judge",
        function=f"by_{USER}",
        labels=json.dumps({"who": USER.upper(), "at": "lab-7", "n": 3}),
        error="secret",
    )
    add_call(recorder, call_id=10, plugin="acme_judge", **unknown)
    return of_recorder(recorder)


def content_of(path: Path) -> str:
    with zipfile.ZipFile(path) as file:
        members = [file.read(name).decode() for name in file.namelist()]
        entries = [repr(entry.date_time) + repr(entry.extra) + repr(entry.comment) for entry in file.infolist()]
    return "\n".join([*members, *entries]).lower()


def test_nothing_in_the_file_tells_whose_it_is(run: Run, tmp_path: Path) -> None:
    told = content_of(run.save(tmp_path / "named.zip"))
    assert all(text in told for text in TELLING)
    found = content_of(run.save(tmp_path / "run.zip", anonymous=True))
    assert not [text for text in (*TELLING, run.meta["run_id"], "9f9f9f", "/home") if text in found]
    day = run.meta["began"][:10]
    assert day in told
    assert day not in found


def test_all_numbers_stay_and_so_does_what_a_study_is_told_in(run: Run, tmp_path: Path) -> None:
    found = jn.read_run(run.save(tmp_path / "run.zip", anonymous=True))
    for name, frame in run.frames.items():
        numbers = list(frame.select_dtypes("number").columns)
        pd.testing.assert_frame_equal(found.frames[name][numbers], frame[numbers])
        assert found.frames[name].dtypes.map(str).tolist() == frame.dtypes.map(str).tolist()
        assert found.frames[name].attrs == frame.attrs
    assert found.calls["outcome"].tolist() == run.calls["outcome"].tolist()
    assert found.calls["label"].tolist()[:3] == ["variant=A"] * 3
    assert found.calls["function"].tolist()[:3] == ["check"] * 3
    assert found.host_calls["function"].tolist() == run.host_calls["function"].tolist()
    assert found.policies["quota"].tolist() == run.policies["quota"].tolist()
    assert repr(found).startswith("<anonymous run: 5 calls, ")


def test_one_name_is_the_same_number_in_all_frames(run: Run, tmp_path: Path) -> None:
    found = jn.read_run(run.save(tmp_path / "run.zip", anonymous=True))
    number = dict(zip(run.calls["plugin"], found.calls["plugin"], strict=True))
    assert sorted(number.values()) == ["plugin-1", "plugin-2"]
    for name in ("calls", "host_calls", "logs", "audit", "policies"):
        assert found.frames[name]["plugin"].tolist() == [number[one] for one in run.frames[name]["plugin"]]
    assert found.meta["plugins"].keys() == set(number.values())
    assert found.policies["grants"].tolist() == [("log", "read_files=scope-1")] * 3
    assert found.calls["error"].tolist()[:4] == ["HostFailure"] * 3 + ["error"]
    assert found.logs["message"].nunique() == run.logs["message"].nunique()


def test_what_names_the_user_is_replaced_even_in_functions_and_labels(run: Run, tmp_path: Path) -> None:
    found = jn.read_run(run.save(tmp_path / "run.zip", anonymous=True))
    assert found.calls["function"][3] == "function-1"
    assert found.calls["label"][3] == "label-1"
    assert found.calls["label_who"][3] == "label-2"
    assert found.calls["label_at"][3] == "label-3"
    assert found.calls["label_n"].tolist()[3] == 3
    assert found.calls["label_variant"].tolist()[:3] == ["A"] * 3


def test_a_label_whose_name_tells_who_it_is_gets_another_name(recorder: Recorder, add_call: AddCall) -> None:
    add_call(recorder, labels=json.dumps({f"of_{USER}": 5}))
    run = of_recorder(recorder)
    found = anonymous(Tables(run.frames, run.meta))
    assert [name for name in found.frames["calls"] if name.startswith("label_")] == ["label_name_1"]
    assert found.frames["calls"]["label_name_1"].tolist() == [5]


def test_instants_count_from_1970_and_keep_what_lies_between_them(run: Run, tmp_path: Path) -> None:
    found = jn.read_run(run.save(tmp_path / "run.zip", anonymous=True))
    instants = {"calls": "started", "logs": "at", "audit": "at", "policies": "at"}
    assert min(found.frames[name][column].min() for name, column in instants.items()) == pd.Timestamp(0, tz="UTC")
    shifts = {(run.frames[name][column] - found.frames[name][column]).unique()[0] for name, column in instants.items()}
    assert len(shifts) == 1


def test_an_anonymous_run_can_be_saved_again_and_the_first_one_is_as_it_was(run: Run, tmp_path: Path) -> None:
    before = {name: frame.copy() for name, frame in run.frames.items()}
    found = jn.read_run(run.save(tmp_path / "run.zip", anonymous=True))
    for name, frame in before.items():
        pd.testing.assert_frame_equal(run.frames[name], frame)
    again = jn.read_run(found.save(tmp_path / "again.zip", anonymous=True))
    for name, frame in found.frames.items():
        pd.testing.assert_frame_equal(again.frames[name], frame)
    assert again.meta == found.meta


def test_a_runtime_without_any_calls_can_be_saved_too(recorder: Recorder, tmp_path: Path) -> None:
    found = jn.read_run(of_recorder(recorder).save(tmp_path / "run.zip", anonymous=True))
    assert found.calls.empty
    assert found.meta["anonymous"]


def test_a_runtime_saves_anonymously(tmp_path: Path) -> None:
    with jn.Runtime() as rt:
        rt.load("example:specimen").call("echo", [1])
        found = jn.read_run(rt.save(tmp_path / "run.zip", anonymous=True))
    assert found.calls["plugin"].tolist() == ["plugin-1"]
    assert "run_id" not in found.meta
