"""What the tests of services' limits drive: a guest that may do everything."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import judicia_notebook as jn

HANDED_ON = (
    *("database.query", "database.execute", "events.emit", "events.subscribe", "files.read", "files.write"),
    *("files.list", "http.request", "http.register_route", "notifications.send", "shared_memory.read"),
    "shared_memory.write",
)
# Each export hands its request to one host function. on_http_request sleeps 150 ms and answers a body of 1000 bytes.
ANSWER = '{"status": 200, "body": "' + "x" * 1000 + '"}'
GUEST = (
    r"""
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
(data (i32.const 1040) "\01\00\00\00\00\00\00\00\80\d1\f0\08")
(data (i32.const 2048) "ANSWER")
(func (export "on_event") (param i32 i32) (result i64)
  (drop (call $judicia:events.emit (i32.const 1536) (i32.const 34))) (i64.const 0))
(data (i32.const 1536) "{\"type\":\"guest.again\",\"payload\":1}")
(func (export "on_http_request") (param i32 i32) (result i64)
  (drop (call $poll (i32.const 1024) (i32.const 512) (i32.const 1) (i32.const 600)))
  (call $reply (i32.const 2048) (i32.const LENGTH)))
""".replace("ANSWER", ANSWER.replace('"', r"\"")).replace("LENGTH", str(len(ANSWER)))
    + "\n".join(
        f'(func (export "{name}") (param i32 i32) (result i64) (call $judicia:{name} (local.get 0) (local.get 1)))'
        for name in HANDED_ON
    )
)
GRANT = [
    *(
        "read_database=t",
        "write_database=t",
        "emit_event",
        "subscribe_events",
        "subscribe_events=loop",
        "file_storage",
        "send_notifications",
    ),
    *("read_shared_memory=frame", "write_shared_memory=frame", "register_routes", "network_access=http://127.0.0.1"),
]


@dataclass
class Ground:
    """A runtime, a guest that may do everything in it, and numbers that come once."""

    rt: jn.Runtime
    p: jn.Plugin
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def refused(self, function: str, **request: Any) -> bool:
        """Whether the host says no, because of a quota."""
        answer = self.p.call(function, request)
        assert "ok" in answer or answer["error"]["code"] in ("quota_exceeded", "timeout"), answer
        return "error" in answer

    def new(self, word: str = "n") -> str:
        return f"{word}{next(self.numbers)}"


Driver = Callable[[Ground], bool]
Table = dict[str, tuple[Any, Driver]]
"""Limits, each with a low value and what exceeds it."""
