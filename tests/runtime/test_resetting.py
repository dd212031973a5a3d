"""`Runtime.reset`: all that plugins left goes in one confirmed step, and nothing that the user gave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

import judicia_notebook as jn
from tests.support.guests import forwarder, wat

SOON = 20
GRANTS = [
    "file_storage", "read_database", "write_database", "emit_event", "send_notifications", "random", "wall_clock"
]  # fmt: skip
OPERATIONS = {
    "put": "files.write", "get": "files.read", "query": "database.query", "execute": "database.execute",
    "emit": "events.emit", "send": "notifications.send", "draw": "random.bytes",
}  # fmt: skip


def caller(mark: str = "") -> bytes:
    """A module whose exports hand their request to one host function each. The mark makes it another."""
    spin = '(func (export "spin") (param i32 i32) (result i64) (loop (br 0)) (unreachable))'
    return wat(forwarder(**OPERATIONS), spin, f'(data (i32.const 0) "{mark}")')


def ok(p: jn.Plugin, operation: str, **request: Any) -> Any:
    answer = p.call(operation, request)
    assert "ok" in answer, answer
    return answer["ok"]


def leave_traces(rt: jn.Runtime, name: str = "guest") -> jn.Plugin:
    """A plugin that left something everywhere."""
    p = rt.load(caller(), name=name, grant=GRANTS)
    ok(p, "put", path="note.txt", content="of the first group")
    ok(p, "execute", sql="CREATE TABLE note (text text)", params=[])
    ok(p, "execute", sql="INSERT INTO note VALUES ($1)", params=["of the first group"])
    ok(p, "emit", type=f"{name}.done", payload=1)
    ok(p, "send", recipient="judges", title="Done", message="It is done.")
    return p


@pytest.fixture(params=["sqlite", "a folder of its own", "postgresql"])
def rt_of_each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[jn.Runtime]:
    """A runtime with a given data folder on each kind of database."""
    url = None
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql"))
    elif request.param != "sqlite":
        url = f"sqlite:///{tmp_path / 'tables'}"
    with jn.Runtime(tmp_path / "data", database=url) as runtime:
        yield runtime


def test_without_a_confirmation_it_says_what_would_go_and_removes_nothing(rt: jn.Runtime) -> None:
    p = leave_traces(rt)
    rt.host.shared_memory.create("frame", 8)
    told = rt.reset()
    assert not told.done
    text = repr(told)
    for said in (
        "Nothing is removed yet", "1 plugin: guest", "files of 1 plugin: guest", "tables of 1 plugin: guest",
        "events: 1 in the history", "notifications: 1 in the history", "1 shared region: frame", "5 calls",
        "mapped folders", "rt.reset(confirm=True)", "%plugin reset --yes",
    ):  # fmt: skip
        assert said in text, said
    assert rt.plugins["guest"] is p
    assert ok(p, "get", path="note.txt") == {"content": "of the first group"}
    assert ok(p, "query", sql="SELECT text FROM note", params=[])["rows"] == [["of the first group"]]
    assert len(rt.host.events.history) == 1
    assert len(rt.calls) == 7


def test_with_a_confirmation_all_that_plugins_left_is_gone(rt_of_each: jn.Runtime) -> None:
    rt = rt_of_each
    p = leave_traces(rt)
    region = rt.host.shared_memory.create("frame", 8)
    assert rt.reset(confirm=True).done
    assert dict(rt.plugins) == {}
    assert p.state == "unloaded"
    assert region.closed
    for frame in (rt.calls, rt.host_calls, rt.samples, rt.logs, rt.policies, rt.host.events.history):
        assert len(frame) == 0
    assert (len(rt.host.notifications.history), rt.host.events.parked, rt.last, p.last) == (0, (), None, None)
    assert rt.audit["what"].tolist() == ["reset"]
    assert list(rt.data_dir.glob("files/*")) == list(rt.data_dir.glob("owners/*")) == []
    assert rt.reset().removed == ("recorded rows: 0 calls, 0 host calls, 0 samples, 0 log lines, 1 change, 0 denials",)


def test_the_next_group_may_use_the_names_for_other_files(rt_of_each: jn.Runtime) -> None:
    rt = rt_of_each
    leave_traces(rt)
    rt.reset(confirm=True)
    p = rt.load(caller("of the second group"), name="guest", grant=GRANTS)
    assert p.call("get", {"path": "note.txt"})["error"]["code"] == "not_found"
    assert "error" in p.call("query", {"sql": "SELECT text FROM note", "params": []})
    assert ok(p, "put", path="note.txt", content="2") == {"bytes": 1}
    ok(p, "execute", sql="CREATE TABLE note (n integer)", params=[])
    assert ok(p, "query", sql="SELECT n FROM note", params=[])["rows"] == []
    assert len(rt.calls) == 5
    assert rt.last is not None


def test_what_an_earlier_kernel_left_in_a_given_folder_goes_too(tmp_path: Path) -> None:
    with jn.Runtime(tmp_path / "data") as earlier:
        leave_traces(earlier)
    with jn.Runtime(tmp_path / "data") as rt:
        assert "files of 1 plugin: guest" in repr(rt.reset())
        assert "tables of 1 plugin: guest" in repr(rt.reset())
        rt.reset(confirm=True)
        assert rt.reset().removed == rt.reset().removed
        p = rt.load(caller("another"), name="guest", grant=GRANTS)
        assert p.call("get", {"path": "note.txt"})["error"]["code"] == "not_found"


def test_what_the_user_gave_stays(rt_of_each: jn.Runtime, tmp_path: Path) -> None:
    rt = rt_of_each
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "mine.txt").write_text("mine")
    own = rt.data_dir / "notes.txt"
    own.write_text("mine, in the data folder")
    (rt.data_dir / "files").mkdir(exist_ok=True)
    (rt.data_dir / "files" / "readme.txt").write_text("mine, beside the private folders")
    rt.host.database.add_table("submissions", pd.DataFrame({"id": [1, 2]}))
    rt.host.files.set_limits(folder_files=7)
    seen: list[str] = []
    rt.host.events.subscribe("**", lambda event: seen.append(event.type))
    p = leave_traces(rt)
    p.policy.grant(f"read_files={shelf}@shelf", f"write_files={shelf}@shelf")
    ok(p, "put", path="shelf/theirs.txt", content="theirs")
    rt.host.events.flush(SOON)
    rt.reset(confirm=True)
    assert sorted(one.name for one in shelf.iterdir()) == ["mine.txt", "theirs.txt"]
    assert own.read_text() == "mine, in the data folder"
    assert (rt.data_dir / "files" / "readme.txt").exists()
    assert rt.host.database.table("submissions")["id"].tolist() == [1, 2]
    assert rt.host.files.limits.folder_files == 7
    rt.host.events.emit("contest.begins")
    rt.host.events.flush(SOON)
    assert seen == ["guest.done", "contest.begins"]


def test_calls_that_run_are_cancelled_first(rt: jn.Runtime) -> None:
    p = rt.load(caller(), name="guest", quota={"cpu": None, "wall": "60s"})
    handle = p.submit("spin", {})
    waiting = p.submit("spin", {})
    while not handle.call.started_ns:
        pass
    assert "calls of 1 plugin are cancelled" in repr(rt.reset())
    assert rt.reset(confirm=True).done
    assert isinstance(handle.exception(SOON), jn.Cancelled)
    assert isinstance(waiting.exception(SOON), jn.JudiciaError)
    assert len(rt.calls) == 0


def test_random_streams_begin_anew() -> None:
    with jn.Runtime(seed=1) as rt:
        drawn = []
        for _ in range(2):
            drawn.append(ok(rt.load(caller(), name="guest", grant=["random"]), "draw", length=8))
            rt.reset(confirm=True)
        assert drawn[0] == drawn[1]


def test_it_is_refused_inside_a_call_and_once_the_runtime_is_closed(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []

    def now(_service: object, _scope: object, _request: object) -> dict[str, str]:
        with pytest.raises(jn.PolicyError) as refusal:
            rt.reset(confirm=True)
        refused.append(refusal.value.message)
        return {}

    monkeypatch.setattr("judicia_notebook.host.random.RandomService.draw", now)
    with jn.Runtime() as other:
        ok(other.load(caller(), name="guest", grant=["random"]), "draw", length=1)
    assert refused == ["A call cannot reset its own runtime: it would have to end first."]
    rt.close()
    with pytest.raises(jn.ResourceExhausted, match="closed"):
        rt.reset(confirm=True)


def test_a_link_in_the_place_of_the_private_folders_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with jn.Runtime(tmp_path / "data") as rt:
        leave_traces(rt)
        (rt.data_dir / "files").rename(elsewhere)
        (rt.data_dir / "files").symlink_to(elsewhere)
        with pytest.raises(jn.ResourceExhausted, match="judicia:files"):
            rt.reset(confirm=True)
        assert list(elsewhere.glob("*/content/note.txt"))
        assert list(rt.data_dir.glob("owners/*.json"))


def test_a_second_runtime_on_the_same_database_finds_nothing_and_can_begin_anew(
    postgresql: str, tmp_path: Path
) -> None:
    with jn.Runtime(tmp_path / "a", database=postgresql) as first:
        leave_traces(first)
        first.reset(confirm=True)
        with jn.Runtime(tmp_path / "b", database=postgresql) as second:
            p = second.load(caller("another"), name="guest", grant=GRANTS)
            ok(p, "execute", sql="CREATE TABLE note (n integer)", params=[])
    with psycopg.connect(postgresql) as connection:
        found = connection.execute("SELECT count(*) FROM judicia_admin.owners").fetchone()
    assert found == (1,)


def test_clear_says_what_it_keeps(rt: jn.Runtime) -> None:
    leave_traces(rt)
    told = repr(rt.clear())
    assert "guest: unloaded" in told
    assert "events, files, tables" in told
    assert "rt.reset()" in told
    assert len(rt.calls) == 5
