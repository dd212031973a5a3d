"""Modules as text: what is printed is assembled again by Wasmtime's assembler, and must be the same code."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from judicia_notebook.runtime.source import example_folder
from judicia_notebook.wasm.disassembly import body_instructions
from judicia_notebook.wasm.features import take_census
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.opcodes import OPCODES
from judicia_notebook.wasm.sections import read_module
from judicia_notebook.wasm.wat_operands import float_text, identifiers
from judicia_notebook.wasm.wat_text import WatText

HERE = Path(__file__).parent
SHIPPED = sorted(example_folder().glob("*/*.wasm"))
BY_HAND = """\
(module
  (type (func (param i32 i64) (result i32 i64)))
  (import "env" "f" (func $f (param i32)))
  (import "env" "m" (memory 1 3))
  (import "env" "g" (global (mut f64)))
  (import "env" "t" (table 1 externref))
  (memory i64 2 9)
  (table 3 funcref)
  (global i32 (i32.const -7))
  (global v128 (v128.const i32x4 1 2 3 0xffffffff))
  (global (mut i64) (i64.add (i64.const 1) (i64.const -9223372036854775808)))
  (tag $e (param i32))
  (export "a\\"b\\00" (func $g))
  (start $s)
  (func $s)
  (func $g (param i32 i64) (result i32 i64) (local f32 f32 i32)
    (block (type 0) (local.get 0) (local.get 1))
    drop drop
    (if (result i32) (local.get 0) (then (i32.const 1)) (else (loop (result i32) (br 0))))
    drop
    (block (br_table 0 1 0 (i32.const 2)))
    (block $b (result i32) (try_table (catch $e $b) (catch_all 1) (throw $e (i32.const 3))) (i32.const 0))
    drop
    (call_indirect 1 (type 0) (local.get 0) (local.get 1) (i32.const 0))
    drop drop
    (i32.load8_s 1 offset=4294967296 (i64.const 0)) drop
    (f64.load offset=5 align=1 (i32.const 0)) drop
    (v128.load32_lane 0 offset=3 align=2 1 (i32.const 0) (v128.const i64x2 1 2)) drop
    (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31 (v128.const i64x2 1 2) (v128.const i64x2 3 4)) drop
    (memory.copy 1 0 (i64.const 0) (i32.const 0) (i32.const 0))
    (memory.init 1 0 (i64.const 0) (i32.const 0) (i32.const 0))
    (table.init 1 1 (i32.const 0) (i32.const 0) (i32.const 0))
    (table.copy 1 1 (i32.const 0) (i32.const 0) (i32.const 0))
    (select (result externref) (ref.null extern) (ref.null extern) (i32.const 0)) drop
    (f32.const nan:0x200001) (f32.const -inf) (f32.const 0x1.fffffep127) (f64.const 0x1p-1074) drop drop drop drop
    (return_call $g (i32.const 0) (i64.const 0)))
  (elem (table 1) (i32.const 0) func $s $g)
  (elem funcref (ref.func $g) (ref.null func))
  (elem declare func $g)
  (data "passive\\ff")
  (data (memory 1) (i64.const 8) "active \\"quoted\\""))
"""


def decoded(module: ModuleInfo) -> list[list[Any]]:
    """Every function as its locals and instructions, in whatever length its numbers are written."""
    text = WatText(module)
    return [
        [list(text._locals(body)), [(each.opcode.name, each.immediates) for each in body_instructions(module, body)]]
        for body in text.bodies
    ]


def again(module: ModuleInfo) -> ModuleInfo:
    return read_module(bytes(wasmtime.wat2wasm("\n".join(WatText(module).text()))))


def section(module: ModuleInfo, number: int) -> bytes:
    """What is in a section."""
    ends = [*(each.offset for each in module.sections[1:]), len(module.data)]
    found = next((pair for pair in zip(module.sections, ends, strict=True) if pair[0].id == number), None)
    return b"" if found is None else module.data[found[1] - found[0].size : found[1]]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_bundled_plugin_assembles_to_the_same_code(path: Path) -> None:
    module = read_module(path.read_bytes())
    back = again(module)
    assert decoded(back) == decoded(module)
    assert (back.types, tuple(back.functions), back.imports) == (module.types, tuple(module.functions), module.imports)
    assert (back.exports, back.start, back.memories) == (module.exports, module.start, module.memories)


@pytest.mark.parametrize("source", [BY_HAND, (HERE / "plugin.wat").read_text("utf-8")], ids=["by hand", "plugin"])
def test_what_an_assembler_made_is_the_same_byte_for_byte(source: str) -> None:
    module = read_module(bytes(wasmtime.wat2wasm(source)))
    back = again(module)
    for number in range(1, 14):
        assert section(back, number) == section(module, number), number


ACCEPTED = [
    opcode
    for opcode in OPCODES.values()
    if opcode.feature not in {"gc", "function_references", "threads", "legacy_exceptions"}
    and opcode.name not in {"else", "end", "block", "loop", "if", "try_table"}
]


@pytest.mark.parametrize("opcode", ACCEPTED, ids=lambda opcode: opcode.name)
def test_every_instruction_that_the_engine_accepts_survives(opcode: Any) -> None:
    shortest = {
        "labels": b"\x02\x00\x00\x00", "f32": struct.pack("<f", 1.5), "f64": struct.pack("<d", -0.1),
        "v128": bytes(range(16)), "lanes": bytes(range(16)), "types": b"\x01\x7f", "heap": b"\x70",
        "memarg": b"\x00\x09",
    }  # fmt: skip
    code = bytes([opcode.prefix]) + (b"" if opcode.number is None else leb128(opcode.number))
    code += b"".join(shortest.get(kind, b"\x00") for kind in opcode.immediates)
    body = b"\x00" + code + b"\x0b"
    wasm = b"\0asm\x01\0\0\0" + b"\x01\x04\x01\x60\0\0" + b"\x03\x02\x01\0" + b"\x04\x04\x01\x70\0\x01"
    wasm += b"\x05\x03\x01\0\x01" + b"\x0d\x03\x01\0\0" + b"\x06\x06\x01\x7f\x01\x41\0\x0b"
    wasm += (
        b"\x09\x04\x01\x01\x00\x00" + b"\x0c\x01\x01" + b"\x0a" + leb128(len(body) + 2) + b"\x01" + leb128(len(body))
    )
    module = read_module(wasm + body + b"\x0b\x03\x01\x01\0")
    assert decoded(again(module)) == decoded(module)


def leb128(number: int) -> bytes:
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_as_many_instructions_are_printed_as_the_census_counts(path: Path) -> None:
    module = read_module(path.read_bytes())
    text = WatText(module)
    printed = sum(line.at is not None for body in text.bodies for line in text.function(body))
    assert printed + len(text.bodies) == take_census(module).instructions  # the last `end` of each is a parenthesis


@given(st.binary(min_size=4, max_size=4))
def test_a_float_of_any_bytes_is_written_so_that_they_come_back(raw: bytes) -> None:
    module = bytes(wasmtime.wat2wasm(f"(module (func (f32.const {float_text(raw)}) drop))"))
    assert b"\x43" + raw + b"\x1a" in module


@given(st.binary(min_size=8, max_size=8))
def test_a_double_of_any_bytes_is_written_so_that_they_come_back(raw: bytes) -> None:
    module = bytes(wasmtime.wat2wasm(f"(module (func (f64.const {float_text(raw)}) drop))"))
    assert b"\x44" + raw + b"\x1a" in module


@given(st.dictionaries(st.integers(0, 50), st.text(max_size=200), max_size=20))
def test_names_of_any_text_are_identifiers_and_each_once(names: dict[int, str]) -> None:
    found = identifiers(names)
    assert len(set(found.values())) == len(found)
    functions = "".join(f"(func {name})" for name in found.values())
    assert wasmtime.wat2wasm(f"(module {functions})")
