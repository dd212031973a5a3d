"""The stop button: what an interrupt says below a cell, and that it is still a KeyboardInterrupt."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

import judicia_notebook as jn
from tests.support.threads import once_it_runs

if TYPE_CHECKING:
    from tests.support.kernels import Kernel

SPIN = 'p = rt.load("example:specimen", quota={"cpu": "60s", "wall": "60s"})'
RUNS, CALLED = "p._deployment.running_calls", "len(rt._recorder.calls) > 20"
SWEPT = """any(len(bench._runtime._recorder.calls) > 2
    for one in tuple(sys.modules["judicia_notebook.experiments.sweep.laboratory"]._busy)
    for bench in tuple(one._benches.values()))"""
CELLS = {  # what each says, and when the button is pressed
    'p.call("spin", {"ms": 50_000})': ("specimen.spin was interrupted after", RUNS),
    '%plugin call specimen.spin {"ms": 50000}': ("specimen.spin was interrupted after", RUNS),
    'h = p.submit("spin", {"ms": 50_000})\ntry:\n    h.result()\nfinally:\n    h.cancel()': ("the call goes on", RUNS),
    'p.bench("spin", {"ms": 1}, repeats=20_000)': ("was interrupted", CALLED),
    'p.profile("spin", {"ms": 50_000})': ("specimen.spin was interrupted after", RUNS),
    'jn.sweep("example:specimen", "spin", [{"ms": 3}], repeats=20_000, progress=False)': (
        "20000 cells are done",
        SWEPT,
    ),
}


@pytest.mark.parametrize("cell", CELLS)
def test_an_interrupt_is_one_sentence_and_the_users_line(kernel: Kernel, cell: str) -> None:
    sentence, when = CELLS[cell]
    assert kernel.run(SPIN).status == "ok"
    reply = kernel.run(cell, interrupt_when=when)
    assert reply.status == "error", reply.output
    said, *frames = reply.traceback.splitlines()
    assert said.startswith("KeyboardInterrupt: ")
    assert sentence in said
    assert len(frames) == 1
    assert frames[0].startswith("  at Cell In[")
    assert kernel.run('p.call("echo", 1)').text == "1"


def test_it_is_a_keyboard_interrupt_and_no_error_of_the_tree(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", quota={"cpu": "60s", "wall": "60s"})
    with pytest.raises(KeyboardInterrupt, match=r"interrupted after .* its state is lost") as caught:
        thread = once_it_runs(rt, lambda: signal.raise_signal(signal.SIGINT))
        p.call("spin", {"ms": 50_000})
    thread.join()
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
        with pytest.raises(Alarm):
            thread = once_it_runs(rt, lambda: signal.raise_signal(signal.SIGALRM))
            p.call("spin", {"ms": 50_000})
        thread.join()
    finally:
        signal.signal(signal.SIGALRM, before)
