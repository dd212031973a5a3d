"""An answer belongs to its call: many threads at once, of any size, host calls and nested calls included."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

import judicia_notebook as jn
from judicia_notebook.host.clock import ClockService
from judicia_notebook.host.dispatcher import Operation
from tests.support.guests import ECHO, wat

Load = Callable[..., jn.Plugin]

THREADS = 8
SIZES = {"small": 40, "64 KiB": 64 << 10, "1 MiB": 1 << 20}
TURNS = {"small": 300, "64 KiB": 100, "1 MiB": 12}


ASK = """(func (export "ask") (param i32 i32) (result i64)
  (call $judicia:clock.now (local.get 0) (local.get 1)))"""


class Request(msgspec.Struct):
    asked: str


def crossed(work: Callable[[int, int], bool], turns: int) -> int:
    """How many times `work(thread, turn)` did not answer True, on all threads together."""
    wrong: list[tuple[int, int]] = []
    together = threading.Barrier(THREADS)

    def run(thread: int) -> None:
        together.wait(30)
        wrong.extend((thread, turn) for turn in range(turns) if not work(thread, turn))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(wrong)


def text(thread: int, turn: int, size: int) -> str:
    """A text of that size that no other thread and turn has."""
    return (f"{thread}/{turn};" * size)[:size]


@pytest.mark.parametrize("size", SIZES)
def test_no_answer_is_another_calls(load: Load, size: str) -> None:
    plugin = load(instances=THREADS, quota={"memory": "32MiB"})

    def ask(thread: int, turn: int) -> bool:
        asked = text(thread, turn, SIZES[size])
        return bool(plugin.call("echo", asked) == asked)

    assert crossed(ask, TURNS[size]) == 0


@pytest.mark.parametrize("size", SIZES)
def test_no_answer_of_a_host_call_or_a_nested_call_is_anothers(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    """The guest hands its request to a service, which asks a second plugin; its answer is handed back to the guest."""
    inner: list[jn.Plugin] = []

    def now(_self: Any, _scope: Any, request: Any) -> Any:
        return inner[0].call("echo", request.asked)

    def operations(self: ClockService) -> Any:
        yield Operation("now", partial(now, self), capability="wall_clock", request=Request)

    monkeypatch.setattr(ClockService, "operations", operations)
    with jn.Runtime() as rt:
        quota = {"memory": "64MiB", "wall": "60s", "cpu": "60s"}
        outer = rt.load(wat(ASK), name="outer", instances=THREADS, grant=["wall_clock"], quota=quota)
        inner.append(rt.load(wat(ECHO), name="inner", instances=THREADS, quota=quota))

        def ask(thread: int, turn: int) -> bool:
            asked = text(thread, turn, SIZES[size])
            return bool(outer.call("ask", {"asked": asked}) == {"ok": asked})

        assert crossed(ask, TURNS[size] // 3) == 0
