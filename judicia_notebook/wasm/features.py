r"""How many instructions a module's functions have, and which features of WebAssembly it uses. Nothing is compiled.

It reads modules of any compiler, not only those that the engine takes: every instruction of the specification 3.0 with
its immediates, and those of threads, relaxed SIMD, wide arithmetic and the older exceptions. It does not judge them.

- One regular expression knows how long each instruction is, as in `instructions`. Branch tables and ``try_table`` say
  themselves how long they are; they are read by hand.
- Code is taken apart piece by piece, so that a file of a stranger takes no more memory than a piece does.
- Where the lengths do not add up, an instruction is unknown, and nothing is said.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from judicia_notebook.errors import InvalidModule
from judicia_notebook.wasm.binary_format import DEFAULT, SectionLimits
from judicia_notebook.wasm.compile_cost import function_bodies
from judicia_notebook.wasm.info import GlobalType, ModuleInfo

_PIECE = 1 << 16  # bytes of code at once
_BRANCH_TABLE, _TRY_TABLE = 0x0E, 0x1F
_DATA_COUNT = 12

_N = rb"[\x80-\xff]{0,9}[\x00-\x7f]"  # a number in LEB128, padded or not
_TYPE = rb"(?:[\x63\x64]" + _N + rb"|(?![\x63\x64])" + _N + rb")"
_MEMORY = (  # alignment, and where its bit 6 says so a memory's index; the offset
    rb"(?:[\x00-\x3f]|[\x80-\xbf]" + _N + rb"|(?:[\x40-\x7f]|[\xc0-\xff]" + _N + rb")" + _N + rb")"
) + _N
_GC = (
    rb"\xfb(?:[\x0f\x1a-\x1e]|[\x00\x01\x06\x07\x0b-\x0e\x10\x14-\x17]" + _N + rb"|[\x02-\x05\x08-\x0a\x11-\x13]"
    + _N * 2 + rb"|[\x18\x19]." + _N * 3 + rb")"
)  # fmt: skip
_BULK = rb"\xfc(?:[\x00-\x07\x13-\x16]|[\x09\x0b\x0d\x0f-\x11]" + _N + rb"|[\x08\x0a\x0c\x0e]" + _N * 2 + rb")"
_VECTOR = (
    rb"\xfd(?:[\x00-\x0b\x5c\x5d]" + _MEMORY + rb"|[\x54-\x5b]" + _MEMORY + rb".|[\x0c\x0d].{16}|[\x15-\x22]."
    rb"|[\x0e-\x14\x23-\x53\x5e-\x7f]|[\x80-\xff]\x01|[\x80-\x93]\x02)"
)  # fmt: skip
_THREADS = rb"\xfe(?:\x03\x00|[\x00-\x02\x10-\x4e]" + _MEMORY + rb")"
_INSTRUCTION = (
    rb"[\x00\x01\x05\x0a\x0b\x0f\x19\x1a\x1b\x45-\xc4\xd1\xd3\xd4]"
    rb"|[\x07-\x09\x0c\x0d\x10\x12\x14\x15\x18\x20-\x26\x3f-\x42\xd2\xd5\xd6]" + _N
    + rb"|[\x02-\x04\x06\xd0]" + _TYPE + rb"|[\x28-\x3e]" + _MEMORY + rb"|[\x11\x13]" + _N * 2
    + rb"|\x1c\x01" + _TYPE + rb"|\x43.{4}|\x44.{8}|" + _GC + rb"|" + _BULK + rb"|" + _VECTOR + rb"|" + _THREADS
)  # fmt: skip
_ONE = re.compile(rb"(?s:" + _INSTRUCTION + rb")")
_MANY = re.compile(rb"(?s:(?:" + _INSTRUCTION + rb")*+)")

_BY_OPCODE: Final = {
    **dict.fromkeys(range(0xC0, 0xC5), "sign_extension"),
    **dict.fromkeys([0x25, 0x26, 0xD0, 0xD1, 0xD2, 0x1C], "reference_types"),
    **dict.fromkeys([0x12, 0x13], "tail_calls"),
    **dict.fromkeys([0x14, 0x15, 0xD4, 0xD5, 0xD6], "function_references"),
    **dict.fromkeys([0x08, 0x0A, _TRY_TABLE], "exceptions"),
    **dict.fromkeys([0x06, 0x07, 0x09, 0x18, 0x19], "legacy_exceptions"),
    0xD3: "gc",
    0xFB: "gc",
    0xFE: "threads",
}
_BLOCKS = frozenset({0x02, 0x03, 0x04, 0x06, _TRY_TABLE})


class Census(NamedTuple):
    """What the code of a module holds.

    Attributes
    ----------
    instructions : int
        All opcodes of all bodies; each ``else`` and ``end`` is one.
    features : frozenset of str
        By the names of `FEATURES`.
    """

    instructions: int
    features: frozenset[str]


FEATURES: Final = (
    "bulk_memory", "exceptions", "function_references", "gc", "legacy_exceptions", "memory64", "multi_memory",
    "multi_value", "mutable_globals", "reference_types", "relaxed_simd", "saturating_float_to_int", "sign_extension",
    "simd", "tail_calls", "threads", "wide_arithmetic",
)  # fmt: skip
"""What came after the first version of WebAssembly, by the proposals' names."""


def take_census(module: ModuleInfo, limits: SectionLimits = DEFAULT) -> Census:
    """The instructions of a module, and the features that its code and its declarations use.

    Raises
    ------
    InvalidModule
        A body holds an instruction that is unknown.
    CompileLimit
        It declares more locals than `limits` allow.

    Examples
    --------
    >>> from judicia_notebook.wasm.sections import read_module
    >>> module = bytes.fromhex("0061736d01000000 0105016000017f 03020100 0a0801060041ff01c00b")
    >>> take_census(read_module(module))
    Census(instructions=3, features=frozenset({'sign_extension'}))
    """
    total, features = 0, declared_features(module)
    for body in function_bodies(module, limits):
        count = _walk(module.data, body.code, body.end, features)
        if count is None:
            raise InvalidModule(f"function {body.function} holds an instruction that is unknown (byte {body.code} on)")
        total += count
    return Census(total, frozenset(features))


def _walk(data: bytes, at: int, end: int, features: set[str]) -> int | None:
    """How many instructions there are; None where one is unknown or goes beyond the end."""
    total = 0
    while at < end:
        whole = _MANY.match(data, at, min(end, at + _PIECE))
        after = whole.end() if whole else at
        if after > at:
            found = _ONE.findall(data, at, after)
            total += len(found)
            for instruction in set(found):
                features.update(_features_of(instruction))
            at = after
            continue
        known = _table(data, at, end, features)
        if known is None:
            return None
        total, at = total + 1, known
    return total


def _table(data: bytes, at: int, end: int, features: set[str]) -> int | None:
    """Where the branch table or ``try_table`` at `at` ends; None where there is neither."""
    if data[at] == _BRANCH_TABLE:
        return _after_numbers(data, at + 1, end, more=1)
    if data[at] != _TRY_TABLE:
        return None
    block = _BLOCK_TYPE.match(data, at + 1, end)
    count = None if block is None else _NUMBER.match(data, block.end(), end)
    if block is None or count is None:
        return None
    features.update(_features_of(data[at : block.end()]))
    at = count.end()
    for _ in range(_value(count.group())):
        clause = _CATCH.match(data, at, end)
        if clause is None:
            return None
        at = clause.end()
    return at


_NUMBER = re.compile(_N)
_BLOCK_TYPE = re.compile(_TYPE)
_CATCH = re.compile(rb"(?:[\x00\x01]" + _N * 2 + rb"|[\x02\x03]" + _N + rb")")


def _after_numbers(data: bytes, at: int, end: int, more: int) -> int | None:
    """Where a list of numbers, and as many `more`, ends."""
    count = _NUMBER.match(data, at, end)
    if count is None:
        return None
    at, left = count.end(), _value(count.group()) + more
    if left > end - at:  # each takes a byte
        return None
    if data[at : at + left].isascii():  # nearly always
        return at + left
    for _ in range(left):
        number = _NUMBER.match(data, at, end)
        if number is None:
            return None
        at = number.end()
    return at


def _value(number: bytes) -> int:
    return sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(number))


def _features_of(instruction: bytes) -> set[str]:
    """The features of one instruction."""
    opcode = instruction[0]
    found = {_BY_OPCODE[opcode]} if opcode in _BY_OPCODE else set()
    if opcode == 0xFC:
        found.add(_bulk_feature(instruction[1]))
    elif opcode == 0xFD:
        is_relaxed = instruction[1] >= 0x80 and instruction[2] == 0x02  # numbers from 0x100 on
        found.add("relaxed_simd" if is_relaxed else "simd")
    elif opcode in _BLOCKS and instruction[1] not in {0x63, 0x64} and not _is_negative(instruction[1:]):
        found.add("multi_value")  # an index of a type: no block of the first version has one
    return found


def _is_negative(number: bytes) -> bool:
    return bool(number[-1] & 0x40)


def _bulk_feature(code: int) -> str:
    if code <= 0x07:
        return "saturating_float_to_int"
    if code >= 0x13:
        return "wide_arithmetic"
    return "reference_types" if code >= 0x0F else "bulk_memory"


def declared_features(module: ModuleInfo) -> set[str]:
    """The features of what is declared beside the code, by the names of `FEATURES`."""
    found: set[str] = set()
    for kind in module.types:
        if kind is None:
            found.add("gc")
            continue
        if len(kind.results) > 1:
            found.add("multi_value")
        for value in {*kind.params, *kind.results}:
            found.update(_of_type(value))
    memories, tables = module.memories, module.tables
    conditions = {
        "multi_memory": len(memories) > 1,
        "memory64": any(memory.is64 for memory in memories) or any(table.is64 for table in tables),
        "threads": any(memory.shared for memory in memories),
        "reference_types": len(tables) > 1 or any(table.element != "funcref" for table in tables),
        "exceptions": bool(module.tags),
        "mutable_globals": any(isinstance(each.type, GlobalType) and each.type.mutable for each in module.imports),
        "bulk_memory": any(section.id == _DATA_COUNT for section in module.sections),
    }
    return found | {name for name, holds in conditions.items() if holds}


def _of_type(value: str) -> set[str]:
    if value == "v128":
        return {"simd"}
    if value in {"funcref", "externref"}:
        return {"reference_types"}
    if value in {"exnref", "nullexnref"}:
        return {"exceptions"}
    if value.startswith("(ref"):
        return {"function_references"}
    return {"gc"} if value.endswith("ref") else set()
