"""Requests to plugins: who answers, what a plugin is told, what becomes of its answer, and a server for all that."""

from __future__ import annotations

import base64
import importlib.util
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.http import Response, Server, hub, messages
from tests.support.answering import PLAIN, SPIN, TRAP, get, load
from tests.support.waiting import PATIENCE, in_some_try, until


@pytest.fixture
def server(rt: jn.Runtime) -> Iterator[Server]:
    with rt.host.http.serve() as server:
        yield server


def status(rt: jn.Runtime, method: str, target: str) -> int:
    return rt.host.http.handle(method, target).status


# --- who answers -----------------------------------------------------------------------------------------------------


def test_a_route_of_the_manifest_is_answered_while_it_is_granted(rt: jn.Runtime) -> None:
    p = load(rt, routes=["GET /site/board"], grant=())
    assert status(rt, "GET", "/site/board") == 503
    p.policy.grant("register_routes")
    answer = rt.host.http.handle("GET", "/site/board")
    assert (answer.status, answer.text, answer.error) == (200, "hello", None)
    p.policy.revoke("register_routes")
    assert status(rt, "GET", "/site/board") == 503
    assert list(p.calls["function"]) == ["answer", "on_http_request"]
    assert list(p.calls["origin"]) == ["user", "http"]


def test_a_plugin_that_is_not_granted_is_audited_once_and_not_asked(rt: jn.Runtime) -> None:
    p = load(rt, grant=())
    for _ in range(3):
        status(rt, "GET", "/site/a")
    denied = rt.audit[rt.audit["what"] == "denied"]
    assert list(denied["detail"]) == ["register_routes=/site for on_http_request"]
    assert list(denied["via"]) == ["http"]
    assert list(p.calls["function"]) == ["answer"]


@pytest.mark.parametrize(
    ("routes", "method", "target", "expected"),
    [
        (["GET /site/a"], "GET", "/site/a", 200),
        (["GET /site/a"], "GET", "/site/a?x=1", 200),
        (["GET /site/a"], "HEAD", "/site/a", 200),
        (["GET /site/a"], "POST", "/site/a", 405),
        (["GET /site/a"], "GET", "/site/ab", 404),
        (["GET /site/a"], "GET", "/site/a/b", 404),
        (["GET /site/a"], "GET", "/site/%61", 200),
        (["GET /site/a/"], "GET", "/site/a", 308),
        (["GET /site/a/"], "POST", "/site/a", 404),
        (["/site/a"], "DELETE", "/site/a", 200),
        (["/site/*"], "PUT", "/site/", 200),
        (["/site/*"], "GET", "/site/a/b/c", 200),
        (["/site/*"], "GET", "/site", 308),
        (["/site/*"], "GET", "/sites/", 404),
        (["GET /site/a", "POST /site/a"], "POST", "/site/a", 200),
        (["POST /site/a"], "HEAD", "/site/a", 405),
        (["GET /site/caf%C3%A9"], "GET", "/site/caf%c3%a9", 200),
        (["GET /other/a"], "GET", "/other/a", 503),
        ([], "GET", "/site/", 404),
    ],
)
def test_a_route_stands_for_its_path_and_method(
    rt: jn.Runtime, routes: list[str], method: str, target: str, expected: int
) -> None:
    load(rt, routes=routes)
    assert status(rt, method, target) == expected


def test_what_is_not_answered_says_what_would_be(rt: jn.Runtime) -> None:
    load(rt, routes=["GET /site/a", "DELETE /site/a", "/site/board/"])
    assert rt.host.http.handle("POST", "/site/a").headers["allow"] == "GET, HEAD, DELETE"
    assert rt.host.http.handle("GET", "/site/board?a=%20b").headers["location"] == "./board/?a=%20b"


@pytest.mark.parametrize(
    ("grant", "target", "expected"),
    [
        ("register_routes=/scores", "/scores/a", 200),
        ("register_routes=/scores/", "/scores/a", 200),
        ("register_routes=/scores/a", "/scores/a", 200),
        ("register_routes=/scores/b", "/scores/a", 503),
        ("register_routes=/score", "/scores/a", 503),
        ("register_routes=/", "/scores/a", 200),
        ("register_routes", "/scores/a", 503),
        ("register_routes=/scores", "/site/a", 503),
    ],
)
def test_a_grant_is_for_the_paths_beneath_its_scope(rt: jn.Runtime, grant: str, target: str, expected: int) -> None:
    load(rt, routes=["/scores/a", "/site/a"], grant=[grant])
    assert status(rt, "GET", target) == expected


def test_where_several_fit_the_namesake_then_the_nearest_answers(rt: jn.Runtime) -> None:
    load(rt, "wide", ["/*"], grant=["register_routes=/"], answer={"status": 200, "body": "wide"})
    load(rt, "near", ["/a/b", "/a/*", "/site/b"], grant=["register_routes=/"], answer={"status": 200, "body": "near"})
    load(rt, "site", ["/site/*"], answer={"status": 200, "body": "site"})

    def who(target: str) -> str:
        return rt.host.http.handle("GET", target).text

    assert [who(target) for target in ("/", "/x", "/a/b", "/a/c", "/site/b")] == [
        "wide",
        "wide",
        "near",
        "near",
        "site",
    ]
    rt.unload("site")
    assert who("/site/b") == "near"
    rt.unload("near")
    assert who("/site/b") == "wide"


def test_a_plugin_registers_routes_while_it_runs(rt: jn.Runtime) -> None:
    p = load(rt, routes=[], grant=["register_routes", "register_routes=/scores"])
    for path in ("/site/a", "/scores/*", "/site/a"):
        assert p.call("register", {"method": "GET", "path": path}) == {"ok": {}}
    assert [status(rt, "GET", target) for target in ("/site/a", "/scores/1", "/site/b")] == [200, 200, 404]
    frame = rt.host.http.routes
    assert frame[["plugin", "method", "path", "origin"]].values.tolist() == [
        ["site", "GET", "/site/a", "plugin"],
        ["site", "GET", "/scores/*", "plugin"],
    ]
    registered = rt.audit[rt.audit["what"] == "route"]
    asking = rt.calls[rt.calls["function"] == "register"]
    assert registered["call_id"].tolist() == asking["call_id"].tolist()[:2], "the third changed nothing"
    p.policy.revoke("register_routes=/scores")
    assert list(rt.host.http.routes["granted"]) == [True, False]
    rows = rt.host_calls
    assert list(rows["target"]) == ["GET /site/a", "GET /scores/*", "GET /site/a"]
    assert set(rows["decision"]) == {"allowed"}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"method": "GET", "path": "/other/a"}, "capability_denied"),
        ({"method": "GET", "path": "/"}, "capability_denied"),
        ({"method": "GET", "path": "/*"}, "capability_denied"),
        ({"method": "GET", "path": "/sites/a"}, "capability_denied"),
        ({"method": "GET", "path": "site/a"}, "bad_request"),
        ({"method": "GET", "path": "/site/../other"}, "bad_request"),
        ({"method": "GET", "path": "/site/%2e%2e/other"}, "bad_request"),
        ({"method": "GET", "path": "/site//a"}, "bad_request"),
        ({"method": "GET", "path": "/site/*/a"}, "bad_request"),
        ({"method": "GET", "path": "/site/a?b=c"}, "bad_request"),
        ({"method": "GET", "path": "/site/" + "a" * 1000}, "bad_request"),
        ({"method": "", "path": "/site/a"}, "bad_request"),
        ({"method": "get", "path": "/site/a"}, "bad_request"),
        ({"method": "TRACE", "path": "/site/a"}, "bad_request"),
        ({"path": "/site/a"}, "bad_request"),
        ({"method": "GET", "path": "/site/a", "host": "x"}, "bad_request"),
    ],
)
def test_what_cannot_be_registered_is_refused_and_leaves_a_row(rt: jn.Runtime, request_: Any, code: str) -> None:
    p = load(rt, routes=[])
    assert p.call("register", request_)["error"]["code"] == code
    assert rt.host_calls.iloc[0]["decision"] == ("denied" if code == "capability_denied" else "failed")
    assert rt.host.http.routes.empty


def test_routes_end_with_the_code_that_registered_them(rt: jn.Runtime) -> None:
    p = load(rt, routes=["/site/m"])
    p.call("register", {"method": "GET", "path": "/site/a"})
    load(rt, routes=["/site/n"])
    assert [status(rt, "GET", f"/site/{one}") for one in "amn"] == [200, 404, 200]  # the same code
    load(rt, routes=["/site/n"], cell=TRAP)
    assert [status(rt, "GET", f"/site/{one}") for one in "amn"] == [404, 404, 500]
    rt.unload("site")
    assert status(rt, "GET", "/site/n") == 404
    assert rt.host.http.routes.empty


def test_there_are_only_so_many_routes_and_none_of_anothers(rt: jn.Runtime) -> None:
    p = load(rt, routes=[], grant=["register_routes", "register_routes=/x"])
    load(rt, "first", ["GET /x/a"], grant=["register_routes=/x"])
    assert p.call("register", {"method": "GET", "path": "/x/a"})["error"]["code"] == "conflict"
    rt.host.http.set_limits(routes=1)
    assert p.call("register", {"method": "GET", "path": "/site/a"}) == {"ok": {}}
    assert p.call("register", {"method": "GET", "path": "/site/b"})["error"]["code"] == "quota_exceeded"


def test_a_plugin_without_the_hook_has_no_routes(rt: jn.Runtime) -> None:
    cell = (
        '(func (export "register") (param i32 i32) (result i64)'
        " (call $judicia:http.register_route (local.get 0) (local.get 1)))"
    )
    p = load(rt, cell=cell)
    assert p.call("register", {"method": "GET", "path": "/site/a"})["error"]["code"] == "not_found"
    assert status(rt, "GET", "/site/a") == 404


# --- what a plugin is told, and what it answers ----------------------------------------------------------------------


def test_a_plugin_is_told_what_was_asked_and_not_who_asks(rt: jn.Runtime) -> None:
    p = load(rt)
    headers = {
        "Accept": "text/html",
        "X-Judicia-Team": "lund",
        "Cookie": "username-127-0-0-1-8888=secret",
        "Authorization": "token secret",
        "Proxy-Authorization": "Basic secret",
        "X-Forwarded-User": "secret",
        "X-XSRFToken": "secret",
        "Referer": "http://127.0.0.1:8888/lab?token=secret",
        "Host": "secret",
    }
    target = "/site/team%20a?contest=autumn%26&x=&token=secret&_xsrf=secret"
    rt.host.http.handle("POST", target, headers, "böard")
    assert p.call("asked") == {
        "method": "POST",
        "path": "/site/team a",
        "query": {"contest": "autumn&", "x": ""},
        "headers": {"accept": "text/html", "x-judicia-team": "lund"},
        "body": "böard",
    }


@pytest.mark.parametrize("body", [b"\xff\x00", b"a\0b"])
def test_a_body_that_is_no_text_goes_as_base64_both_ways(rt: jn.Runtime, body: bytes) -> None:
    encoded = base64.b64encode(body).decode()
    p = load(rt, answer={"status": 200, "body_base64": encoded})
    answer = rt.host.http.handle("POST", "/site/", body=body)
    assert p.call("asked")["body_base64"] == encoded
    assert (answer.body, answer.headers["content-type"]) == (body, "application/octet-stream")


def test_a_head_request_is_answered_like_a_get_without_the_body(rt: jn.Runtime, server: Server) -> None:
    p = load(rt, routes=["GET /site/a", "/site/b"])
    for target, told in (("/site/a", "GET"), ("/site/b", "HEAD")):
        answer = get(server, target, "HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert p.call("asked")["method"] == told


def test_an_answer_has_its_headers_but_for_those_that_are_nobodys_to_say(rt: jn.Runtime) -> None:
    refused = {
        "Set-Cookie": "a=b",
        "Clear-Site-Data": '"*"',
        "WWW-Authenticate": "Basic",
        "Access-Control-Allow-Origin": "*",
        "Content-Security-Policy": "default-src *",
        "Refresh": "0;url=http://127.0.0.1:8888/",
        "Link": "<http://127.0.0.1:8888/>; rel=preload",
        "Content-Length": "1",
        "Transfer-Encoding": "chunked",
        "Connection": "upgrade",
        "Server": "x",
    }
    passed = {"content-type": "text/css", "etag": '"1"', "cache-control": "max-age=60", "x-judicia-run": "7"}
    load(rt, answer={"status": 201, "headers": {**refused, **passed}, "body": "x"})
    answer = rt.host.http.handle("GET", "/site/")
    assert (answer.status, answer.headers) == (201, passed)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "empty"),
        ("text", "object"),
        ({"body": "x"}, "status"),
        ({"status": "200"}, "status"),
        ({"status": 101}, "from 200 to 599"),
        ({"status": 600}, "from 200 to 599"),
        ({"status": 200, "bodi": ""}, "bodi"),
        ({"status": 200, "body": 1}, "body"),
        ({"status": 200, "body": "", "body_base64": ""}, "only one"),
        ({"status": 200, "body_base64": "?"}, "base64"),
        ({"status": 200, "headers": {"a b": "c"}}, "no header's name"),
        ({"status": 200, "headers": {"etag": "a\r\nSet-Cookie: b"}}, "one line"),
        ({"status": 200, "headers": {"etag": "a", "ETag": "b"}}, "twice"),
        ({"status": 200, "headers": {f"x-judicia-{n}": "" for n in range(65)}}, "65 headers; at most 64"),
        ({"status": 200, "headers": {"etag": "a" * 17000}}, "bytes together"),
        ({"status": 302}, "needs this header"),
    ],
)
def test_an_answer_that_is_none_is_a_502_and_its_row_says_why(rt: jn.Runtime, answer: Any, why: str) -> None:
    p = load(rt, answer={"status": 200})
    p.call("answer", answer)
    if answer is None:
        p.call_bytes("answer", b"")
    response = rt.host.http.handle("GET", "/site/")
    assert (response.status, response.text) == (502, "The plugin gave no proper answer.\n")
    assert isinstance(response.error, jn.AbiViolation)
    assert why in str(response.error)
    row = p.calls.iloc[-1]
    assert (row["outcome"], row["origin"]) == ("abi_violation", "http")
    assert p.attempt("answer", PLAIN).ok


@pytest.mark.parametrize(
    ("location", "becomes"),
    [
        ("b", "./b"),
        ("./b/c?d=e#f", "./b/c?d=e"),
        ("../x", "../x"),
        ("/site/b", "./b"),
        ("/other/y", "../other/y"),
        ("?page=2", "./a?page=2"),
        ("/", "../"),
        ("", "./a"),
        ("%C3%A9", "./%C3%A9"),
        ("..", "../"),
    ],
)
def test_a_redirect_leads_to_a_path_of_this_server(rt: jn.Runtime, location: str, becomes: str) -> None:
    load(rt, answer={"status": 303, "headers": {"Location": location}})
    answer = rt.host.http.handle("POST", "/site/a")
    assert (answer.status, answer.headers["location"]) == (303, becomes)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:8888/logout",
        "//127.0.0.1:8888/logout",
        "///127.0.0.1",
        "javascript:alert(1)",
        "data:text/html,x",
        "../../x",
        "/../x",
        "b/../../../x",
        "/\\127.0.0.1",
        "\\\\127.0.0.1",
        "/%2f127.0.0.1",
        "/%2e%2e/x",
        "/site//x",
        "a b",
        "http:a",
    ],
)
def test_a_redirect_to_elsewhere_is_no_answer(rt: jn.Runtime, location: str) -> None:
    load(rt, answer={"status": 302, "headers": {"Location": location}})
    answer = rt.host.http.handle("GET", "/site/a")
    assert answer.status == 502


@pytest.mark.parametrize(
    ("cell", "options", "expected"),
    [
        (TRAP, {}, 500),
        (SPIN, {"quota": {"cpu": "50ms"}}, 504),
        (SPIN, {"quota": {"wall": "50ms"}}, 504),
    ],
)
def test_a_plugin_that_fails_is_a_plain_5xx_and_the_next_request_is_answered(
    rt: jn.Runtime, server: Server, cell: str, options: Any, expected: int
) -> None:
    load(rt, "bad", cell=cell, **options)
    load(rt)
    answer = get(server, "/bad/secret")
    assert answer.status == expected
    assert answer.text in ("The plugin failed.\n", "The plugin took too long.\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    response = rt.host.http.handle("GET", "/bad/secret")
    assert response.error is not None
    assert get(server, "/site/").text == "hello"


def test_a_plugin_that_refuses_says_why_to_the_user_only(rt: jn.Runtime) -> None:
    cell = """
    (data (i32.const 1024) "{\\"code\\":\\"secret\\",\\"message\\":\\"not now\\"}")
    (func (export "on_http_request") (param i32 i32) (result i64)
      (call $judicia:host.fail (i32.const 1024) (i32.const 37)))
    """
    load(rt, cell=cell)
    answer = rt.host.http.handle("GET", "/site/")
    assert (answer.status, answer.text) == (500, "The plugin failed.\n")
    assert isinstance(answer.error, jn.GuestError)
    assert answer.error.code == "secret"


@pytest.mark.parametrize("how", ["revoke", "unload"])
def test_a_revoke_and_an_unload_end_the_request_that_runs(rt: jn.Runtime, server: Server, how: str) -> None:
    p = load(rt, cell=SPIN, quota={"cpu": "50s", "wall": "50s"})
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(get(server, "/site/").status))
    thread.start()
    until(lambda: p._deployment.is_busy)
    if how == "revoke":
        p.policy.revoke("register_routes")
    else:
        p.unload()
    thread.join(PATIENCE)
    assert found == [503]
    assert list(p.calls["outcome"]) == ["cancelled"]


# --- the server ------------------------------------------------------------------------------------------------------


def test_curl_reaches_a_plugin(rt: jn.Runtime, server: Server) -> None:
    load(rt, answer={"status": 200, "headers": {"content-type": "application/json"}, "body": '{"a": 1}'})
    done = subprocess.run(
        ["curl", "--silent", "--include", "--max-time", str(PATIENCE), f"{server.url}site/"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert json.loads(body) == {"a": 1}


def test_every_answer_is_fenced_in_also_those_without_a_plugin(rt: jn.Runtime, server: Server) -> None:
    load(rt, answer={"status": 200, "headers": {"content-security-policy": "x", "x-frame-options": "x"}})
    for target in ("/site/", "/nobody", "/site//"):
        headers = get(server, target).headers
        policy = headers["content-security-policy"].split("; ")
        assert policy[:2] == ["sandbox allow-scripts", "default-src 'none'"]
        assert {"connect-src 'none'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= {*policy}
        assert "allow-same-origin" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    beside = f"http://127.0.0.1:{server.port}/site/"
    assert f"script-src 'unsafe-inline' {beside}" in get(server, "/site/a/b").headers["content-security-policy"]
    elsewhere = get(server, "/site/", host="localhost:9").headers["content-security-policy"]
    assert "http:" not in elsewhere


def test_statuses_are_counted_and_serving_twice_is_one_server(rt: jn.Runtime, server: Server) -> None:
    load(rt)
    assert rt.host.http.serve() is server
    assert rt.host.http.serve(server.port) is server
    with pytest.raises(jn.PolicyError, match=f"at port {server.port} already"):
        rt.host.http.serve(server.port + 1 if server.port < 65535 else 1024)
    for target in ("/site/", "/site/", "/x"):
        get(server, target)
    assert server.statuses == {200: 2, 404: 1}


def test_a_closed_server_is_gone_and_another_can_be_had(rt: jn.Runtime) -> None:
    server = rt.host.http.serve()
    load(rt)
    assert get(server, "/site/").status == 200
    server.close()
    server.close()
    assert not server.is_open
    assert "closed" in repr(server)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    again = rt.host.http.serve(server.port)
    assert get(again, "/site/").status == 200


def test_the_server_ends_with_its_runtime_also_while_it_is_asked() -> None:
    rt = jn.Runtime()
    p = load(rt, cell=SPIN, quota={"cpu": "50s", "wall": "50s"})
    server = rt.host.http.serve()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /site/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: p._deployment.is_busy)
        rt.close()
        assert not server.is_open
    with pytest.raises(jn.ResourceExhausted, match="closed"):
        rt.host.http.serve()


def test_a_port_that_is_taken_is_an_error_that_says_so(rt: jn.Runtime) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(jn.ResourceExhausted, match="cannot listen on port"),
    ):
        rt.host.http.serve(taken.getsockname()[1])
    for port in (-1, 70000, "80"):
        with pytest.raises(jn.PolicyError, match="from 0 to 65535"):
            rt.host.http.serve(port)  # type: ignore[arg-type]


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else real(name))
    with pytest.raises(jn.ResourceExhausted, match=r"needs uvicorn(.|\n)*judicia-notebook\[http\]"):
        rt.host.http.serve()


def test_the_card_has_links_to_what_is_served(rt: jn.Runtime, server: Server) -> None:
    load(rt, "site", ["GET /site/a<b", "/site/*", "POST /site/c"])
    text, card = repr(server), server._repr_html_()
    assert text.startswith(f"<Server at {server.url}>")
    assert text.splitlines()[1:] == [f"{server.url}site/a%3Cb", f"{server.url}site/"]
    assert f'href="{server.url}site/a%3Cb" target="_blank" rel="noopener noreferrer"' in card
    assert "site/c" not in text
    assert "a<b" not in card


def test_on_a_hub_the_link_goes_through_jupyters_proxy_and_warns(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/lund/")
    load(rt)
    real, proxy = importlib.util.find_spec, [None, object()]
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: proxy[0] if name == "jupyter_server_proxy" else real(name)
    )
    with rt.host.http.serve() as server:  # there is no such proxy
        assert hub.MISSING in repr(server)
        assert server.link == server.url
    del proxy[0]
    with rt.host.http.serve() as server:
        link = f"/user/lund/proxy/{server.port}/"
        assert server.link == link
        assert hub.WARNING in repr(server)
        assert server.links == (f"{link}site/",)
        assert f'href="{link}site/"' in server._repr_html_()
        assert "hub&#x27;s own address" in server._repr_html_()
        by_proxy = {"host": "hub.example.org", "x_proxycontextpath": link.rstrip("/")}
        answer = get(server, "/site/", **by_proxy)
        assert (answer.status, answer.text) == (200, "hello")
        assert "http" not in answer.headers["content-security-policy"]
        assert get(server, "/site/", host="hub.example.org").status == 421
        assert get(server, "/site/", host="evil.example", x_proxycontextpath="/user/graz/proxy/1").status == 421


# --- limits ----------------------------------------------------------------------------------------------------------


def test_limits_hold_both_ways_and_live(rt: jn.Runtime, server: Server) -> None:
    p = load(rt, answer={"status": 200, "body": "x" * 1000})
    rt.host.http.set_limits(
        served_url_bytes=50, served_headers=8, served_header_bytes=400, served_body_bytes=100, served_answer_bytes=1000
    )
    assert get(server, "/site/", "POST", b"y" * 100).status == 200
    assert len(p.call("asked")["body"]) == 100
    assert get(server, "/site/", "POST", b"y" * 101).status == 413
    assert get(server, "/site/" + "a" * 50).status == 414
    assert get(server, "/site/", accept="a" * 400).status == 431
    assert get(server, "/site/", **{f"x_{n}": "a" for n in range(9)}).status == 431
    assert rt.host.http.handle("POST", "/site/", body=b"y" * 101).status == 413
    assert rt.host.http.handle("GET", "/site/" + "a" * 50).status == 414
    assert rt.host.http.handle("GET", "/site/", {"accept": "a" * 400}).status == 431
    rt.host.http.set_limits(served_answer_bytes=999)
    assert get(server, "/site/").status == 502
    with pytest.raises(jn.PolicyError, match="Did you mean"):
        rt.host.http.set_limits(served_bodybytes=1)


def test_a_request_ends_when_its_time_is_up(rt: jn.Runtime) -> None:
    rt.host.http.set_limits(served_time="300ms")
    p = load(rt, cell=SPIN, quota={"cpu": "50s", "wall": "50s"})
    with rt.host.http.serve() as server:

        def attempt() -> None:
            assert get(server, "/site/").status == 504
            until(lambda: not p._deployment.is_busy)
            assert set(p.calls["outcome"]) == {"cancelled"}  # none, where the machine paused before the call

        in_some_try(attempt)


def test_a_request_whose_client_left_is_cancelled(rt: jn.Runtime, server: Server) -> None:
    p = load(rt, cell=SPIN, quota={"cpu": "50s", "wall": "50s"})
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /site/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: p._deployment.is_busy)
    until(lambda: not p._deployment.is_busy)
    assert list(p.calls["outcome"]) == ["cancelled"]


def test_many_clients_are_answered_while_one_plugin_keeps_some_waiting(rt: jn.Runtime) -> None:
    rt.host.http.set_limits(served_at_once=2)
    load(rt, "slow", cell=SPIN, quota={"cpu": "1s", "wall": "1s"})
    load(rt)
    found: list[int] = []
    with rt.host.http.serve() as server:
        targets = ["/slow/", *["/site/"] * 12]
        threads = [threading.Thread(target=lambda t=t: found.append(get(server, t).status)) for t in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert sorted(found) == [*[200] * 12, 504]


def test_a_response_reads_as_text_and_json() -> None:
    response = Response(200, {}, b'{"a": "\xc3\xa9"}')
    assert (response.text, response.json()) == ('{"a": "é"}', {"a": "é"})
    assert messages.refusal(503, "No.", retry_after="1").headers["retry-after"] == "1"
    with pytest.raises(ValueError):
        Response(200, {}, b"no").json()
