"""Work in threads beside the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.waiting import PATIENCE, ticks_seen, until_it_computes

Start = Callable[..., "list[Any]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Run something in a thread; what it returns or raises goes into the list that comes back."""
    threads: list[threading.Thread] = []

    def run(work: Callable[..., Any], *arguments: Any) -> list[Any]:
        came: list[Any] = []

        def body() -> None:
            try:
                came.append(work(*arguments))
            except BaseException as error:
                came.append(error)

        threads.append(threading.Thread(target=body))
        threads[-1].start()
        return came

    yield run
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def once_it_runs(rt: jn.Runtime, act: Callable[[], object]) -> threading.Thread:
    """Do something once a guest of this runtime is at work that was not before.

    A timer would act after a second also where a stopped or busy process has not come to the call by then.
    """
    before = ticks_seen(rt)

    def watch() -> None:
        until_it_computes(rt, since=before)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread
