"""Requests to servers: what is sent, what comes back, whom grants reach, and what ends a request."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import os
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.http import transfer
from judicia_notebook.host.http.addresses import is_one_host, is_own, is_public
from judicia_notebook.languages.wat import compile_wat
from tests.support.servers import Peer, Server, redirect, reply
from tests.support.waiting import PATIENCE, until

MODULE = compile_wat(
    '(func (export "request") (param i32 i32) (result i64) (call $judicia:http.request (local.get 0) (local.get 1)))'
).encode()

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(answer)``: a server that is closed after the test."""
    with ExitStack() as stack:
        yield lambda answer, **more: stack.enter_context(Server(answer, **more))


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    """Nothing is granted yet."""
    return rt.load(MODULE, name="guest")


@pytest.fixture
def names(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the resolver answers; 127.0.0.2 passes for a public address here."""
    known: dict[str, str] = {}

    def resolve(host: str, port: int) -> list[Any]:
        if host not in known:
            raise OSError
        return [ip_address(known[host])]

    rt.host.http.use(resolve=resolve)
    monkeypatch.setattr(transfer, "is_public", lambda address: str(address) == "127.0.0.2")
    monkeypatch.setattr(transfer, "is_own", lambda address: False)
    return known


def ask(p: jn.Plugin, url: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    answer = p.call("request", {"method": method, "url": url, **more})
    assert isinstance(answer, dict)
    return answer


def ok(p: jn.Plugin, url: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    answer = ask(p, url, method, **more)
    assert "ok" in answer, answer
    found = answer["ok"]
    assert isinstance(found, dict)
    return found


def refused(p: jn.Plugin, url: str, method: str = "GET", **more: Any) -> tuple[str, str]:
    answer = ask(p, url, method, **more)
    assert "error" in answer, answer
    return answer["error"]["code"], answer["error"]["message"]


def sent(server: Server, number: int = -1) -> tuple[str, dict[str, str], bytes]:
    """The first line, the headers and the body of a request that came."""
    head, _, body = server.requests[number].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, body


# --- what is sent, what comes back -----------------------------------------------------------------------------------


def test_an_answer_comes_with_status_headers_and_body(guest: jn.Plugin, serve: Serve) -> None:
    server = serve(reply("grüße".encode(), "404 Not Found", content_type="text/plain", X_Two="a"))
    guest.policy.grant(f"network_access={server.origin}")
    assert ok(guest, f"{server.origin}/some/where?q=1&r=%20#part") == {
        "status": 404,
        "headers": {"content-length": "7", "content-type": "text/plain", "x-two": "a"},
        "body": "grüße",
    }
    assert sent(server)[0] == "GET /some/where?q=1&r=%20 HTTP/1.1"


def test_what_is_sent_is_what_was_asked_and_little_more(guest: jn.Plugin, serve: Serve) -> None:
    server = serve(reply())
    guest.policy.grant(f"network_access={server.origin}")
    given = {"Authorization": "Bearer of-the-plugin", "X-Empty": "", "Content-Type": "text/plain", "User-Agent": "me"}
    ok(guest, server.origin, "POST", headers=given, body="häh?")
    assert sent(server) == (
        "POST / HTTP/1.1",
        {
            "host": f"127.0.0.1:{server.port}",
            "user-agent": "me",
            "accept": "*/*",
            "authorization": "Bearer of-the-plugin",
            "x-empty": "",
            "content-type": "text/plain",
            "accept-encoding": "gzip, deflate",
            "connection": "close",
            "content-length": "5",
        },
        "häh?".encode(),
    )
    ok(guest, server.origin)
    assert "content-length" not in sent(server)[1]
    assert sent(server)[1]["user-agent"] == "judicia-notebook"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_usual_method_is_there(guest: jn.Plugin, serve: Serve, method: str) -> None:
    body = b"" if method == "HEAD" else b"yes"
    server = serve(reply(body, content_length="3"))
    guest.policy.grant(f"network_access={server.origin}")
    assert ok(guest, server.origin, method)["body"] == body.decode()
    assert sent(server)[0] == f"{method} / HTTP/1.1"


def test_bodies_that_are_no_text_go_as_base64_both_ways(guest: jn.Plugin, serve: Serve) -> None:
    data = bytes(range(256)) * 1000
    server = serve(lambda peer: peer.send(reply(peer.request.partition(b"\r\n\r\n")[2])))
    guest.policy.grant(f"network_access={server.origin}")
    text = base64.b64encode(data).decode()
    assert ok(guest, server.origin, "PUT", body_base64=text)["body_base64"] == text
    assert ok(guest, server.origin, "PUT", body_base64="aGk=")["body"] == "hi"
    assert ok(guest, server.origin, "PUT", body="a\0b")["body_base64"] == "YQBi"


def test_an_answer_may_come_in_any_pieces(guest: jn.Plugin, serve: Serve) -> None:
    whole = reply(b"in pieces")
    chunked = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nin \r\n6;x=y\r\npieces\r\n0\r\nx-late: 1\r\n\r\n"
    )
    until_the_end = b"HTTP/1.0 200 OK\r\n\r\nin pieces"
    for answer in (whole, chunked, until_the_end):
        server = serve(lambda peer, answer=answer: [peer.send(answer[at : at + 1]) for at in range(len(answer))])
        guest.policy.grant(f"network_access={server.origin}")
        assert ok(guest, server.origin)["body"] == "in pieces"


def test_headers_that_are_there_twice_are_joined_and_cookies_are_kept_back(guest: jn.Plugin, serve: Serve) -> None:
    server = serve(
        b"HTTP/1.1 200 OK\r\nLink: a\r\nlink: b\r\nSet-Cookie: c=d\r\nKeep-Alive: 5\r\ncontent-length: 0\r\n\r\n"
    )
    guest.policy.grant(f"network_access={server.origin}")
    assert ok(guest, server.origin)["headers"] == {"link": "a, b", "content-length": "0"}
    ok(guest, server.origin)
    assert "cookie" not in sent(server)[1]


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:])),
        ("x-gzip", lambda data: gzip.compress(data) + b"\0" * 512),
        ("deflate", zlib.compress),
        ("deflate", _raw_deflate),
        ("identity", bytes),
    ],
    ids=["gzip", "two gzips", "gzip and padding", "deflate", "raw deflate", "identity"],
)
def test_a_packed_body_is_unpacked(guest: jn.Plugin, serve: Serve, coding: str, pack: Callable[[bytes], bytes]) -> None:
    text = "all work and no play " * 40_000
    server = serve(reply(pack(text.encode()), content_encoding=coding))
    guest.policy.grant(f"network_access={server.origin}")
    answer = ok(guest, server.origin)
    assert answer["body"] == text
    assert ("content-encoding" in answer["headers"]) == (coding == "identity")


# --- what is refused before anything is sent -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "request_of"),
    [
        ("method", {"method": "get"}),
        ("method", {"method": "TRACE"}),
        ("method", {"method": "CONNECT"}),
        ("method", {"method": "GET / HTTP/1.1\r\nX: y"}),
        ("headers.Host", {"headers": {"Host": "elsewhere"}}),
        ("headers.cookie", {"headers": {"cookie": "a=b"}}),
        ("headers.Content-Length", {"headers": {"Content-Length": "5"}}),
        ("headers.Transfer-Encoding", {"headers": {"Transfer-Encoding": "chunked"}}),
        ("headers.Proxy-Authorization", {"headers": {"Proxy-Authorization": "x"}}),
        ("headers.Sec-Fetch-Site", {"headers": {"Sec-Fetch-Site": "none"}}),
        ("headers.X-Forwarded-For", {"headers": {"X-Forwarded-For": "127.0.0.1"}}),
        ("headers.Upgrade", {"headers": {"Upgrade": "websocket"}}),
        ("headers.a", {"headers": {"A": "1", "a": "2"}}),
        ("body", {"body": "x"}),
        ("body_base64", {"method": "POST", "body_base64": "?"}),
        ("body", {"method": "POST", "body": "", "body_base64": ""}),
        ("timeout_ms", {"timeout_ms": 0}),
        ("url", {"url": "ftp://127.0.0.1/"}),
        ("url", {"url": "/path"}),
    ],
)
def test_a_bad_request_names_its_field(guest: jn.Plugin, serve: Serve, field: str, request_of: dict[str, Any]) -> None:
    server = serve(reply())
    guest.policy.grant(f"network_access={server.origin}")
    answer = guest.call("request", {"method": "GET", "url": server.origin, **request_of})
    assert answer["error"]["code"] == "bad_request"
    assert f"`{field}" in answer["error"]["message"]
    assert server.connections == 0


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://me:secret@127.0.0.1/", "a user or a password is in it"),
        ("http://me@127.0.0.1/", "a user or a password is in it"),
        ("http://127.0.0.1/a b", "a space, a backslash or a character that cannot be seen is in it"),
        ("http://127.0.0.1\\x", "a space, a backslash or a character that cannot be seen is in it"),
        ("http://127.0.0.1/..", "its path has segments that are . or .."),
        ("http://127.0.0.1/a/%2E./b", "its path has segments that are . or .."),
        ("http://127.0.0.1/./b", "its path has segments that are . or .."),
        ("http://127.0.0.1/%zz", "a % is in it that two hexadecimal digits do not follow"),
        ("http://127.0.0.1/?%", "a % is in it that two hexadecimal digits do not follow"),
        ("http://127.1/", "its host is a number, and not an IPv4 address in its usual form"),
        ("http://2130706433/", "its host is a number, and not an IPv4 address in its usual form"),
        ("http://0x7f000001/", "its host is a number, and not an IPv4 address in its usual form"),
        ("http://0177.0.0.1/", "its host is a number, and not an IPv4 address in its usual form"),
        ("http://a.0x/", "its host is a number, and not an IPv4 address in its usual form"),
        ("http://example.org./", "its host is neither a name nor an address"),
        ("http://[::1/", "its host or its port cannot be read"),
        ("http://[fe80::1%25lo]/", "its host is no IPv6 address"),
        ("http://a:0/", "its port is from 1 to 65535, not 0"),
        ("http://a:/", "its host or its port cannot be read"),
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_refused_with_the_reason(guest: jn.Plugin, url: str, why: str) -> None:
    guest.policy.grant("network_access")
    assert refused(guest, url) == ("bad_request", f"field `url`: {why}")


@pytest.mark.parametrize(
    ("limit", "value", "request_of"),
    [
        ("url_bytes", 40, {"path": "/" + "x" * 40}),
        ("headers", 1, {"headers": {"a": "", "b": ""}}),
        ("header_bytes", 10, {"headers": {"name": "seven.."}}),
        ("body_bytes", 4, {"method": "POST", "body": "héhé"}),
        ("answer_bytes", 4, {}),
        ("answer_header_bytes", 20, {}),
    ],
)
def test_each_limit_on_bytes_can_be_lowered(
    rt: jn.Runtime, guest: jn.Plugin, serve: Serve, limit: str, value: int, request_of: dict[str, Any]
) -> None:
    server = serve(reply(b"12345"))
    guest.policy.grant(f"network_access={server.origin}")
    path = request_of.pop("path", "/")
    ask_again = {"method": "GET", **request_of, "url": server.origin + path}
    assert "ok" in guest.call("request", ask_again)
    rt.host.http.set_limits(**{limit: value})
    assert guest.call("request", ask_again)["error"]["code"] == "quota_exceeded"
    assert rt.host_calls["decision"].tolist() == ["allowed", "limited"]
    request_of["path"] = path


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_an_answer_that_does_not_say_its_length_is_bounded_to_the_byte(
    rt: jn.Runtime, guest: jn.Plugin, serve: Serve, coding: str
) -> None:
    body = b"x" * 1000
    head = f"HTTP/1.0 200 OK\r\ncontent-encoding: {coding}\r\n\r\n".encode()
    server = serve(head + (gzip.compress(body) if coding else body))
    guest.policy.grant(f"network_access={server.origin}")
    rt.host.http.set_limits(answer_bytes=1000)
    assert ok(guest, server.origin)["body"] == body.decode()
    rt.host.http.set_limits(answer_bytes=999)
    assert refused(guest, server.origin) == ("quota_exceeded", "the answer's body is larger than 999 bytes")


# --- whom grants reach -----------------------------------------------------------------------------------------------


def test_without_a_grant_nobody_is_asked(rt: jn.Runtime, guest: jn.Plugin, serve: Serve) -> None:
    server = serve(reply())
    assert refused(guest, server.origin)[0] == "capability_denied"
    guest.policy.grant("network_access")
    code, message = refused(guest, server.origin)
    assert (code, message) == (
        "capability_denied",
        f"judicia:http request needs the capability network_access={server.origin}",
    )
    guest.policy.grant(f"network_access={server.origin}")
    ok(guest, server.origin)
    guest.policy.revoke("network_access")
    assert refused(guest, server.origin)[0] == "capability_denied"
    assert server.connections == 1
    assert rt.host_calls["decision"].tolist() == ["denied", "denied", "allowed", "denied"]
    assert rt.host_calls["target"].tolist()[1:3] == [f"GET {server.origin}"] * 2


@pytest.mark.parametrize(
    ("scope", "reached", "not_reached"),
    [
        ("", ["/", "/a", "/%20", "//x", "/a%2fb"], []),
        ("/", ["/", "/a"], []),
        (
            "/v1",
            ["/v1", "/v1/", "/v1/x", "/v1?q", "/v%31/x", "/v1//x", "/v1/;x"],
            ["/", "/v", "/v1x", "/V1", "//v1", "/x/v1"],
        ),
        ("/v1/", ["/v1", "/v1/x"], ["/v1x"]),
        ("/a%20b", ["/a%20b/c"], ["/a", "/a%20bc"]),
        ("/v1", [], ["/v1%2fx", "/v1/%5cx", "/v1/%252e%252e/x", "/v1/..;/x", "/v1/%2e%2e%3b/x", "/v1%00", "/v1/%252f"]),
    ],
)
def test_a_scope_with_a_path_reaches_it_and_what_is_beneath(
    guest: jn.Plugin, serve: Serve, scope: str, reached: list[str], not_reached: list[str]
) -> None:
    server = serve(reply())
    guest.policy.grant(f"network_access={server.origin}{scope}")
    for path in reached:
        ok(guest, server.origin + path)
    for path in not_reached:
        assert refused(guest, server.origin + path)[0] == "capability_denied", path
    assert server.connections == len(reached)


def test_a_scope_is_for_its_scheme_host_and_port(guest: jn.Plugin, serve: Serve) -> None:
    server, other = serve(reply()), serve(reply(), host="127.0.0.3")
    guest.policy.grant(f"network_access={server.origin}")
    for url in (
        f"https://127.0.0.1:{server.port}/",
        f"http://127.0.0.1:{other.port}/",
        f"http://127.0.0.3:{other.port}/",
        f"http://localhost:{server.port}/",
        "http://127.0.0.1/",
    ):
        assert refused(guest, url)[0] == "capability_denied", url
    assert server.connections == other.connections == 0
    ok(guest, f"HTTP://127.0.0.1:{server.port}")


def test_a_name_is_reached_where_its_address_is_public(guest: jn.Plugin, names: dict[str, str], serve: Serve) -> None:
    server = serve(reply(b"public"), host="127.0.0.2")
    names.update({"public.example": "127.0.0.2", "private.example": "127.0.0.3"})
    guest.policy.grant(f"network_access=http://Public.Example:{server.port}")
    guest.policy.grant(f"network_access=http://private.example:{server.port}")
    assert ok(guest, f"http://public.EXAMPLE:{server.port}/")["body"] == "public"
    assert sent(server)[1]["host"] == f"public.example:{server.port}"
    assert refused(guest, f"http://private.example:{server.port}/")[0] == "capability_denied"
    assert refused(guest, f"http://unknown.example:{server.port}/")[0] == "capability_denied"
    guest.policy.grant(f"network_access=http://unknown.example:{server.port}")
    assert refused(guest, f"http://unknown.example:{server.port}/") == ("failed", "no address is known for this host")


def test_a_name_in_another_alphabet_is_the_same_host(guest: jn.Plugin, names: dict[str, str], serve: Serve) -> None:
    server = serve(reply(), host="127.0.0.2")
    names["xn--bcher-kva.example"] = "127.0.0.2"
    guest.policy.grant(f"network_access=http://bücher.example:{server.port}")
    ok(guest, f"http://bücher.example:{server.port}/straße?ä=ö")
    ok(guest, f"http://xn--bcher-kva.example:{server.port}/")
    assert sent(server, 0)[0] == "GET /stra%C3%9Fe?%C3%A4=%C3%B6 HTTP/1.1"
    assert sent(server, 0)[1]["host"] == f"xn--bcher-kva.example:{server.port}"


def test_a_grant_without_a_scope_is_for_the_usual_ports(guest: jn.Plugin, names: dict[str, str], serve: Serve) -> None:
    server = serve(reply(), host="127.0.0.2")
    names["public.example"] = "127.0.0.2"
    guest.policy.grant("network_access")
    for port in (server.port, 443, 22, 8080):
        assert refused(guest, f"http://public.example:{port}/")[0] == "capability_denied"
    assert refused(guest, "https://public.example:80/")[0] == "capability_denied"
    assert refused(guest, "http://public.example/")[0] == "failed"  # let through; nobody listens there
    assert server.connections == 0


def test_what_is_public_is_told_from_what_is_not() -> None:
    for text in (
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255"),
        *("168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1"),
        *("192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "255.255.255.255"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
        *("2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254"),
        *("fe80::1", "fec0::1", "ff02::1", "2a00::5efe:7f00:1", "2a00::200:5efe:a00:1"),
    ):
        assert not is_public(ip_address(text)), text
    for text in (
        *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.1.1.1"),
        *("2606:4700:4700::1111", "2a00::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00::5efe:808:808"),
    ):
        assert is_public(ip_address(text)), text


def test_an_address_is_one_host_or_it_cannot_be_granted() -> None:
    for text in ("0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:0.0.0.0", "240.0.0.1"):
        assert not is_one_host(ip_address(text)), text
    for text in ("127.0.0.1", "10.0.0.1", "::1", "fd00::1", "8.8.8.8"):
        assert is_one_host(ip_address(text)), text


def test_this_machine_knows_its_own_addresses() -> None:
    assert is_own(ip_address("127.0.0.1"))
    assert not is_own(ip_address("192.0.2.1"))


# --- redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        *((301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET")),
        *((301, "PUT", "PUT"), (307, "POST", "POST"), (308, "PATCH", "PATCH"), (303, "HEAD", "HEAD")),
    ],
)
def test_a_redirect_is_followed_as_browsers_do(
    guest: jn.Plugin, serve: Serve, status: int, method: str, then: str
) -> None:
    def answer(peer: Peer) -> None:
        peer.send(redirect("there?x#y", status) if b" /here/ " in peer.request else reply())

    server = serve(answer)
    guest.policy.grant(f"network_access={server.origin}")
    body = {} if method == "HEAD" else {"body": "text"}
    given = {"authorization": "mine", "content-type": "text/plain"}
    assert ok(guest, f"{server.origin}/here/", method, headers=given, **body)["status"] == 200
    line, headers, came = sent(server)
    assert line == f"{then} /here/there?x HTTP/1.1"
    assert came == (b"text" if then == method and body else b"")
    assert headers["authorization"] == "mine"
    assert ("content-type" in headers) == (then == method)


def test_to_another_origin_a_redirect_takes_no_secrets_along(rt: jn.Runtime, guest: jn.Plugin, serve: Serve) -> None:
    last = serve(reply(b"end"), host="127.0.0.3")
    first = serve(redirect(f"{last.origin}/x", 307))
    guest.policy.grant(f"network_access={first.origin}", f"network_access={last.origin}")
    given = {"authorization": "mine", "X-Api-Key": "mine", "accept": "text/html", "content-type": "text/plain"}
    assert ok(guest, first.origin, "POST", headers=given, body="text")["body"] == "end"
    assert sent(first)[1]["x-api-key"] == "mine"
    _, headers, body = sent(last)
    assert "mine" not in str(headers)
    assert (headers["accept"], headers["content-type"], body) == ("text/html", "text/plain", b"text")


def test_each_redirect_leaves_a_row_of_its_own(rt: jn.Runtime, guest: jn.Plugin, serve: Serve) -> None:
    last = serve(reply(b"end"), host="127.0.0.3")
    middle = serve(redirect(f"{last.origin}/x"))
    first = serve(redirect(f"{middle.origin}/{'m' * 300}"))
    guest.policy.grant(*(f"network_access={server.origin}" for server in (first, middle, last)))
    ok(guest, first.origin)
    rows = rt.host_calls.sort_values("at_ms")
    assert rows["target"].str.slice(0, 40).tolist() == [
        *(f"GET {first.origin}", f"GET {middle.origin}/{'m' * 300}"[:40], f"GET {last.origin}/x")
    ]
    assert rows["detail"].tolist() == [
        *("302 from 127.0.0.1", "redirect 1: 302 from 127.0.0.1", "redirect 2: 200 from 127.0.0.3")
    ]
    assert rows["seq"].tolist() == [1, 1, 1]
    assert rows["wall_ms"].tolist()[1:] == [0, 0]
    guest.policy.revoke(f"network_access={last.origin}")
    assert refused(guest, first.origin)[0] == "capability_denied"
    rows = rt.host_calls.tail(3).sort_values("at_ms")
    assert rows["decision"].tolist() == ["denied", "allowed", "denied"]
    assert rows["target"].tolist()[2] == f"GET {last.origin}/x"


def test_a_redirect_without_a_place_is_an_answer(guest: jn.Plugin, serve: Serve) -> None:
    for answer in (
        reply(b"?", "302 Found"),
        reply(b"?", "300 Choose", location="/x"),
        reply(status="304 Not Modified"),
    ):
        server = serve(answer)
        guest.policy.grant(f"network_access={server.origin}")
        assert ok(guest, server.origin)["status"] in (300, 302, 304)


def test_redirects_end(rt: jn.Runtime, guest: jn.Plugin, serve: Serve) -> None:
    server = serve(redirect("/again"))
    guest.policy.grant(f"network_access={server.origin}")
    assert refused(guest, server.origin) == ("failed", "more than 5 redirects")
    assert server.connections == 6
    rt.host.http.set_limits(redirects=0)
    assert refused(guest, server.origin) == ("failed", "more than 0 redirects")
    assert server.connections == 7


# --- what ends a request ---------------------------------------------------------------------------------------------


@pytest.fixture
def silent(serve: Serve) -> tuple[Server, threading.Event]:
    """A server that says nothing, and what is set once it sees that nobody listens any more."""
    left = threading.Event()

    def answer(peer: Peer) -> None:
        if peer.leaves():
            left.set()

    return serve(answer), left


def test_a_plugin_may_wait_for_less_than_it_could(guest: jn.Plugin, silent: tuple[Server, threading.Event]) -> None:
    server, _ = silent
    guest.policy.grant(f"network_access={server.origin}")
    assert refused(guest, server.origin, timeout_ms=50)[0] == "timeout"


def test_the_wall_quota_ends_it(guest: jn.Plugin, silent: tuple[Server, threading.Event]) -> None:
    server, left = silent
    guest.policy.grant(f"network_access={server.origin}")
    guest.policy.set_quota(wall="60s")
    handle = guest.submit("request", {"method": "GET", "url": server.origin})
    until(lambda: server.requests)
    guest.policy.set_quota(wall="1ms")
    with pytest.raises(jn.QuotaExceeded, match="wall"):
        handle.result(PATIENCE)
    assert left.wait(PATIENCE)


def test_a_cancel_closes_the_connection_at_once(
    rt: jn.Runtime, guest: jn.Plugin, silent: tuple[Server, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "SLICE", 1000)  # whoever waited for the next look would wait too long
    server, left = silent
    guest.policy.grant(f"network_access={server.origin}")
    guest.policy.set_quota(wall="120s")
    rt.host.http.set_limits(request_time=120)
    handle = guest.submit("request", {"method": "GET", "url": server.origin})
    until(lambda: server.requests)
    time.sleep(0.05)  # by now it most likely waits for the answer
    handle.cancel()
    assert left.wait(PATIENCE)
    with pytest.raises(jn.Cancelled):
        handle.result(PATIENCE)


def test_a_revoke_ends_what_it_reached(guest: jn.Plugin, silent: tuple[Server, threading.Event]) -> None:
    server, left = silent
    guest.policy.grant("network_access", f"network_access={server.origin}")
    guest.policy.set_quota(wall="60s")
    handle = guest.submit("request", {"method": "GET", "url": server.origin})
    until(lambda: server.requests)
    guest.policy.grant("network_access=https://elsewhere.example")  # a change that takes nothing ends nothing
    guest.policy.revoke(f"network_access={server.origin}")
    assert handle.result(PATIENCE)["error"]["code"] == "capability_denied"
    assert left.wait(PATIENCE)


def test_a_resolver_that_hangs_holds_up_nobody(rt: jn.Runtime, guest: jn.Plugin) -> None:
    asked: list[str] = []
    go_on = threading.Event()

    def resolve(host: str, port: int) -> list[Any]:
        asked.append(host)
        go_on.wait(PATIENCE)
        raise OSError

    rt.host.http.use(resolve=resolve)
    guest.policy.grant("network_access")
    try:
        assert refused(guest, "http://slow.example/", timeout_ms=50)[0] == "timeout"
        before = len(asked)  # none, where the machine paused for 50 ms before it asked
        handle = guest.submit("request", {"method": "GET", "url": "http://slow.example/"})
        until(lambda: len(asked) > before)
        handle.cancel()
        with pytest.raises(jn.Cancelled):
            handle.result(PATIENCE)
    finally:
        go_on.set()


def test_every_request_has_a_connection_of_its_own(guest: jn.Plugin, serve: Serve) -> None:
    server = serve(reply(connection="keep-alive"))
    guest.policy.grant(f"network_access={server.origin}")
    for _ in range(3):
        ok(guest, server.origin)
    assert server.connections == 3


def test_no_descriptor_is_left_open(rt: jn.Runtime, guest: jn.Plugin, serve: Serve) -> None:
    server = serve(lambda peer: peer.send(reply(b"x") if b"/good" in peer.request else b"nonsense\r\n\r\n"))
    guest.policy.grant(f"network_access={server.origin}")
    descriptors = Path(f"/proc/{os.getpid()}/fd")
    if not descriptors.exists():
        pytest.skip("descriptors cannot be listed here; enable: use Linux")
    ask(guest, f"{server.origin}/good")
    until(lambda: not server._open)
    before = len(list(descriptors.iterdir()))
    for path in ("/good", "/bad", "/good", "/bad"):
        ask(guest, server.origin + path)
    until(lambda: len(list(descriptors.iterdir())) <= before)


# --- nothing of the host's goes along --------------------------------------------------------------------------------


def test_proxies_and_passwords_of_the_environment_are_not_used(
    guest: jn.Plugin, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server, proxy = serve(reply()), serve(reply())
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy.origin)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password canary\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    guest.policy.grant(f"network_access={server.origin}")
    ok(guest, server.origin)
    assert proxy.connections == 0
    assert "authorization" not in sent(server)[1]


def test_importing_the_package_imports_nothing_of_http() -> None:
    program = (
        "import sys, judicia_notebook as jn\n"
        "with jn.Runtime() as rt: rt.load('example:checker')\n"
        "print([name for name in ('httpcore', 'h11', 'httpx', 'certifi', 'idna') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE * 2)
    assert done.stdout.strip() == "[]", done.stderr


def test_without_the_packages_a_request_says_what_to_install(
    guest: jn.Plugin, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(reply())
    guest.policy.grant(f"network_access={server.origin}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, message = refused(guest, server.origin)
    assert code == "failed"
    assert "python -m pip install 'judicia-notebook[http]'" in message


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for public.example that nobody else signed."""
    place = tmp_path_factory.mktemp("tls") / "both.pem"
    subject = ["-subj", "/CN=public.example", "-addext", "subjectAltName=DNS:public.example"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", *subject]
    try:
        subprocess.run([*command, "-keyout", f"{place}.key", "-out", place], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate; enable: apt-get install openssl")
    return place


@pytest.fixture
def secure(certificate: Path, serve: Serve) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, f"{certificate}.key")
    return serve(reply(b"secret" * 50_000), host="127.0.0.2", tls=context)


def test_a_server_proves_its_name(
    rt: jn.Runtime, guest: jn.Plugin, names: dict[str, str], secure: Server, certificate: Path
) -> None:
    names.update({"public.example": "127.0.0.2", "other.example": "127.0.0.2"})
    for name in names:
        guest.policy.grant(f"network_access=https://{name}:{secure.port}")
    no_proof = ("failed", "the server's certificate does not prove that it is this host")
    assert refused(guest, f"https://public.example:{secure.port}/") == no_proof
    rt.host.http.use(tls=ssl.create_default_context(cafile=str(certificate)))
    assert ok(guest, f"https://public.example:{secure.port}/")["body"] == "secret" * 50_000
    assert refused(guest, f"https://other.example:{secure.port}/") == no_proof
    assert len(secure.requests) == 1


def test_a_server_without_tls_is_not_spoken_to_in_the_clear(
    guest: jn.Plugin, names: dict[str, str], serve: Serve
) -> None:
    server = serve(reply(), host="127.0.0.2")
    names["public.example"] = "127.0.0.2"
    guest.policy.grant(f"network_access=https://public.example:{server.port}")
    assert refused(guest, f"https://public.example:{server.port}/", timeout_ms=2000)[0] in ("failed", "timeout")
    assert not any(b"HTTP/1.1" in request for request in server.requests)
