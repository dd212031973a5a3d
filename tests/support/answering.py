"""A plugin that answers requests with what a test puts into it, and clients that send any bytes they like."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import judicia_notebook as jn
from judicia_notebook.host.http import Server
from tests.support.guests import wat
from tests.support.waiting import PATIENCE

# The answer is kept from 1 MiB on and the last request from 9 MiB on.
KEEPER = """
(memory (export "memory") 256)
(global $answer (mut i32) (i32.const 0))
(global $asked (mut i32) (i32.const 0))
(func (export "answer") (param $ptr i32) (param $len i32) (result i64)
  (memory.copy (i32.const 0x100000) (local.get $ptr) (local.get $len))
  (global.set $answer (local.get $len))
  (i64.const 0))
(func (export "asked") (param i32 i32) (result i64) (call $reply (i32.const 0x900000) (global.get $asked)))
(func (export "register") (param i32 i32) (result i64)
  (call $judicia:http.register_route (local.get 0) (local.get 1)))
(func (export "on_http_request") (param $ptr i32) (param $len i32) (result i64)
  (memory.copy (i32.const 0x900000) (local.get $ptr) (local.get $len))
  (global.set $asked (local.get $len))
  (if (i32.eqz (global.get $answer)) (then (return (i64.const 0))))
  (call $reply (i32.const 0x100000) (global.get $answer)))
"""
SPIN = '(func (export "on_http_request") (param i32 i32) (result i64) (loop $on (br $on)) unreachable)'
TRAP = '(func (export "on_http_request") (param i32 i32) (result i64) unreachable)'
PLAIN = {"status": 200, "body": "hello"}


def load(
    rt: jn.Runtime,
    name: str = "site",
    routes: Iterable[str] | None = None,
    *,
    grant: Iterable[str] = ("register_routes",),
    cell: str = KEEPER,
    answer: Any = PLAIN,
    **options: Any,
) -> jn.Plugin:
    """A plugin that answers everything under its name, or just these routes."""
    manifest = {"name": name, "http_routes": [f"/{name}/*"] if routes is None else list(routes)}
    p = rt.load(wat(cell), name=name, manifest=manifest, grant=grant, **options)
    if cell == KEEPER:
        p.call("answer", answer)
    return p


@dataclass(frozen=True)
class Reply:
    """What a server said: its status (0 if it said nothing), its headers by names in small letters, and the rest."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def get(server: Server, target: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
    """Ask like an ordinary client; `user_agent="..."` is the header User-Agent."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read(), b"")


def send(server: Server, data: bytes) -> Reply:
    """Send just these bytes, and read until the other side closes."""
    came = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                came += chunk
    head, _, body = came.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    return Reply(int(line.split()[1]) if line.startswith("HTTP/") else 0, headers, body, came)


def ask(target: str = "/site/", method: str = "GET", *lines: str, host: str = "127.0.0.1", body: bytes = b"") -> bytes:
    """A request as bytes, with these lines among its headers."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode("latin-1") + body
