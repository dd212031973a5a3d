"""What is left of objects that nobody refers to any more, and when it is freed."""

from __future__ import annotations

import gc
import threading
from functools import partial

import pytest

import judicia_notebook as jn
from judicia_notebook.engine.finalizers import leave, sweep


class Owner:
    """Something that can be referred to weakly."""


def test_what_a_forgotten_object_leaves_is_freed_by_the_next_sweep_once() -> None:
    freed: list[str] = []
    owner = Owner()
    leave(owner, partial(freed.append, "it"))
    sweep()
    assert freed == []
    del owner
    assert freed == []  # nothing of ours runs where the last reference happens to go
    sweep()
    sweep()
    assert freed == ["it"]


def test_what_is_freed_when_it_is_said_is_not_freed_again() -> None:
    freed: list[str] = []
    owner = Owner()
    remains = leave(owner, partial(freed.append, "it"))
    remains.free()
    remains.free()
    del owner
    sweep()
    assert freed == ["it"]


def test_objects_in_a_cycle_leave_theirs_when_the_collector_comes() -> None:
    freed: list[int] = []
    for number in range(10):
        owner = Owner()
        owner.itself = owner  # type: ignore[attr-defined]
        leave(owner, partial(freed.append, number))
    del owner
    gc.collect()
    sweep()
    assert sorted(freed) == list(range(10))


def test_many_threads_sweep_each_thing_once() -> None:
    freed: list[int] = []
    for number in range(1000):
        leave(Owner(), partial(freed.append, number))
    threads = [threading.Thread(target=sweep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(freed) == list(range(1000))


@pytest.mark.parametrize("example", ["specimen", "checker", "scoreboard"])
def test_a_runtime_that_was_forgotten_gives_its_memory_back_at_the_next_load(rt: jn.Runtime, example: str) -> None:
    """Also where services know of the plugin: the last two are told of events."""
    forgotten = jn.Runtime()
    pool = forgotten._platform.pool
    forgotten.load(f"example:{example}").initialize()
    assert pool.used > 0
    del forgotten
    gc.collect()
    rt.load("example:specimen")
    assert pool.used == 0
