"""The instructions of a body are told apart as Wasmtime tells them apart: what a module costs is counted by them."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
import wasmtime

from judicia_notebook.engine.compiler import FEATURES
from judicia_notebook.wasm.instructions import read_instructions
from tests.engine.bomb_instructions import INSTRUCTIONS
from tests.engine.bomb_parts import MAGIC, NOTHING, bodies, leb, section, vector

UNREACHABLE, END = b"\x00", b"\x0b"
LONGEST = 18  # bytes of immediates: those of i8x16.shuffle, and some


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    for name, on in FEATURES.items():
        if name.startswith("wasm_") and hasattr(wasmtime.Config, name):
            setattr(config, name, on)
    return wasmtime.Engine(config)


def holding(code: bytes) -> bytes:
    """A module with one of everything that an instruction may name by the number 0."""
    return (
        MAGIC
        + section(1, vector([NOTHING]))
        + section(3, b"\x01\0")
        + section(4, b"\x01\x70\0\x01")
        + section(5, b"\x01\0\x01")
        + section(6, b"\x01\x7f\x01\x41\0\x0b")
        + section(9, b"\x01\x01\0\x01\0")
        + section(12, b"\x01")
        + bodies(b"\x01\x01\x7f" + code)
        + section(11, b"\x01\x01\x01x")
    )


def is_valid(engine: wasmtime.Engine, module: bytes) -> bool:
    try:
        wasmtime.Module.validate(engine, module)
    except wasmtime.WasmtimeError:
        return False
    return True


def length(engine: wasmtime.Engine, opcode: bytes) -> int | None:
    """How long Wasmtime says that an instruction is whose immediates are all zero; None where there is none.

    Whatever follows `unreachable` has the operands it needs, and a zero too many is another `unreachable`. What comes
    behind is no instruction any more where a part of it is taken for an immediate.
    """
    behind = b"\xfd\x0c" + b"\x11" * 16 + UNREACHABLE + END * (2 if opcode in OPENING else 1)
    for count in range(LONGEST):
        if is_valid(engine, holding(UNREACHABLE + opcode + bytes(count) + behind)):
            return len(opcode) + count
    return None


OPENING = (b"\x02", b"\x03", b"\x04")
PLAIN = [bytes([code]) for code in range(256) if code not in {0x00, 0x05, 0x0B, 0x1C, 0xFB, 0xFC, 0xFD, 0xFE}]
PREFIXED = [bytes([first]) + leb(code) for first in (0xFC, 0xFD) for code in range(300)]


@pytest.mark.parametrize("codes", [PLAIN, PREFIXED], ids=["plain", "prefixed"])
def test_each_instruction_is_as_long_as_wasmtime_says(engine: wasmtime.Engine, codes: list[bytes]) -> None:
    known = 0
    for opcode in codes:
        there = length(engine, opcode)
        code = UNREACHABLE + opcode + bytes(LONGEST) + END
        read = read_instructions(code)
        if there is None:
            continue  # the compiler refuses it, whatever is made of it here
        known += 1
        assert read is not None, opcode
        instruction = max(read.counts, key=lambda each: each.startswith(opcode))
        assert len(instruction) + 2 * read.targets == there, opcode  # a table's length, and its one target
    assert known > 150


def test_immediates_of_any_length_are_stepped_over() -> None:
    padded = b"\x80\x80\x80\x80\x00"
    instructions = [
        *(bytes([code]) + number for code in (0x0C, 0x10, 0x20, 0x41) for number in (b"\x01", b"\xff\x01", padded)),
        b"\x42" + b"\xff" * 9 + b"\x7f",
        *(
            b"\x28" + align + b"\x0b"
            for align in (b"\x02", b"\x82\x00", b"\x42\x01", b"\xc2\x00\x01", b"\x42" + padded)
        ),
        b"\x2b\x03\xff\xff\xff\xff\x0f",
        b"\x43\x0b\x0b\x0b\x0e",
        b"\x44" + b"\x0e" * 8,
        *(b"\x02" + kind for kind in (b"\x40", b"\x7f", b"\x00", b"\x80\x01", b"\x63\x70")),
        b"\x1c\x01\x7e",
        b"\x1c\x01\x63\x70",
        b"\xd0\x70",
        b"\x11\x80\x01\x00",
        b"\xfc\x0a\x00\x01",
        b"\xfc\x0e\x80\x00\x00",
        b"\xfd\x0c" + b"\x0e" * 16,
        b"\xfd\x00\x43\x01\x00",
        b"\xfd\x54\x00\x0b\x0b",
        b"\xfd\x15\x0b",
        b"\xfd\xff\x01",
    ]
    random.Random(1).shuffle(instructions)
    read = read_instructions(b"".join(instructions * 3) + END)
    assert read is not None
    assert read.counts == Counter(instructions * 3 + [END])


def test_targets_of_branch_tables_are_counted_however_their_number_is_padded() -> None:
    for number in (b"\x03", b"\x83\x80\x00"):
        for labels in (b"\x00\x01\x02\x03", b"\x80\x00\x01\x0e\x0b"):
            read = read_instructions(b"\x41\0" + (b"\x0e" + number + labels) * 2 + b"\x6a\x0b")
            assert read is not None
            assert read.targets == 8
            assert read.counts == Counter({b"\x0e": 2, b"\x41\0": 1, b"\x6a": 1, END: 1})


UNKNOWN = {
    "try": b"\x06\x40",
    "return_call": b"\x12\x00",
    "struct.new": b"\xfb\x00\x00",
    "memory.discard": b"\xfc\x12\x00",
    "relaxed": b"\xfd\x80\x02",
    "atomic": b"\xfe\x00",
    "table without end": b"\x0e\x90\x4e\x00",
    "cut": b"\x41",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_unknown_is_not_stepped_over(name: str) -> None:
    assert read_instructions(b"\x01" + UNKNOWN[name]) is None


@pytest.mark.parametrize(
    "code", [b"\xd2", b"\x41\x80", b"\x0e\0\0", b"\x0e\x80", b"\xfd\xd2", b"\x0e\x02"], ids=bytes.hex
)
def test_no_code_takes_long_to_read(code: bytes) -> None:
    began = time.process_time()
    read_instructions(code * (100_000 // len(code)))
    assert time.process_time() - began < 5


def test_what_the_assembler_writes_is_read() -> None:
    from judicia_notebook.wasm.binary_format import DEFAULT
    from judicia_notebook.wasm.compile_cost import function_bodies
    from judicia_notebook.wasm.sections import read_module

    for name, make in INSTRUCTIONS.items():
        one, two = (
            [read_instructions(module.data[body.code : body.end]) for body in function_bodies(module, DEFAULT)][-1]
            for module in (read_module(make(count)) for count in (1, 2))
        )
        assert one is not None, name
        assert two is not None, name
        assert two.counts.total() + two.targets > one.counts.total() + one.targets, name
        assert two.counts[END] >= 1, name
