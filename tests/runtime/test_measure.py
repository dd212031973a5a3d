"""Measuring and labelling: just the calls made inside, wherever they run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import judicia_notebook as jn
from judicia_notebook.engine import workers
from tests.support.waiting import PATIENCE


@pytest.fixture(autouse=True)
def _threads_leave_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.05)


@pytest.fixture
def p(rt: jn.Runtime) -> jn.Plugin:
    return rt.load("example:specimen")


def call_ids(measured: Any) -> list[int]:
    ids: list[int] = measured.calls["call_id"].tolist()
    return ids


def ids_of(made: list[Callable[[], Any]], p: jn.Plugin) -> list[int]:
    ids = []
    for make in made:
        make()
        assert p.last is not None
        ids.append(p.last.call_id)
    return ids


def test_a_measurement_has_the_calls_made_inside_and_no_others(rt: jn.Runtime, p: jn.Plugin) -> None:
    p.call("echo", "before")
    with rt.measure() as m:
        inside = ids_of([lambda: p.call("echo", 1), lambda: p.attempt("trap"), lambda: p.call_bytes("echo", b"1")], p)
    p.call("echo", "after")
    assert call_ids(m) == inside
    assert m.calls.equals(rt.calls[rt.calls["call_id"].isin(inside)].reset_index(drop=True))
    assert list(m.calls["outcome"]) == ["ok", "trap", "ok"]


def test_an_empty_measurement_has_the_columns_and_no_rows(rt: jn.Runtime, p: jn.Plugin) -> None:
    p.call("echo", 1)
    with rt.measure() as m:
        pass
    assert len(m.calls) == len(m.host_calls) == len(m.samples) == 0
    assert list(m.calls.columns) == list(rt.calls.columns)


def test_what_a_call_caused_is_measured_with_it(rt: jn.Runtime, p: jn.Plugin) -> None:
    p.call("call_host", {"service": "clock", "n": 5})
    with rt.measure() as m:
        p.call("call_host", {"service": "log", "n": 3})
    assert len(rt.host_calls) == 8
    assert list(m.host_calls["function"]) == ["judicia:log write"] * 3
    assert set(m.host_calls["call_id"]) == set(m.samples["call_id"]) == set(call_ids(m))
    assert {"enter", "exit"} <= set(m.samples["event"])


def test_submitted_calls_belong_to_the_measurement_also_when_they_end_after_it(rt: jn.Runtime, p: jn.Plugin) -> None:
    outside = p.submit("sleep", {"ms": 100})
    with rt.measure() as m:
        inside = [p.submit("echo", number) for number in range(5)]
        assert call_ids(m) == []  # a row is written when its call ends
    later = p.submit("echo", "later")
    for handle in (outside, *inside, later):
        handle.result(PATIENCE)
    # Each ends on a thread of its own, and frees the instance before it writes its row: rows may change places.
    assert sorted(call_ids(m)) == [handle.record.call_id for handle in inside if handle.record is not None]
    assert len(m.calls) == 5


def test_a_measurement_can_be_read_while_it_is_open(rt: jn.Runtime, p: jn.Plugin) -> None:
    with rt.measure() as m:
        for count in range(1, 4):
            p.call("echo", 1)
            assert len(m.calls) == count


def test_calls_of_other_threads_are_not_measured(rt: jn.Runtime, p: jn.Plugin) -> None:
    def other() -> None:
        for _ in range(20):
            p.call("echo", "other")
            p.submit("echo", "other").result(PATIENCE)

    with rt.measure() as m:
        thread = threading.Thread(target=other)
        thread.start()
        for _ in range(20):
            p.call("echo", "mine")
        thread.join()
    assert len(m.calls) == 20
    assert set(m.calls["thread"]) == {threading.current_thread().name}
    assert len(rt.calls) == 60


def test_measurements_of_several_threads_do_not_mix(rt: jn.Runtime) -> None:
    p = rt.load("example:specimen", instances=4)
    line = threading.Barrier(4)

    def work(number: int) -> tuple[set[str], int]:
        line.wait(PATIENCE)
        with rt.measure() as m, jn.label(thread=number):
            for _ in range(10 + number):
                p.call("echo", number)
        return set(m.calls["label"]), len(m.calls)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [({f"thread={number}"}, 10 + number) for number in range(4)]


def test_an_inner_measurement_has_its_own_and_the_outer_has_both(rt: jn.Runtime, p: jn.Plugin) -> None:
    with rt.measure() as outer:
        p.call("echo", 1)
        with rt.measure() as inner:
            p.call("echo", 2)
            submitted = p.submit("echo", 3)
        p.call("echo", 4)
    submitted.result(PATIENCE)
    assert len(outer.calls) == 4
    assert len(inner.calls) == 2
    assert set(call_ids(inner)) < set(call_ids(outer))


def test_a_measurement_ends_with_its_block_also_when_that_raises(rt: jn.Runtime, p: jn.Plugin) -> None:
    with pytest.raises(jn.GuestTrap), rt.measure() as m:
        p.call("trap")
    p.call("echo", 1)
    assert list(m.calls["outcome"]) == ["trap"]


def test_calls_of_another_runtime_are_not_measured(rt: jn.Runtime, p: jn.Plugin) -> None:
    p.call("echo", "outside")
    with jn.Runtime() as other:
        q = other.load("example:specimen")
        with rt.measure() as m, other.measure() as theirs:
            q.call("echo", 1)  # it has the number of the call outside
        assert len(m.calls) == 0
        assert len(theirs.calls) == 1


def test_labels_nest_and_end_with_their_blocks(rt: jn.Runtime, p: jn.Plugin) -> None:
    p.call("echo", 0)
    with jn.label(variant="A", size=1):
        p.call("echo", 1)
        with jn.label(size=2, step=0.5):
            p.call("echo", 2)
        p.call("echo", 3)
        with pytest.raises(jn.GuestTrap), jn.label(variant="B"):
            p.call("trap")
        p.call("echo", 4)
    p.call("echo", 5)
    labels = [None if label != label else label for label in rt.calls["label"]]  # noqa: PLR0124  # NA differs from itself
    assert labels == [
        None,
        "variant=A, size=1",
        "variant=A, size=2, step=0.5",
        "variant=A, size=1",
        "variant=B, size=1",
        "variant=A, size=1",
        None,
    ]


def test_each_label_is_a_column_with_the_dtype_of_its_values(rt: jn.Runtime, p: jn.Plugin) -> None:
    with jn.label(variant="A", size=np.int64(1), ratio=0.5, deep=True, at=Path("x")):
        p.call("echo", 1)
    with jn.label(variant=7, size=2, ratio=2, deep=None):
        p.call("echo", 2)
    columns = rt.calls.filter(like="label_")
    assert list(columns) == ["label_variant", "label_size", "label_ratio", "label_deep", "label_at"]
    assert columns["label_size"].tolist() == [1, 2]
    assert columns["label_ratio"].tolist() == [0.5, 2.0]
    assert columns["label_variant"].tolist() == ["A", "7"]
    assert [str(dtype) for dtype in columns.dtypes] == ["str", "int64", "float64", "boolean", "str"]
    assert columns.isna().sum().tolist() == [0, 0, 0, 1, 1]
    assert list(rt.calls["label"]) == [
        "variant=A, size=1, ratio=0.5, deep=True, at=x",
        "variant=7, size=2, ratio=2, deep=None",
    ]
    assert rt.last is not None
    assert rt.last.labels == {"variant": 7, "size": 2, "ratio": 2, "deep": None}


def test_a_frame_has_the_labels_of_its_rows_alone(rt: jn.Runtime, p: jn.Plugin) -> None:
    other = rt.load("example:specimen", name="other")
    with jn.label(one=1):
        p.call("echo", 1)
    with jn.label(two=2):
        other.call("echo", 2)
    assert list(p.calls.filter(like="label_")) == ["label_one"]
    assert list(rt.calls.filter(like="label_")) == ["label_one", "label_two"]


@pytest.mark.parametrize("labels", [{"a b": 1}, {"": 1}, {"a,b": 1}, {"a" * 65: 1}])
def test_a_label_that_names_no_column_is_refused(labels: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a label's name is a Python name"), jn.label(**labels):
        pass


def test_labels_are_not_without_number() -> None:
    with pytest.raises(ValueError, match="at most 100 labels, and these are 101"):
        jn.label(**{f"n{number}": 1 for number in range(101)}).__enter__()


def test_a_label_stays_on_its_own_thread(rt: jn.Runtime, p: jn.Plugin) -> None:
    with jn.label(variant="A"):
        thread = threading.Thread(target=p.call, args=("echo", 1))
        thread.start()
        thread.join()
        p.call("echo", 2)
    assert rt.calls["label"].isna().tolist() == [True, False]


def test_calls_of_an_async_task_are_measured_where_the_task_was_made(rt: jn.Runtime, p: jn.Plugin) -> None:
    import asyncio

    async def work(variant: str) -> int:
        with jn.label(variant=variant), rt.measure() as m:
            for _ in range(3):
                await p.call_async("sleep", {"ms": 1})
        return len(m.calls[m.calls["label"] == f"variant={variant}"])

    async def main() -> list[int]:
        return list(await asyncio.gather(work("A"), work("B")))

    assert asyncio.run(main()) == [3, 3]
    assert len(rt.calls) == 6
