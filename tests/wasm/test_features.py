"""Instructions are counted and features named as they were written: each is assembled by Wasmtime's own assembler."""

from __future__ import annotations

import random
import re

import pytest

from judicia_notebook.engine.compiler import assemble
from judicia_notebook.errors import InvalidModule
from judicia_notebook.wasm import features
from judicia_notebook.wasm.features import FEATURES, Census, take_census
from judicia_notebook.wasm.sections import read_module

LINES = {
    "": [
        "unreachable",
        "nop",
        "drop",
        "return",
        "i32.const -1000000",
        "i64.const 0x7fffffffffffffff",
        "f32.const 1",
        "f64.const 2",
        "local.get 0",
        "local.set 0",
        "local.tee 0",
        "global.get 0",
        "global.set 0",
        "br 0",
        "br_if 0",
        "call 0",
        "call_indirect (type 0)",
        "i32.load offset=70000 align=1",
        "i64.load8_u",
        "f64.store",
        "i64.store32",
        "memory.size",
        "memory.grow",
        "i32.eqz",
        "i32.add",
        "f64.copysign",
        "i64.reinterpret_f64",
        "select",
        "br_table 0 0 0 0",
        "block end",
        "loop end",
        "if else end",
        "block (result i32) end",
    ],
    "sign_extension": [
        "i32.extend8_s",
        "i32.extend16_s",
        "i64.extend8_s",
        "i64.extend16_s",
        "i64.extend32_s",
    ],
    "saturating_float_to_int": [
        "i32.trunc_sat_f32_s",
        "i64.trunc_sat_f64_u",
    ],
    "bulk_memory": [
        "memory.fill",
        "memory.copy",
        "memory.init 0",
        "data.drop 0",
        "table.copy 0 0",
        "table.init 0 0",
        "elem.drop 0",
    ],
    "reference_types": [
        "ref.null func",
        "ref.is_null",
        "ref.func 0",
        "table.get 0",
        "table.set 0",
        "table.grow 0",
        "table.size 0",
        "table.fill 0",
        "select (result i32)",
    ],
    "simd": [
        "v128.load",
        "v128.load8_splat offset=3",
        "v128.load64_lane 1",
        "v128.store8_lane offset=400 15",
        "v128.const i32x4 1 2 3 4",
        "i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "i8x16.swizzle",
        "i32x4.splat",
        "i8x16.extract_lane_s 3",
        "f64x2.replace_lane 1",
        "i8x16.eq",
        "v128.bitselect",
        "v128.load32_zero",
        "i16x8.q15mulr_sat_s",
        "i64x2.mul",
        "f64x2.convert_low_i32x4_u",
        "i32x4.dot_i16x8_s",
        "i32x4.abs",
        "v128.any_true",
    ],
    "relaxed_simd": [
        "i8x16.relaxed_swizzle",
        "f32x4.relaxed_madd",
        "i32x4.relaxed_dot_i8x16_i7x16_add_s",
        "f64x2.relaxed_max",
    ],
    "threads": [
        "memory.atomic.notify",
        "memory.atomic.wait32 offset=500",
        "atomic.fence",
        "i32.atomic.load",
        "i64.atomic.rmw32.cmpxchg_u",
    ],
    "tail_calls": [
        "return_call 0",
        "return_call_indirect (type 0)",
    ],
    "function_references": [
        "call_ref 0",
        "return_call_ref 0",
        "ref.as_non_null",
        "br_on_null 0",
        "br_on_non_null 0",
    ],
    "gc": [
        "ref.eq",
        "struct.new 1",
        "struct.new_default 1",
        "struct.get 1 0",
        "struct.set 1 0",
        "array.new 2",
        "array.new_default 2",
        "array.new_fixed 2 5",
        "array.new_data 2 0",
        "array.new_elem 2 0",
        "array.get 2",
        "array.get_u 2",
        "array.set 2",
        "array.len",
        "array.fill 2",
        "array.copy 2 2",
        "array.init_data 2 0",
        "array.init_elem 2 0",
        "ref.test (ref null 1)",
        "ref.cast (ref any)",
        "br_on_cast 0 anyref (ref 1)",
        "br_on_cast_fail 0 anyref (ref 200)",
        "any.convert_extern",
        "extern.convert_any",
        "ref.i31",
        "i31.get_s",
        "i31.get_u",
    ],
    "exceptions": [
        "throw 0",
        "throw_ref",
        "try_table (catch 0 0) (catch_ref 0 0) (catch_all 0) (catch_all_ref 200) end",
        "try_table (result i32) end",
    ],
    "legacy_exceptions": [
        "try catch 0 rethrow 0 catch_all end",
        "try delegate 0",
    ],
    "multi_value": [
        "block (type 3) end",
    ],
    "wide_arithmetic": [
        "i64.add128",
        "i64.sub128",
        "i64.mul_wide_s",
        "i64.mul_wide_u",
    ],
}
"""Instructions in text, by the feature that they need."""

AROUND = """(module
  (type (func)) (type (struct (field (mut i32)))) (type (array (mut i8))) (type (func (param i32) (result i32 i32)))
  (func (type 0) (local i32) %s)
  (memory 1) (table 1 funcref) (global (mut i32) (i32.const 0)) (tag) (data "x") (elem func 0))"""
DECLARED = {"gc", "exceptions", "multi_value"}
"""The features of what stands around the function."""


def census(text: str) -> Census:
    return take_census(read_module(assemble(text)))


def count(line: str) -> int:
    """How many instructions a line has: its words that are no immediates and not in parentheses."""
    words = re.sub(r"\([^()]*\)", "", line).split()
    return len([word for word in words if word in _BARE or "." in word or word in _OTHER])


_BARE = {"unreachable", "nop", "drop", "return", "block", "loop", "if", "else", "end", "try", "catch", "catch_all"}
_OTHER = {
    *("br", "br_if", "br_table", "br_on_null", "br_on_non_null", "br_on_cast", "br_on_cast_fail", "select", "delegate"),
    *("call", "call_indirect", "call_ref", "return_call", "return_call_indirect", "return_call_ref"),
    *("throw", "throw_ref", "try_table", "rethrow"),
}


@pytest.mark.parametrize(("feature", "line"), [(feature, line) for feature, lines in LINES.items() for line in lines])
def test_an_instruction_is_one_and_needs_its_feature(feature: str, line: str) -> None:
    found = census(AROUND % line)
    assert found.instructions == count(line) + 1  # and the end
    more = {"bulk_memory"} if "data" in line else set()  # the assembler adds the section of data's count
    assert found.features - more == (DECLARED | {feature}) - {""} - more


def test_all_of_them_in_any_order_are_as_many_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for lines in LINES.values() for line in lines]
    dice = random.Random(5)
    for piece in (24, 25, 31, 1 << 16):  # bytes at once, the longest instruction has 18
        monkeypatch.setattr(features, "_PIECE", piece)
        dice.shuffle(lines)
        found = census(AROUND % "\n".join(lines * 20))
        assert found.instructions == 20 * sum(map(count, lines)) + 1
        assert found.features == {*LINES, *DECLARED} - {""}


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("(memory 1) (memory 1)", "multi_memory"),
        ("(memory i64 1)", "memory64"),
        ("(table i64 1 funcref)", "memory64"),
        ("(memory 1 2 shared)", "threads"),
        ("(table 1 externref)", "reference_types"),
        ("(table 1 funcref) (table 1 funcref)", "reference_types"),
        ('(import "a" "b" (global (mut i32)))', "mutable_globals"),
        ("(func (result i32 i32) unreachable)", "multi_value"),
        ("(func (param v128))", "simd"),
        ("(func (param externref))", "reference_types"),
        ("(type (struct))", "gc"),
        ("(tag)", "exceptions"),
    ],
)
def test_what_is_declared_needs_its_feature_too(text: str, feature: str) -> None:
    assert census(f"(module {text})").features == {feature}


def test_a_module_of_the_first_version_uses_none_of_them() -> None:
    assert census("(module (memory 1) (func (result i32) (i32.const 1)))") == Census(2, frozenset())


def test_every_feature_has_its_name_in_the_list() -> None:
    assert set(LINES) - {""} <= set(FEATURES)
    assert sorted(FEATURES) == list(FEATURES)


@pytest.mark.parametrize(
    "body",
    [
        "ff",  # no opcode
        "fb7f",  # no instruction of its prefix
        "0eff ff ff ff 0f 00",  # a branch table longer than any file
        "0e 05 00 00",  # one that goes beyond the end
        "1f 40 ff ff ff ff 0f",
        "1f 40 01 09 00",  # a clause there is none of
        "41 80",  # a number without its end
        "fd 0c 00 00",  # a vector that is cut off
    ],
)
def test_what_is_no_instruction_is_said_and_never_counted(body: str) -> None:
    code = b"\0" + bytes.fromhex(body)
    module = bytes.fromhex("0061736d 01000000 01 04 01 60 00 00 03 02 01 00 0a")
    section = b"\x01" + bytes([len(code)]) + code
    with pytest.raises(InvalidModule, match="function 0 holds an instruction that is unknown"):
        take_census(read_module(module + bytes([len(section)]) + section))
