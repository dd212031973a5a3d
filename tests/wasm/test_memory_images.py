"""Data segments are taken out of a module as long as that changes nothing, and the rest of it stays where it is.

What the images do in an engine, beside bare Wasmtime, is in tests/engine/test_data_segments.py.
"""

from __future__ import annotations

import pytest

from judicia_notebook.wasm.memory_images import (
    MAX_SEGMENTS,
    Run,
    pack_images,
    read_images,
    read_leading,
    take_images,
    unpack_images,
)
from judicia_notebook.wasm.sections import read_module
from tests.engine.bomb_parts import MAGIC, leb, section, vector
from tests.engine.segment_modules import PAGE, Data, module


def images(*segments: Data, pages: tuple[int, ...] = (1,)) -> list[list[tuple[int, bytes]]]:
    info = read_module(module(list(pages), list(segments)))
    assert read_images(info) == take_images(info).images
    return [[(run.offset, run.content) for run in image] for image in read_images(info)]


def test_segments_that_lie_in_the_minimum_are_taken() -> None:
    assert images(Data(0, b"abc"), Data(PAGE - 2, b"zz")) == [[(0, b"abc"), (PAGE - 2, b"zz")]]
    assert images(Data(7, b"hi", named=True, width=5)) == [[(7, b"hi")]]
    assert images(Data(PAGE, b"hi", memory=1), pages=(1, 2)) == [[], [(PAGE, b"hi")]]


def test_none_is_taken_where_the_first_memory_could_be_the_engines_own_heap() -> None:
    assert images(Data(PAGE, b"hi", memory=1), pages=(0, 2)) == []


def test_close_segments_are_one_run_and_the_later_one_wins() -> None:
    assert images(Data(100, b"later"), Data(64, b"x"), Data(102, b"!!")) == [[(64, b"x" + bytes(35) + b"la!!r")]]
    assert images(Data(102, b"!!"), Data(100, b"later")) == [[(100, b"later")]]
    assert images(Data(0, b"a"), Data(65, b"b")) == [[(0, b"a" + bytes(64) + b"b")]]
    assert images(Data(0, b"a"), Data(66, b"b")) == [[(0, b"a"), (66, b"b")]]


@pytest.mark.parametrize(
    "other",
    [
        Data(PAGE - 1, b"xy"),
        Data(PAGE + 1, b""),
        Data(0xFFFFFFFF, b"x"),
        Data(0, b"x", how="sum"),
        Data(0, b"x", how="wide"),
        Data(0, b"x", memory=1),
    ],
    ids=["one byte too far", "nothing too far", "the last address", "a sum", "an i64", "no such memory"],
)
def test_the_first_that_cannot_be_taken_ends_it(other: Data) -> None:
    assert images(Data(0, b"a"), other, Data(1000, b"b")) == [[(0, b"a")]]


def test_a_passive_one_stays_and_does_not_end_it() -> None:
    wasm = module([1], [Data(0, b"a"), Data(0, b"kept", how="passive"), Data(1, b"b")])
    taken = take_images(read_module(wasm))
    assert taken.images == ((Run(0, b"ab"),),)
    assert taken.wasm.endswith(section(11, vector([b"\x01\0", b"\x01\x04kept", b"\x01\0"]))[-9:])


@pytest.mark.parametrize(
    "operand", [b"\x80\x80\x80\x80\x08", b"\x80\x80\x80\x80\x77", b"\x80\x80\x80\x80\x80\0", b"\x80"]
)
def test_a_number_that_an_engine_refuses_is_not_taken(operand: bytes) -> None:
    wasm = MAGIC + section(5, b"\1\0\1") + section(11, vector([b"\0\x41" + operand + b"\x0b\1x"]))
    info = read_module(wasm)
    assert take_images(info) == (wasm, ())


def test_what_stays_stays_at_its_byte() -> None:
    behind = section(0, b"\x04name" + b"\x01\x02\0\0") + section(0, b"\x01x" + bytes(9))
    for far in (40, 200, 70_000):
        wasm = module([2], [Data(0, b"x" * far), Data(9, b""), Data(3, b"k", how="sum")], behind=behind)
        info = read_module(wasm)
        taken = take_images(info).wasm
        after = read_module(taken)
        assert len(taken) == len(wasm)
        end = read_leading(info).end
        assert taken[end:] == wasm[end:]
        data = next(each for each in info.sections if each.id == 11)
        assert taken[: data.offset] == wasm[: data.offset]
        assert [each for each in after.sections if each.id not in {0, 11}] == [
            each for each in info.sections if each.id not in {0, 11}
        ]
        assert after.custom_sections[-2:] == info.custom_sections
        assert (after.data_segments, after.names, after.exports) == (info.data_segments, info.names, info.exports)


def test_where_nothing_is_taken_the_file_is_what_it_was() -> None:
    for wasm in (MAGIC, module([1], []), module([1], [Data(0, b"x", how="sum"), Data(0, b"y")])):
        assert take_images(read_module(wasm)).wasm is wasm
        assert read_images(read_module(wasm)) == ()


def test_a_memory_of_the_host_is_not_filled() -> None:
    outside = section(2, b"\x01\x01a\x01b\x02\0\x01")
    wasm = MAGIC + outside + section(5, b"\1\0\1") + section(11, vector([Data(5, b"own", memory=1).encode()]))
    assert read_images(read_module(wasm)) == ((Run(5, b"own"),),)
    wasm = MAGIC + outside + section(5, b"\1\0\1") + section(11, vector([Data(5, b"host").encode()] * 2))
    assert read_images(read_module(wasm)) == ()


def test_memories_of_64_bits_and_shared_ones_are_left_to_the_compiler() -> None:
    for kind in (b"\4\1", b"\3\1\1"):
        wasm = MAGIC + section(5, b"\1" + kind) + section(11, vector([Data(0, b"x").encode()]))
        assert read_images(read_module(wasm)) == ()


def test_a_section_that_is_cut_short_ends_the_leading_ones() -> None:
    short = (
        MAGIC + section(5, b"\1\0\1") + section(11, leb(2) + Data(0, b"abc").encode() + Data(9, b"zz").encode()[:-1])
    )
    assert read_images(read_module(short)) == ((Run(0, b"abc"),),)


def test_more_segments_than_an_engine_takes_are_not_read() -> None:
    def wasm(count: int) -> bytes:
        return MAGIC + section(5, b"\1\0\1") + section(11, leb(count) + Data(0, b"x").encode() * count)

    assert read_images(read_module(wasm(MAX_SEGMENTS))) == ((Run(0, b"x"),),)
    assert read_images(read_module(wasm(MAX_SEGMENTS + 1))) == ()


def test_images_can_be_kept_as_bytes() -> None:
    found = read_images(
        read_module(module([1, 0, 3], [Data(0, b"a"), Data(9, b"", memory=1), Data(200, b"c" * 9, memory=2)]))
    )
    for images in ((), ((),), found):
        packed = pack_images(images)
        assert unpack_images(packed) == images
        assert [unpack_images(packed[:end]) for end in range(len(packed))] == [None] * len(packed)
        assert unpack_images(packed + b"x") is None


def test_segments_far_apart_make_no_large_image() -> None:
    wasm = module([300], [Data(4096 * number, b"x") for number in range(4000)], counted=False)
    (image,) = read_images(read_module(wasm))
    assert len(image) == 4000
    assert sum(len(run.content) for run in image) == 4000
