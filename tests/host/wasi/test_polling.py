"""``poll_oneoff``: sleeping, and what is ready."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.waiting import PATIENCE, until
from tests.support.wasi import rows

SUCCESS, BADF, INVAL, NOTCAPABLE = 0, 8, 28, 76
LAST = 2**32 - 1
SIZE = 65536
CLOCK, READ, WRITE = range(3)


def subscription(userdata: int, kind: int, subject: int, timeout: int = 0, flags: int = 0) -> bytes:
    return struct.pack("<QB7xI4xQQH6x", userdata, kind, subject, timeout, 0, flags)


def polled(guest: Any, count: int) -> tuple[int, list[tuple[int, int, int, int, int]]]:
    """The answer, and of each event: userdata, error, kind, bytes, flags."""
    answer = guest("poll_oneoff", 0, 4096, count, 8192)
    events = []
    for number in range(guest.peek(8192, 4)):
        raw = b"".join(guest.peek(4096 + 32 * number + at).to_bytes(8, "little") for at in range(0, 32, 8))
        events.append(struct.unpack("<QHB5xQH6x", raw))
    return answer, events


def test_the_clock_that_runs_out_first_ends_a_wait(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    guest = load({0: subscription(7, CLOCK, 1, 60 * 10**9) + subscription(8, CLOCK, 0, 20 * 10**6)})
    began = time.monotonic()
    assert polled(guest, 2) == (SUCCESS, [(8, SUCCESS, CLOCK, 0, 0)])
    assert 0.02 <= time.monotonic() - began < PATIENCE
    assert rows(rt.host_calls, "target", "capability", "decision") == [("20 ms", None, "allowed")]


def test_standard_input_and_output_are_always_ready(load: Callable[..., Any]) -> None:
    wanted = [
        subscription(1, READ, 0),
        subscription(2, WRITE, 1),
        subscription(3, WRITE, 2),
        subscription(4, READ, 1),
        subscription(5, WRITE, 0),
        subscription(6, READ, 9),
        subscription(7, CLOCK, 1, 60 * 10**9),
        subscription(8, CLOCK, 1, 0),
    ]
    guest = load({0: b"".join(wanted)})
    assert polled(guest, 8) == (
        SUCCESS,
        [
            (1, SUCCESS, READ, 0, 1),  # the other end has hung up
            (2, SUCCESS, WRITE, SIZE, 0),
            (3, SUCCESS, WRITE, SIZE, 0),
            (4, BADF, READ, 0, 0),
            (5, BADF, WRITE, 0, 0),
            (6, BADF, READ, 0, 0),
            (8, SUCCESS, CLOCK, 0, 0),
        ],
    )


def test_waiting_for_a_moment_takes_the_clock(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    guest = load({0: subscription(1, CLOCK, 0, 10**9, 1)})  # one second after 1970 began
    assert polled(guest, 1) == (NOTCAPABLE, [])
    assert rows(rt.host_calls, "capability", "decision")[0] == ("wall_clock", "denied")
    assert rt.calls["denied"][0] == 1
    guest.plugin.policy.grant("wall_clock")
    assert polled(guest, 1) == (SUCCESS, [(1, SUCCESS, CLOCK, 0, 0)])


def test_a_wait_ends_with_the_wall_quota_and_with_the_call(load: Callable[..., Any]) -> None:
    guest = load({0: subscription(1, CLOCK, 1, 2**64 - 1)}, quota={"wall": "30ms"})
    with pytest.raises(jn.QuotaExceeded) as ended:
        guest("poll_oneoff", 0, 4096, 1, 8192)
    assert ended.value.quota == "wall"
    guest.plugin.policy.set_quota(wall="300s")
    outcomes: list[BaseException | None] = []

    def sleep() -> None:
        try:
            guest("poll_oneoff", 0, 4096, 1, 8192)
        except jn.Cancelled as error:
            outcomes.append(error)

    sleeping = threading.Thread(target=sleep)
    sleeping.start()
    until(lambda: guest.plugin._deployment.running_calls)
    time.sleep(0.05)
    guest.plugin.unload()
    sleeping.join(PATIENCE)
    assert len(outcomes) == 1


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (subscription(1, CLOCK, 2, 1), 1),  # nobody can sleep for some CPU time
        (subscription(1, CLOCK, 9, 1), 1),
        (subscription(1, CLOCK, 1, 1, 2), 1),
        (subscription(1, 3, 0), 1),
        (b"", 0),
        (b"", 65),
        (b"", LAST),
    ],
)
def test_a_wait_for_nothing_sensible_is_invalid(load: Callable[..., Any], wanted: bytes, count: int) -> None:
    assert polled(load({0: wanted}), count) == (INVAL, [])
