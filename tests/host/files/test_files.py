"""Files for plugins: what a request answers, which folders it may mean, and whose a private folder is."""

from __future__ import annotations

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.files import caller, held, ok, refused

OPERATIONS = ("read", "write", "list", "stat", "delete")

# --- the private folder ----------------------------------------------------------------------------------------------


def test_a_file_is_read_as_it_was_written(guest: jn.Plugin) -> None:
    for text in ("", "grüße\n", '\x01\x7f\\"', "x" * 600_000):
        assert ok(guest, "write", path="a.txt", content=text) == {"bytes": len(text.encode())}
        assert ok(guest, "read", path="a.txt") == {"content": text}


def test_what_is_not_text_comes_as_base64(guest: jn.Plugin) -> None:
    for data in (b"\xff\xfe", b"a\0b", bytes(range(256))):
        text = base64.b64encode(data).decode()
        assert ok(guest, "write", path="data", content_base64=text) == {"bytes": len(data)}
        assert ok(guest, "read", path="data") == {"content_base64": text}
    assert ok(guest, "write", path="data", content_base64="aGk=") == {"bytes": 2}
    assert ok(guest, "read", path="data") == {"content": "hi"}


def test_folders_on_the_way_are_made_and_can_be_deleted_when_they_are_empty(guest: jn.Plugin) -> None:
    ok(guest, "write", path="a/b/c.txt", content="deep")
    assert ok(guest, "list", path="") == [{"name": "a", "type": "directory", "bytes": 0}]
    assert ok(guest, "list", path="a/b") == [{"name": "c.txt", "type": "file", "bytes": 4}]
    assert refused(guest, "delete", path="a")[0] == "conflict"
    for path in ("a/b/c.txt", "a/b", "a"):
        assert ok(guest, "delete", path=path) == {}
    assert ok(guest, "list", path=".") == []


def test_a_list_is_in_the_order_of_names(guest: jn.Plugin) -> None:
    for name in ("b", "ä", "a", "B", "a.b"):
        ok(guest, "write", path=name, content=name)
    assert [entry["name"] for entry in ok(guest, "list", path="")] == ["B", "a", "a.b", "b", "ä"]


def test_stat_tells_the_time_only_to_those_who_may_know_it(guest: jn.Plugin, home: Path) -> None:
    ok(guest, "write", path="a", content="four")
    os.utime(home / "a", ns=(0, 1_700_000_000_123_456_789))
    assert ok(guest, "stat", path="a") == {"type": "file", "bytes": 4, "modified": None}
    guest.policy.grant("wall_clock")
    assert ok(guest, "stat", path="a")["modified"] == 1_700_000_000_123
    assert ok(guest, "stat", path="")["type"] == "directory"


@pytest.mark.parametrize(
    ("operation", "path", "code"),
    [
        ("read", "none", "not_found"),
        ("stat", "none/none", "not_found"),
        ("list", "none", "not_found"),
        ("delete", "none", "not_found"),
        ("read", "folder", "conflict"),
        ("read", "", "conflict"),
        ("list", "file", "conflict"),
        ("read", "file/below", "conflict"),
        ("delete", "", "conflict"),
        ("delete", "folder", "conflict"),
    ],
)
def test_what_cannot_be_done_is_answered_with_its_reason(
    guest: jn.Plugin, operation: str, path: str, code: str
) -> None:
    ok(guest, "write", path="folder/x", content="")
    ok(guest, "write", path="file", content="")
    assert refused(guest, operation, path=path)[0] == code


@pytest.mark.parametrize("path", ["folder", "", "file/below"])
def test_a_write_where_no_file_can_be_changes_nothing(guest: jn.Plugin, home: Path, path: str) -> None:
    ok(guest, "write", path="folder/x", content="")
    ok(guest, "write", path="file", content="")
    assert refused(guest, "write", path=path, content="y")[0] == "conflict"
    assert held(home) == ["file", "folder", "folder/x"]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"path": "a"}, "content_base64"),
        ({"path": "a", "content": "x", "content_base64": "eA=="}, "content_base64"),
        ({"path": "a", "content_base64": "x"}, "content_base64"),
        ({"path": "../a", "content": "x"}, "path"),
    ],
)
def test_a_bad_request_names_its_field(guest: jn.Plugin, request_: dict[str, Any], field: str) -> None:
    code, message = refused(guest, "write", **request_)
    assert code == "bad_request"
    assert f"`{field}`" in message


def test_each_plugin_has_a_folder_of_its_own(both: jn.Runtime) -> None:
    one, other = (both.load(caller(), name=name, grant=["file_storage"]) for name in ("one", "other"))
    ok(one, "write", path="a", content="one's")
    assert ok(other, "list", path="") == []
    assert refused(other, "read", path="a")[0] == "not_found"


def test_private_files_are_for_this_account_only(guest: jn.Plugin, home: Path) -> None:
    ok(guest, "write", path="a/b", content="x")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "a", home / "a" / "b")]
    assert modes == [0o700, 0o700, 0o600]


def test_every_request_leaves_a_row_that_names_the_file(rt: jn.Runtime, guest: jn.Plugin) -> None:
    ok(guest, "write", path="a/b", content="x")
    refused(guest, "read", path="c\x1b[2J")
    ok(guest, "list", path="")
    rows = rt.host_calls[["capability", "function", "target", "decision"]].itertuples(index=False, name=None)
    assert list(rows) == [
        ("write_files", "judicia:files write", "a/b", "allowed"),
        ("read_files", "judicia:files read", "c\ufffd[2J", "failed"),
        ("read_files", "judicia:files list", ".", "allowed"),
    ]


# --- grants ----------------------------------------------------------------------------------------------------------


def test_a_mapped_folder_appears_under_its_alias(both: jn.Runtime, shelf: Path) -> None:
    p = both.load(caller(), name="guest", grant=[f"read_files={shelf}@tests"])
    assert ok(p, "list", path="") == [{"name": "tests", "type": "directory", "bytes": 0}]
    assert [entry["name"] for entry in ok(p, "list", path="tests")] == ["inner", "one.txt"]
    assert ok(p, "read", path="tests/inner/two.txt") == {"content": "two"}
    assert ok(p, "stat", path="tests")["type"] == "directory"
    for request in ({"path": "tests/new", "content": "x"}, {"path": "private", "content": "x"}):
        assert refused(p, "write", **request)[0] == "capability_denied"
    assert refused(p, "read", path="private")[0] == "capability_denied"
    assert held(shelf) == ["inner", "inner/two.txt", "one.txt"]


def test_a_folder_mapped_for_writing_is_changed_in_place(both: jn.Runtime, shelf: Path) -> None:
    p = both.load(caller(), name="guest", grant=[f"write_files={shelf}@out"])
    (shelf / "one.txt").chmod(0o640)
    ok(p, "write", path="out/one.txt", content="ONE")
    ok(p, "write", path="out/made/x", content="x")
    ok(p, "delete", path="out/inner/two.txt")
    ok(p, "delete", path="out/inner")
    assert held(shelf) == ["made", "made/x", "one.txt"]
    assert (shelf / "one.txt").read_text() == "ONE"
    assert stat.S_IMODE((shelf / "one.txt").stat().st_mode) == 0o640
    assert refused(p, "read", path="out/one.txt")[0] == "capability_denied"
    assert refused(p, "delete", path="out")[0] == "conflict"


def test_an_alias_hides_a_private_file_of_its_name(both: jn.Runtime, shelf: Path) -> None:
    p = both.load(caller(), name="guest", grant=["file_storage"])
    ok(p, "write", path="tests/mine", content="private")
    p.policy.grant(f"read_files={shelf}@tests")
    assert [entry["name"] for entry in ok(p, "list", path="")] == ["tests"]
    assert refused(p, "read", path="tests/mine")[0] == "not_found"
    assert refused(p, "write", path="tests/mine", content="x")[0] == "capability_denied"
    p.policy.revoke(f"read_files={shelf}@tests")
    assert ok(p, "read", path="tests/mine") == {"content": "private"}


def test_a_revoked_folder_is_gone_at_the_next_request(both: jn.Runtime, shelf: Path) -> None:
    p = both.load(caller(), name="guest", grant=[f"read_files={shelf}@a", f"read_files={shelf / 'inner'}@b"])
    ok(p, "read", path="a/one.txt")
    p.policy.revoke(f"read_files={shelf}@a")
    assert refused(p, "read", path="a/one.txt")[0] == "capability_denied"
    assert ok(p, "read", path="b/two.txt") == {"content": "two"}


def test_two_folders_under_one_alias_are_neither(both: jn.Runtime, shelf: Path) -> None:
    p = both.load(caller(), name="guest", grant=[f"read_files={shelf}@a", f"write_files={shelf / 'inner'}@a"])
    assert refused(p, "read", path="a/one.txt")[0] == "conflict"
    assert refused(p, "write", path="a/one.txt", content="x")[0] == "conflict"
    assert held(shelf) == ["inner", "inner/two.txt", "one.txt"]


def test_the_guest_never_learns_where_a_folder_is(both: jn.Runtime, shelf: Path, home: Path) -> None:
    p = both.load(caller(), name="guest", grant=["file_storage", f"read_files={shelf}@a"])
    (shelf / "link").symlink_to(shelf)
    messages = [
        refused(p, "read", path="a/none")[1],
        refused(p, "read", path="a/link")[1],
        refused(p, "read", path="a/link/one.txt")[1],
        refused(p, "write", path="a/x", content="")[1],
        refused(p, "read", path="none")[1],
    ]
    for message in messages:
        assert str(shelf) not in message
        assert home.parent.name not in message


def test_a_granted_path_that_is_a_link_means_what_it_meant_first(both: jn.Runtime, shelf: Path, tmp_path: Path) -> None:
    link, elsewhere = tmp_path / "link", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "one.txt").write_text("canary")
    link.symlink_to(shelf)
    p = both.load(caller(), name="guest", grant=[f"read_files={link}@a"])
    assert ok(p, "read", path="a/one.txt") == {"content": "one"}
    link.unlink()
    link.symlink_to(elsewhere)
    assert ok(p, "read", path="a/one.txt") == {"content": "one"}


def test_a_folder_that_is_not_there_is_not_found(both: jn.Runtime, tmp_path: Path) -> None:
    p = both.load(caller(), name="guest", grant=[f"read_files={tmp_path / 'none'}@a"])
    assert refused(p, "read", path="a/x")[0] == "not_found"


def test_a_system_that_cannot_open_beneath_a_folder_gets_no_files(monkeypatch: pytest.MonkeyPatch, shelf: Path) -> None:
    monkeypatch.setattr(os, "supports_dir_fd", set[Any]())
    with jn.Runtime() as rt:
        p = rt.load(caller(), name="guest", grant=["file_storage", f"read_files={shelf}@a"])
        for path in ("a/one.txt", "x"):
            code, message = refused(p, "read", path=path)
            assert (code, "safely" in message) == ("failed", True)
        assert refused(p, "write", path="x", content="")[0] == "failed"
        assert not rt.host.files.folder("guest").exists()


# --- whose a private folder is ---------------------------------------------------------------------------------------


def test_data_outlives_the_runtime_where_there_is_a_folder_for_it(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with jn.Runtime(tmp_path) as rt:
            p = rt.load(caller(), name="guest", grant=["file_storage"])
            if content == "second":
                assert ok(p, "read", path="a") == {"content": "first"}
            ok(p, "write", path="a", content=content)


def test_another_file_under_the_name_gets_the_data_only_from_the_user(tmp_path: Path) -> None:
    with jn.Runtime(tmp_path) as rt:
        p = rt.load(caller(), name="guest", grant=["file_storage"])
        ok(p, "write", path="secret", content="canary")
    with jn.Runtime(tmp_path) as rt:
        impostor = rt.load(caller("impostor"), name="guest", grant=["file_storage"])
        for operation in ("read", "list", "stat", "delete"):
            code, message = refused(impostor, operation, path="secret" if operation != "list" else "")
            assert (code, 'rt.host.adopt("guest")' in message) == ("conflict", True)
        assert refused(impostor, "write", path="secret", content="")[0] == "conflict"
        rt.host.adopt("guest")
        assert ok(impostor, "read", path="secret") == {"content": "canary"}
        assert "adopt" in list(rt.audit["what"])
    with jn.Runtime(tmp_path) as rt:
        for mark in ("impostor", ""):  # both may now
            assert "ok" in rt.load(caller(mark), name="guest", grant=["read_files"]).call("read", {"path": "secret"})
        assert "error" in rt.load(caller("third"), name="guest").call("read", {"path": "secret"})


def test_a_replaced_plugin_has_to_be_given_the_data_too(rt: jn.Runtime) -> None:
    p = rt.load(caller(), name="guest", grant=["file_storage"])
    ok(p, "write", path="a", content="x")
    rt.load(caller("other"), name="guest")
    assert refused(p, "read", path="a")[0] == "conflict"
    rt.load(caller(), name="guest")
    assert ok(p, "read", path="a") == {"content": "x"}


def test_only_a_loaded_plugin_can_be_given_data(rt: jn.Runtime) -> None:
    with pytest.raises(jn.NoSuchPlugin):
        rt.host.adopt("nobody")


def test_the_first_to_come_owns_the_data_also_when_all_come_at_once(tmp_path: Path) -> None:
    with jn.Runtime(tmp_path) as one, jn.Runtime(tmp_path) as other:
        plugins = [
            runtime.load(caller(f"{number}"), name="guest", grant=["file_storage"])
            for number, runtime in enumerate((one, other, one, other)[:2])
        ]
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda p: p.call("list", {"path": ""}), plugins))
        assert sorted(key for answer in answers for key in answer) == ["error", "ok"]
