"""What a refusal names: what was given, the limit, the place, the names there are, and what to do next."""

from __future__ import annotations

import json
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.analysis import plots
from tests.support.guests import forwarder, wat
from tests.support.servers import Server

OPERATIONS = (
    "database.query", "database.execute", "files.read", "events.emit", "events.subscribe", "http.request",
    "http.register_route", "shared_memory.read",
)  # fmt: skip
CALLER = wat(
    forwarder(**{one: one for one in OPERATIONS}), '(func (export "on_event") (param i32 i32) (result i64) unreachable)'
)
GRANT = ["read_database", "write_database", "file_storage", "emit_event", "subscribe_events", "register_routes"]
URL = "http://127.0.0.1:9/"


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(CALLER, name="guest", grant=[*GRANT, "network_access=http://127.0.0.1:9"])


def told(call: Callable[[], object], kind: type[Exception] = jn.JudiciaError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


# --- answers to guests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "sql", "code", "says"),
    [
        ({"sql_bytes": 1024}, f"SELECT {'1':>2000}", "quota_exceeded", "a statement of 2007 bytes; at most 1024"),
        ({}, "SELECT 1; DROP", "bad_request", "one statement at a time: `DROP` follows after the `;`"),
        ({}, "SELECT '\0'", "bad_request", "field `sql` holds a NUL, as character 9"),
        ({"value_bytes": 1024}, f"SELECT '{'x' * 2000}'", "quota_exceeded", "is too long; at most 1024 bytes"),
        ({"result_bytes": 9}, "VALUES (1), (2)", "quota_exceeded", "more than 9 bytes of values up to row 2"),
    ],
)
def test_a_statement(rt: jn.Runtime, guest: jn.Plugin, limits: Any, sql: str, code: str, says: str) -> None:
    rt.host.database.set_limits(**limits)
    error = guest.call("database.query", {"sql": sql})["error"]
    assert error["code"] == code
    assert says in error["message"]


@pytest.mark.parametrize(
    ("operation", "request_", "code", "says"),
    [
        ("files.read", {"path": "x" * 300}, "bad_request", "a name of 300 bytes; at most 255"),
        ("events.emit", {"type": "a.*", "payload": 1}, "bad_request", "is like `submission.judged`, not `a.*`"),
        ("events.subscribe", {"pattern": "*.a"}, "bad_request", "or `contest.**`, not `*.a`"),
        ("http.register_route", {"method": "FETCH", "path": "/guest/"}, "bad_request", "OPTIONS, not `FETCH`"),
        ("http.register_route", {"method": "GET", "path": "/" + "x" * 5000}, "bad_request", "5001 characters; at most"),
        ("http.request", {"method": "FETCH", "url": URL}, "bad_request", "OPTIONS, not `FETCH`"),
        ("http.request", {"method": "GET", "url": URL, "timeout_ms": -5}, "bad_request", "more than 0, not -5"),
        ("http.request", {"method": "GET", "url": "http://a:70000/"}, "bad_request", "from 1 to 65535, not 70000"),
    ],
)
def test_a_request(guest: jn.Plugin, operation: str, request_: Any, code: str, says: str) -> None:
    error = guest.call(operation, request_)["error"]
    assert error["code"] == code
    assert says in error["message"]


@pytest.mark.parametrize(
    ("limits", "more", "says"),
    [
        ({"url_bytes": 10}, {}, "field `url`: 19 bytes; at most 10"),
        ({"body_bytes": 2}, {"body": "xyz"}, "field `body`: 3 bytes; at most 2"),
        ({"headers": 1}, {"headers": {"a": "", "b": ""}}, "field `headers`: 2 headers; at most 1"),
        ({"header_bytes": 3}, {"headers": {"a": "xyz"}}, "field `headers`: 4 bytes together; at most 3"),
    ],
)
def test_a_request_that_is_too_large(rt: jn.Runtime, guest: jn.Plugin, limits: Any, more: Any, says: str) -> None:
    rt.host.http.set_limits(**limits)
    error = guest.call("http.request", {"method": "POST", "url": URL, **more})["error"]
    assert (error["code"], error["message"]) == ("quota_exceeded", says)


def test_what_a_guest_gave_is_made_printable_and_cut(guest: jn.Plugin) -> None:
    error = guest.call("events.emit", {"type": "\u202e" + "x" * 900, "payload": 1})["error"]
    assert "\u202e" not in error["message"]
    assert len(error["message"]) < 200


def test_a_region(rt: jn.Runtime, guest: jn.Plugin) -> None:
    request = {"name": "frame", "offset": 6, "ptr": 0, "length": 4}
    guest.policy.grant("read_shared_memory=other")
    denied = guest.call("shared_memory.read", request)["error"]
    assert denied["message"].endswith("needs the capability read_shared_memory for this region")
    guest.policy.grant("read_shared_memory=frame")
    rt.host.shared_memory.create("frame", 8)
    outside = guest.call("shared_memory.read", request)["error"]
    assert outside["message"].endswith("4 bytes from 6 on, and region frame has 8 bytes")


def test_how_long_a_request_may_take(guest: jn.Plugin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        guest.policy.grant(f"network_access=http://127.0.0.1:{port}")
        request = {"method": "GET", "url": f"http://127.0.0.1:{port}/", "timeout_ms": 200}
        error = guest.call("http.request", request)["error"]
    assert (error["code"], error["message"]) == (
        "timeout",
        "the server took longer than the 0.2 s the request may take",
    )


def test_how_long_an_answer_may_be(rt: jn.Runtime, guest: jn.Plugin) -> None:
    rt.host.http.set_limits(answer_header_bytes=1024)
    with Server(lambda peer: peer.send(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 5000 + b"\r\n\r\n")) as server:
        guest.policy.grant(f"network_access=http://127.0.0.1:{server.port}")
        error = guest.call("http.request", {"method": "GET", "url": f"http://127.0.0.1:{server.port}/"})["error"]
    assert error["code"] == "quota_exceeded"
    assert error["message"].endswith("allow: 1024 bytes")


# --- errors of services -----------------------------------------------------------------------------------------------


def test_what_there_are_only_so_many_of(rt: jn.Runtime) -> None:
    memory, events = rt.host.shared_memory, rt.host.events
    memory.set_limits(regions=1)
    region = memory.create("frame", 8)
    assert "close one of them: frame." in told(lambda: memory.create("other", 8), jn.ResourceExhausted)
    region.close()
    assert 'rt.host.shared_memory.create("frame", 8)' in told(region.copy, jn.ResourceExhausted)
    assert f"at most {1 << 62}" in told(lambda: memory.create("other", (1 << 32, 1 << 32)), jn.PolicyError)
    events.set_limits(callbacks=1)
    with events.subscribe("a", print):
        text = told(lambda: events.subscribe("a", print), jn.ResourceExhausted)
    assert "rt.host.events.set_limits(callbacks=...)" in text


def test_targets_are_named(rt: jn.Runtime) -> None:
    rt.host.notifications.set_limits(targets=1)
    rt.host.notifications.add_target("json://127.0.0.1", name="desk")
    text = told(lambda: rt.host.notifications.add_target("json://127.0.0.1"), jn.ResourceExhausted)
    assert "1 targets already: desk." in text
    assert "rt.host.notifications.set_limits(targets=...)" in text


def test_a_server_at_another_port(rt: jn.Runtime) -> None:
    with rt.host.http.serve() as server:
        other = server.port - 1
        assert "rt.host.http.serve().close()" in told(lambda: rt.host.http.serve(other), jn.PolicyError)


def test_a_table(rt: jn.Runtime, tmp_path: Path) -> None:
    add = rt.host.database.add_table
    assert "1 to 63 bytes" in told(lambda: add("t", pd.DataFrame({'a"': [1]})))
    assert "two columns 'a' ('a', 'A')" in told(lambda: add("t", pd.DataFrame({"a": [1], "A": [1]})))
    (tmp_path / "file").touch()
    text = told(lambda: jn.Runtime(database=f"sqlite:///{tmp_path / 'file'}"), jn.PolicyError)
    assert f"{tmp_path / 'file'} is a file" in text


# --- sweeps, traces, runs and figures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "kind", "says"),
    [
        ({"quotas": 5}, TypeError, "quotas is a list"),
        ({"grants": []}, ValueError, "grants is empty"),
        ({"grants": ["random", ["random"]]}, ValueError, "grants has 'random' twice"),
    ],
)
def test_an_axis_of_a_sweep(more: Any, kind: type[Exception], says: str) -> None:
    assert says in told(lambda: jn.sweep("example:specimen", "echo", [1], progress=False, **more), kind)


def test_another_sweep(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    jn.sweep("example:specimen", "echo", [1], repeats=1, path=path, progress=False)
    text = told(lambda: jn.sweep("example:specimen", "echo", [1], repeats=2, path=path, progress=False))
    assert "repeats (1 there, 2 here)" in text


def test_a_trace(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen")
    assert 'p.trace("function", payload)' in told(p.trace)
    p.call("echo", 1)
    assert p.last is not None
    assert f"the last call is {p.last.call_id}" in told(lambda: p.trace(call_id=999))


@pytest.fixture
def saved(rt: jn.Runtime, tmp_path: Path) -> Path:
    rt.load("example:specimen").call("echo", 1)
    return rt.save(tmp_path / "run.zip")


def rewritten(path: Path, name: str, data: str | None) -> Path:
    """A run with one member exchanged, or without it."""
    with zipfile.ZipFile(path) as there:
        members = {one: there.read(one) for one in there.namelist()}
    kept = members | {name: (data or "").encode()}
    with zipfile.ZipFile(path, "w") as changed:
        for one, content in kept.items():
            if one != name or data is not None:
                changed.writestr(one, content)
    return path


def meta(path: Path, **changes: Any) -> str:
    with zipfile.ZipFile(path) as archive:
        return json.dumps(json.loads(archive.read("meta.json")) | changes)


def test_a_runs_file(saved: Path) -> None:
    rows = zipfile.ZipFile(saved).read("calls.csv").decode()
    whole = meta(saved)
    for name, data, says in (
        ("x.csv", "", "those of a run: x.csv is too many"),
        ("calls.csv", "a" + rows, "column 1 is arun_id, not run_id"),
        ("calls.csv", rows.split("\n", 1)[0] + "\n", "0 of 1 rows"),
        ("calls.csv", rows + rows.split("\n", 1)[1], "more than 1 rows"),
        ("meta.json", meta(saved, format="x"), "whose meta.json has the format 'x'"),
        ("meta.json", meta(saved, version=99), "run.zip was written"),
    ):
        rewritten(saved, name, data)
        assert says in told(lambda: jn.read_run(saved))
        rewritten(saved, "x.csv", None)
        rewritten(saved, "calls.csv", rows)
        rewritten(saved, "meta.json", whole)
    rewritten(saved, "logs.csv", None)
    assert "those of a run: it lacks logs.csv" in told(lambda: jn.read_run(saved))


def test_what_cannot_be_compared() -> None:
    a = pd.DataFrame({"plugin": "v1", "function": ["f", "g"], "outcome": "ok", "fuel": 1.0})
    text = told(lambda: jn.compare(a, a.assign(function=["h", "i"]), by=["plugin", "function"]), ValueError)
    assert "a has v1.f, v1.g; b has v1.h, v1.i" in text
    assert "in b there is no column of numbers 'fuel'" in told(
        lambda: jn.compare(a, a.drop(columns="fuel"), columns="fuel"), ValueError
    )


@pytest.mark.parametrize("kind", plots.FRAMES)
def test_a_figure_names_the_column_that_it_lacks(kind: str) -> None:
    frames = [pd.DataFrame({"x": [1]})] * len(plots.FRAMES[kind])
    text = told(lambda: getattr(plots, kind)(*frames), ValueError)
    assert text.startswith(f"{kind} uses the column ")
    assert f"a runtime's {', '.join(plots.FRAMES[kind])} have it" in text


def test_a_label_is_meant() -> None:
    calls = pd.DataFrame({"plugin": "p", "function": "f", "outcome": "ok", "wall_ms": [1.0], "label_variant": "A"})
    assert "Did you mean 'variant'?" in told(lambda: plots.latency(calls, by="varant"), ValueError)
    assert "names of columns and labels" in told(lambda: plots.latency(calls, by=[]), ValueError)
