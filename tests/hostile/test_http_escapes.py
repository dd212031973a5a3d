"""Ways from a plugin to servers that it may not reach, and servers that mean it ill.

A canary listens where no grant leads, as a kernel's own Jupyter server does. Whatever is tried, nobody has connected to
it afterwards, every attempt has left its row, and what the guest was told names nothing that it did not know.
"""

from __future__ import annotations

import gzip
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address
from typing import Any

import pytest

import judicia_notebook as jn
from judicia_notebook.host.http import transfer, urls
from tests.support.guests import forwarder, wat
from tests.support.servers import Peer, Server, redirect, reply

SLACK = 20  # seconds that a call may take beyond its limits on a machine that is busy with other things

MODULE = wat(forwarder(request="http.request"))

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda answer, **more: stack.enter_context(Server(answer, **more))


@pytest.fixture
def canary(serve: Serve) -> Iterator[Server]:
    """Nobody may ever connect to it."""
    server = serve(reply(b"canary"))
    yield server
    assert (server.connections, server.requests) == (0, [])


@pytest.fixture
def usual_port(canary: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The canary's port is the usual one of http here, so that nothing but its address keeps it from being reached."""
    urls.parse.cache_clear()
    monkeypatch.setitem(urls.PORTS, "http", canary.port)
    yield canary.port
    urls.parse.cache_clear()


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    """May ask every public server; all names lead to this machine."""
    rt.host.http.use(resolve=lambda host, port: [ip_address("127.0.0.1")])
    return rt.load(MODULE, name="guest", grant=["network_access"], quota={"wall": "30s", "cpu": "20s"})


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address of this machine that passes for a public one."""
    monkeypatch.setattr(transfer, "is_public", lambda address: str(address) == "127.0.0.2")
    monkeypatch.setattr(transfer, "is_own", lambda address: False)
    return "127.0.0.2"


def ask(p: jn.Plugin, url: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    """What the host answers, in time."""
    began = time.monotonic()
    answer = p.call("request", {"method": method, "url": url, **more})
    assert time.monotonic() - began < 30 + SLACK
    assert isinstance(answer, dict)
    assert "canary" not in str(answer)
    return answer


def refused(p: jn.Plugin, url: str, method: str = "GET", **more: Any) -> tuple[str, str]:
    answer = ask(p, url, method, **more)
    assert "error" in answer, answer
    return answer["error"]["code"], answer["error"]["message"]


# --- other spellings of this machine ---------------------------------------------------------------------------------

SPELLINGS = [
    *(
        "127.0.0.1",
        "127.0.0.2",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7F.0.0.1",
        "0177.0.0.1",
        "017700000001",
    ),
    *("0", "0.0.0.0", "0x0", "00000000.0.0.0", "127.0.0.1.", "127.0.0.01", "4294967297", "127.0.0.257", "1.2.3.4.5"),
    *("[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]"),
    *("[2a00::5efe:7f00:1]", "[fec0::1]", "[::1%25lo]", "[::1%lo]", "[fe80::1%251]", "[v1.::1]", "[127.0.0.1]", "[::1"),
    *("localhost", "LOCALHOST", "localhost.", "sub.localhost", "localhost.localdomain", "ip6-localhost", "kernel"),
    *("localtest.example", "127.0.0.1.nip.example", "xn--localhost-.example", "a" * 63 + ".example"),
    *("１２７.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "ⓛocalhost", "loc\u00adalhost"),
    *(
        "127.0.0.1%20",
        "127.0.0.1%00.example.org",
        "%31%32%37.0.0.1",
        "127.0.0.1\\.example.org",
        "127.0.0.1;x",
        "127.0.0.1,x",
    ),
    *("169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "metadata.google.internal", "2852039166"),
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "224.0.0.1", "255.255.255.255", "[ff02::1]", "[fe80::1]"),
    *("", " ", ".", "..", "-", "*", "127.0.0.1 ", " 127.0.0.1", "\t127.0.0.1", "127.0.0.1\n", "127.0.0.1\r\nx", "\0"),
]


READ = frozenset(
    [
        *("127.0.0.1", "127.0.0.2", "0.0.0.0", "169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "localhost", "LOCALHOST", "sub.localhost", "kernel"),
        *("localhost.localdomain", "ip6-localhost", "localtest.example", "127.0.0.1.nip.example"),
        *("a" * 63 + ".example", "metadata.google.internal", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]"),
        *("[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2a00::5efe:7f00:1]", "[fec0::1]", "[::ffff:169.254.169.254]"),
        *("[fd00:ec2::254]", "[ff02::1]", "[fe80::1]"),
    ]
)
"""Those that are hosts, and refused for where they lead; the others are refused for how they are written."""


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_an_address_that_is_not_public_is_reached(
    rt: jn.Runtime, guest: jn.Plugin, usual_port: int, host: str
) -> None:
    attempts = [f"http://{host}", f"http://{host}:{usual_port}/", f"http://{host}:0{usual_port}/x"]
    for url in attempts:
        code, message = refused(guest, url)
        assert code == (
            "capability_denied" if host in READ and ":0" not in url.removeprefix(f"http://{host}") else "bad_request"
        )
        assert "127.0.0.1" not in message.replace(host, "").replace(host.lower(), "")
    rows = rt.host_calls
    assert rows["decision"].isin(["denied", "failed"]).all()
    assert len(rows) == len(attempts)


@pytest.mark.parametrize("host", [host for host in SPELLINGS if host.isascii() and host.isprintable()])
def test_no_redirect_leads_there_either(
    rt: jn.Runtime, guest: jn.Plugin, usual_port: int, serve: Serve, host: str
) -> None:
    server = serve(redirect(f"http://{host}:{usual_port}/x"))
    guest.policy.grant(f"network_access={server.origin}")
    code, message = refused(guest, server.origin)
    assert code == ("capability_denied" if host in READ else "failed")
    assert host not in message or not host.strip(" .-*") or len(host) < 3
    assert len(server.requests) == 1
    rows = rt.host_calls
    assert rows["decision"].isin(["denied", "failed"]).all()
    assert rows["target"].str.endswith("/x").tolist() == [True, False]


SAME_SERVER = ("///{canary}/", "////{canary}/", "http:/{canary}/", "http:{canary}/", "http:///{canary}/", ":")
"""Redirects that name a path of the server that is asked."""
ELSEWHERE = (
    *("//{canary}/", "HTTP://{canary}", "https://{canary}/", "hTTp://{canary}", " http://{canary}/"),
    *("http://{canary}#@{ours}/", "http://{canary}?@{ours}/", "http://{canary}/@{ours}"),
)
"""Redirects that are read, and lead to a server that is not granted; the others are not read at all."""


@pytest.mark.parametrize(
    "location",
    [
        *("//{canary}/", "///{canary}/", "////{canary}/", "/\\{canary}/", "\\\\{canary}/", "http:\\\\{canary}/"),
        *(
            "http:/{canary}/",
            "http:{canary}/",
            "http:///{canary}/",
            "HTTP://{canary}",
            "https://{canary}/",
            "hTTp://{canary}",
        ),
        *("http://x@{canary}/", "http://x:y@{canary}/", "http://{ours}@{canary}/", "http://{canary}@{ours}/"),
        *(
            "http://{canary}#@{ours}/",
            "http://{canary}?@{ours}/",
            "http://{canary}/@{ours}",
            "http://{ours}%40{canary}/",
        ),
        *(
            "http://{ours}:80@{canary}/",
            "http://{canary}\\@{ours}/",
            "http://{ours}\\@{canary}/",
            "http://{ours}&@{canary}/",
        ),
        *(
            "http://{canary}\t/",
            "http://{canary} /",
            "ht\ttp://{canary}/",
            " http://{canary}/",
            "http://{canary}:80:80/",
        ),
        *(
            "file:///etc/passwd",
            "ftp://{canary}/",
            "gopher://{canary}/x",
            "javascript:alert(1)",
            "data:,x",
            "unix:/run/x",
        ),
        *(
            "ws://{canary}/",
            "dict://{canary}/",
            "about:blank",
            "http://",
            "http:",
            ":",
            "http://:80/",
            "http://{canary}:99999/",
        ),
        *("/../%2e%2e/x", "http://{ours}/%2E%2e/x", "/%zz", "/a b", "/\x7f", "/\x01"),
    ],
)
def test_a_redirect_that_could_be_read_in_two_ways_is_not_followed(
    guest: jn.Plugin, canary: Server, serve: Serve, location: str
) -> None:
    ours = [""]
    server = serve(
        lambda peer: peer.send(
            redirect(location.format(canary=f"127.0.0.1:{canary.port}", ours=ours[0]))
            if b"GET /go" in peer.request
            else reply()
        )
    )
    ours[0] = f"127.0.0.1:{server.port}"
    guest.policy.grant(f"network_access={server.origin}")
    answer = ask(guest, f"{server.origin}/go")
    if location not in SAME_SERVER:
        assert answer["error"]["code"] == ("capability_denied" if location in ELSEWHERE else "failed")
    else:
        assert len(server.requests) == 2
        assert answer["ok"]["status"] == 200


def test_a_redirect_in_bytes_that_are_no_text_is_not_followed(guest: jn.Plugin, serve: Serve) -> None:
    for lines in (
        b"location: /a\tb",
        b"location: /\xff\xfe",
        b"location: /a\r\nlocation: /b",
        b"location: ",
        b"location: /" + b"x" * 10_000,
    ):
        server = serve(b"HTTP/1.1 302 Found\r\n" + lines + b"\r\ncontent-length: 0\r\n\r\n")
        guest.policy.grant(f"network_access={server.origin}")
        assert refused(guest, server.origin)[0] == "failed"
        assert server.connections == 1


# --- grants and their edges ------------------------------------------------------------------------------------------


def test_a_granted_server_leads_to_no_other_port_or_path(
    rt: jn.Runtime, guest: jn.Plugin, canary: Server, serve: Serve
) -> None:
    places = [f"http://127.0.0.1:{canary.port}/api/contents?token=", "/elsewhere", "/v1/../elsewhere", "/v1x"]
    for place in places:
        server = serve(redirect(place))
        guest.policy.revoke("network_access")
        guest.policy.grant(f"network_access={server.origin}/v1")
        assert refused(guest, f"{server.origin}/v1/x")[0] == "capability_denied"
        assert len(server.requests) == 1
    assert rt.host_calls["decision"].isin(["denied", "failed"]).all()
    assert len(rt.host_calls) == 2 * len(places)
    assert f"GET {places[0]}" in rt.host_calls["target"].tolist()
    assert f"network_access=http://127.0.0.1:{canary.port}" in rt.audit["detail"].str.cat()


def test_a_granted_name_does_not_make_a_private_address_public(
    rt: jn.Runtime, guest: jn.Plugin, canary: Server
) -> None:
    for name in ("localhost", "intranet.example", "kernel"):
        guest.policy.grant(f"network_access=http://{name}:{canary.port}")
        code, message = refused(guest, f"http://{name}:{canary.port}/")
        assert code == "capability_denied"
        assert "127.0.0.1" not in message
    assert rt.host_calls["detail"].str.contains("127.0.0.1 is not public").all()


def test_an_address_of_a_kind_that_this_system_lacks_is_a_failure(
    guest: jn.Plugin, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(reply())
    guest.policy.grant(f"network_access={server.origin}")

    def none(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as without:
        without.setattr(socket, "socket", none)
        assert refused(guest, server.origin) == ("failed", "no connection to the server could be made")
    assert ask(guest, server.origin)["ok"]["status"] == 200


def test_odd_scopes_grant_nothing(guest: jn.Plugin, canary: Server) -> None:
    for host in ("127.1", "2130706433", "0x7f000001", "127.0.0.1.", "0.0.0.0", "[::ffff:127.0.0.1]", "[::]"):
        guest.policy.grant(f"network_access=http://{host}:{canary.port}")
    for host in ("127.0.0.1", "127.1", "2130706433", "0x7f000001", "127.0.0.1.", "0.0.0.0", "localhost", "[::]"):
        code = "capability_denied" if host in READ else "bad_request"
        assert refused(guest, f"http://{host}:{canary.port}/")[0] == code


def test_a_grant_taken_away_between_two_hops_is_gone(guest: jn.Plugin, canary: Server, serve: Serve) -> None:
    there = f"http://127.0.0.1:{canary.port}"

    def answer(peer: Peer) -> None:
        guest.policy.revoke(f"network_access={there}")
        peer.send(redirect(there))

    server = serve(answer)
    guest.policy.grant(f"network_access={server.origin}", f"network_access={there}")
    assert refused(guest, server.origin)[0] == "capability_denied"


# --- names that change -----------------------------------------------------------------------------------------------


def two_with_one_port(serve: Serve, public: str) -> tuple[Server, Server]:
    """A public server, and a canary on the same port of another address."""
    for _ in range(50):
        server = serve(
            lambda peer: peer.send(redirect("/") if b"/go" in peer.request else reply(b"public")), host=public
        )
        try:
            return server, serve(reply(b"canary"), port=server.port)
        except OSError:  # somebody has it
            continue
    pytest.fail("no port is free on two addresses")


def test_a_name_that_is_bound_anew_after_the_check_leads_where_it_was_checked(
    rt: jn.Runtime, guest: jn.Plugin, serve: Serve, public: str
) -> None:
    server, canary = two_with_one_port(serve, public)
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[Any]:
        asked.append(host)
        return [ip_address(public if len(asked) == 1 else "127.0.0.1")]

    rt.host.http.use(resolve=resolve)
    origin = f"http://rebinding.example:{server.port}"
    guest.policy.grant(f"network_access={origin}")
    assert ask(guest, f"{origin}/")["ok"]["body"] == "public"
    assert asked == ["rebinding.example"]  # nothing is looked up between the check and the connection
    assert refused(guest, f"{origin}/")[0] == "capability_denied"
    asked.clear()
    assert refused(guest, f"{origin}/go")[0] == "capability_denied"  # each hop looks again
    assert len(asked) == 2
    assert canary.connections == 0


def test_nothing_else_looks_a_name_up(
    guest: jn.Plugin, rt: jn.Runtime, serve: Serve, public: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(reply(b"public"), host=public)
    rt.host.http.use(resolve=lambda host, port: [ip_address(public)])
    guest.policy.grant(f"network_access=http://some.example:{server.port}")

    def getaddrinfo(*_: object, **__: object) -> None:
        pytest.fail("the system was asked")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert ask(guest, f"http://some.example:{server.port}/")["ok"]["body"] == "public"


@pytest.mark.parametrize("order", [0, 1])
def test_a_name_with_one_address_that_is_not_public_is_not_reached_at_all(
    rt: jn.Runtime, guest: jn.Plugin, serve: Serve, public: str, order: int
) -> None:
    server, canary = two_with_one_port(serve, public)
    addresses = [ip_address(public), ip_address("127.0.0.1")]
    rt.host.http.use(resolve=lambda host, port: addresses[::-1] if order else addresses)
    guest.policy.grant(f"network_access=http://mixed.example:{server.port}")
    assert refused(guest, f"http://mixed.example:{server.port}/")[0] == "capability_denied"
    assert server.connections == canary.connections == 0


def test_a_public_address_of_this_very_machine_is_not_reached(
    guest: jn.Plugin, canary: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "is_public", lambda address: True)
    guest.policy.grant(f"network_access=http://myself.example:{canary.port}")
    assert refused(guest, f"http://myself.example:{canary.port}/")[0] == "capability_denied"


# --- what is smuggled in ---------------------------------------------------------------------------------------------

BREAKS = ["\r\n", "\n", "\r", "\0", "\r\n\r\nGET /canary HTTP/1.1\r\n\r\n", "\u2028", "\x85", "\u560a", "é"]


@pytest.mark.parametrize("text", BREAKS)
def test_no_line_of_a_request_can_be_broken(guest: jn.Plugin, serve: Serve, text: str) -> None:
    server = serve(reply())
    guest.policy.grant(f"network_access={server.origin}")
    for request in (
        {"url": f"{server.origin}/{text}x"} if text not in ("\u560a", "é") else {"method": f"G{text}T"},
        {"method": f"GET{text}"},
        {"headers": {f"a{text}": "b"}},
        {"headers": {"a": f"b{text}c"}},
        {"headers": {"a": f"b{text}"}},
    ):
        answer = guest.call("request", {"method": "GET", "url": server.origin, **request})
        assert answer["error"]["code"] == "bad_request"
    assert server.connections == 0


@pytest.mark.parametrize("path", ["/%0d%0aX:%20y", "/%00", "/?%0d%0a%0d%0aGET%20/", "/é\u560a", '/"<>^`{|}'])
def test_what_is_escaped_stays_escaped(guest: jn.Plugin, serve: Serve, path: str) -> None:
    server = serve(reply())
    guest.policy.grant(f"network_access={server.origin}")
    assert ask(guest, server.origin + path)["ok"]["status"] == 200
    head = server.requests[0].partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert head.split(b"\r\n")[0].count(b" ") == 2
    assert {line.partition(b":")[0] for line in head.split(b"\r\n")[1:]} == {
        *(b"host", b"user-agent", b"accept", b"accept-encoding", b"connection")
    }


def test_cookies_are_neither_kept_nor_sent(guest: jn.Plugin, serve: Serve) -> None:
    answer = b"HTTP/1.1 302 Found\r\nset-cookie: a=canary; path=/\r\nlocation: /next\r\ncontent-length: 0\r\n\r\n"
    server = serve(lambda peer: peer.send(answer if b"GET / " in peer.request else reply(set_cookie="b=canary")))
    guest.policy.grant(f"network_access={server.origin}")
    for _ in range(2):
        assert "set-cookie" not in ask(guest, server.origin)["ok"]["headers"]
    assert b"cookie" not in b"".join(server.requests).lower()


# --- servers that never end ------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def endlessly(begin: bytes, *pieces: bytes) -> Callable[[Peer], None]:
    def answer(peer: Peer) -> None:
        if peer.send(begin):
            while all(peer.send(piece) for piece in pieces):
                pass

    return answer


FLOODS = {
    "headers": endlessly(HEAD, b"a: b\r\n" * 1000),
    "one header": endlessly(HEAD + b"a: ", b"x" * 65536),
    "one header folded": endlessly(HEAD + b"a: b\r\n", b" x\r\n" * 1000),
    "a status line": endlessly(b"HTTP/1.1 200 ", b"x" * 65536),
    "empty lines": endlessly(b"", b"\r\n" * 10_000),
    "100": endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "103": endlessly(b"", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 1000),
    "a body": endlessly(HEAD + b"\r\n", b"x" * 65536),
    "a body with a length": endlessly(HEAD + b"content-length: 99999999999\r\n\r\n", b"x" * 65536),
    "a length with many digits": endlessly(HEAD + b"content-length: " + b"9" * 19 + b"\r\n\r\n", b"x" * 65536),
    "chunks": endlessly(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "small chunks": endlessly(CHUNKED, b"1\r\nx\r\n" * 5000),
    "one chunk": endlessly(CHUNKED + b"ffffffffff\r\n", b"x" * 65536),
    "a chunk's extension": endlessly(CHUNKED + b"1;", b"x" * 65536),
    "chunks' extensions": endlessly(CHUNKED, (b"1;" + b"y" * 10_000 + b"\r\nx\r\n") * 10),
    "trailers": endlessly(CHUNKED + b"0\r\n", b"a: b\r\n" * 5000),
    "gzip": endlessly(
        CHUNKED.replace(b"\r\n", b"\r\ncontent-encoding: gzip\r\n", 1), b"14\r\n" + gzip.compress(b"") + b"\r\n"
    ),
}

NO_HTTP = ("empty lines", "a chunk's extension", "trailers")
"""Floods that the reader of HTTP ends by itself, at limits of its own."""


@pytest.mark.parametrize("flood", FLOODS)
def test_an_endless_answer_ends_at_a_limit(guest: jn.Plugin, rt: jn.Runtime, serve: Serve, flood: str) -> None:
    server = serve(FLOODS[flood])
    rt.host.http.set_limits(answer_bytes="256KiB")
    guest.policy.grant(f"network_access={server.origin}")
    code, _ = refused(guest, server.origin)
    assert code == ("failed" if flood in NO_HTTP else "quota_exceeded")
    assert rt.host_calls["decision"].tolist() == ["limited" if code == "quota_exceeded" else "failed"]
    assert server.peers[0].sent < 32 << 20  # what the system had buffered included


def slowly(begin: bytes, piece: bytes) -> Callable[[Peer], None]:
    def answer(peer: Peer) -> None:
        if peer.send(begin):
            while peer.send(piece):
                time.sleep(0.01)

    return answer


TRICKLES = {
    "a status line": slowly(b"HTTP/1.1 200 ", b"x"),
    "headers": slowly(HEAD, b"a: b\r\n"),
    "100": slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": slowly(HEAD + b"\r\n", b"x"),
    "chunks": slowly(CHUNKED, b"1\r\nx\r\n"),
    "a chunk's size": slowly(CHUNKED, b"0"),
    "trailers": slowly(CHUNKED + b"0\r\n", b"a: b\r\n"),
    "gzip": slowly(HEAD + b"content-encoding: gzip\r\n\r\n" + gzip.compress(b"x")[:15], b""),
    "nothing": lambda peer: peer.leaves(),
    "half of it": lambda peer: peer.send(HEAD + b"content-length: 10\r\n\r\n12345") and peer.leaves(),
}


@pytest.mark.parametrize("trickle", TRICKLES)
def test_an_answer_that_trickles_is_cut_off_in_time(
    guest: jn.Plugin, rt: jn.Runtime, serve: Serve, trickle: str
) -> None:
    server = serve(TRICKLES[trickle])
    guest.policy.grant(f"network_access={server.origin}")
    code, _ = refused(guest, server.origin, timeout_ms=300)
    assert code in ("timeout", "failed")  # a chunk's size cannot have twenty digits
    assert code == "timeout" or trickle == "a chunk's size"


def test_a_body_that_nobody_takes_is_cut_off_in_time(guest: jn.Plugin, serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes the connection and reads nothing
        origin = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        guest.policy.grant(f"network_access={origin}")
        assert refused(guest, origin, "POST", body="x" * (1 << 20), timeout_ms=300)[0] == "timeout"


def test_a_server_that_takes_no_connection_is_left_in_time(guest: jn.Plugin, rt: jn.Runtime) -> None:
    rt.host.http.set_limits(connect_time="200ms")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        origin = f"http://127.0.0.1:{busy.getsockname()[1]}"
        guest.policy.grant(f"network_access={origin}")
        with ExitStack() as stack:
            for _ in range(8):  # until its queue is full, the system answers nobody
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(busy.getsockname())
            assert refused(guest, origin, timeout_ms=2000)[0] in ("failed", "timeout")


def test_a_server_that_only_seems_to_speak_tls_is_left(guest: jn.Plugin, serve: Serve, public: str) -> None:
    class Mute(Server):
        def _serve(self, connection: socket.socket) -> None:
            with connection:
                connection.sendall(b"\x16\x03\x03")  # the beginning of a handshake
                while connection.recv(65536):
                    pass

    with Mute(reply(), host=public) as server:
        rt_url = f"https://{public}:{server.port}"
        guest.policy.grant(f"network_access={rt_url}")
        assert refused(guest, rt_url, timeout_ms=500)[0] == "timeout"


# --- servers that lie ------------------------------------------------------------------------------------------------

LIES = {
    "nothing": b"",
    "no http": b"\x00\x01\x02\xff" * 100 + b"\r\n\r\n",
    "http 0.9": b"<html>canary</html>\r\n\r\n",
    "http 2": b"HTTP/2 200\r\n\r\n",
    "a preface of http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "less than the length": HEAD + b"content-length: 100\r\n\r\nshort",
    "a negative length": HEAD + b"content-length: -1\r\n\r\nx",
    "a length in words": HEAD + b"content-length: ten\r\n\r\nx",
    "a length with a sign": HEAD + b"content-length: +1\r\n\r\nx",
    "two lengths": HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    "an unknown transfer coding": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\nx",
    "a chunk without a size": CHUNKED + b"x\r\n",
    "a negative chunk": CHUNKED + b"-1\r\nx\r\n",
    "a chunk that is too long": CHUNKED + b"1\r\nxx\r\n0\r\n\r\n",
    "no last chunk": CHUNKED + b"1\r\nx\r\n",
    "a name with a space": HEAD + b"a b: c\r\ncontent-length: 0\r\n\r\n",
    "a header without a name": HEAD + b": c\r\ncontent-length: 0\r\n\r\n",
    "a zero byte in a header": HEAD + b"a: b\0c\r\ncontent-length: 0\r\n\r\n",
    "a bare line end in a header": HEAD + b"a: b\rc\r\ncontent-length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status in words": b"HTTP/1.1 OK\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "gzip that is none": HEAD + b"content-encoding: gzip\r\ncontent-length: 5\r\n\r\nplain",
    "half a gzip": HEAD + b"content-encoding: gzip\r\ncontent-length: 15\r\n\r\n" + gzip.compress(b"x" * 99)[:15],
    "a gzip with a wrong sum": HEAD + b"content-encoding: gzip\r\n\r\n" + gzip.compress(b"x")[:-8] + b"12345678",
    "gzip twice": HEAD + b"content-encoding: gzip, gzip\r\n\r\n" + gzip.compress(gzip.compress(b"x")),
    "brotli": HEAD + b"content-encoding: br\r\n\r\nx",
    "zstd": HEAD + b"content-encoding: zstd\r\n\r\nx",
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_is_wrong_is_no_answer(guest: jn.Plugin, rt: jn.Runtime, serve: Serve, lie: str) -> None:
    server = serve(LIES[lie])
    guest.policy.grant(f"network_access={server.origin}")
    assert refused(guest, server.origin)[0] == "failed"
    assert rt.host_calls["decision"].tolist() == ["failed"]


def test_what_follows_an_answer_is_nobodys(guest: jn.Plugin, serve: Serve) -> None:
    both = b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    for answer in (reply(b"x") + reply(b"canary"), HEAD + both + reply(b"canary")):
        server = serve(answer)
        guest.policy.grant(f"network_access={server.origin}")
        assert ask(guest, server.origin)["ok"]["body"] == "x"


def test_a_connection_that_is_reset_is_a_failure(guest: jn.Plugin, serve: Serve) -> None:
    def answer(peer: Peer) -> None:
        peer.send(HEAD)
        peer._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = serve(answer)
    guest.policy.grant(f"network_access={server.origin}")
    assert refused(guest, server.origin)[0] == "failed"


def test_nobody_listening_is_a_failure_that_names_no_address(guest: jn.Plugin, public: str, rt: jn.Runtime) -> None:
    with socket.create_server((public, 0)) as gone:
        port = gone.getsockname()[1]
    rt.host.http.use(resolve=lambda host, _: [ip_address(public)])
    guest.policy.grant(f"network_access=http://gone.example:{port}")
    assert refused(guest, f"http://gone.example:{port}/") == ("failed", "no connection to the server could be made")


# --- bombs -----------------------------------------------------------------------------------------------------------


def bomb(coding: str, megabytes: int = 64) -> bytes:
    packer = zlib.compressobj(9, wbits={"gzip": 31, "deflate": 15, "raw": -15}[coding])
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()
    return reply(packed, content_encoding="gzip" if coding == "gzip" else "deflate")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw"])
def test_a_body_that_grows_beyond_measure_is_not_unpacked(guest: jn.Plugin, serve: Serve, coding: str) -> None:
    server = serve(bomb(coding))
    guest.policy.grant(f"network_access={server.origin}")
    assert refused(guest, server.origin) == ("quota_exceeded", "the answer's body is larger than 4194304 bytes")


def test_many_small_gzips_are_bounded_by_what_they_cost(rt: jn.Runtime, guest: jn.Plugin, serve: Serve) -> None:
    server = serve(reply(gzip.compress(b"") * 50_000, content_encoding="gzip"))
    guest.policy.grant(f"network_access={server.origin}")
    guest.policy.set_quota(cpu="20ms")
    outcome = guest.attempt("request", {"method": "GET", "url": server.origin})
    assert isinstance(outcome.error, jn.QuotaExceeded)
    assert outcome.error.quota == "cpu"
    assert rt.host_calls["decision"].tolist() == ["failed"]  # it ended in the middle, not when all was done


def test_a_bomb_never_takes_more_memory_than_the_limit(guest: jn.Plugin, serve: Serve, rt: jn.Runtime) -> None:
    import tracemalloc

    server = serve(bomb("gzip", 200))
    guest.policy.grant(f"network_access={server.origin}")
    refused(guest, server.origin)
    tracemalloc.start()
    try:
        refused(guest, server.origin)
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()
