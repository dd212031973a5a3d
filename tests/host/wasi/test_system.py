"""What all functions of the shim share, and those about the process itself: clocks, random bytes, leaving."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.guests import wat
from tests.support.waiting import PATIENCE
from tests.support.wasi import iovecs, rows

MODULE = "wasi_snapshot_preview1"
SUCCESS, AGAIN, FAULT, INVAL, NOTSUP, NOTCAPABLE = 0, 6, 21, 28, 58, 76
SIZE = 65536


# --- linking ---------------------------------------------------------------------------------------------------------


def test_a_module_that_imports_every_function_links(load: Callable[..., Any]) -> None:
    plugin = load().plugin
    assert plugin.abi == "raw"
    assert len(plugin.imports) == 46


def test_a_function_imported_with_another_type_is_refused(rt: jn.Runtime) -> None:
    wat = f'(module (import "{MODULE}" "fd_seek" (func (param i32 i32 i32 i32) (result i32))))'
    with pytest.raises(jn.AbiMismatch, match=r"fd_seek.*\(i32, i64, i32, i32\) -> i32"):
        rt.load(wat.encode(), name="old")


def test_what_a_capability_gates_is_known_before_anything_runs(load: Callable[..., Any]) -> None:
    report = load().plugin.inspect()
    assert report.capabilities == ("random", "wall_clock")
    assert all(one.known for one in report.imports)


# --- rows ------------------------------------------------------------------------------------------------------------


def test_every_call_of_the_shim_is_a_host_call_with_a_row(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    guest = load({0: iovecs((100, 12)), 100: b"hello there\n", 200: b"/etc/passwd"})
    guest("fd_write", 1, 0, 1, 300)
    guest("fd_write", 7, 0, 1, 300)
    guest("path_open", 3, 0, 200, 11, 0, 0, 0, 0, 300)
    guest("clock_time_get", 0, 1, 300)
    guest("random_get", 0, 16)
    assert rows(rt.host_calls, "function", "target", "bytes_in", "capability", "decision", "detail") == [
        (f"{MODULE} fd_write", "stdout 12 bytes", 12, None, "allowed", None),
        (f"{MODULE} fd_write", "fd 7", 0, None, "failed", "EBADF"),
        (f"{MODULE} path_open", "/etc/passwd", 0, None, "failed", "ENOTCAPABLE"),
        (
            f"{MODULE} clock_time_get",
            None,
            0,
            "wall_clock",
            "denied",
            f"{MODULE} clock_time_get needs the capability wall_clock",
        ),
        (f"{MODULE} random_get", None, 0, "random", "denied", f"{MODULE} random_get needs the capability random"),
    ]
    assert list(rt.calls["host_calls"]) == [1] * 5
    assert list(rt.calls["denied"]) == [0, 0, 0, 1, 1]
    assert list(rt.audit[rt.audit["what"] == "denied"]["detail"]) == [
        f"wall_clock for {MODULE} clock_time_get",
        f"random for {MODULE} random_get",
    ]


def test_the_shim_counts_against_the_quota_of_host_calls(load: Callable[..., Any]) -> None:
    guest = load(quota={"host_calls": 3})
    with pytest.raises(jn.QuotaExceeded) as ended:
        guest.plugin.raw("sched_yield").map([()] * 4)
    assert ended.value.quota == "host_calls"


# --- clocks and random bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("capability", ["wall_clock", "random"])
def test_a_denied_function_can_end_the_call(load: Callable[..., Any], capability: str) -> None:
    guest = load(on_denied="trap")
    call = {"wall_clock": ("clock_time_get", 0, 0, 0), "random": ("random_get", 0, 8)}[capability]
    with pytest.raises(jn.CapabilityDenied) as denial:
        guest(*call)
    assert (denial.value.capability, denial.value.host_function) == (capability, f"{MODULE} {call[0]}")
    guest.plugin.policy.grant(capability)
    assert guest(*call) == SUCCESS


def test_the_clocks_tell_the_time_to_who_may_know_it(load: Callable[..., Any]) -> None:
    guest = load()
    assert [guest("clock_time_get", clock, 1, 64) for clock in range(4)] == [NOTCAPABLE] * 4
    assert guest("clock_res_get", 0, 64) == NOTCAPABLE
    assert guest.peek(64) == 0
    guest.plugin.policy.grant("wall_clock")
    assert guest("clock_time_get", 0, 1, 64) == SUCCESS
    assert abs(guest.peek(64) - time.time_ns()) < PATIENCE * 1e9
    assert guest("clock_time_get", 1, 1, 72) == SUCCESS
    earlier = guest.peek(72)
    assert guest("clock_time_get", 1, 1, 72) == SUCCESS
    assert guest.peek(72) > earlier
    assert guest("clock_time_get", 2, 1, 80) == SUCCESS
    assert 0 < guest.peek(80) < 1e9
    assert guest("clock_res_get", 0, 88) == SUCCESS
    assert guest.peek(88) == 1
    assert guest("clock_time_get", 4, 1, 64) == guest("clock_res_get", 4, 64) == INVAL


def test_a_clock_that_is_not_real_is_the_same_as_that_of_the_service(load: Callable[..., Any]) -> None:
    start = 1_735_689_600_000_000_000
    with jn.Runtime(clock="frozen") as rt:
        guest = load(into=rt, grant=["wall_clock"])
        for clock, reading in ((0, start), (1, 0), (2, 0), (3, 0)):
            assert guest("clock_time_get", clock, 1, 64) == SUCCESS
            assert guest.peek(64) == reading
        assert guest("clock_res_get", 1, 64) == SUCCESS
        assert guest.peek(64) == 1_000_000
    with jn.Runtime(clock="stepped") as rt:
        service = rt.load("example:specimen", grant=["wall_clock"])
        guest = load(into=rt, grant=["wall_clock"])
        guest("clock_time_get", 0, 1, 64)
        service.call("call_host", {"service": "clock"})
        guest("clock_time_get", 0, 1, 72)
        assert guest.peek(72) - guest.peek(64) == 2_000_000


def test_random_bytes_come_from_the_same_stream_as_the_services(load: Callable[..., Any]) -> None:
    def draw(rt: jn.Runtime) -> bytes:
        draws = (
            '(func (export "f") (param i32 i32) (result i64) (call $judicia:random.bytes (local.get 0) (local.get 1)))'
        )
        p = rt.load(wat(draws), name="guest", grant=["random"])
        return base64.b64decode(p.call("f", {"length": 8})["ok"]["base64"])

    with jn.Runtime(seed=5) as rt:
        expected = draw(rt)
    with jn.Runtime(seed=5) as rt:
        guest = load(into=rt, grant=["random"])
        assert guest("random_get", 64, 8) == SUCCESS
        assert guest.peek(64).to_bytes(8, "little") == expected
        assert draw(rt) != expected


def test_random_bytes_fill_what_was_asked_for_and_nothing_else(load: Callable[..., Any]) -> None:
    guest = load(grant=["random"])
    assert guest("random_get", 0, 0) == SUCCESS
    assert guest("random_get", 16, SIZE - 32) == SUCCESS
    assert [guest.peek(address) != 0 for address in (8, 16, SIZE - 24, SIZE - 16)] == [False, True, True, False]
    assert guest("random_get", SIZE - 8, 9) == guest("random_get", 0, SIZE + 8) == FAULT
    assert guest.peek(SIZE - 8) == guest.peek(0) == 0


def test_the_rate_of_a_capability_holds_here_too(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    guest = load(grant=["random"], quota={"host_call_rate": 2})
    answers = guest.plugin.raw("random_get").map([(0, 8)] * 20)
    assert set(answers) == {SUCCESS, AGAIN}
    assert 2 <= answers.count(SUCCESS) <= 4  # the second may turn once meanwhile
    assert "limited" in set(rt.host_calls["decision"])


# --- leaving ---------------------------------------------------------------------------------------------------------


def test_leaving_ends_an_ordinary_call_as_a_failure_and_costs_the_instance(
    rt: jn.Runtime, load: Callable[..., Any]
) -> None:
    guest = load({0: iovecs((100, 3)), 100: b"bye"})
    guest("fd_close", 0)
    with pytest.raises(jn.GuestError, match="exit: exited with status 3") as left:
        guest("proc_exit", 3)
    assert (left.value.code, left.value.message, left.value.data) == ("exit", "exited with status 3", {"status": 3})
    assert rows(rt.host_calls, "target", "decision")[-1] == ("status 3", "allowed")
    assert list(rt.calls["outcome"]) == ["ok", "guest_error"]
    assert guest("fd_close", 0) == SUCCESS  # a new instance, whose input is open
