"""Requests that mean it ill, and plugins that want more than to answer: the fence holds, and the server stays.

A second plugin, ``victim``, is there in most tests: whatever is sent to the first one, the second must not be asked.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.http import Server
from judicia_notebook.host.http import server as serving
from tests.support.answering import PLAIN, SPIN, ask, get, load, send
from tests.support.guests import wat
from tests.support.waiting import PATIENCE, until

SECRET = "secret-of-the-user"
WAITS = re.compile(r"[\w.]+ waits for an instance of \w+, held by .+ \.\.\.|\.\.\. [\w.]+ waited [\d.]+ (s|min)\.")
"""What the kernel says of a call that waits for another one: true and harmless, and on a loaded machine it happens."""


@pytest.fixture
def served(rt: jn.Runtime, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Server]:
    """A server with `site` and `victim`; it is as good as before afterwards, and has told nobody's log anything."""
    load(rt)
    load(rt, "victim", answer={"status": 200, "body": "victim"})
    capfd.readouterr()
    with rt.host.http.serve() as server:
        yield server
        assert get(server, "/victim/").text == "victim"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    said = capfd.readouterr()
    assert said.out == ""
    assert [line for line in said.err.splitlines() if not WAITS.fullmatch(line)] == []


def asked(rt: jn.Runtime, name: str = "site") -> int:
    """How often a plugin was asked."""
    return int((rt.plugins[name].calls["function"] == "on_http_request").sum())


# --- two requests in one ---------------------------------------------------------------------------------------------

HIDDEN = b"GET /victim/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKED = b"0\r\n\r\n"

SMUGGLED = {
    "pipelined": ask() + HIDDEN,
    "length and chunks": ask(
        "/site/", "POST", "Content-Length: 5", "Transfer-Encoding: chunked", body=CHUNKED + HIDDEN
    ),
    "chunks and length": ask(
        "/site/", "POST", "Transfer-Encoding: chunked", f"Content-Length: {len(HIDDEN) + 5}", body=CHUNKED + HIDDEN
    ),
    "two lengths": ask("/site/", "POST", "Content-Length: 0", f"Content-Length: {len(HIDDEN)}", body=HIDDEN),
    "a list of lengths": ask("/site/", "POST", f"Content-Length: 0, {len(HIDDEN)}", body=HIDDEN),
    "a signed length": ask("/site/", "POST", "Content-Length: +0", body=HIDDEN),
    "a negative length": ask("/site/", "POST", "Content-Length: -1", body=HIDDEN),
    "a long length": ask("/site/", "POST", f"Content-Length: {'9' * 5000}", body=HIDDEN),
    "a length in hex": ask("/site/", "POST", "Content-Length: 0x0", body=HIDDEN),
    "unknown coding": ask("/site/", "POST", "Transfer-Encoding: xchunked", body=CHUNKED + HIDDEN),
    "two codings": ask("/site/", "POST", "Transfer-Encoding: gzip, chunked", body=CHUNKED + HIDDEN),
    "coding twice": ask(
        "/site/", "POST", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=CHUNKED + HIDDEN
    ),
    "space before the colon": ask("/site/", "POST", "Content-Length : 0", body=HIDDEN),
    "a folded header": ask("/site/", "POST", "X-A: b", " Transfer-Encoding: chunked", body=CHUNKED + HIDDEN),
    "a bad chunk": ask("/site/", "POST", "Transfer-Encoding: chunked", body=b"-1\r\n" + HIDDEN),
    "a chunk in other digits": ask("/site/", "POST", "Transfer-Encoding: chunked", body=b"0x0\r\n\r\n" + HIDDEN),
    "behind the last chunk": ask("/site/", "POST", "Transfer-Encoding: chunked", body=CHUNKED + HIDDEN),
    "a body of a GET": ask("/site/", "GET", f"Content-Length: {len(HIDDEN)}", body=HIDDEN),
    "a bare line feed": b"GET /site/ HTTP/1.1\nHost: 127.0.0.1\n\n" + HIDDEN,
    "an upgrade": ask("/site/", "GET", "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AA", body=HIDDEN),
    "a websocket": ask(
        "/site/", "GET", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AA", body=HIDDEN
    ),
    "kept alive": ask("/site/", "GET", "Connection: keep-alive") + HIDDEN,
    "kept alive in 1.0": b"GET /site/ HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n" + HIDDEN,
    "version 0.9": b"GET /site/\r\n\r\n" + HIDDEN,
    "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_no_request_hides_behind_another(rt: jn.Runtime, served: Server, name: str) -> None:
    answer = send(served, SMUGGLED[name])
    assert answer.raw.count(b"HTTP/1.1 ") <= 1
    assert b"victim" not in answer.raw
    assert asked(rt, "victim") == 0
    assert asked(rt) <= 1
    assert answer.status in (0, 200, 400, 421)


# --- other hosts, other sites ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: evil.example"],
        ["Host: evil.example:80"],
        ["Host: 127.0.0.1.evil.example"],
        ["Host: localhost.evil.example"],
        ["Host: evil.example#127.0.0.1"],
        ["Host: user@127.0.0.1"],
        ["Host: 127.0.0.1@evil.example"],
        ["Host: 127.0.0.1, evil.example"],
        ["Host: 127.0.0.1:80:80"],
        ["Host: 127.0.0.1:"],
        ["Host: 127.0.0.1:x"],
        ["Host: 127.0.0.1:999999"],
        ["Host: 127.1"],
        ["Host: 0.0.0.0"],
        ["Host: 2130706433"],
        ["Host: [::ffff:127.0.0.1]"],
        ["Host: localhost."],
        ["Host: LOCALHOST.."],
        ["Host: "],
        [],
        ["Host: 127.0.0.1", "Host: evil.example"],
        ["Host: evil.example", "X-Forwarded-Host: 127.0.0.1"],
        ["Host: evil.example", "Forwarded: host=127.0.0.1"],
        ["Host: evil.example", "X-ProxyContextPath: /user/lund/proxy/80"],
        ["Host: evil.example", "X-ProxyContextPath: "],
    ],
)
def test_a_site_whose_name_leads_here_is_turned_away(rt: jn.Runtime, served: Server, lines: list[str]) -> None:
    request = "\r\n".join(["GET /site/ HTTP/1.1", *lines, "", ""]).encode()
    assert send(served, request).status in (400, 421)
    assert asked(rt) == 0


def test_an_address_in_the_request_line_counts_for_nothing(rt: jn.Runtime, served: Server) -> None:
    for target in ("http://evil.example/site/", f"http://127.0.0.1:{served.port}/site/", "evil.example:80", "*"):
        assert send(served, ask(target)).status == 400
        assert send(served, ask(target, host="evil.example")).status == 421
    assert asked(rt) == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "lines",
    [
        ["Origin: https://evil.example"],
        ["Origin: null"],
        ["Origin: http://127.0.0.1:8888"],
        ["Origin: "],
        ["Sec-Fetch-Site: cross-site"],
        ["Sec-Fetch-Site: same-site"],
        ["Sec-Fetch-Site: same-origin"],
        ["Origin: null", "Access-Control-Request-Method: POST"],
    ],
)
def test_no_page_changes_anything(rt: jn.Runtime, served: Server, method: str, lines: list[str]) -> None:
    answer = send(served, ask("/site/", method, *lines))
    assert answer.status == 403
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert asked(rt) == 0


# --- paths -----------------------------------------------------------------------------------------------------------

PATHS = [
    "/site/../victim/",
    "/site/./../victim/",
    "/site/..;/victim/",
    "/site/..;x=y/victim/",
    "/site/%2e%2e/victim/",
    "/site/%2E./victim/",
    "/site/.%2e/victim/",
    "/site/%252e%252e/victim/",
    "/site/..%2fvictim/",
    "/site/..%2Fvictim/",
    "/site/..%5cvictim/",
    "/site/..\\victim/",
    "/site%2fvictim/",
    "/site%252f..%252fvictim/",
    "//victim/",
    "/site//victim/",
    "///",
    "/site/%00",
    "/site/%0d%0aSet-Cookie:%20a=b",
    "/site/%c0%ae%c0%ae/victim/",
    "/site/%c0%af",
    "/site/%ff",
    "/site/%e2%80%ae",
    "/site/%",
    "/site/%zz",
    "/site/%u002e%u002e/victim/",
    "/site/..",
    "/site/.",
    "/../../../etc/passwd",
    "/site/#/victim/",
    "/site/\x7f",
    "/site/a;/../victim/",
]


@pytest.mark.parametrize("path", PATHS)
def test_no_path_is_read_in_two_ways(rt: jn.Runtime, served: Server, path: str) -> None:
    answer = send(served, ask(path))
    assert answer.status == 400
    assert rt.host.http.handle("GET", path).status == 400
    assert (asked(rt), asked(rt, "victim")) == (0, 0)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/sit", "/sitee/", "/Site/", "/SITE/", "/site.", "/site;/", "/s%C4%B1te/", "/ site/"])
def test_a_prefix_is_one_by_whole_segments_and_letters(rt: jn.Runtime, served: Server, path: str) -> None:
    assert send(served, ask(path)).status in (400, 404)
    assert asked(rt) == 0


@pytest.mark.parametrize(
    ("status", "query"),
    [
        *((400, query) for query in ("a=1&a=2", "a=%zz", "a=%ff", "a=1&%61=2", "&".join(f"f{n}=" for n in range(101)))),
        (414, "a=" + "b" * 9000),
    ],
)
def test_no_query_is_read_in_two_ways(rt: jn.Runtime, served: Server, status: int, query: str) -> None:
    assert send(served, ask(f"/site/?{query}")).status == status
    assert asked(rt) == 0


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get", "GET\0", "G" * 5000, "", "-"])
def test_no_other_method_reaches_a_plugin(rt: jn.Runtime, served: Server, method: str) -> None:
    assert send(served, ask("/site/", method)).status == (400 if method in ("", "GET\0") else 405)
    assert asked(rt) == 0


# --- plugins that want more ------------------------------------------------------------------------------------------

FOREIGN = ["/victim/", "/victim/*", "/*", "/", "/si", "/sites", "/site/../victim/", "/VICTIM/", "/%76ictim/"]
NOBODYS = ("/", "/si", "/sites", "/VICTIM/")


@pytest.mark.parametrize("path", FOREIGN)
def test_a_plugin_does_not_get_anothers_requests(rt: jn.Runtime, path: str) -> None:
    p = load(rt, routes=[f"GET {path}", path], answer={"status": 200, "body": "thief"})
    assert p.call("register", {"method": "GET", "path": path})["error"]["code"] == (
        "bad_request" if ".." in path else "capability_denied"
    )
    load(rt, "victim", answer={"status": 200, "body": "victim"})
    for target in ("/victim/", "/victim/a"):
        assert rt.host.http.handle("GET", target).text == "victim"
    for target in NOBODYS:  # 503: its manifest names the route, and may not have it
        assert rt.host.http.handle("GET", target).status == (503 if path in ("/*", target) else 404)
    assert asked(rt) == 0


def test_also_one_that_may_answer_everything_leaves_others_their_own(rt: jn.Runtime) -> None:
    p = load(rt, routes=["/*", "/victim/*", "/victim/a"], grant=["register_routes=/"])
    p.call("register", {"method": "GET", "path": "/victim/"})
    load(rt, "victim", answer={"status": 200, "body": "victim"})
    for target in ("/victim/", "/victim/a", "/victim/a/b"):
        assert rt.host.http.handle("GET", target).text == "victim"


def test_a_name_that_begins_like_another_gives_nothing(rt: jn.Runtime) -> None:
    load(rt, "victim-", routes=["/victim/*", "/victim-/../victim/"], answer={"status": 200, "body": "thief"})
    load(rt, "victi", routes=["/victim/*"], answer={"status": 200, "body": "thief"})
    assert rt.host.http.handle("GET", "/victim/").status == 503
    load(rt, "victim", answer={"status": 200, "body": "victim"})
    assert rt.host.http.handle("GET", "/victim/").text == "victim"


@pytest.mark.parametrize(
    "value", ["a\r\nSet-Cookie: b=c", "a\nb", "a\rb", "a\0b", "a\x0bb", "é", "\u010a", "a\u2028b", "\x7f"]
)
@pytest.mark.parametrize("where", ["value", "name"])
def test_no_answer_brings_in_a_header_of_its_own(rt: jn.Runtime, served: Server, value: str, where: str) -> None:
    headers = {"x-judicia-a": value} if where == "value" else {f"x-judicia-{value}": "a"}
    rt.plugins["site"].call("answer", {"status": 200, "headers": headers, "body": "x"})
    answer = get(served, "/site/")
    assert answer.status == 502
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Set-Cookie",
            "set-cookie2",
            "Clear-Site-Data",
            "Access-Control-Allow-Origin",
            "Access-Control-Allow-Credentials",
        ),
        *("Content-Security-Policy", "Content-Security-Policy-Report-Only", "X-Frame-Options", "Referrer-Policy"),
        *("X-Content-Type-Options", "Refresh", "Link", "WWW-Authenticate", "Proxy-Authenticate", "Alt-Svc", "NEL"),
        *("Strict-Transport-Security", "Report-To", "Reporting-Endpoints", "Service-Worker-Allowed", "SourceMap"),
        *("Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Origin-Agent-Cluster", "X-Accel-Redirect"),
        *("Connection", "Transfer-Encoding", "Content-Length", "Content-Encoding", "Upgrade", "Trailer", "Keep-Alive"),
        *(
            "Location",
            "Date",
            "Server",
            "Permissions-Policy",
            "Document-Policy",
            "Critical-CH",
            "Accept-CH",
            "X-Sendfile",
        ),
    ],
)
def test_no_header_reaches_a_browser_that_is_not_a_plugins_to_say(rt: jn.Runtime, served: Server, name: str) -> None:
    plain = get(served, "/site/").headers
    said = {name: "planted", name.upper().swapcase(): "planted"} if name.islower() else {name: "planted"}
    rt.plugins["site"].call("answer", {**PLAIN, "headers": said})
    headers = get(served, "/site/").headers
    assert "planted" not in str(headers)
    assert {**headers, "date": ""} == {**plain, "date": ""}


def test_nothing_of_the_user_reaches_a_plugin(rt: jn.Runtime, served: Server) -> None:
    names = (
        *("Cookie", "cookie2", "Authorization", "Proxy-Authorization", "X-XSRFToken", "Referer", "Origin", "From"),
        *("X-Forwarded-For", "X-Forwarded-User", "X-Forwarded-Access-Token", "X-Remote-User", "Remote-User", "Via"),
        *("X-Real-IP", "X-Auth-Token", "X-Api-Key", "Forwarded", "X-JupyterHub-User", "X-ProxyContextPath", "DNT"),
        *("X-Amzn-Oidc-Data", "Sec-Fetch-Site", "Sec-CH-UA", "X_Judicia_A", "X-Judicia", "User-Agent-Token"),
    )
    target = f"/site/?token={SECRET}&%74oken={SECRET}1&_xsrf={SECRET}&a=b"
    answer = send(served, ask(target, "GET", *(f"{name}: {SECRET}" for name in names)))
    assert answer.status == 200
    told = rt.plugins["site"].call("asked")
    assert SECRET not in str(told)
    assert told["query"] == {"a": "b"}


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 200 + b"]" * 200,
        b'{"status":200,"body":' + b"[" * 129 + b"]" * 129 + b"}",
        b'{"status":200,"status":500}',
        b'{"status":1e400}',
        b'{"status":NaN}',
        b'{"status":200.5}',
        b'{"status":true}',
        b'{"status":18446744073709551616}',
        b'{"status":-1}',
        b'{"status":200,"headers":[["a","b"]]}',
        b'{"status":200,"headers":{"etag":null}}',
        b'{"status":200,"body":"\xff"}',
        b'{"status":200,"body":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"nul",
        b"{}{}",
        b"\0" * 1000,
    ],
)
def test_an_answer_that_is_none_is_told_from_one(rt: jn.Runtime, served: Server, raw: bytes) -> None:
    rt.plugins["site"].call_bytes("answer", raw)
    answer = get(served, "/site/")
    assert (answer.status, answer.text) == (502, "The plugin gave no proper answer.\n")
    assert rt.plugins["site"].calls.iloc[-1]["outcome"] == "abi_violation"


def test_an_answer_without_end_stays_within_its_bounds(rt: jn.Runtime, served: Server) -> None:
    p = rt.plugins["site"]
    p.call("answer", {"status": 200, "body": "x" * (4 << 20)})
    assert len(get(served, "/site/").body) == 4 << 20
    p.call("answer", {"status": 200, "body": "x" * ((4 << 20) + 1)})
    assert get(served, "/site/").status == 502
    p.policy.set_quota(answer="1MiB")
    assert get(served, "/site/").status == 500
    p.policy.set_quota(answer="16MiB")
    p.call("answer", PLAIN)
    assert get(served, "/site/").status == 200


def test_a_plugin_that_asks_its_own_server_ends(rt: jn.Runtime) -> None:
    cell = """
    (func (export "on_http_request") (param i32 i32) (result i64)
      (drop (call $judicia:http.request (i32.const 1024) (i32.const LENGTH)))
      (call $reply (i32.const 512) (i32.const 14)))
    (data (i32.const 512) "{\\"status\\":200}")
    """
    rt.host.http.set_limits(served_time="1s")
    with rt.host.http.serve() as server:
        request = f'{{"method":"GET","url":"{server.url}site/"}}'
        data = request.replace('"', '\\"')
        source = cell.replace("LENGTH", str(len(request))) + f'(data (i32.const 1024) "{data}")'
        grant = ["register_routes", f"network_access={server.url.rstrip('/')}"]
        load(rt, cell=source, grant=grant)
        assert get(server, "/site/").status in (200, 503, 504)
        until(lambda: not rt.plugins["site"]._deployment.is_busy)
        # One after another has the instance, each until its own second is over; how many begin is for the machine.
        assert len(rt.plugins["site"].calls) <= 10


def test_a_plugin_does_not_learn_of_paths_it_has_no_route_for(rt: jn.Runtime, served: Server) -> None:
    load(rt, "narrow", routes=["GET /narrow/a"])
    for target in ("/narrow/", "/narrow/a/", "/narrow/a/b", "/narrow"):
        assert get(served, target).status == 404
    assert asked(rt, "narrow") == 0


# --- clients that take their time, and many of them ------------------------------------------------------------------


def closes(connection: socket.socket) -> bool:
    """Wait until the other side has closed, whatever it says before."""
    connection.settimeout(PATIENCE)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("begun", [b"", b"GET /site/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b", b"\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(
    served: Server, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
        connection.sendall(begun)
        assert closes(connection)


def test_a_head_that_trickles_in_is_not_waited_for_either(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /site/ HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        deadline = time.monotonic() + PATIENCE
        with pytest.raises(ConnectionError):
            while time.monotonic() < deadline:
                connection.sendall(b"X-A: b\r\n")
                time.sleep(0.02)


@pytest.mark.parametrize("sent", [b"", b"x" * 10])
def test_a_body_that_does_not_come_is_not_waited_for(rt: jn.Runtime, sent: bytes) -> None:
    load(rt)
    rt.host.http.set_limits(served_time="300ms")
    with rt.host.http.serve() as server:
        answer = send(server, ask("/site/", "POST", "Content-Length: 100", body=sent))
        assert answer.status == 408
    assert asked(rt) == 0


def test_an_answer_that_is_not_fetched_is_thrown_away(
    rt: jn.Runtime, served: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "FETCH_SECONDS", 0.5)
    rt.plugins["site"].call("answer", {"status": 200, "body": "x" * (4 << 20)})
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(ask())
        until(lambda: served.statuses.get(200))
        until(lambda: not served._listener._uvicorn.server_state.connections)
        assert closes(connection)


@pytest.mark.parametrize("told", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_a_body_that_is_too_large_is_refused_before_it_is_there(rt: jn.Runtime, served: Server, told: str) -> None:
    head = ask("/site/", "POST", told)
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
        connection.sendall(head)
        sent = 0
        try:
            while sent < 100 << 20:
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
        except ConnectionError:
            pass
    assert sent < 50 << 20
    until(lambda: served.statuses.get(413))
    assert asked(rt) == 0


def test_a_body_that_is_asked_for_before_is_refused_at_once(served: Server) -> None:
    head = ask("/site/", "POST", "Content-Length: 100000000", "Expect: 100-continue")
    answer = send(served, head)
    assert answer.status == 413
    assert b"100 Continue" not in answer.raw


def test_heads_that_are_too_large_are_refused(rt: jn.Runtime, served: Server) -> None:
    for request in (
        ask("/site/" + "a" * 100_000),
        ask("/site/?" + "a" * 9000),
        ask("/site/", "GET", *(f"X-{n}: a" for n in range(1000))),
        ask("/site/", "GET", "X-A: " + "a" * 100_000),
        ask("/site/", "GET", "X-A: " + "a" * 17_000),
        b"G" * 100_000,
        b"\0" * 100_000,
    ):
        assert send(served, request).status in (0, 400, 414, 431)
    assert asked(rt) == 0


def test_more_connections_than_may_be_are_closed_and_the_next_is_taken(
    rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 10 * PATIENCE)
    load(rt)
    rt.host.http.set_limits(served_connections=5)
    with rt.host.http.serve() as server:
        with ExitStack() as stack:
            address = ("127.0.0.1", server.port)
            for _ in range(5):
                stack.enter_context(socket.create_connection(address, timeout=PATIENCE))
            until(lambda: len(server._listener._uvicorn.server_state.connections) == 5)
            for _ in range(20):
                assert closes(stack.enter_context(socket.create_connection(address, timeout=PATIENCE)))
        until(lambda: not server._listener._uvicorn.server_state.connections)
        assert get(server, "/site/").status == 200


def test_a_hundred_clients_at_once_each_get_an_answer_or_none(rt: jn.Runtime, served: Server) -> None:
    load(rt, "slow", cell=SPIN, quota={"cpu": "200ms", "wall": "5s"})
    found: list[int] = []

    def one(number: int) -> None:
        try:
            found.append(get(served, "/slow/" if number % 20 == 0 else "/site/").status)
        except OSError:  # more than may be open
            found.append(0)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(found) == 120
    assert set(found) <= {0, 200, 503, 504}
    assert found.count(200) > 0
    until(lambda: not served._listener._open_requests)


@pytest.mark.parametrize("round_", range(3))
def test_revokes_unloads_and_closing_in_the_middle_lose_nothing(rt: jn.Runtime, round_: int) -> None:
    """Whatever happens while requests come, each gets an answer or a closed connection, and nothing is left."""
    del round_
    found: list[int] = []
    over = threading.Event()
    server = rt.host.http.serve()

    def client() -> None:
        while not over.is_set():
            try:
                found.append(get(server, "/site/").status)
            except OSError:
                found.append(0)
                time.sleep(0.01)

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        p = load(rt, grant=())  # its routes open once it knows its answer
        p.policy.grant("register_routes")
        until(lambda: found)
        p.policy.revoke("register_routes")
        p.policy.grant("register_routes")
        rt.unload("site")
    load(rt, grant=()).policy.grant("register_routes")
    count = len(found)
    until(lambda: len(found) > count + 10)
    server.close()
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert set(found) <= {0, 200, 404, 503}
    assert 200 in found
    assert not server._listener._open_requests
    assert not server._listener._thread.is_alive()


def test_a_bug_of_the_hosts_own_is_a_500_that_tells_nothing(
    rt: jn.Runtime, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    load(rt)
    monkeypatch.setattr("judicia_notebook.host.http.messages.payload", fail)
    with rt.host.http.serve() as server:
        answer = get(server, "/site/")
        assert (answer.status, answer.text) == (500, "This server failed.\n")
    assert SECRET in caplog.text


def test_a_module_cannot_register_from_its_start_function(rt: jn.Runtime) -> None:
    cell = """
    (func $begin (drop (call $judicia:http.register_route (i32.const 0) (i32.const 0))))
    (start $begin)
    (func (export "on_http_request") (param i32 i32) (result i64) (i64.const 0))
    """
    manifest = {"name": "site", "http_routes": ["/site/*"]}
    p = rt.load(wat(cell), name="site", manifest=manifest, grant=["register_routes"])
    assert rt.host.http.handle("GET", "/site/").status in (500, 502, 503)
    assert rt.host.http.routes["origin"].tolist() == ["manifest"]
    assert p.state != "ready"


def test_a_process_ends_although_its_server_is_at_work(survives: Callable[[str], list[str]]) -> None:
    assert survives(
        """
        import socket
        cell = '(func (export "on_http_request") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)'
        p = load(cell, "site", manifest={"name": "site", "http_routes": ["/site/*"]}, grant=["register_routes"],
                 quota={"cpu": "50s", "wall": "50s"})
        server = rt.host.http.serve()
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(b"GET /site/ HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
        while not p._deployment.is_busy:
            time.sleep(0.01)
        print("left")
        """
    ) == ["left"]
