"""Standard output and error: lines of the plugin's log, within its quota."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.guests import wat
from tests.support.wasi import iovecs, rows

MODULE = "wasi_snapshot_preview1"
SUCCESS = 0
SIZE = 65536


def test_each_line_is_a_row_of_the_log_and_what_is_left_of_one_is_too(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    guest = load({0: iovecs((100, 6), (200, 9)), 100: b"one\ntw", 200: b"o\n\nthree\r"})
    assert guest.plugin.raw("fd_write").map([(1, 0, 2, 300), (2, 0, 1, 304), (1, 0, 1, 308)]) == [SUCCESS] * 3
    assert rows(rt.logs, "message", "stream", "level") == [
        ("one", "stdout", "info"),
        ("two", "stdout", "info"),
        ("", "stdout", "info"),
        ("one", "stderr", "info"),
        ("three�one", "stdout", "info"),  # the frame shows no control characters
        ("tw", "stdout", "info"),
        ("tw", "stderr", "info"),
    ]
    assert [guest.peek(address, 4) for address in (300, 304, 308)] == [15, 6, 6]
    assert set(rt.logs["call_id"]) == {rt.calls["call_id"][0]}


def test_a_line_that_no_call_ended_does_not_go_on_in_the_next(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    guest = load({0: iovecs((100, 3)), 100: b"abc"})
    for _ in range(2):
        guest("fd_write", 1, 0, 1, 300)
    assert list(rt.logs["message"]) == ["abc", "abc"]


def test_output_that_is_no_text_is_shown_as_far_as_it_is(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    data = b"caf\xc3\xa9 \xff\xc3\n\x1b[31m\x00\n" + b"x" * 20_000 + b"\n"
    guest = load({0: iovecs((100, len(data))), 100: data})
    assert guest("fd_write", 1, 0, 1, 60_000) == SUCCESS
    first, second, third = rt.logs["message"]
    assert first == "café ��"
    assert second == "�[31m�"
    assert third == "x" * 10_000 + "…"


def test_an_endless_writer_meets_the_log_quota(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    spam = """(func (export "spam") (loop $again
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 300))) (br $again)))"""
    guest = load({0: iovecs((100, 6)), 100: b"hello\n"}, spam, quota={"log": 100})
    with pytest.raises(jn.QuotaExceeded) as ended:
        guest("spam")
    assert (ended.value.quota, ended.value.limit, ended.value.used, ended.value.unit) == ("log", 100, 102, "bytes")
    assert "%plugin quota guest --log" in str(ended.value)
    assert list(rt.logs["message"]) == ["hello"] * 16 + ["hell"]
    assert rows(rt.host_calls, "decision")[-1] == ("limited",)
    assert rt.calls["outcome"][0] == "quota_log"
    assert guest("fd_write", 1, 0, 1, 300) == SUCCESS


def test_standard_output_and_the_log_service_share_a_quota(rt: jn.Runtime) -> None:
    cell = f"""(import "{MODULE}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (data (i32.const 8) "\\10\\00\\00\\00\\3c\\00\\00\\00")
      (func (export "f") (param i32 i32) (result i64)
        (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
        (call $judicia:log.write (local.get 0) (local.get 1)))"""
    p = rt.load(wat(cell), name="both", quota={"log": 100})
    assert p.call("f", {"level": "info", "message": "x" * 40}) == {"ok": {}}
    assert p.call("f", {"level": "info", "message": "x" * 41})["error"]["code"] == "quota_exceeded"


def test_a_flood_of_lines_ends_with_the_time(load: Callable[..., Any]) -> None:
    lines = b"\n" * 60_000
    guest = load({0: iovecs(*[(1000, 60_000)] * 100), 1000: lines}, quota={"log": None, "wall": "50ms"})
    with pytest.raises(jn.QuotaExceeded) as ended:
        guest("fd_write", 1, 0, 100, 900)
    assert ended.value.quota == "wall"
    assert ended.value.used < 5


def test_one_write_takes_sixteen_mebibytes_at_most_and_says_so(load: Callable[..., Any]) -> None:
    guest = load({0: iovecs(*[(0, SIZE)] * 1024)}, quota={"log": None})
    assert guest("fd_write", 1, 0, 1024, 60_000) == SUCCESS
    assert guest.peek(60_000, 4) == 16 << 20


def test_an_endless_line_takes_no_more_memory_than_is_recorded_of_it(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    guest = load({0: iovecs(*[(8192, SIZE - 8192)] * 100)}, quota={"log": None})
    tracemalloc.start()
    try:
        guest.plugin.raw("fd_write").map([(1, 0, 100, 60_000)] * 20)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 << 20  # twenty times 5.5 MiB were written
    assert len(rt.logs) == 1
