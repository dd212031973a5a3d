"""Bytes and texts at pointers that may be wrong, in a memory that may grow: refused with an error, or exact."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pytest

import judicia_notebook as jn
from judicia_notebook.engine.guest_memory import GuestMemory
from judicia_notebook.engine.memory_view import BLOCK, PAGE, MemoryView
from judicia_notebook.engine.touched_pages import touched


class Region:
    """A part of this process's memory, in the place of a guest's: with bytes of the test's own behind it."""

    def __init__(self, size: int, behind: int = 64) -> None:
        self.map = mmap.mmap(-1, size + behind)
        self.map[size:] = b"!" * behind
        self._first = ctypes.c_char.from_buffer(self.map)
        self.base, self.size = ctypes.addressof(self._first), size


@pytest.fixture
def region() -> Region:
    return Region(2 * PAGE)


@pytest.fixture
def memory(region: Region) -> GuestMemory:
    return GuestMemory(lambda: region)  # type: ignore[arg-type, return-value]


def test_what_is_written_is_read(memory: GuestMemory, region: Region) -> None:
    memory.write(10, b"abc")
    memory.write(13, bytearray(b"de"))
    memory.write(15, memoryview(b"-f-g")[1::2])
    memory.write(17, np.array([(1, 258)], [("ONE", "<u2"), ("TWO", "<u2")]))
    assert memory.read(10, 11) == b"abcdefg\x01\x00\x02\x01"
    assert bytes(region.map[10:13]) == b"abc"
    assert memory.size == len(memory.read(0, memory.size)) == 2 * PAGE
    assert memory.read(2 * PAGE, 0) == b""


END = 2 * PAGE


def shown(value: object) -> str:
    return hex(value) if type(value) is int and abs(value) < 2**70 else type(value).__name__


WRONG_POINTERS: list[Any] = [END + 1, 2**32 - 1, -1, -(2**31), -(2**31) - 1, 2**64, -(2**64), 10**5000, -(10**5000)]
NO_INTEGERS: list[Any] = [True, False, 1.0, np.float64(1), np.True_, "1", b"1", None, [1]]


@pytest.mark.parametrize("pointer", WRONG_POINTERS + NO_INTEGERS, ids=shown)
def test_a_wrong_pointer_is_refused_by_every_method(memory: GuestMemory, region: Region, pointer: Any) -> None:
    before = bytes(region.map)
    attempts: list[Callable[[], object]] = [
        lambda: memory.read(pointer, 1),
        lambda: memory.write(pointer, b"x"),
        lambda: memory.text(pointer),
        lambda: memory.text(pointer, 1),
        *([lambda: memory.view(pointer, 1)] if pointer is not None else []),
    ]
    for attempt in attempts:
        with pytest.raises(jn.InvalidPayload, match=r"[Pp]ointer"):
            attempt()
    assert bytes(region.map) == before


@pytest.mark.parametrize("length", [-1, 2**31, 2**32, 2**63, 10**5000, *NO_INTEGERS[:-2]], ids=shown)
def test_a_wrong_length_is_refused(memory: GuestMemory, length: Any) -> None:
    for attempt in (lambda: memory.read(0, length), lambda: memory.text(0, length), lambda: memory.view(0, length)):
        with pytest.raises(jn.InvalidPayload):
            attempt()


def test_the_error_names_pointer_length_and_size(memory: GuestMemory) -> None:
    with pytest.raises(jn.InvalidPayload, match=r"Pointer 131071 with length 2 .* which has 131072 bytes"):
        memory.read(END - 1, 2)


def test_a_write_across_the_end_writes_nothing(memory: GuestMemory, region: Region) -> None:
    with pytest.raises(jn.InvalidPayload, match="does not lie in the memory"):
        memory.write(END - 2, b"xyz")
    assert bytes(region.map[END - 2 :]) == b"\0\0" + b"!" * 64
    memory.write(END - 2, b"xy")
    assert bytes(region.map[END - 2 :]) == b"xy" + b"!" * 64


@pytest.mark.parametrize(
    "data", ["text", 5, None, [1, 2], np.array([object()]), np.zeros(1, "O,i4"), np.array(["2026"], "M8[s]"), (1,)]
)
def test_what_is_no_bytes_is_not_written(memory: GuestMemory, region: Region, data: Any) -> None:
    with pytest.raises(jn.InvalidPayload, match="can be written"):
        memory.write(0, data)
    assert not region.map[:64].strip(b"\0")


def test_integers_of_numpy_are_pointers(memory: GuestMemory) -> None:
    memory.write(np.uint16(300), b"np")
    assert memory.read(np.int64(300), np.uint8(2)) == b"np"


def test_a_negative_i32_is_the_same_pointer_unsigned() -> None:
    large = Region(2**31 + PAGE)  # address space: no page of it is touched but one
    memory = GuestMemory(lambda: large)  # type: ignore[arg-type, return-value]
    memory.write(2**31 + 5, b"high")
    assert memory.read(-(2**31) + 5, 4) == b"high"
    with pytest.raises(jn.InvalidPayload, match="Pointer 4294967295 "):
        memory.read(-1, 1)


def test_bounds_are_those_of_now(memory: GuestMemory, region: Region) -> None:
    region.size = 0
    assert memory.size == 0
    assert memory.read(0, 0) == b""
    for attempt in (lambda: memory.read(0, 1), lambda: memory.write(0, b"x"), lambda: memory.text(0)):
        with pytest.raises(jn.InvalidPayload):
            attempt()
    assert repr(memory.view()) == "00000000"
    assert memory.pages().shares == ()
    region.size = PAGE
    assert memory.read(PAGE - 1, 1) == b"\0"


@pytest.mark.parametrize(
    ("data", "encoding", "text"),
    [
        (b"hello\0rest", "utf-8", "hello"),
        (b"\0", "utf-8", ""),
        ("grün€".encode() + b"\0", "utf-8", "grün€"),
        ("aĀb".encode("utf-16-le") + b"\0\0x", "utf-16-le", "aĀb"),  # two bytes of 0 stand at an odd place
        ("x".encode("utf-32-le") + b"\0\0\0\0", "utf-32-le", "x"),
        (b"a" * 5000 + b"\0", "ascii", "a" * 5000),
        (("€" * 3000).encode("utf-16-le") + b"\0\0", "utf-16-le", "€" * 3000),
    ],
)
def test_a_text_ends_at_its_nul(memory: GuestMemory, data: bytes, encoding: str, text: str) -> None:
    memory.write(101, data)
    assert memory.text(101, encoding=encoding) == text
    assert memory.text(101, len(text.encode(encoding)), encoding) == text


def test_a_text_that_does_not_end_is_refused(memory: GuestMemory) -> None:
    memory.write(END - 4, b"abcd")
    with pytest.raises(jn.InvalidPayload, match="no NUL follows within 4 bytes, where the memory ends"):
        memory.text(END - 4)
    memory.write(0, b"a" * 6000)
    with pytest.raises(jn.InvalidPayload, match="no NUL follows within 5000 bytes"):
        memory.text(0, limit=5000)
    assert len(memory.text(0, limit=6001)) == 6000


@pytest.mark.parametrize("encoding", ["no-such", "hex", "zlib", "\0", 5, None])
def test_an_encoding_that_is_none_is_refused(memory: GuestMemory, encoding: Any) -> None:
    with pytest.raises(jn.InvalidPayload, match="No text encoding"):
        memory.text(0, 1, encoding)


def test_bytes_that_are_no_text_are_refused(memory: GuestMemory) -> None:
    memory.write(0, b"\xff\xfe\0")
    with pytest.raises(jn.InvalidPayload, match="no text"):
        memory.text(0)


def test_a_view_looks_like_hexdump(memory: GuestMemory) -> None:
    memory.write(16, b"judicia\n<b>\x7f\xff")
    assert repr(memory.view(0, 72)).splitlines() == [
        "00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
        "00000010  6a 75 64 69 63 69 61 0a  3c 62 3e 7f ff 00 00 00  |judicia.<b>.....|",
        "00000020  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|",
        "*",
        "00000040  00 00 00 00 00 00 00 00                           |........|",
        "00000048",
    ]
    assert len(memory.view(END - 3, 100).data) == 3
    with pytest.raises(jn.InvalidPayload, match="at most"):
        memory.view(0, MemoryView.MOST + 1)


def test_pages_say_where_there_is_content(memory: GuestMemory, region: Region) -> None:
    assert memory.pages().pages_with_content == 0
    memory.write(PAGE - 1, b"x")
    memory.write(PAGE + 5 * BLOCK, b"xx")
    memory.write(9 * BLOCK, b"\0" * 100)  # touched, and still zeros
    pages = memory.pages()
    assert [at for at, has in enumerate(pages.blocks) if has] == [15, 21]
    assert (pages.cell, pages.pages_with_content, len(pages.shares)) == (BLOCK, 2, 32)
    assert "2 of 2 pages of 64 KiB with content" in repr(pages)
    assert memory.view().pages == pages
    assert memory.view(0).pages is None


def test_a_memory_of_a_gibibyte_takes_no_gibibyte_to_look_at() -> None:
    large = Region(1 << 30)
    memory = GuestMemory(lambda: large)  # type: ignore[arg-type, return-value]
    memory.write((1 << 30) - 1, b"x")
    before = _resident()
    pages = memory.pages()
    assert _resident() - before < 64 << 20
    assert pages.pages_with_content == 1
    assert (pages.cell, len(pages.shares)) == (16 * PAGE, 1024)
    assert pages.shares[-1] == 1 / 256


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def test_untouched_pages_are_known(region: Region) -> None:
    region.map[PAGE + 1] = 1
    runs = touched(region.base, region.size)
    assert any(begin <= PAGE + 1 < end for begin, end in runs)
    assert sum(end - begin for begin, end in runs) < region.size
    assert touched(region.base, 0) == []
    assert touched(region.base + 1, 5) == [(0, 5)]  # at no page's beginning the system is not asked


def test_no_access_without_leave() -> None:
    def find() -> Any:
        raise jn.PluginNotReady("not now")

    memory = GuestMemory(find)
    attempts: list[Callable[[], object]] = [
        lambda: memory.size,
        lambda: memory.read(0, 0),
        lambda: memory.write(0, b""),
        lambda: memory.text(0),
        memory.view,
        memory.pages,
    ]
    for attempt in attempts:
        with pytest.raises(jn.PluginNotReady, match="not now"):
            attempt()
    assert repr(memory) == "<GuestMemory: not now>"


def test_each_write_is_told_of_once_it_was_made(region: Region) -> None:
    told: list[tuple[int, int]] = []
    memory = GuestMemory(lambda: region, wrote=lambda *write: told.append(write))  # type: ignore[arg-type, return-value]
    memory.write(-(2**32) // 2 + 2**31 + 7, b"abc")
    with pytest.raises(jn.InvalidPayload):
        memory.write(END, b"abc")
    assert told == [(7, 3)]
