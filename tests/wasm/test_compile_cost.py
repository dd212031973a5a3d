"""Modules that declare more locals than a compiler should be made to lay out."""

from __future__ import annotations

from dataclasses import replace

import pytest

import judicia_notebook as jn
from judicia_notebook.errors import CompileLimit, InvalidModule
from judicia_notebook.wasm.binary_format import DEFAULT
from judicia_notebook.wasm.compile_cost import check_locals
from judicia_notebook.wasm.sections import read_module


def leb(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + leb(rest) if rest else bytes([low])


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def module(*bodies: bytes) -> bytes:
    count = leb(len(bodies))
    code = b"".join(leb(len(body)) + body for body in bodies)
    types = section(1, b"\x01\x60\0\0")
    return b"\0asm\x01\0\0\0" + types + section(3, count + b"\0" * len(bodies)) + section(10, count + code)


def body(*declarations: tuple[int, bytes]) -> bytes:
    return leb(len(declarations)) + b"".join(leb(count) + kind for count, kind in declarations) + b"\x0b"


I32, F64, REF = b"\x7f", b"\x7c", b"\x63\x70"


def test_locals_of_all_functions_are_counted() -> None:
    assert check_locals(read_module(module(body(), body((3, I32), (500, F64)), body((1, REF))))) == 504
    assert check_locals(read_module(module())) == 0
    assert check_locals(read_module(b"\0asm\x01\0\0\0")) == 0


def test_what_the_reader_counts_is_what_the_limits_are_held_against() -> None:
    limits = replace(DEFAULT, function_locals=10, locals=25)
    ten = body((4, I32), (6, F64))
    assert check_locals(read_module(module(ten, ten)), limits) == 20
    with pytest.raises(CompileLimit, match="function 1 declares 11 locals or more, and 10 are allowed"):
        check_locals(read_module(module(ten, body((4, I32), (7, F64)))), limits)
    with pytest.raises(CompileLimit, match="functions declare 30 locals or more, and 25 are allowed"):
        check_locals(read_module(module(ten, ten, ten)), limits)


@pytest.mark.parametrize(
    "damaged",
    [b"\x01", b"\x01\x05", b"\x02\x05\x7f", b"\x01\xff\xff\xff\xff\xff\x7f\x0b", b"\xff\xff\xff\xff\x0f"],
    ids=lambda data: data.hex(),
)
def test_a_damaged_declaration_is_refused_with_its_place(damaged: bytes) -> None:
    with pytest.raises(InvalidModule, match="byte"):
        check_locals(read_module(module(damaged)))


def test_a_small_file_with_locals_without_end_is_refused_before_it_is_compiled(rt: jn.Runtime) -> None:
    keeper = rt.load("example:specimen")
    bomb = module(*[body((50_000, I32))] * 100_000)  # seven minutes of compiling in less than a megabyte
    with pytest.raises(CompileLimit, match="locals"):
        rt.load(bomb, name="bomb")
    assert keeper.call("echo", "well") == "well"
