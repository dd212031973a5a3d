"""Bombs of instructions: functions that hold one again and again, with what it needs to stay in the code."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from judicia_notebook.engine.compiler import assemble
from tests.engine.bomb_parts import MAGIC, Make, leb, parts_of, pieces, section, vector

MARK = "(drop (i64.const 0x123456789))"
MARKED = b"\x42\x89\xcf\x95\x9a\x12\x1a"
FRAME = f"""(module
  (type $nothing (func)) (type $four (func (param i32 i64 f32 f64) (result i32)))
  (import "a" "b" (func $imported))
  (memory 1) (memory $second 1) (table $t 10 funcref)
  (global $g (mut i32) (i32.const 1)) (global $r (mut funcref) (ref.null func))
  (global $w (mut v128) (v128.const i32x4 0 0 0 0))
  (elem $e func $empty) (data $d "abc") (export "empty" (func $empty))
  (func $empty) (func $four (param i32 i64 f32 f64) (result i32) i32.const 0)
  (func (local $i i32) (local $j i64) (local $x f32) (local $y f64) (local $v v128)
    (local.set $i (i32.load (i32.const 0))) (local.set $j (i64.load (i32.const 8)))
    (local.set $x (f32.load (i32.const 0))) (local.set $y (f64.load (i32.const 8)))
    (local.set $v (v128.load (i32.const 0)))
    {MARK} %s {MARK}
    (i32.store (i32.const 0) (local.get $i)) (i64.store (i32.const 8) (local.get $j))
    (f32.store (i32.const 0) (local.get $x)) (f64.store (i32.const 8) (local.get $y))
    (v128.store (i32.const 0) (local.get $v))))"""


def repeated(text: str, in_each: int = 200, frame: str = FRAME) -> Make:
    """Functions that hold what the text says, again and again."""
    parts = dict(parts_of(assemble(frame % text)))
    *others, last = pieces(parts[10], 1)
    before, what, after = last.split(MARKED)

    def make(count: int) -> bytes:
        in_this = max(1, min(in_each, count))
        codes = [before + what * in_this + after] * round(count / in_this)
        kinds = leb(2 + len(codes)) + parts[3][-3:-1] + parts[3][-1:] * len(codes)
        changed = {**parts, 3: kinds, 10: vector(leb(len(code)) + code for code in [*others, *codes])}
        return MAGIC + b"".join(section(number, content) for number, content in changed.items())

    return make


KINDS = {"i32": "$i", "i64": "$j", "f32": "$x", "f64": "$y"}
"""The local that each kind of number is in."""
WHOLE = (
    *("add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor"),
    *("shl", "shr_s", "shr_u", "rotl", "rotr"),
)
WHOLE_ALONE = ("clz", "ctz", "popcnt", "extend8_s", "extend16_s")
FLOAT = ("add", "sub", "mul", "div", "min", "max", "copysign")
FLOAT_ALONE = ("abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt")
VECTOR = (
    *(
        "i64x2.mul",
        "i8x16.add",
        "i8x16.swizzle",
        "i16x8.q15mulr_sat_s",
        "i32x4.dot_i16x8_s",
        "i8x16.min_s",
        "i64x2.gt_s",
    ),
    *("i16x8.extmul_high_i8x16_u", "i8x16.narrow_i16x8_u", "f32x4.min", "f32x4.max", "f64x2.max", "f64x2.add"),
    *("f64x2.div", "f32x4.pmin", "f32x4.eq", "v128.xor"),
)
VECTOR_ALONE = (
    *("i32x4.trunc_sat_f32x4_u", "i32x4.trunc_sat_f64x2_u_zero", "i32x4.extadd_pairwise_i16x8_u", "i8x16.popcnt"),
    *("i64x2.abs", "f32x4.sqrt", "f64x2.nearest", "f64x2.convert_low_i32x4_u", "f32x4.demote_f64x2_zero", "v128.not"),
    "i16x8.extend_high_i8x16_u",
)
VECTOR_SHIFTS = ("i8x16.shr_s", "i8x16.shl", "i64x2.shr_s")


def _whole_numbers() -> Iterator[tuple[str, str]]:
    """Each instruction on the result of the one before."""
    for kind in ("i32", "i64"):
        local = KINDS[kind]
        here = f"(local.get {local})"
        for name, other in product(WHOLE, (here, f"({kind}.const 7)")):
            yield f"{kind}.{name} {other}", f"(local.set {local} ({kind}.{name} {here} {other}))"
        for name in WHOLE_ALONE:
            yield f"{kind}.{name}", f"(local.set {local} ({kind}.{name} {here}))"
        other = here if kind == "i32" else "(i64.extend_i32_s (local.get $i))"
        for name in ("eq", "lt_s", "ge_u"):
            yield f"{kind}.{name}", f"(local.set $i ({kind}.{name} {here} {other}))"


def _floats() -> Iterator[tuple[str, str]]:
    for kind in ("f32", "f64"):
        local = KINDS[kind]
        here = f"(local.get {local})"
        for name in FLOAT:
            yield f"{kind}.{name}", f"(local.set {local} ({kind}.{name} {here} ({kind}.const 7)))"
        for name in FLOAT_ALONE:
            yield f"{kind}.{name}", f"(local.set {local} ({kind}.{name} {here}))"
        yield f"{kind}.lt", f"(local.set {local} ({kind}.convert_i32_s ({kind}.lt {here} ({kind}.const 7))))"
        for whole, how in product(("i32", "i64"), ("trunc_sat", "trunc")):
            there = f"({whole}.{how}_{kind}_u {here})"
            yield f"{whole}.{how}_{kind}_u", f"(local.set {local} ({kind}.convert_{whole}_u {there}))"
    yield "f64.promote_f32", "(local.set $y (f64.promote_f32 (f32.demote_f64 (local.get $y))))"


def _vectors() -> Iterator[tuple[str, str]]:
    """Of each group the dearest, and some that are none of these."""
    here = "(local.get $v)"
    for name in VECTOR:
        yield name, f"(local.set $v ({name} {here} {here}))"
    for name in VECTOR_ALONE:
        yield name, f"(local.set $v ({name} {here}))"
    for name in VECTOR_SHIFTS:
        yield name, f"(local.set $v ({name} {here} (local.get $i)))"
    yield "v128.const", f"(local.set $v (v128.xor {here} (v128.const i64x2 12345 6789)))"
    lanes = "0 17 2 3 4 21 6 7 8 9 26 11 12 13 14 31"
    yield "i8x16.shuffle", f"(local.set $v (i8x16.shuffle {lanes} {here} (global.get $w)))"
    yield "i8x16.bitmask", f"(local.set $v (i8x16.splat (i8x16.bitmask {here})))"
    yield "v128.load8_lane", f"(local.set $v (v128.load8_lane 3 (local.get $i) {here}))"
    address = f"(i32.wrap_i64 (i64x2.extract_lane 0 {here}))"
    yield "v128.load8_splat", f"(local.set $v (v128.load8_splat {address}))"
    yield "v128.load8x8_u", f"(local.set $v (v128.load8x8_u {address}))"


ZERO = "(i32.const 0)"
CONTROL = {
    "nop": "nop",
    "drop": "(drop (i32.const 1))",
    "select": "(local.set $i (select (local.get $i) (i32.const 1) (local.get $i)))",
    "select with a type": "(global.set $r (select (result funcref) (global.get $r) (ref.null func) (local.get $i)))",
    "global.set": "(global.set $g (i32.add (global.get $g) (i32.const 1)))",
    "global.set of a reference": "(global.set $r (ref.func $empty))",
    "i32.load": "(local.set $i (i32.load (local.get $i)))",
    "i32.load of the second memory": "(local.set $i (i32.load $second (local.get $i)))",
    "i32.load far away": "(local.set $i (i32.load offset=0x7fffffff (local.get $i)))",
    "i64.store": "(i64.store (local.get $i) (i64.add (i64.load (local.get $i)) (i64.const 1)))",
    "i32.store8": "(i32.store8 (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 1))",
    "ref.func": "(drop (ref.func $empty))",
    "ref.is_null": "(drop (ref.is_null (global.get $r)))",
    "table.get": f"(drop (table.get $t {ZERO}))",
    "table.set": f"(table.set $t {ZERO} (ref.null func))",
    "table.size": "(drop (table.size $t))",
    "table.grow": f"(drop (table.grow $t (ref.null func) {ZERO}))",
    "table.fill": f"(table.fill $t {ZERO} (ref.null func) {ZERO})",
    "table.copy": f"(table.copy $t $t {ZERO} {ZERO} {ZERO})",
    "table.init": f"(table.init $t $e {ZERO} {ZERO} {ZERO})",
    "elem.drop": "(elem.drop $e)",
    "data.drop": "(data.drop $d)",
    "memory.size": "(drop (memory.size))",
    "memory.grow": f"(drop (memory.grow {ZERO}))",
    "memory.fill": f"(memory.fill {ZERO} {ZERO} {ZERO})",
    "memory.copy": f"(memory.copy {ZERO} {ZERO} {ZERO})",
    "memory.copy between two": f"(memory.copy $second 0 {ZERO} {ZERO} {ZERO})",
    "memory.init": f"(memory.init $d {ZERO} {ZERO} {ZERO})",
    "call": "(call $empty)",
    "call of an import": "(call $imported)",
    "call with values": f"(drop (call $four {ZERO} (i64.const 0) (f32.const 0) (f64.const 0)))",
    "call_indirect": "(call_indirect $t (type $nothing) (local.get $i))",
    "call_indirect with values": "(drop (call_indirect $t (type $four) (local.get $i) (i64.const 0) (f32.const 0)"
    " (f64.const 0) (local.get $i)))",
    "block": "(block (br 0))",
    "block with a result": "(drop (block (result i32) (i32.const 1)))",
    "loop": "(loop)",
    "loop and br_if": "(loop (br_if 0 (local.get $i)))",
    "loop and br": "(loop (br 0))",
    "if": "(if (local.get $i) (then))",
    "if and else": "(if (local.get $i) (then (local.set $i (i32.const 1))) (else (local.set $i (i32.const 2))))",
    "br_if": "(block (br_if 0 (local.get $i)))",
    "br_table": "(block (br_table 0 (local.get $i)))",
    "br_table of 60": f"(block (br_table {'0 ' * 60} (local.get $i)))",
    "return": "(if (local.get $i) (then return))",
    "unreachable": "(if (local.get $i) (then unreachable))",
}
INSTRUCTIONS = {name: repeated(text) for name, text in [*CONTROL.items(), *_whole_numbers(), *_floats(), *_vectors()]}
