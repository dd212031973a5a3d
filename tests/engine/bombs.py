"""Modules that consist of one thing only, as often as is wanted: what each costs the compiler can be measured alone.

`BOMBS` has one for each section of a module that the compiler pays for, for each kind of instruction of the features
that are switched on, and for the shapes whose cost is more than the sum of their parts. Each makes a module from a
count. `sized` picks the count by the estimate, so that a bomb can be as big as is just let through, and
`Compiler.measure` compiles in a child process and tells what that took.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Self

from judicia_notebook.engine.locals import compile_work
from judicia_notebook.engine.process import assemble
from judicia_notebook.engine.sections import read_module

Make = Callable[[int], bytes]

MAGIC = b"\0asm\1\0\0\0"
I32, I64, V128, FUNCREF = b"\x7f", b"\x7e", b"\x7b", b"\x70"
NOTHING = b"\x60\0\0"
LARGEST = 4 << 20  # bytes: a bigger file is compiled apart, whatever is in it


# --- the binary format -----------------------------------------------------------------------------------------------


def leb(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def signed(number: int) -> bytes:
    """A number from 0 on, as ``i32.const`` has it."""
    out = b""
    while number > 0x3F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def vector(entries: Iterable[bytes]) -> bytes:
    listed = list(entries)
    return leb(len(listed)) + b"".join(listed)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def signature(params: int, results: int, kind: bytes = I32) -> bytes:
    return b"\x60" + leb(params) + kind * params + leb(results) + kind * results


def bodies(*codes: bytes) -> bytes:
    """The code section; each body is its declarations of locals and its instructions."""
    return section(10, vector(leb(len(code)) + code for code in codes))


def numbered(count: int, entry: Callable[[int], bytes]) -> bytes:
    return leb(count) + b"".join(map(entry, range(count)))


ONE = section(1, vector([NOTHING]))
FUNCTION = section(3, b"\x01\0")
EMPTY = bodies(b"\0\x0b")
OUTSIDE = section(2, b"\x01\x01a\x01b\x03\x7f\0")  # an imported i32: no offset that it gives is known before
PAGE = section(5, b"\x01\0\x01")


# --- sections --------------------------------------------------------------------------------------------------------


def data(count: int, offset: bytes = b"", flags: bytes = b"\0") -> bytes:
    """Data segments of a byte each, eight bytes apart unless an offset is given."""
    pages = section(5, b"\x01\0" + leb(count // 8192 + 1))
    segments = numbered(count, lambda number: flags + (offset or b"\x41" + signed(8 * number)) + b"\x0b\x01x")
    return MAGIC + OUTSIDE + pages + section(11, segments)


def elements(*, table: int, segments: bytes) -> bytes:
    tables = section(4, b"\x01\x70\0" + leb(table))
    return MAGIC + ONE + OUTSIDE + FUNCTION + tables + section(9, segments) + EMPTY


def expressions(count: int) -> bytes:
    """One segment, whose elements are expressions."""
    return elements(table=count, segments=b"\x01\x04\x41\0\x0b" + leb(count) + b"\xd2\0\x0b" * count)


def passive_expressions(count: int) -> bytes:
    return elements(table=1, segments=b"\x01\x05\x70" + leb(count) + b"\xd2\0\x0b" * count)


def placed_elsewhere(count: int) -> bytes:
    """Segments whose place only the host knows."""
    return elements(table=9, segments=leb(count) + b"\0\x23\0\x0b\x01\0" * count)


def past_the_end(count: int) -> bytes:
    """Segments that do not fit: each element of them is set by code."""
    few = count // 100 + 1
    return elements(table=1, segments=leb(few) + (b"\0\x41\x05\x0b\x64" + b"\0" * 100) * few)


def long_offsets(count: int) -> bytes:
    sums = b"\x41\x00\x41\x01\x6a"
    return elements(table=9, segments=leb(count) + (b"\0\x23\0" + sums * 50 + b"\x6a" * 50 + b"\x0b\x01\0") * count)


def globals_of(initializer: bytes, kind: bytes = I32) -> Make:
    def make(count: int) -> bytes:
        return (
            MAGIC + ONE + OUTSIDE + FUNCTION + section(6, leb(count) + (kind + b"\x01" + initializer) * count) + EMPTY
        )

    return make


def types(params: int, results: int = 0) -> Make:
    """Types that nothing uses, no two of them alike."""
    kinds = (b"\x7f", b"\x7e", b"\x7d", b"\x7c")

    def entry(number: int) -> bytes:
        taken = b"".join(kinds[number >> 2 * (place % 10) & 3] for place in range(params))
        return b"\x60" + leb(params) + taken + leb(results) + I32 * results

    return lambda count: MAGIC + section(1, numbered(min(count, 99_000), entry))


def functions(params: int = 0, results: int = 0, *, exported: bool = False, listed: bool = False) -> Make:
    """Empty functions, which get trampolines where they are exported or listed as elements."""
    code = b"\0\0\x0b" if results else b"\0\x0b"

    def make(count: int) -> bytes:
        names = min(count, 10_000) if exported else 0
        return (
            MAGIC
            + section(1, vector([signature(params, results)]))
            + section(3, leb(count) + bytes(count))
            + section(7, numbered(names, lambda number: b"\x05%05d\0" % number + leb(number)))
            + (section(9, b"\x01\x01\0" + numbered(count, leb)) if listed else b"")
            + bodies(*[code] * count)
        )

    return make


def imports(count: int) -> bytes:
    count = min(count, 10_000)
    return MAGIC + ONE + section(2, numbered(count, lambda number: b"\x01a\x05%05d\0\0" % number))


def tables(count: int) -> bytes:
    """Sixteen of them, filled at their ends; the count is that of their elements, by 4096."""
    last = min(4096 * count, 1 << 20)
    segments = numbered(16, lambda number: b"\x02" + leb(number) + b"\x41" + signed(last - 1) + b"\x0b\0\x01\0")
    room = section(4, leb(16) + (b"\x70\0" + leb(last)) * 16)
    return MAGIC + ONE + FUNCTION + room + section(9, segments) + EMPTY


SECTIONS: dict[str, Make] = {
    "data segments": data,
    "data segments placed by a global": lambda count: data(count, b"\x23\0"),
    "data segments with long offsets": lambda count: data(count, b"\x23\0" + b"\x41\x01\x6a" * 100),
    "data segments of memory 0 by number": lambda count: data(count, flags=b"\x02\0"),
    "elements that are expressions": expressions,
    "passive elements that are expressions": passive_expressions,
    "elements placed by a global": placed_elsewhere,
    "elements past the end": past_the_end,
    "elements with long offsets": long_offsets,
    "globals": globals_of(b"\x41\0\x0b"),
    "globals of vectors": globals_of(b"\xfd\x0c" + b"\1" * 16 + b"\x0b", V128),
    "globals that refer to a function": globals_of(b"\xd2\0\x0b", FUNCREF),
    "globals that copy a global": globals_of(b"\x23\0\x0b"),
    "globals that are sums": globals_of(b"\x41\0" + b"\x41\x01\x6a" * 100 + b"\x0b"),
    "types": types(10),
    "types of 100 parameters": types(100),
    "types of 1000 parameters": types(1000),
    "types of 1000 results": types(3, 1000),
    "functions": functions(),
    "functions that are exported": functions(exported=True),
    "functions that are elements": functions(listed=True),
    "functions of 100 parameters": functions(100, listed=True),
    "functions of 1000 parameters": functions(1000, listed=True),
    "functions of 100 results": functions(0, 100, listed=True),
    "imports": imports,
    "tables": tables,
}


# --- instructions ----------------------------------------------------------------------------------------------------

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
    (local.set $i (i32.load (i32.const 0))) (local.set $j (i64.load (i32.const 8))) (local.set $x (f32.load (i32.const 0)))
    (local.set $y (f64.load (i32.const 8))) (local.set $v (v128.load (i32.const 0)))
    {MARK} %s {MARK}
    (i32.store (i32.const 0) (local.get $i)) (i64.store (i32.const 8) (local.get $j)) (f32.store (i32.const 0) (local.get $x))
    (f64.store (i32.const 8) (local.get $y)) (v128.store (i32.const 0) (local.get $v))))"""


def _number(content: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    number = shift = 0
    while True:
        number |= (content[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if content[at - 1] < 0x80:
            return number, at


def _pieces(content: bytes, at: int) -> Iterator[bytes]:
    """What lies there one after the other, each with its size before it."""
    while at < len(content):
        size, at = _number(content, at)
        yield content[at : at + size]
        at += size


def _parts(module: bytes) -> Iterator[tuple[int, bytes]]:
    """The sections that have no name."""
    at = len(MAGIC)
    while at < len(module):
        number = module[at]
        size, at = _number(module, at + 1)
        if number:
            yield number, module[at : at + size]
        at += size


def repeated(text: str, in_each: int = 200, frame: str = FRAME) -> Make:
    """Functions that hold what the text says, again and again."""
    parts = dict(_parts(assemble(frame % text)))
    *others, last = _pieces(parts[10], 1)
    before, what, after = last.split(MARKED)

    def make(count: int) -> bytes:
        in_this = min(in_each, count)
        codes = [before + what * in_this + after] * round(count / in_this)
        kinds = leb(2 + len(codes)) + parts[3][-3:-1] + parts[3][-1:] * len(codes)
        changed = {**parts, 3: kinds, 10: vector(leb(len(code)) + code for code in [*others, *codes])}
        return MAGIC + b"".join(section(number, content) for number, content in changed.items())

    return make


def _numeric() -> Iterator[tuple[str, str]]:
    """Instructions on numbers, each of them on the result of the one before."""
    for kind, name in (("i32", "i"), ("i64", "j")):
        here = f"(local.get ${name})"
        for each in [
            "add",
            "sub",
            "mul",
            "div_s",
            "div_u",
            "rem_s",
            "rem_u",
            "and",
            "or",
            "xor",
            "shl",
            "shr_s",
            "shr_u",
            "rotl",
            "rotr",
        ]:
            for other in (here, f"({kind}.const 7)"):
                yield f"{kind}.{each} {other}", f"(local.set ${name} ({kind}.{each} {here} {other}))"
        for each in ["clz", "ctz", "popcnt", "extend8_s", "extend16_s"]:
            yield f"{kind}.{each}", f"(local.set ${name} ({kind}.{each} {here}))"
        other = here if kind == "i32" else "(i64.extend_i32_s (local.get $i))"
        for each in ("eq", "lt_s", "ge_u"):
            yield f"{kind}.{each}", f"(local.set $i ({kind}.{each} {here} {other}))"
    for kind, name in (("f32", "x"), ("f64", "y")):
        here = f"(local.get ${name})"
        for each in ["add", "sub", "mul", "div", "min", "max", "copysign"]:
            yield f"{kind}.{each}", f"(local.set ${name} ({kind}.{each} {here} ({kind}.const 7)))"
        for each in ["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"]:
            yield f"{kind}.{each}", f"(local.set ${name} ({kind}.{each} {here}))"
        yield f"{kind}.lt", f"(local.set ${name} ({kind}.convert_i32_s ({kind}.lt {here} ({kind}.const 7))))"
        for whole in ("i32", "i64"):
            for how in ("trunc_sat", "trunc"):
                there = f"({whole}.{how}_{kind}_u {here})"
                yield f"{whole}.{how}_{kind}_u", f"(local.set ${name} ({kind}.convert_{whole}_u {there}))"
    yield "f64.promote_f32", "(local.set $y (f64.promote_f32 (f32.demote_f64 (local.get $y))))"


def _vectors() -> Iterator[tuple[str, str]]:
    """Instructions on vectors: of each group the dearest, and some that are none of these."""
    here = "(local.get $v)"
    for each in [
        "i64x2.mul",
        "i8x16.add",
        "i8x16.swizzle",
        "i16x8.q15mulr_sat_s",
        "i32x4.dot_i16x8_s",
        "i16x8.extmul_high_i8x16_u",
        "i8x16.min_s",
        "i64x2.gt_s",
        "i8x16.narrow_i16x8_u",
        "f32x4.min",
        "f32x4.max",
        "f64x2.max",
        "f64x2.add",
        "f64x2.div",
        "f32x4.pmin",
        "f32x4.eq",
        "v128.xor",
    ]:
        yield each, f"(local.set $v ({each} {here} {here}))"
    for each in [
        "i32x4.trunc_sat_f32x4_u",
        "i32x4.trunc_sat_f64x2_u_zero",
        "i32x4.extadd_pairwise_i16x8_u",
        "i8x16.popcnt",
        "i64x2.abs",
        "f32x4.sqrt",
        "f64x2.nearest",
        "f64x2.convert_low_i32x4_u",
        "f32x4.demote_f64x2_zero",
        "v128.not",
        "i16x8.extend_high_i8x16_u",
    ]:
        yield each, f"(local.set $v ({each} {here}))"
    for each in ("i8x16.shr_s", "i8x16.shl", "i64x2.shr_s"):
        yield each, f"(local.set $v ({each} {here} (local.get $i)))"
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
INSTRUCTIONS = {name: repeated(text) for name, text in [*CONTROL.items(), *_numeric(), *_vectors()]}


# --- shapes ----------------------------------------------------------------------------------------------------------

MANY = 300


ALL = 1 << 30


def in_one_function(name: str) -> Make:
    return repeated(CONTROL[name], in_each=ALL)


def beside_locals(name: str) -> Make:
    """All in one function, which needs hundreds of locals before and after."""
    before = "".join(f"(local.set {each} (i32.load offset={4 * each} (local.get $i)))" for each in range(MANY))
    after = "".join(f"(i32.store offset={4 * each} (local.get $i) (local.get {each}))" for each in range(MANY))
    frame = FRAME.replace("(func (local $i", f"(func (local {'i32 ' * MANY}) (local $i")
    frame = frame.replace(f"{MARK} %s {MARK}", f"{before} {MARK} %s {MARK} {after}")
    return repeated(CONTROL[name], in_each=ALL, frame=frame)


def handed_on(values: int, *, before: bytes = b"", opcode: bytes, after: bytes = b"", nested: bool = False) -> Make:
    """Blocks of one function that take values and give them back."""
    start = b"\0\x10\0"  # a call that gives the first ones

    def make(count: int) -> bytes:
        opened = before + opcode + b"\0" + after
        code = opened * count + b"\x0b" * count if nested else (opened + b"\x0b") * count
        kinds = section(1, vector([signature(values, values), signature(0, values), NOTHING]))
        return MAGIC + kinds + section(3, b"\x02\x01\x02") + bodies(b"\0\0\x0b", start + code + b"\0\x0b")

    return make


def calls(params: int, results: int) -> Make:
    """Each call takes what the one before gave, or nothing."""
    give, take = b"\x41\0" * params, b"\x1a" * results
    if params == results:
        give = take = b""

    def make(count: int) -> bytes:
        kinds = section(1, vector([signature(params, results), signature(0, params), NOTHING]))
        first = b"\x10\x01" if params == results else b""
        code = b"\0" + first + (give + b"\x10\0" + take) * count + b"\0\x0b"
        return MAGIC + kinds + section(3, b"\x03\0\x01\x02") + bodies(b"\0\0\x0b", b"\0\0\x0b", code)

    return make


def joined_locals(loops: int, count: int) -> bytes:
    """Each of these loops needs a value for each local."""
    changes = b"".join(b"\x20" + leb(each) + b"\x41\x01\x6a\x21" + leb(each) for each in range(count))
    code = b"\x03\x40" * loops + changes + b"\x41\x01\x0d\0" + b"\x0b" * loops
    return MAGIC + ONE + FUNCTION + bodies(b"\x01" + leb(count) + b"\x7f" + code + b"\x0b")


def joined_by_a_table(targets: int, count: int) -> bytes:
    """Each target of the table hands the locals on."""
    changes = b"".join(b"\x20" + leb(each) + b"\x41\x01\x6a\x21" + leb(each) for each in range(count))
    table = b"\x0e" + leb(targets) + bytes(targets) + b"\x01"
    code = b"\x03\x40\x03\x40" + changes + b"\x41\x01" + table + b"\x0b\x0b"
    return MAGIC + ONE + FUNCTION + bodies(b"\x01" + leb(count) + b"\x7f" + code + b"\x0b")


def nested(opened: bytes) -> Make:
    return lambda count: MAGIC + ONE + FUNCTION + bodies(b"\0" + opened * count + b"\x0b" * count + b"\x0b")


def above_values(count: int) -> bytes:
    """Values wait on the stack while loops follow."""
    loads = b"".join(b"\x20\0\x28\x02" + leb(4 * each) for each in range(count))
    code = b"\x01\x01\x7f" + loads + b"\x03\x40\x0b" * count + b"\x6a" * (count - 1) + b"\x1a\x0b"
    return MAGIC + ONE + FUNCTION + PAGE + bodies(code)


def table_of_labels(count: int) -> bytes:
    """Each target of a branch table is another block."""
    labels = b"".join(map(leb, range(count)))
    code = b"\0" + b"\x02\x40" * count + b"\x41\0\x0e" + leb(count - 1) + labels + b"\x0b" * count + b"\x0b"
    return MAGIC + ONE + FUNCTION + bodies(code)


BRANCH = b"\x41\0\x0d\0"
SHAPES: dict[str, Make] = {
    **{f"{name}, all in one function": in_one_function(name) for name in ("loop", "loop and br_if", "br_if", "table.get",
       "table.copy", "table.grow", "call_indirect")},
    **{f"{name} beside locals": beside_locals(name) for name in ("nop", "loop", "loop and br_if", "br_if", "if", "call",
       "table.get", "table.copy", "table.grow", "table.init", "table.fill", "call_indirect", "memory.fill", "memory.grow",
       "memory.copy", "memory.init", "ref.func", "i32.load", "br_table of 60", "return")},
    **{f"loops that hand {values} on": handed_on(values, opcode=b"\x03") for values in (1, 10, 100, 1000)},
    "loops in loops that hand 1 on": handed_on(1, opcode=b"\x03", nested=True),
    "loops in loops that hand 1000 on": handed_on(1000, opcode=b"\x03", nested=True),
    "loops with branches that hand 10 on": handed_on(10, opcode=b"\x03", after=BRANCH),
    "blocks that hand 10 on": handed_on(10, opcode=b"\x02", after=BRANCH),
    "blocks in blocks that hand 10 on": handed_on(10, opcode=b"\x02", after=BRANCH, nested=True),
    "ifs that hand 10 on": handed_on(10, before=b"\x41\0", opcode=b"\x04"),
    "calls with 10 parameters": calls(10, 0),
    "calls with 1000 parameters": calls(1000, 0),
    "calls with 10 results": calls(0, 10),
    "calls with 1000 results": calls(0, 1000),
    "calls that hand 10 on": calls(10, 10),
    "calls that hand 1000 on": calls(1000, 1000),
    "locals that are joined in loops": lambda count: joined_locals(count, count),
    "locals that are joined by a table": lambda count: joined_by_a_table(20 * count, count),
    "ifs in ifs": nested(b"\x41\0\x04\x40"),
    "loops in loops": nested(b"\x03\x40"),
    "values below loops": above_values,
    "a table of labels": table_of_labels,
    "locals": lambda count: MAGIC + ONE + FUNCTION + bodies(b"\x01" + leb(min(count, 50_000)) + b"\x7f\x0b"),
}  # fmt: skip

BOMBS = SECTIONS | INSTRUCTIONS | SHAPES
ENDLESS_IN_VAIN = {"imports", "locals", "tables"}
"""These may not be so many that they are heavy by themselves."""


def sized(make: Make, work: float) -> bytes:
    """The smallest such bomb whose work is estimated to be at least that, within a factor of 1.2."""
    low = high = 1
    while (bomb := make(high)) and compile_work(read_module(bomb)) < work and high < 1 << 22 and len(bomb) < LARGEST:
        low, high = high, high * 2
    for _ in range(3):
        middle = (low + high) // 2
        tried = make(middle)
        if compile_work(read_module(tried)) < work:
            low = middle
        else:
            high, bomb = middle, tried
    return bomb


# --- measuring -------------------------------------------------------------------------------------------------------

ROOM = 3 << 30

CHILD = f"""
import base64, ctypes, json, resource, sys, time
sys.path[:0] = {sys.path!r}
from judicia_notebook.engine import process
from judicia_notebook.errors import CompileError
engine = process.Engine()
trim = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)
resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)

def status(line):
    return next(int(each.split()[1]) << 10 for each in open("/proc/self/status") if each.startswith(line))

for line in sys.stdin:
    trim(0)
    open("/proc/self/clear_refs", "w").write("5")
    held, began, refused = status("VmRSS"), time.process_time(), ""
    try:
        engine.compile_here(base64.b64decode(line)).close()
    except CompileError as error:
        refused = str(error)
    print(json.dumps([time.process_time() - began, max(status("VmHWM") - held, 0), refused]), flush=True)
"""


class Cost(NamedTuple):
    """What compiling took: CPU time, memory at most, and the words with which it was refused."""

    seconds: float
    memory_bytes: int
    refused: str

    @property
    def work(self) -> float:
        """In the units of the estimate."""
        return max(self.seconds * 1e6, self.memory_bytes / 61)


class Compiler:
    """A child process that compiles what it is given and measures what that takes."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe, text=True)
        self.measure(MAGIC + ONE + FUNCTION + EMPTY)  # what is read in at the first time

    def measure(self, module: bytes) -> Cost:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(base64.b64encode(module).decode() + "\n")
        self._child.stdin.flush()
        return Cost(*json.loads(self._child.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()
