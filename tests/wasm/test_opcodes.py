"""The table of instructions, against the assembler and the disassembler's reading of the same bytes."""

from __future__ import annotations

import pytest
import wasmtime

from judicia_notebook.wasm.features import FEATURES
from judicia_notebook.wasm.opcodes import IMMEDIATES, OPCODES, PREFIXES, Opcode, key

_IN_TEXT = {
    "label": "0", "labels": "0 0", "function": "0", "type": "0", "table": "0", "memory": "0", "local": "0",
    "global": "0", "tag": "0", "data": "0", "element": "0", "field": "0", "count": "0", "i32": "0", "i64": "0",
    "f32": "0", "f64": "0", "v128": "i64x2 0 0", "lanes": "0 " * 16, "lane": "0", "memarg": "", "block": "",
    "types": "(result i32)", "heap": "func", "catches": "", "zero": "",
}  # fmt: skip
_IN_BYTES = {
    "labels": "01 00 00", "v128": "00" * 16, "lanes": "00" * 16, "f32": "00" * 4, "f64": "00" * 8, "block": "40",
    "types": "01 7f", "heap": "70", "memarg": None,
}  # fmt: skip
_UNLIKE = {  # what the text writes in another way
    "call_indirect": "call_indirect 0 (type 0)",
    "return_call_indirect": "return_call_indirect 0 (type 0)",
    "memory.init": "memory.init 0 0",
    "table.init": "table.init 0 0",
    "ref.test": "ref.test (ref func)",
    "ref.test_null": "ref.test (ref null func)",
    "ref.cast": "ref.cast (ref func)",
    "ref.cast_null": "ref.cast (ref null func)",
    "br_on_cast": "br_on_cast 0 (ref func) (ref func)",
    "br_on_cast_fail": "br_on_cast_fail 0 (ref func) (ref func)",
    "array.new_fixed": "array.new_fixed 0 0",
}
_INNER = {"else": "if else end", "end": "block end", "catch": "try catch 0 end", "catch_all": "try catch_all end"}
_DECLARED = """(type (func)) (table 1 funcref) (memory 1) (global (mut i32) (i32.const 0)) (tag) (elem funcref)
(data "") (func (type 0) (local i32) {})"""


def _assembled(opcode: Opcode) -> bytes:
    text = _UNLIKE.get(opcode.name) or " ".join([opcode.name, *(_IN_TEXT[kind] for kind in opcode.immediates)])
    text = _INNER.get(opcode.name, text)
    if opcode.name in {"block", "loop", "if", "try_table"}:
        text += " end"
    if opcode.name == "try":
        text += " catch_all end"
    if opcode.name == "delegate":
        text = "try delegate 0"
    return bytes(wasmtime.wat2wasm(f"(module {_DECLARED.format(text)})"))


@pytest.mark.parametrize("opcode", OPCODES.values(), ids=lambda opcode: opcode.name)
def test_the_assembler_gives_each_name_the_same_opcode_and_as_many_immediates(opcode: Opcode) -> None:
    number = b"" if opcode.number is None else _leb128(opcode.number)
    expected = bytes([opcode.prefix]) + number
    for kind in opcode.immediates:
        if kind == "memarg":
            expected += _leb128(opcode.access.bit_length() - 1) + b"\0"
        else:
            expected += bytes.fromhex(_IN_BYTES.get(kind) or "00")
    if opcode.name.startswith("br_on_cast"):
        expected = expected[:-2] + b"\x70\x70"
    wasm = _assembled(opcode)
    assert expected in wasm
    if opcode.name not in {*_INNER, "delegate", "try", "block", "loop", "if", "try_table"}:
        assert b"\x01\x01\x7f" + expected + b"\x0b" in wasm  # its locals before it, the body's end after it


def _leb128(number: int) -> bytes:
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])


def test_the_table_has_every_instruction_of_the_specification() -> None:
    by_feature: dict[str, int] = {}
    for opcode in OPCODES.values():
        by_feature[opcode.feature] = by_feature.get(opcode.feature, 0) + 1
    assert by_feature == {
        "": 172, "sign_extension": 5, "saturating_float_to_int": 8, "bulk_memory": 7, "reference_types": 9,
        "wide_arithmetic": 4, "tail_calls": 2, "exceptions": 3, "legacy_exceptions": 5, "function_references": 5,
        "gc": 32, "simd": 236, "relaxed_simd": 20, "threads": 67,
    }  # fmt: skip
    assert set(by_feature) - {""} <= set(FEATURES)


def test_each_immediate_is_of_a_kind_that_is_described() -> None:
    assert {kind for opcode in OPCODES.values() for kind in opcode.immediates} == set(IMMEDIATES)
    assert all(opcode.number is None or opcode.prefix in PREFIXES for opcode in OPCODES.values())
    assert key(0xFD, 0x1_0000) not in OPCODES


@pytest.mark.parametrize(
    ("name", "size"),
    [("i32.load", 4), ("i64.load32_u", 4), ("v128.load32x2_s", 8), ("v128.load8_splat", 1), ("v128.store64_lane", 8),
     ("v128.load", 16), ("i64.atomic.rmw16.add_u", 2), ("i64.atomic.rmw.add", 8), ("memory.atomic.wait64", 8),
     ("f64.store", 8), ("i32.add", 0), ("memory.copy", 0)],
)  # fmt: skip
def test_an_access_has_its_size_in_bytes(name: str, size: int) -> None:
    assert next(opcode for opcode in OPCODES.values() if opcode.name == name).access == size
