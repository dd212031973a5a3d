"""Plugins that point beyond their memory and beyond regions, guess names, and change bytes as the notebook looks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from tests.support.guests import wat
from tests.support.waiting import PATIENCE, until

AT = 1 << 16
PAGE = 1 << 16

COPY = """
(memory (export "memory") 4 32)
(func (export "read") (param i32 i32) (result i64) (call $judicia:shared_memory.read (local.get 0) (local.get 1)))
(func (export "write") (param i32 i32) (result i64) (call $judicia:shared_memory.write (local.get 0) (local.get 1)))
(func (export "info") (param i32 i32) (result i64) (call $judicia:shared_memory.info (local.get 0) (local.get 1)))
(func (export "peek") (param i32 i32) (result i64) (call $reply (i32.const 65536) (i32.const 64)))
(func (export "size") (param i32 i32) (result i64)
  (i32.store (i32.const 65536) (i32.shl (memory.size) (i32.const 16)))
  (call $reply (i32.const 65536) (i32.const 4)))
(func (export "grow") (param i32 i32) (result i64) (drop (memory.grow (i32.const 1))) (i64.const 0))
"""
# Writes the request's region over and over, and first fills what it writes from with the request's last byte.
FLOOD = """
(func (export "flood") (param i32 i32) (result i64)
  (local $answer i64)
  (loop $on
    (memory.fill (i32.const 65536) (i32.wrap_i64 (local.get $answer)) (i32.const 65536))
    (local.set $answer (call $judicia:shared_memory.write (local.get 0) (local.get 1)))
    (call $judicia_free (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32)))
                        (i32.wrap_i64 (local.get $answer)))
    (local.set $answer (i64.add (local.get $answer) (i64.const 1)))
    (br $on))
  unreachable)
"""
GRANT = ["read_shared_memory=frame", "write_shared_memory=frame"]


def load(rt: jn.Runtime, *cells: str, grant: Any = GRANT, **options: Any) -> jn.Plugin:
    return rt.load(wat(COPY, *cells), name="wild", grant=grant, **options)


def request(offset: Any = 0, length: Any = 4, ptr: Any = AT, name: str = "frame") -> dict[str, Any]:
    return {"name": name, "offset": offset, "ptr": ptr, "length": length}


def memory_of(p: jn.Plugin) -> int:
    return int.from_bytes(p.call_bytes("size", b""), "little")


BOTH = pytest.mark.parametrize("function", ["read", "write"])


@BOTH
@pytest.mark.parametrize(
    ("ptr", "length"),
    [
        (0xFFFFFFFF, 1),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFF0000, 0x10000),
        (AT, 0xFFFFFFFF),
        (0, 0xFFFFFFFF),
        (0x7FFFFFFF, 0x7FFFFFFF),
    ],
)
def test_a_wild_pointer_ends_the_call_and_nothing_is_copied(
    rt: jn.Runtime, function: str, ptr: int, length: int
) -> None:
    """Also where the region is so large that it is the pointer alone that is wrong."""
    region = rt.host.shared_memory.create("frame", 4096)
    region.nbytes = 1 << 62  # a region as large as can be would do the same, and take the memory
    p = load(rt)
    error = p.attempt(function, request(0, length, ptr)).error
    assert isinstance(error, jn.AbiViolation)
    assert "beyond its memory" in str(error)
    assert (region.sequence, bool(region.array.any())) == (0, False)
    assert p.call_bytes("peek", b"") == bytes(64)


@BOTH
def test_the_last_byte_of_the_memory_is_the_last_one(rt: jn.Runtime, function: str) -> None:
    region = rt.host.shared_memory.create("frame", 4096)
    p = load(rt)
    p.call(function, request())  # the memory has grown by what requests take
    end = memory_of(p)
    assert p.call(function, request(0, 64, end - 64))["ok"]["copied"] == 64
    assert p.call(function, request(0, 0, end))["ok"]["copied"] == 0
    written = region.sequence
    assert isinstance(p.attempt(function, request(0, 64, end - 63)).error, jn.AbiViolation)
    assert region.sequence == written


@BOTH
def test_what_the_memory_grew_by_can_be_used_at_once(rt: jn.Runtime, function: str) -> None:
    rt.host.shared_memory.create("frame", 4096)
    p = load(rt)
    p.call(function, request())
    end = memory_of(p)
    p.call("grow")
    assert p.call(function, request(0, 64, end))["ok"]["copied"] == 64


@BOTH
@pytest.mark.parametrize(
    ("offset", "length"),
    [(4096, 1), (4093, 4), (0, 4097), (1 << 32, 4), ((1 << 62) - 1, 4), (4, 0xFFFFFFFC), (0, 0xFFFFFFFF)],
)
def test_nothing_outside_a_region_is_copied(rt: jn.Runtime, function: str, offset: int, length: int) -> None:
    region = rt.host.shared_memory.create("frame", 4096)
    p = load(rt)
    error = p.call(function, request(offset, length))["error"]
    assert (error["code"], "4096 bytes" in error["message"]) == ("bad_request", True)
    assert region.sequence == 0


@BOTH
@pytest.mark.parametrize("field", ["offset", "ptr", "length"])
@pytest.mark.parametrize("number", [-1, -(1 << 31), -(1 << 63), (1 << 64) - 1, 1 << 63, 0.5, "0", None, True, [0]])
def test_what_is_no_number_of_bytes_is_named(rt: jn.Runtime, function: str, field: str, number: Any) -> None:
    region = rt.host.shared_memory.create("frame", 4096)
    error = load(rt).call(function, {**request(), field: number})["error"]
    assert (error["code"], f"`{field}`" in error["message"]) == ("bad_request", True)
    assert region.sequence == 0


@pytest.mark.parametrize("field", ["ptr", "length"])
def test_pointers_and_lengths_have_32_bits(rt: jn.Runtime, field: str) -> None:
    rt.host.shared_memory.create("frame", 4096)
    error = load(rt).call("read", {**request(), field: 1 << 32})["error"]
    assert (error["code"], f"`{field}`" in error["message"]) == ("bad_request", True)


@pytest.mark.parametrize(
    "name", ["secret", "", "frame\0", "frame,secret", "FRAME", "../frame", "frame\u202e", "f" * 999]
)
def test_a_name_that_is_not_granted_tells_nothing_of_whether_it_exists(rt: jn.Runtime, name: str) -> None:
    rt.host.shared_memory.create("secret", 4096)
    rt.host.shared_memory.create("frame", 4096)
    p = load(rt)
    told = [
        p.call("info", {"name": name})["error"],
        p.call("read", request(name=name))["error"],
        p.call("info", {"name": "no_such_region"})["error"],
    ]
    assert [error["code"] for error in told] == ["capability_denied"] * 3
    assert told[0] == told[2]
    assert not any("\u202e" in text or len(text) > 80 for text in rt.host_calls["target"].dropna())


def test_a_grant_without_a_scope_is_for_no_region(rt: jn.Runtime) -> None:
    rt.host.shared_memory.create("frame", 4096)
    p = load(rt, grant=["read_shared_memory", "write_shared_memory"])
    for function in ("read", "write"):
        assert p.call(function, request())["error"]["code"] == "capability_denied"


def test_a_closed_region_cannot_be_reached_through_a_name_that_is_used_again(rt: jn.Runtime) -> None:
    old = rt.host.shared_memory.create("frame", 4096)
    shown = old.array
    rt.host.shared_memory.create("frame", 16)
    p = load(rt)
    assert p.call("write", request(0, 64))["error"]["code"] == "bad_request"
    assert p.call("write", request(0, 16))["ok"]["copied"] == 16
    assert (old.sequence, bool(shown.any())) == (0, False)


def test_arrays_outlive_region_runtime_and_the_guest_that_writes(rt: jn.Runtime) -> None:
    """A guest writes while the region is closed and dropped; the array stays what it is, and nothing crashes."""
    region = rt.host.shared_memory.create("frame", AT)
    shown = region.array
    p = load(rt, FLOOD, quota={"wall": PATIENCE, "cpu": PATIENCE, "host_calls": 2_000})
    handle = p.submit("flood", request(0, AT))
    for _ in range(20):
        until(lambda: region.sequence > 4 or handle.done())  # noqa: B023  # it is called at once
        region = rt.host.shared_memory.create("frame", AT)
    rt.host.shared_memory.close()
    assert isinstance(handle.exception(PATIENCE), jn.QuotaExceeded)
    before = shown.copy()
    assert np.array_equal(shown, before)


def test_a_copy_holds_still_while_a_guest_floods_the_region(rt: jn.Runtime) -> None:
    region = rt.host.shared_memory.create("frame", AT)
    p = load(rt, FLOOD, quota={"wall": PATIENCE, "cpu": PATIENCE})
    handle = p.submit("flood", request(0, AT))
    until(lambda: region.sequence > 4 or handle.done())
    looks = [np.unique(region.copy()).size for _ in range(200)]
    with region.write() as array:  # nobody starves who wants to write, too
        array[:] = 1
        assert np.unique(array).tolist() == [1]
    handle.cancel()
    assert isinstance(handle.exception(PATIENCE), jn.Cancelled)
    assert set(looks) == {1}
