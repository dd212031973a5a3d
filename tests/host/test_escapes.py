"""Attempts to leave the sandbox are in the audit, whichever way they go, and no guest can make that a flood.

That they fail is the business of tests/hostile/test_files_escapes.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import judicia_notebook as jn
from judicia_notebook.host.files import ANOTHER_FILE_SYSTEM, LINK_OUT
from judicia_notebook.host.files.names import ABSOLUTE, CLIMBS, NUL
from judicia_notebook.host.wasi.descriptors import CLIMBS as WASI_CLIMBS
from judicia_notebook.host.wasi.descriptors import NOT_MAPPED
from tests.support.files import OPENINGS, OPERATIONS, caller, opened_by

WASI = "wasi_snapshot_preview1"


def escapes(p: jn.Plugin) -> list[str]:
    audit = p.audit
    return [*audit[audit["what"] == "escape"]["detail"]]


@pytest.fixture
def guest(rt: jn.Runtime, tmp_path: Path) -> jn.Plugin:
    """May do everything in its private folder and in ``in``; beside that lies ``secret``."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "file").write_text("inside")
    (tmp_path / "secret").write_text("secret")
    return rt.load(
        caller(), name="guest", grant=["file_storage", f"read_files={inside}@in", f"write_files={inside}@in"]
    )


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", ABSOLUTE),
        ("//etc/passwd", ABSOLUTE),
        ("..", CLIMBS),
        ("../secret", CLIMBS),
        ("in/..", CLIMBS),
        ("in/../../secret", CLIMBS),
        ("in/" + "../" * 400 + "etc/passwd", CLIMBS),  # refused for its length, and an escape nevertheless
        ("in/file\0.txt", NUL),
    ],
)
def test_a_path_that_would_lead_out_is_an_escape_of_each_operation(guest: jn.Plugin, path: str, reason: str) -> None:
    for operation in OPERATIONS:
        request = {"path": path, "content": "mine"} if operation == "write" else {"path": path}
        assert guest.call(operation, request)["error"]["code"] == "bad_request"
    found = escapes(guest)
    assert len(found) == len(OPERATIONS)
    for number, (operation, detail) in enumerate(zip(OPERATIONS, found, strict=True), 1):
        assert detail.startswith(f"judicia:files {operation} ")
        assert detail.endswith(f": {reason}; in call {number} of {operation}")
    assert [*guest.audit["call_id"][guest.audit["what"] == "escape"]] == [*guest.calls["call_id"]]
    assert set(guest.host_calls["decision"]) == {"failed"}


@pytest.mark.parametrize(
    "path", ["in/none", "none/none", "in//file", "in/./file", "in/file/x", ".judicia-x", "a\x7f", "..."]
)
def test_a_path_that_leads_nowhere_is_no_escape(guest: jn.Plugin, path: str) -> None:
    assert "error" in guest.call("read", {"path": path})
    assert guest.call("read", {"path": "in/file"}) == {"ok": {"content": "inside"}}
    assert escapes(guest) == []


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize(
    ("links", "path", "out"),
    [
        ({"link": "../secret"}, "in/link", True),
        ({"link": "/etc"}, "in/link/passwd", True),
        ({"sub/link": "../../secret"}, "in/sub/link", True),
        ({"first": "second", "second": ".."}, "in/first/secret", True),
        ({"first": "second/..", "second": "../.."}, "in/first/x", True),
        ({"link": "file"}, "in/link", False),
        ({"sub/link": "../file"}, "in/sub/link", False),
        ({"link": "sub/.."}, "in/link/file", False),
        ({"link": "link"}, "in/link", False),
    ],
)
def test_a_link_is_an_escape_where_it_leads_out(
    rt: jn.Runtime, guest: jn.Plugin, tmp_path: Path, opening: str, links: dict[str, str], path: str, out: bool
) -> None:
    opened_by(rt, opening)
    (tmp_path / "inside" / "sub").mkdir()
    for name, target in links.items():
        (tmp_path / "inside" / name).symlink_to(target)
    assert "error" in guest.call("read", {"path": path})
    assert [LINK_OUT in detail for detail in escapes(guest)] == [True] * out


def test_another_file_system_is_an_escape(rt: jn.Runtime) -> None:
    p = rt.load(caller(), name="guest", grant="read_files=/@root")
    assert "error" in p.call("read", {"path": "root/proc/version"})
    assert [ANOTHER_FILE_SYSTEM in detail for detail in escapes(p)] == [True]


def test_a_denied_request_is_denied_whatever_it_names(rt: jn.Runtime) -> None:
    p = rt.load(caller(), name="guest")
    assert p.call("read", {"path": "/etc/passwd"})["error"]["code"] == "capability_denied"
    assert p.audit["what"].tolist() == ["load", "denied"]


# --- WASI ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "shown", "reason"),
    [
        ("etc/passwd", "/etc/passwd", NOT_MAPPED),
        ("/etc/passwd", "/etc/passwd", NOT_MAPPED),
        ("../x", "/../x", WASI_CLIMBS),
    ],
)
def test_a_path_of_wasi_is_an_escape(burglar: jn.Plugin, path: str, shown: str, reason: str) -> None:
    assert burglar.call("open", {"path": path}) == 76
    assert escapes(burglar) == [f"{WASI} path_open {shown}: {reason}; in call 1 of open"]
    assert [*burglar.audit["call_id"].dropna()] == [*burglar.calls["call_id"]]


def test_a_path_beneath_no_folder_is_an_escape_too(burglar: jn.Plugin) -> None:
    assert [burglar.call("open", {"path": "x", "fd": fd}) for fd in (0, 4, 2**32 - 1)] == [54, 8, 8]
    assert [detail.split()[2] for detail in escapes(burglar)] == ["x:"] * 3


# --- floods, and hostile text ----------------------------------------------------------------------------------------


def test_a_flood_of_escapes_is_one_row_a_call_function_and_reason(rt: jn.Runtime, burglar: jn.Plugin) -> None:
    burglar.policy.grant("read_files")
    orders = [{"to": "judicia:files read", "n": 500, "request": {"path": path}} for path in ("../a", "/b", "c/../d")]
    for order in orders:
        assert burglar.call("relay", order)["refused"] == {"bad_request": 500}
    assert [detail.split()[2] for detail in escapes(burglar)] == ["../a:", "/b:", "c/../d:"]
    assert len(burglar.host_calls) == 1500


def test_hostile_text_in_a_path_stays_text(burglar: jn.Plugin) -> None:
    burglar.policy.grant("read_files")
    path = "../<img src=x onerror=alert(1)>\u202e\x1b[2J" + "x" * 900
    burglar.call("relay", {"to": "judicia:files read", "request": {"path": path}})
    burglar.call("open", {"path": path})
    html = burglar.audit._repr_html_()
    assert html.count("&lt;img") == 2
    assert "<img" not in html
    for detail in escapes(burglar):
        assert detail.isprintable()
        assert len(detail) <= 200
        assert detail.endswith((" of relay", " of open"))


@pytest.fixture
def burglar(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:burglar")
