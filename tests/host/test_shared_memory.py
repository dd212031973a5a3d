"""Shared memory: bytes between the notebook and plugins, whole or not at all."""

from __future__ import annotations

import threading
import time
from typing import Any, Self

import numpy as np
import pytest

import judicia_notebook as jn
from judicia_notebook.languages.wat import compile_wat
from tests.support.waiting import PATIENCE

AT = 1 << 16  # where the guests below keep what they copy

# Its own bytes begin at AT, in PAGES pages.
COPY = """
(memory (export "memory") PAGES)
(func (export "read") (param i32 i32) (result i64) (call $judicia:shared_memory.read (local.get 0) (local.get 1)))
(func (export "write") (param i32 i32) (result i64) (call $judicia:shared_memory.write (local.get 0) (local.get 1)))
(func (export "info") (param i32 i32) (result i64) (call $judicia:shared_memory.info (local.get 0) (local.get 1)))
(func (export "peek") (param $ptr i32) (param $len i32) (result i64) (local $size i32)
  (local.set $size (i32.load (local.get $ptr)))
  (call $reply (i32.const 65536) (local.get $size)))
(func (export "poke") (param $ptr i32) (param $len i32) (result i64)
  (memory.copy (i32.const 65536) (local.get $ptr) (local.get $len)) (i64.const 0))
"""
GRANT = ["read_shared_memory=frame", "write_shared_memory=frame"]


def load(rt: jn.Runtime, name: str = "copier", *, pages: int = 8, grant: Any = GRANT, **options: Any) -> jn.Plugin:
    return rt.load(compile_wat(COPY.replace("PAGES", str(pages))).encode(), name=name, grant=grant, **options)


def request(offset: int = 0, length: int = 4, ptr: int = AT, name: str = "frame") -> dict[str, Any]:
    return {"name": name, "offset": offset, "ptr": ptr, "length": length}


def peek(p: jn.Plugin, length: int) -> bytes:
    return p.call_bytes("peek", length.to_bytes(4, "little"))


# --- the notebook's side ----------------------------------------------------------------------------------------------


def test_a_region_is_zeros_of_the_given_shape_and_dtype(rt: jn.Runtime) -> None:
    region = rt.host.shared_memory.create("frame", (2, 3), "<i4")
    assert region.array.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert (region.shape, region.dtype.str, region.nbytes, region.sequence) == ((2, 3), "<i4", 24, 0)
    assert list(rt.host.shared_memory.regions) == ["frame"]
    assert repr(region) == "<Region frame: (2, 3) of int32, 24 B, sequence 0>"


def test_the_sequence_is_odd_while_the_notebook_writes(rt: jn.Runtime) -> None:
    region = rt.host.shared_memory.create("frame", 4)
    with region.write() as array:
        assert array is region.array
        assert region.sequence == 1
    assert region.sequence == 2
    with pytest.raises(ZeroDivisionError), region.write():
        raise ZeroDivisionError
    assert region.sequence == 4


def test_writing_inside_a_write_is_refused_instead_of_waiting_for_itself(rt: jn.Runtime) -> None:
    region = rt.host.shared_memory.create("frame", 4)
    with region.write():
        for again in (region.write().__enter__, region.copy):
            with pytest.raises(RuntimeError, match="would wait for itself"):
                again()


def test_a_region_of_the_same_name_replaces_the_old_one(rt: jn.Runtime) -> None:
    old = rt.host.shared_memory.create("frame", 4)
    shown = old.array
    new = rt.host.shared_memory.create("frame", 8)
    assert old.closed
    assert not new.closed
    assert rt.host.shared_memory.regions["frame"] is new
    shown[:] = 1  # what shows the old bytes still does
    assert not new.array.any()
    with pytest.raises(jn.ResourceExhausted, match="closed"):
        _ = old.array


def test_a_closed_runtime_has_no_regions(rt: jn.Runtime) -> None:
    region = rt.host.shared_memory.create("frame", 4)
    rt.close()
    assert region.closed
    with pytest.raises(jn.ResourceExhausted, match="closed"):
        rt.host.shared_memory.create("frame", 4)


@pytest.mark.parametrize("name", ["", "fra me", "frame,other", "1st", "x" * 64, "größe", 5])
def test_a_region_has_a_name_that_a_grant_can_name(rt: jn.Runtime, name: Any) -> None:
    with pytest.raises(jn.PolicyError, match="name"):
        rt.host.shared_memory.create(name, 4)


@pytest.mark.parametrize("shape", [0, -1, (), (2, 0), (1 << 40, 1 << 40), "four", None, 1.5, (1.5,), (1,) * 33])
def test_a_shape_that_makes_no_region_is_refused(rt: jn.Runtime, shape: Any) -> None:
    with pytest.raises(jn.PolicyError, match="shape"):
        rt.host.shared_memory.create("frame", shape)


@pytest.mark.parametrize("dtype", ["?", "O", "U8", "S8", "V8", "M8[ns]", "m8[s]", "longdouble", "u1,u1", "nonsense"])
def test_a_region_holds_plain_numbers_only(rt: jn.Runtime, dtype: str) -> None:
    with pytest.raises(jn.PolicyError):
        rt.host.shared_memory.create("frame", 4, dtype)


def test_all_regions_together_stay_within_the_limits(rt: jn.Runtime) -> None:
    memory = rt.host.shared_memory
    memory.set_limits(total_bytes="1KiB", regions=2)
    first = memory.create("first", 1000)
    with pytest.raises(jn.ResourceExhausted, match="total_bytes"):
        memory.create("second", 25)
    memory.create("first", 500)
    second = memory.create("second", 24)
    with pytest.raises(jn.ResourceExhausted, match="regions"):
        memory.create("third", 1)
    second.close()
    memory.create("third", 24)
    assert first.closed
    assert repr(memory) == "<SharedMemory: 2 regions, 524 B>"


# --- what guests do ---------------------------------------------------------------------------------------------------


def test_a_guest_reads_and_writes_at_offsets(rt: jn.Runtime) -> None:
    region = rt.host.shared_memory.create("frame", 6, "<u2")
    p = load(rt)
    with region.write() as array:
        array[:] = np.arange(6) + 0x100
    assert p.call("read", request(4, 6)) == {"ok": {"copied": 6, "sequence": 2}}
    assert peek(p, 8) == bytes([2, 1, 3, 1, 4, 1, 0, 0])
    p.call_bytes("poke", b"\xff\xfe\xfd\xfc")
    assert p.call("write", request(2, 4)) == {"ok": {"copied": 4, "sequence": 4}}
    assert region.array.tolist() == [0x100, 0xFEFF, 0xFCFD, 0x103, 0x104, 0x105]


def test_info_tells_what_a_region_is(rt: jn.Runtime) -> None:
    rt.host.shared_memory.create("frame", (2, 3), ">f8")
    answer = load(rt).call("info", {"name": "frame"})["ok"]
    assert answer == {"size": 48, "dtype": ">f8", "shape": [2, 3], "sequence": 0}


def test_nothing_and_everything_can_be_copied(rt: jn.Runtime) -> None:
    region = rt.host.shared_memory.create("frame", 3 * AT)
    p = load(rt)
    assert p.call("write", request(3 * AT, 0))["ok"]["copied"] == 0
    assert p.call("read", request(0, 3 * AT))["ok"]["copied"] == 3 * AT
    assert region.sequence == 2


def test_two_plugins_talk_through_a_region(rt: jn.Runtime) -> None:
    rt.host.shared_memory.create("frame", 4)
    writer = load(rt, "writer", grant=["write_shared_memory=frame"])
    reader = load(rt, "reader", grant=["read_shared_memory=frame"])
    writer.call_bytes("poke", b"ball")
    writer.call("write", request())
    reader.call("read", request())
    assert peek(reader, 4) == b"ball"
    assert reader.call("write", request())["error"]["code"] == "capability_denied"
    assert writer.call("read", request())["error"]["code"] == "capability_denied"


def test_a_closed_region_is_not_found(rt: jn.Runtime) -> None:
    region = rt.host.shared_memory.create("frame", 4)
    p = load(rt)
    region.close()
    for function in ("read", "write"):
        assert p.call(function, request())["error"]["code"] == "not_found"
    assert p.call("info", {"name": "frame"})["error"]["code"] == "not_found"


# --- several at once --------------------------------------------------------------------------------------------------


class Writing:
    """Somebody who is in the middle of a write, on a thread of its own, until the block ends."""

    def __init__(self, region: Any) -> None:
        self._region = region
        self._inside, self.done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        with self._region.write() as array:
            array[:] = 7
            self._inside.set()
            assert self.done.wait(PATIENCE)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._inside.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._thread.join(PATIENCE)


def test_half_a_write_is_never_read(rt: jn.Runtime) -> None:
    region = rt.host.shared_memory.create("frame", 4)
    rt.host.shared_memory.set_limits(wait=0.05)
    p = load(rt)
    p.call_bytes("poke", b"mine")
    with Writing(region):
        for function in ("read", "write"):
            error = p.call(function, request())["error"]
            assert (error["code"], "frame" in error["message"]) == ("conflict", True)
        assert p.call("info", {"name": "frame"})["ok"]["sequence"] % 2 == 1
        assert peek(p, 4) == b"mine"
    assert p.call("read", request())["ok"]["sequence"] == 2
    assert peek(p, 4) == b"\7\7\7\7"


@pytest.mark.parametrize("function", ["read", "write"])
def test_a_copy_waits_for_a_writer_to_finish(rt: jn.Runtime, function: str) -> None:
    region = rt.host.shared_memory.create("frame", 4)
    rt.host.shared_memory.set_limits(wait=PATIENCE)
    p = load(rt, quota={"wall": PATIENCE})
    with Writing(region) as writing:
        handle = p.submit(function, request())
        deadline = time.monotonic() + PATIENCE
        while not rt._recorder.samples.end:  # until it is inside
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not handle.done()
        writing.done.set()
        assert handle.result(PATIENCE)["ok"]["copied"] == 4


@pytest.mark.parametrize("function", ["read", "write"])
def test_wall_quota_and_cancel_end_the_waiting(rt: jn.Runtime, function: str) -> None:
    region = rt.host.shared_memory.create("frame", 4)
    rt.host.shared_memory.set_limits(wait=10 * PATIENCE)
    p = load(rt, quota={"wall": 0.1})
    with Writing(region):
        error = p.attempt(function, request()).error
        assert isinstance(error, jn.QuotaExceeded)
        p.policy.set_quota(wall=10 * PATIENCE)
        handle = p.submit(function, request())
        while not handle.running():
            time.sleep(0.01)
        handle.cancel()
        assert isinstance(handle.exception(PATIENCE), jn.Cancelled)


@pytest.mark.parametrize("function", ["read", "write"])
def test_a_call_made_inside_a_write_is_told_at_once(rt: jn.Runtime, function: str) -> None:
    region = rt.host.shared_memory.create("frame", 4)
    rt.host.shared_memory.set_limits(wait=10 * PATIENCE)
    p = load(rt, quota={"wall": 5 * PATIENCE})
    with region.write():
        error = p.call(function, request())["error"]
    assert (error["code"], "the caller of this plugin is writing" in error["message"]) == ("conflict", True)


def test_readers_beside_a_writer_see_whole_writes_only(rt: jn.Runtime) -> None:
    """The writer fills two megabytes with one number, then the next one: a torn read would hold two of them."""
    size, reads = 2 << 20, 60
    region = rt.host.shared_memory.create("frame", size)
    rt.host.shared_memory.set_limits(attempts=1000, wait=PATIENCE)
    p = load(rt, pages=64, quota={"wall": PATIENCE, "cpu": PATIENCE})
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number = number % 250 + 1
            with region.write() as array:
                array[: size // 2] = number
                array[size // 2 :] = number
            time.sleep(0)

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[tuple[int, set[int]]] = []
    try:
        for _ in range(reads):
            answer = p.call("read", request(0, size))
            bytes_read = np.frombuffer(peek(p, size), "u1")
            seen.append((answer["ok"]["sequence"], set(np.unique(bytes_read).tolist())))
    finally:
        stop.set()
        writer.join(PATIENCE)
    assert [numbers for _, numbers in seen if len(numbers) != 1] == []
    assert all(sequence % 2 == 0 for sequence, _ in seen)
    assert all((sequence // 2 - 1) % 250 + 1 in numbers for sequence, numbers in seen if sequence)


def test_writers_do_not_mix(rt: jn.Runtime) -> None:
    """Several guests write all of a region, each its own letter; whoever looks sees one letter."""
    size, writes = 1 << 20, 20
    region = rt.host.shared_memory.create("frame", size)
    rt.host.shared_memory.set_limits(wait=PATIENCE)
    grant = ["write_shared_memory=frame"]
    writers = [load(rt, f"writer{n}", pages=64, grant=grant, quota={"wall": PATIENCE}) for n in range(3)]
    for number, p in enumerate(writers):
        p.call_bytes("poke", bytes([65 + number]) * size)
    handles = [p.submit("write", request(0, size)) for _ in range(writes) for p in writers]
    looks: list[Any] = []
    while not all(handle.done() for handle in handles):
        looks.append(np.unique(region.copy()).tolist())
        time.sleep(0.001)
    assert [handle.result(PATIENCE)["ok"]["copied"] for handle in handles] == [size] * len(handles)
    assert [numbers for numbers in looks if len(numbers) != 1] == []
    assert region.sequence == 2 * len(handles)
