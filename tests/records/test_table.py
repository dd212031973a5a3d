"""The ring of packed rows: positions, both bounds, and that threads and readers never see a torn row."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Iterator

import pytest

from judicia_notebook.records.table import Layout, Table
from tests.support.waiting import PATIENCE

LAYOUT: Layout[tuple[str]] = Layout({"number": "q", "twice": "q"})
ROOMY = 64 << 20


class Text(str):
    """A text that can be watched."""

    __slots__ = ("__weakref__",)


@pytest.fixture
def many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def contents(table: Table[tuple[str]]) -> list[tuple[str, int, int]]:
    """What a reader finds: text, number and twice the number of each row."""
    found = []
    for run in table.rows():
        for row in range(run.first, run.first + run.length):
            key, number, twice = LAYOUT.packed.unpack_from(run.data, row * LAYOUT.packed.size)
            found.append((str(run.keys[key][0]), number, twice))
    return found


def test_rows_come_back_in_the_order_they_were_added() -> None:
    table = Table(LAYOUT, 100, ROOMY)
    positions = [table.add((f"key {number % 3}",), (number, 2 * number)) for number in range(50)]
    assert positions == list(range(50))
    assert contents(table) == [(f"key {number % 3}", number, 2 * number) for number in range(50)]
    assert table.row_at(31) == (("key 1",), {"number": 31, "twice": 62})


@pytest.mark.parametrize("capacity", [1, 2, 7, 8, 100, 4097, 10_000])
def test_exactly_as_many_rows_fit_as_the_capacity_says(capacity: int) -> None:
    table = Table(LAYOUT, capacity, ROOMY)
    for number in range(capacity):
        table.add(("key",), (number, 2 * number))
    assert (len(table), table.dropped) == (capacity, 0)
    table.add(("key",), (capacity, 2 * capacity))
    assert table.dropped > 0
    assert len(table) <= capacity


def test_the_oldest_rows_go_first_and_are_counted() -> None:
    table = Table(LAYOUT, 80, ROOMY)
    for number in range(1000):
        table.add((f"key {number}",), (number, 2 * number))
    assert table.end == 1000
    assert len(table) + table.dropped == 1000
    assert 70 <= len(table) <= 80
    assert contents(table) == [(f"key {number}", number, 2 * number) for number in range(table.dropped, 1000)]


def test_a_position_stays_its_rows_own_after_older_rows_were_dropped() -> None:
    table = Table(LAYOUT, 80, ROOMY)
    for number in range(1000):
        assert table.add(("key",), (number, 2 * number)) == number
    for position in range(1000):
        expected = (("key",), {"number": position, "twice": 2 * position}) if position >= table.dropped else None
        assert table.row_at(position) == expected
    assert table.row_at(1000) is None
    assert table.row_at(-1) is None


def test_rows_between_two_positions() -> None:
    table = Table(LAYOUT, 80, ROOMY)
    for number in range(60):
        table.add(("key",), (number, 2 * number))
    assert sum(run.length for run in table.rows(13, 47)) == 34
    assert sum(run.length for run in table.rows(55)) == 5
    assert table.rows(60) == []


def test_texts_of_dropped_rows_are_freed() -> None:
    table = Table(LAYOUT, 80, ROOMY)
    watched = []
    for number in range(1000):
        text = Text(f"key {number}")
        watched.append(weakref.ref(text))
        table.add((text,), (number, number))
        del text
    gc.collect()
    assert sum(watch() is not None for watch in watched) == len(table)


def test_keys_that_are_all_different_cannot_grow_memory() -> None:
    table = Table(LAYOUT, 1_000_000, 1 << 20)
    tracemalloc.start()
    try:
        for number in range(30_000):
            table.add((f"{number:>200}",), (number, number))
        used, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert table.dropped > 20_000
    assert used <= most < 5 << 18


def test_one_key_heavier_than_the_table_may_be_is_kept_until_the_next_comes() -> None:
    table = Table(LAYOUT, 100, 1000)
    for number in range(5):
        table.add(("x" * 5000,), (number, number))
        table.add(("y" * 5000,), (number, number))
    assert len(table) + table.dropped == 10
    assert 1 <= len(table) <= 2


def test_threads_writing_at_once_lose_and_tear_nothing(many_switches: None) -> None:
    threads, each = 8, 3000
    table = Table(LAYOUT, threads * each, ROOMY)
    positions: list[list[int]] = [[] for _ in range(threads)]

    def write(thread: int) -> None:
        for number in range(thread * each, (thread + 1) * each):
            positions[thread].append(table.add((f"key {number % 500}",), (number, 2 * number)))

    writers = [threading.Thread(target=write, args=(thread,)) for thread in range(threads)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PATIENCE)
    assert sorted(position for mine in positions for position in mine) == list(range(threads * each))
    rows = contents(table)
    assert sorted(number for _, number, _ in rows) == list(range(threads * each))
    assert all(text == f"key {number % 500}" and twice == 2 * number for text, number, twice in rows)


def test_a_reader_sees_whole_rows_while_others_write_and_drop(many_switches: None) -> None:
    table = Table(LAYOUT, 4000, ROOMY)
    done = threading.Event()

    def write() -> None:
        for number in range(40_000):
            table.add((f"key {number % 7}",), (number, 2 * number))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    looks = 0
    while not done.is_set() or not looks:
        rows = contents(table)
        numbers = [number for _, number, _ in rows]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        assert all(text == f"key {number % 7}" and twice == 2 * number for text, number, twice in rows)
        looks += 1
    writer.join(PATIENCE)


def test_what_a_reader_holds_stays_as_it_was() -> None:
    table = Table(LAYOUT, 80, 2000)
    table.add(("first",), (1, 2))
    [run] = table.rows()
    with memoryview(run.data):  # as NumPy holds it
        for number in range(500):
            table.add((f"{number:>40}",), (number, number))
        assert LAYOUT.packed.unpack_from(run.data, 0) == (0, 1, 2)
        assert run.keys[0] == ("first",)
    assert table.dropped > 0


def test_a_row_added_from_within_adding_a_row_does_not_hang() -> None:
    table = Table(LAYOUT, 80, ROOMY)

    class Nested(Text):
        def __hash__(self) -> int:  # stands for a finalizer, which may run at any bytecode
            table.add(("inner",), (1, 2))
            return super().__hash__()

    writer = threading.Thread(target=lambda: table.add((Nested("outer"),), (3, 6)), daemon=True)
    writer.start()
    writer.join(PATIENCE)
    assert not writer.is_alive()
    table.add(("after",), (4, 8))
    assert contents(table)[-1] == ("after", 4, 8)
    assert all(twice == 2 * number for _, number, twice in contents(table))


def test_a_table_for_no_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        Table(LAYOUT, 0, ROOMY)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks; enable: run on Linux or macOS")
def test_a_forked_child_reads_what_another_thread_was_writing() -> None:
    table = Table(LAYOUT, 10, ROOMY)
    table.add(("a",), (1, 2))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with table._lock:
            held.set()
            done.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(PATIENCE)
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)  # which ends it, where it waits
        os._exit(0 if sum(rows.length for rows in table.rows()) == 1 else 1)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
