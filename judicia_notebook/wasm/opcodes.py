r"""Every instruction of WebAssembly: its opcode, its name in text, its immediates, the feature it came with, its types.

A table, and the only one of its kind: what takes instructions apart or writes them as text reads it. Chapter 5.4
(Instructions) of the WebAssembly specification 3.0, and the proposals threads, relaxed SIMD and wide arithmetic; the
older exceptions, too, so that they can be named when they are refused.

- A prefixed instruction (0xFB to 0xFE) has its prefix and the number after it in one `Opcode.code`: ``0xFD000C`` is
  ``v128.const``. `key` makes one.
- A row of the table below has one or several names with consecutive opcodes, which share all else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

PREFIXES: Final = frozenset({0xFB, 0xFC, 0xFD, 0xFE})
"""The opcodes that a number in LEB128 follows, which tells the instruction."""


class Opcode(NamedTuple):
    """One instruction.

    Attributes
    ----------
    code : int
        The opcode; ``prefix << 16 | number`` for a prefixed one.
    name : str
        As in the text format, such as ``i32.load8_s``.
    immediates : tuple of str
        The kinds of its immediates in the order of the binary format, by the names of `IMMEDIATES`.
    feature : str
        By the names of `judicia_notebook.wasm.features.FEATURES`; empty for the first version of WebAssembly.
    takes, gives : tuple of str or None
        The types of the values it pops and pushes, the top one last. ``address`` is the type of an address in the
        memory that it names (i32 or i64), ``place`` that of an index of the table that it names. None where the
        immediates or the stack decide.
    access : int
        How many bytes of a memory it reads or writes; 0 where it is no load or store.
    """

    code: int
    name: str
    immediates: tuple[str, ...]
    feature: str
    takes: tuple[str, ...] | None
    gives: tuple[str, ...] | None
    access: int

    @property
    def prefix(self) -> int:
        """The first byte."""
        return self.code >> 16 if self.code > 0xFF else self.code

    @property
    def number(self) -> int | None:
        """The number after the prefix; None where it has no prefix."""
        return self.code & 0xFFFF if self.code > 0xFF else None


def key(prefix: int, number: int) -> int:
    """The `Opcode.code` of a prefixed instruction, which no other has, however large the number.

    Examples
    --------
    >>> OPCODES[key(0xFC, 10)].name
    'memory.copy'
    """
    return prefix << 16 | number if number <= 0xFFFF else -1


IMMEDIATES: Final = {
    "block": "a block type: 0x40, a value type, or the index of a type as a signed number of 33 bits",
    "label": "how many blocks further out the target is",
    "labels": "a vector of labels, and a default label",
    "function": "an index",
    "type": "an index",
    "table": "an index",
    "memory": "an index",
    "local": "an index",
    "global": "an index",
    "tag": "an index",
    "data": "an index of a data segment",
    "element": "an index of an element segment",
    "field": "an index of a field",
    "count": "a number of values",
    "i32": "a signed number of 32 bits",
    "i64": "a signed number of 64 bits",
    "f32": "4 bytes",
    "f64": "8 bytes",
    "v128": "16 bytes",
    "lanes": "16 bytes, each a lane",
    "lane": "one byte",
    "memarg": "the alignment's exponent, bit 6 of which says that a memory's index follows; the offset",
    "types": "a vector of value types",
    "heap": "a heap type: a signed number of 33 bits",
    "catches": "a vector of clauses: a byte (0 catch, 1 catch_ref, 2 catch_all, 3 catch_all_ref), for 0 and 1 a tag, a "
    "label",
    "cast": "one byte: bit 0 the first heap type is nullable, bit 1 the second is",
    "zero": "one byte, which is 0",
}
"""What follows an opcode. All numbers are LEB128; an index is an unsigned number of 32 bits."""

# Each line: the (first) opcode in hex | names | immediates | types. A line that begins with = names a feature.
_ROWS = """
= -
00 | unreachable | |
01 | nop | | ->
02 | block loop | block |
04 | if | block |
05 | else | |
0b | end | |
0c | br br_if | label |
0e | br_table | labels |
0f | return | |
10 | call | function |
11 | call_indirect | type table |
1a | drop select | |
20 | local.get local.set local.tee | local |
23 | global.get global.set | global |
28 | i32.load | memarg | address -> i32
29 | i64.load | memarg | address -> i64
2a | f32.load | memarg | address -> f32
2b | f64.load | memarg | address -> f64
2c | i32.load8_s i32.load8_u i32.load16_s i32.load16_u | memarg | address -> i32
30 | i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u | memarg | address -> i64
36 | i32.store | memarg | address i32 ->
37 | i64.store | memarg | address i64 ->
38 | f32.store | memarg | address f32 ->
39 | f64.store | memarg | address f64 ->
3a | i32.store8 i32.store16 | memarg | address i32 ->
3c | i64.store8 i64.store16 i64.store32 | memarg | address i64 ->
3f | memory.size | memory | -> address
40 | memory.grow | memory | address -> address
41 | i32.const | i32 | -> i32
42 | i64.const | i64 | -> i64
43 | f32.const | f32 | -> f32
44 | f64.const | f64 | -> f64
45 | i32.eqz | | i32 -> i32
46 | i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u | | i32 i32 -> i32
50 | i64.eqz | | i64 -> i32
51 | i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u | | i64 i64 -> i32
5b | f32.eq f32.ne f32.lt f32.gt f32.le f32.ge | | f32 f32 -> i32
61 | f64.eq f64.ne f64.lt f64.gt f64.le f64.ge | | f64 f64 -> i32
67 | i32.clz i32.ctz i32.popcnt | | i32 -> i32
6a | i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u i32.and i32.or i32.xor | | i32 i32 -> i32
74 | i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr | | i32 i32 -> i32
79 | i64.clz i64.ctz i64.popcnt | | i64 -> i64
7c | i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u i64.and i64.or i64.xor | | i64 i64 -> i64
86 | i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr | | i64 i64 -> i64
8b | f32.abs f32.neg f32.ceil f32.floor f32.trunc f32.nearest f32.sqrt | | f32 -> f32
92 | f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign | | f32 f32 -> f32
99 | f64.abs f64.neg f64.ceil f64.floor f64.trunc f64.nearest f64.sqrt | | f64 -> f64
a0 | f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign | | f64 f64 -> f64
a7 | i32.wrap_i64 | | i64 -> i32
a8 | i32.trunc_f32_s i32.trunc_f32_u | | f32 -> i32
aa | i32.trunc_f64_s i32.trunc_f64_u | | f64 -> i32
ac | i64.extend_i32_s i64.extend_i32_u | | i32 -> i64
ae | i64.trunc_f32_s i64.trunc_f32_u | | f32 -> i64
b0 | i64.trunc_f64_s i64.trunc_f64_u | | f64 -> i64
b2 | f32.convert_i32_s f32.convert_i32_u | | i32 -> f32
b4 | f32.convert_i64_s f32.convert_i64_u | | i64 -> f32
b6 | f32.demote_f64 | | f64 -> f32
b7 | f64.convert_i32_s f64.convert_i32_u | | i32 -> f64
b9 | f64.convert_i64_s f64.convert_i64_u | | i64 -> f64
bb | f64.promote_f32 | | f32 -> f64
bc | i32.reinterpret_f32 | | f32 -> i32
bd | i64.reinterpret_f64 | | f64 -> i64
be | f32.reinterpret_i32 | | i32 -> f32
bf | f64.reinterpret_i64 | | i64 -> f64
= sign_extension
c0 | i32.extend8_s i32.extend16_s | | i32 -> i32
c2 | i64.extend8_s i64.extend16_s i64.extend32_s | | i64 -> i64
= saturating_float_to_int
fc 00 | i32.trunc_sat_f32_s i32.trunc_sat_f32_u | | f32 -> i32
fc 02 | i32.trunc_sat_f64_s i32.trunc_sat_f64_u | | f64 -> i32
fc 04 | i64.trunc_sat_f32_s i64.trunc_sat_f32_u | | f32 -> i64
fc 06 | i64.trunc_sat_f64_s i64.trunc_sat_f64_u | | f64 -> i64
= bulk_memory
fc 08 | memory.init | data memory | address i32 i32 ->
fc 09 | data.drop | data | ->
fc 0a | memory.copy | memory memory |
fc 0b | memory.fill | memory | address i32 address ->
fc 0c | table.init | element table | place i32 i32 ->
fc 0d | elem.drop | element | ->
fc 0e | table.copy | table table |
= reference_types
1c | select | types |
25 | table.get | table |
26 | table.set | table |
d0 | ref.null | heap |
d1 | ref.is_null | |
d2 | ref.func | function |
fc 0f | table.grow | table |
fc 10 | table.size | table | -> place
fc 11 | table.fill | table |
= wide_arithmetic
fc 13 | i64.add128 i64.sub128 | | i64 i64 i64 i64 -> i64 i64
fc 15 | i64.mul_wide_s i64.mul_wide_u | | i64 i64 -> i64 i64
= tail_calls
12 | return_call | function |
13 | return_call_indirect | type table |
= exceptions
08 | throw | tag |
0a | throw_ref | |
1f | try_table | block catches |
= legacy_exceptions
06 | try | block |
07 | catch | tag |
09 | rethrow | label |
18 | delegate | label |
19 | catch_all | |
= function_references
14 | call_ref return_call_ref | type |
d4 | ref.as_non_null | |
d5 | br_on_null br_on_non_null | label |
= gc
d3 | ref.eq | |
fb 00 | struct.new struct.new_default | type |
fb 02 | struct.get struct.get_s struct.get_u struct.set | type field |
fb 06 | array.new array.new_default | type |
fb 08 | array.new_fixed | type count |
fb 09 | array.new_data | type data |
fb 0a | array.new_elem | type element |
fb 0b | array.get array.get_s array.get_u array.set | type |
fb 0f | array.len | |
fb 10 | array.fill | type |
fb 11 | array.copy | type type |
fb 12 | array.init_data | type data |
fb 13 | array.init_elem | type element |
fb 14 | ref.test | heap |
fb 15 | ref.test_null | heap |
fb 16 | ref.cast | heap |
fb 17 | ref.cast_null | heap |
fb 18 | br_on_cast br_on_cast_fail | cast label heap heap |
fb 1a | any.convert_extern extern.convert_any | |
fb 1c | ref.i31 | |
fb 1d | i31.get_s i31.get_u | |
= simd
fd 00 | v128.load v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u | memarg | address -> v128
fd 05 | v128.load32x2_s v128.load32x2_u v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat \
  | memarg | address -> v128
fd 0b | v128.store | memarg | address v128 ->
fd 0c | v128.const | v128 | -> v128
fd 0d | i8x16.shuffle | lanes | v128 v128 -> v128
fd 0e | i8x16.swizzle | | v128 v128 -> v128
fd 0f | i8x16.splat i16x8.splat i32x4.splat | | i32 -> v128
fd 12 | i64x2.splat | | i64 -> v128
fd 13 | f32x4.splat | | f32 -> v128
fd 14 | f64x2.splat | | f64 -> v128
fd 15 | i8x16.extract_lane_s i8x16.extract_lane_u | lane | v128 -> i32
fd 17 | i8x16.replace_lane | lane | v128 i32 -> v128
fd 18 | i16x8.extract_lane_s i16x8.extract_lane_u | lane | v128 -> i32
fd 1a | i16x8.replace_lane | lane | v128 i32 -> v128
fd 1b | i32x4.extract_lane | lane | v128 -> i32
fd 1c | i32x4.replace_lane | lane | v128 i32 -> v128
fd 1d | i64x2.extract_lane | lane | v128 -> i64
fd 1e | i64x2.replace_lane | lane | v128 i64 -> v128
fd 1f | f32x4.extract_lane | lane | v128 -> f32
fd 20 | f32x4.replace_lane | lane | v128 f32 -> v128
fd 21 | f64x2.extract_lane | lane | v128 -> f64
fd 22 | f64x2.replace_lane | lane | v128 f64 -> v128
fd 23 | i8x16.{eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u} | | v128 v128 -> v128
fd 2d | i16x8.{eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u} | | v128 v128 -> v128
fd 37 | i32x4.{eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u} | | v128 v128 -> v128
fd 41 | f32x4.{eq ne lt gt le ge} | | v128 v128 -> v128
fd 47 | f64x2.{eq ne lt gt le ge} | | v128 v128 -> v128
fd 4d | v128.not | | v128 -> v128
fd 4e | v128.{and andnot or xor} | | v128 v128 -> v128
fd 52 | v128.bitselect | | v128 v128 v128 -> v128
fd 53 | v128.any_true | | v128 -> i32
fd 54 | v128.{load8_lane load16_lane load32_lane load64_lane} | memarg lane | address v128 -> v128
fd 58 | v128.{store8_lane store16_lane store32_lane store64_lane} | memarg lane | address v128 ->
fd 5c | v128.{load32_zero load64_zero} | memarg | address -> v128
fd 5e | f32x4.demote_f64x2_zero f64x2.promote_low_f32x4 i8x16.abs i8x16.neg i8x16.popcnt | | v128 -> v128
fd 63 | i8x16.{all_true bitmask} | | v128 -> i32
fd 65 | i8x16.{narrow_i16x8_s narrow_i16x8_u} | | v128 v128 -> v128
fd 67 | f32x4.{ceil floor trunc nearest} | | v128 -> v128
fd 6b | i8x16.{shl shr_s shr_u} | | v128 i32 -> v128
fd 6e | i8x16.{add add_sat_s add_sat_u sub sub_sat_s sub_sat_u} | | v128 v128 -> v128
fd 74 | f64x2.{ceil floor} | | v128 -> v128
fd 76 | i8x16.{min_s min_u max_s max_u} | | v128 v128 -> v128
fd 7a | f64x2.trunc | | v128 -> v128
fd 7b | i8x16.avgr_u | | v128 v128 -> v128
fd 7c | i16x8.{extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u} | | v128 -> v128
fd 7e | i32x4.{extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u} | | v128 -> v128
fd 80 | i16x8.{abs neg} | | v128 -> v128
fd 82 | i16x8.q15mulr_sat_s | | v128 v128 -> v128
fd 83 | i16x8.{all_true bitmask} | | v128 -> i32
fd 85 | i16x8.{narrow_i32x4_s narrow_i32x4_u} | | v128 v128 -> v128
fd 87 | i16x8.{extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u} | | v128 -> v128
fd 8b | i16x8.{shl shr_s shr_u} | | v128 i32 -> v128
fd 8e | i16x8.{add add_sat_s add_sat_u sub sub_sat_s sub_sat_u} | | v128 v128 -> v128
fd 94 | f64x2.nearest | | v128 -> v128
fd 95 | i16x8.{mul min_s min_u max_s max_u} | | v128 v128 -> v128
fd 9b | i16x8.{avgr_u extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u} \
  | | v128 v128 -> v128
fd a0 | i32x4.{abs neg} | | v128 -> v128
fd a3 | i32x4.{all_true bitmask} | | v128 -> i32
fd a7 | i32x4.{extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u} | | v128 -> v128
fd ab | i32x4.{shl shr_s shr_u} | | v128 i32 -> v128
fd ae | i32x4.add | | v128 v128 -> v128
fd b1 | i32x4.sub | | v128 v128 -> v128
fd b5 | i32x4.{mul min_s min_u max_s max_u dot_i16x8_s} | | v128 v128 -> v128
fd bc | i32x4.{extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u} | | v128 v128 -> v128
fd c0 | i64x2.{abs neg} | | v128 -> v128
fd c3 | i64x2.{all_true bitmask} | | v128 -> i32
fd c7 | i64x2.{extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u} | | v128 -> v128
fd cb | i64x2.{shl shr_s shr_u} | | v128 i32 -> v128
fd ce | i64x2.add | | v128 v128 -> v128
fd d1 | i64x2.sub | | v128 v128 -> v128
fd d5 | i64x2.{mul eq ne lt_s gt_s le_s ge_s} | | v128 v128 -> v128
fd dc | i64x2.{extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u} | | v128 v128 -> v128
fd e0 | f32x4.{abs neg} | | v128 -> v128
fd e3 | f32x4.sqrt | | v128 -> v128
fd e4 | f32x4.{add sub mul div min max pmin pmax} | | v128 v128 -> v128
fd ec | f64x2.{abs neg} | | v128 -> v128
fd ef | f64x2.sqrt | | v128 -> v128
fd f0 | f64x2.{add sub mul div min max pmin pmax} | | v128 v128 -> v128
fd f8 | i32x4.{trunc_sat_f32x4_s trunc_sat_f32x4_u} | | v128 -> v128
fd fa | f32x4.{convert_i32x4_s convert_i32x4_u} | | v128 -> v128
fd fc | i32x4.{trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero} | | v128 -> v128
fd fe | f64x2.{convert_low_i32x4_s convert_low_i32x4_u} | | v128 -> v128
= relaxed_simd
fd 100 | i8x16.relaxed_swizzle | | v128 v128 -> v128
fd 101 | i32x4.{relaxed_trunc_f32x4_s relaxed_trunc_f32x4_u relaxed_trunc_f64x2_s_zero relaxed_trunc_f64x2_u_zero} \
  | | v128 -> v128
fd 105 | f32x4.{relaxed_madd relaxed_nmadd} | | v128 v128 v128 -> v128
fd 107 | f64x2.{relaxed_madd relaxed_nmadd} | | v128 v128 v128 -> v128
fd 109 | i8x16.relaxed_laneselect i16x8.relaxed_laneselect i32x4.relaxed_laneselect i64x2.relaxed_laneselect \
  | | v128 v128 v128 -> v128
fd 10d | f32x4.{relaxed_min relaxed_max} | | v128 v128 -> v128
fd 10f | f64x2.{relaxed_min relaxed_max} | | v128 v128 -> v128
fd 111 | i16x8.{relaxed_q15mulr_s relaxed_dot_i8x16_i7x16_s} | | v128 v128 -> v128
fd 113 | i32x4.relaxed_dot_i8x16_i7x16_add_s | | v128 v128 v128 -> v128
= threads
fe 00 | memory.atomic.notify | memarg | address i32 -> i32
fe 01 | memory.atomic.wait32 | memarg | address i32 i64 -> i32
fe 02 | memory.atomic.wait64 | memarg | address i64 i64 -> i32
fe 03 | atomic.fence | zero | ->
fe 10 | i32.atomic.load | memarg | address -> i32
fe 11 | i64.atomic.load | memarg | address -> i64
fe 12 | i32.atomic.{load8_u load16_u} | memarg | address -> i32
fe 14 | i64.atomic.{load8_u load16_u load32_u} | memarg | address -> i64
fe 17 | i32.atomic.store | memarg | address i32 ->
fe 18 | i64.atomic.store | memarg | address i64 ->
fe 19 | i32.atomic.{store8 store16} | memarg | address i32 ->
fe 1b | i64.atomic.{store8 store16 store32} | memarg | address i64 ->
"""
_ATOMIC_UPDATES = ("add", "sub", "and", "or", "xor", "xchg", "cmpxchg")  # from 0xFE 0x1E on, seven instructions each
_ATOMIC_WIDTHS = (("i32", 32), ("i64", 64), ("i32", 8), ("i32", 16), ("i64", 8), ("i64", 16), ("i64", 32))


def _opcodes() -> Iterator[Opcode]:
    feature = ""
    for line in _ROWS.replace("\\\n", "").strip().splitlines():
        if line.startswith("="):
            feature = line[2:].strip("- ")
            continue
        codes, names, immediates, types = (part.strip() for part in line.split("|"))
        prefix, *number = (int(code, 16) for code in codes.split())
        first = key(prefix, number[0]) if number else prefix
        takes, gives = _stack(types)
        for code, name in enumerate(_spelled(names), first):
            access = _access(name) if immediates.startswith("memarg") else 0
            yield Opcode(code, name, tuple(immediates.split()), feature, takes, gives, access)
    yield from _atomic_updates()


def _spelled(names: str) -> list[str]:
    """The names of a row, those in braces with what stands before."""
    start, brace, inner = names.partition("{")
    return [start + name for name in inner.rstrip("}").split()] if brace else names.split()


def _stack(types: str) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    if "->" not in types:
        return None, None
    takes, gives = types.split("->")
    return tuple(takes.split()), tuple(gives.split())


_WIDTHS: Final = {"i32": 4, "i64": 8, "f32": 4, "f64": 8, "v128": 16}
_PARTS: Final = re.compile(r"(?:load|store|rmw|wait)(\d+)(?:x(\d))?")


def _access(name: str) -> int:
    """How many bytes an instruction with that name reads or writes."""
    part = _PARTS.search(name)
    if part is None:
        return 4 if name == "memory.atomic.notify" else _WIDTHS[name.partition(".")[0]]
    return int(part[1]) * int(part[2] or 1) // 8


def _atomic_updates() -> Iterator[Opcode]:
    code = key(0xFE, 0x1E)
    for update in _ATOMIC_UPDATES:
        for value, bits in _ATOMIC_WIDTHS:
            narrow = bits < 8 * _WIDTHS[value]
            name = f"{value}.atomic.rmw{bits if narrow else ''}.{update}{'_u' if narrow else ''}"
            takes = ("address", value, value) if update == "cmpxchg" else ("address", value)
            yield Opcode(code, name, ("memarg",), "threads", takes, (value,), bits // 8)
            code += 1


OPCODES: Final[dict[int, Opcode]] = {opcode.code: opcode for opcode in _opcodes()}
"""Every instruction by its `Opcode.code`."""
