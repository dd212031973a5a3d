r"""Takes code apart into instructions, and refuses every one that the module must not have.

- One regular expression, made from the table of `judicia_notebook.wasm.opcodes`, knows how long each instruction is:
  numbers in LEB128 may be padded, also those behind a prefix. What says itself how long it is, ``br_table`` and
  ``try_table``, is read by hand.
- Code is taken apart piece by piece, so that it takes no more memory than a piece does.
- Each instruction that stands in a module is checked once, however often it stands there: that it is known, that it can
  be rewritten, and that each of its indices is one of the original's. An index beyond would name what the rewriter
  adds: ``i64.store 1`` in a module with one memory would write into the counters.
- Labels depend on where they stand; `judicia_notebook.wasm.rewriting.control` checks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from judicia_notebook.errors import InvalidModule, RewriteError
from judicia_notebook.wasm.binary_format import HEAP_TYPES, PLAIN_TYPES
from judicia_notebook.wasm.disassembly import MemoryArgument, read_instruction
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.opcodes import OPCODES, PREFIXES

REFUSED: Final = {
    "threads": "a counter that several threads write would lose counts",
    "legacy_exceptions": "the engine has the exceptions of WebAssembly 3.0 alone",
}
"""Features whose instructions are known by name and not rewritten, and why."""

_PIECE: Final = 1 << 16  # bytes of code at once
_BR_TABLE, _TRY_TABLE = 0x0E, 0x1F
_GET_LOCAL, _TEE_LOCAL = 0x20, 0x22
_BY_HAND: Final = frozenset({"labels", "catches"})

_N32, _N64 = rb"[\x80-\xff]{0,4}[\x00-\x7f]", rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_HEAP = _N32
_VALUE = rb"(?:[\x63\x64]" + _HEAP + rb"|[\x40-\x62\x65-\x7f])"
_MEMARG = (  # the exponent, and where its bit 6 says so a memory's index; the offset
    rb"(?:(?:[\x00-\x3f]|[\x80-\xbf]" + _N32 + rb"|(?:[\x40-\x7f]|[\xc0-\xff]" + _N32 + rb")" + _N32 + rb")" + _N64
    + rb")"
)  # fmt: skip
_PATTERNS: Final = {
    "block": rb"(?:[\x63\x64]" + _HEAP + rb"|(?![\x63\x64])" + _N32 + rb")",
    "i64": _N64,
    "f32": rb".{4}",
    "f64": rb".{8}",
    "v128": rb".{16}",
    "lanes": rb".{16}",
    "lane": rb".",
    "cast": rb".",
    "zero": rb"\x00",
    "memarg": _MEMARG,
    "types": rb"(?:\x01|\x81\x80{0,3}\x00)" + _VALUE,
}
"""Of each kind of immediate that is no number of 32 bits."""


def _escaped(code: int) -> bytes:
    return b"\\x%02x" % code


def _pattern() -> bytes:
    """What matches any instruction but those that are read by hand."""
    groups: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    for opcode in OPCODES.values():
        if not _BY_HAND & set(opcode.immediates):
            prefix = 0 if opcode.number is None else opcode.prefix
            groups.setdefault((prefix, opcode.immediates), []).append(opcode.code & 0xFFFF if prefix else opcode.code)
    written = []
    for (prefix, immediates), codes in groups.items():
        tail = b"".join(_PATTERNS.get(kind, _N32) for kind in immediates)
        if prefix:
            written.append(_escaped(prefix) + _numbers(codes) + tail)
        else:
            written.append(b"[" + b"".join(map(_escaped, codes)) + b"]" + tail)
    return b"|".join(written)


def _numbers(codes: Iterable[int]) -> bytes:
    """What matches one of these numbers in LEB128, padded or not."""
    by_rest: dict[int, list[int]] = {}
    for code in codes:
        by_rest.setdefault(code >> 7, []).append(code & 0x7F)
    ways = []
    for rest, lows in by_rest.items():
        plain = b"[" + b"".join(map(_escaped, lows)) + b"]"
        more = b"[" + b"".join(_escaped(low | 0x80) for low in lows) + b"]"
        if rest:
            ways.append(more + b"(?:" + _escaped(rest) + b"|" + _escaped(rest | 0x80) + rb"\x80{0,2}\x00)")
        else:
            ways += [plain, more + rb"\x80{0,3}\x00"]
    return b"(?:" + b"|".join(ways) + b")"


_INSTRUCTION: Final = _pattern()
_ONE: Final = re.compile(rb"(?s:" + _INSTRUCTION + rb")")
_MANY: Final = re.compile(rb"(?s:(?:" + _INSTRUCTION + rb")*+)")

_CHECKED: Final = bytes(  # by its first byte, whether an instruction names or is anything that has to be checked
    any(
        opcode.prefix == code and (opcode.feature in REFUSED or set(opcode.immediates) - {"i32", "i64", "f32", "f64"})
        for opcode in OPCODES.values()
    )
    or code in PREFIXES
    for code in range(256)
)


def split(data: bytes, function: int, at: int, end: int) -> Iterator[tuple[int, list[bytes]]]:
    """The instructions from `at` to `end`, several at a time: where they begin, and each as its bytes.

    Raises
    ------
    RewriteError
        One is unknown, or goes beyond the end; `function` is named.
    """
    while at < end:
        whole = _MANY.match(data, at, min(end, at + _PIECE))
        after = whole.end() if whole else at
        if after > at:
            yield at, _ONE.findall(data, at, after)
        else:
            after = _table(data, function, at, end)
            yield at, [data[at:after]]
        at = after


def refusal(function: int, offset: int, problem: str) -> RewriteError:
    """The error that names the function and the byte."""
    return RewriteError(
        f"function {function} {problem} (byte {offset}), so that it is not rewritten",
        function=function,
        offset=offset,
    )


def _table(data: bytes, function: int, at: int, end: int) -> int:
    """Where the branch table or ``try_table`` at `at` ends."""
    if data[at] == _BR_TABLE:
        count, first = read_number(data, at + 1, end)
        if first and count < end - first and data[first : first + count + 1].isascii():  # nearly always
            return first + count + 1
    if data[at] in {_BR_TABLE, _TRY_TABLE}:
        try:
            return read_instruction(data, at, end).end
        except InvalidModule as error:
            raise refusal(function, at, f"holds a malformed instruction, {error.message}") from None
    code = " ".join(f"{byte:02x}" for byte in data[at : min(end, at + 4)])
    raise refusal(function, at, f"holds the instruction {code}, which is unknown")


class Walker:
    """Goes through the function bodies of one module.

    Parameters
    ----------
    module : ModuleInfo
        The original, which an engine has validated.
    """

    __slots__ = ("_counts", "_data", "_known", "_module")

    def __init__(self, module: ModuleInfo) -> None:
        self._module = module
        self._data = module.data
        self._known: set[bytes] = set()
        self._counts = {
            "function": len(module.functions),
            "type": len(module.types),
            "table": len(module.tables),
            "memory": len(module.memories),
            "global": module.global_count,
            "tag": len(module.tags),
            "data": module.data_segments,
            "element": module.element_segments,
        }

    def pieces(self, function: int, locals_: int, at: int, end: int) -> Iterator[list[bytes]]:
        """The instructions of a body, several at a time, each as its bytes. Together they are all bytes of the code.

        Parameters
        ----------
        locals_ : int
            Its locals, parameters included.

        Raises
        ------
        RewriteError
            An instruction is unknown, cannot be rewritten, or names what the module does not have.
        """
        known = self._known
        for start, found in split(self._data, function, at, end):
            if any(self._problem(each, locals_) for each in set(found) if _CHECKED[each[0]] and each not in known):
                raise self._first_refusal(function, found, start, locals_)
            yield found

    def _first_refusal(self, function: int, found: list[bytes], at: int, locals_: int) -> RewriteError:
        for instruction in found:
            if _CHECKED[instruction[0]] and (problem := self._problem(instruction, locals_)):
                return refusal(function, at, problem)
            at += len(instruction)
        raise AssertionError("one of them was refused")

    def _problem(self, instruction: bytes, locals_: int) -> str:
        """Why an instruction is refused; empty where it is not, and then it is known, unless it is about locals."""
        if _GET_LOCAL <= instruction[0] <= _TEE_LOCAL:
            index = instruction[1] if len(instruction) == 2 else number_at(instruction, 1)
            return f"names local {index} of {locals_}" if index >= locals_ else ""
        problem = self._check(instruction)
        if not problem and instruction[0] != _BR_TABLE:  # it may be as long as the code, and has nothing but labels
            self._known.add(instruction)
        return problem

    def _check(self, data: bytes) -> str:
        """What is wrong with an instruction; empty where nothing is."""
        try:
            instruction = read_instruction(data, 0, len(data))
        except InvalidModule as error:
            return f"holds a malformed instruction, {error.message}"
        opcode = instruction.opcode
        if instruction.end != len(data):
            return f"holds the malformed instruction {opcode.name}"
        if opcode.feature in REFUSED:
            return f"holds {opcode.name} ({opcode.feature}: {REFUSED[opcode.feature]})"
        for kind, value in zip(opcode.immediates, instruction.immediates, strict=True):
            problem = self._beyond(kind, value)
            if problem:
                return f"names {problem} in {opcode.name}"
        return ""

    def _beyond(self, kind: str, value: object) -> str:
        """Why an immediate is refused; empty where it is not."""
        if isinstance(value, MemoryArgument):
            kind, value = "memory", value.memory
        if kind == "catches" and isinstance(value, tuple):
            tags = [clause.tag for clause in value if clause.tag is not None]
            kind, value = "tag", max(tags, default=-1)
        if kind == "block" and isinstance(value, int):
            kind = "type"
        if kind in self._counts and isinstance(value, int):
            count = self._counts[kind]
            return f"{kind} {value} of {count}" if value >= count else ""
        if kind == "block" and isinstance(value, str):
            return self._type_problem(value)
        if kind == "types" and isinstance(value, tuple):
            return next(filter(None, map(self._type_problem, value)), "")
        if kind == "heap" and isinstance(value, str) and value not in _HEAP_NAMES:
            return self._type_problem(f"(ref {value})")
        return ""

    def _type_problem(self, kind: str) -> str:
        """Why a type of values is refused: it names a type that the module does not have."""
        index = kind.removeprefix("(ref ").removeprefix("null ").removesuffix(")")
        count = self._counts["type"]
        return f"type {index} of {count}" if index.isdecimal() and int(index) >= count else ""


_HEAP_NAMES: Final = frozenset(HEAP_TYPES.values()) | frozenset(PLAIN_TYPES.values())


def number_at(data: bytes, at: int) -> int:
    """The number at `at` of an instruction that has matched."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift, at = shift + 7, at + 1


def read_number(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number of 32 bits, and where it ends; 0 for both where there is none."""
    value = shift = 0
    for byte in data[at : min(end, at + 5)]:
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at
    return 0, 0
