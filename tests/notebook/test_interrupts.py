"""The stop button: what an interrupt says below a cell, and that it is still a KeyboardInterrupt."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import judicia_notebook as jn

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

SPIN = 'p = rt.load("example:specimen", quota={"cpu": "60s", "wall": "60s"})'
CELLS = {
    'p.call("spin", {"ms": 50_000})': "specimen.spin was interrupted after",
    '%plugin call specimen.spin {"ms": 50000}': "specimen.spin was interrupted after",
    'h = p.submit("spin", {"ms": 50_000})\ntry:\n    h.result()\nfinally:\n    h.cancel()': "the call goes on",
    'p.bench("spin", {"ms": 1}, repeats=20_000)': "was interrupted",
    'p.profile("spin", {"ms": 50_000})': "specimen.spin was interrupted after",
    'jn.sweep("example:specimen", "spin", [{"ms": 3}], repeats=20_000, progress=False)': "20000 cells are done",
}


@pytest.mark.parametrize("cell", CELLS)
def test_an_interrupt_is_one_sentence_and_the_users_line(kernel: Kernel, cell: str) -> None:
    assert kernel.run(SPIN).status == "ok"
    reply = kernel.run(cell, interrupt_after=1.5)
    assert reply.status == "error", reply.output
    said, *frames = reply.traceback.splitlines()
    assert said.startswith("KeyboardInterrupt: ")
    assert CELLS[cell] in said
    assert len(frames) == 1
    assert frames[0].startswith("  at Cell In[")
    assert kernel.run('p.call("echo", 1)').text == "1"


@contextmanager
def pressed_after(seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def test_it_is_a_keyboard_interrupt_and_no_error_of_the_tree(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", quota={"cpu": "60s", "wall": "60s"})
    with (
        pressed_after(0.2),
        pytest.raises(KeyboardInterrupt, match=r"interrupted after .* its state is lost") as caught,
    ):
        p.call("spin", {"ms": 50_000})
    assert not isinstance(caught.value, Exception)
    assert rt.calls["outcome"].iloc[-1] == "cancelled"


def test_what_another_signal_handler_raises_is_left_as_it_is(rt: jn.Runtime) -> None:
    class Alarm(BaseException):
        pass

    def ring(*_: object) -> None:
        raise Alarm

    p = rt.load("example:specimen", quota={"cpu": "60s", "wall": "60s"})
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Alarm):
            p.call("spin", {"ms": 50_000})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
