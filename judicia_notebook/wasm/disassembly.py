"""Function bodies and constant expressions as instructions, one after the other, with their immediates.

It is the one reader of instructions, for what prints, counts and rewrites them; `opcodes` says which immediates each
has. It neither judges nor prints. The engine has validated what it is asked about; whatever else is in the bytes,
reading stays within them, and an unknown instruction raises `InvalidModule`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from judicia_notebook.wasm.binary_format import DEFAULT, TypeCursor
from judicia_notebook.wasm.compile_cost import Body
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.opcodes import OPCODES, PREFIXES, Opcode, key

END: Final = 0x0B
OPENS: Final = frozenset({0x02, 0x03, 0x04, 0x06, 0x1F})
"""block, loop, if, try, try_table: each has an ``end``."""
CODE_SECTION: Final = 10


class MemoryArgument(NamedTuple):
    """Where a load or a store goes: the alignment's exponent, the memory, what is added to the address."""

    align: int
    memory: int
    offset: int


class Catch(NamedTuple):
    """A clause of ``try_table``: 0 catch, 1 catch_ref, 2 catch_all, 3 catch_all_ref; the tag of 0 and 1; a label."""

    kind: int
    tag: int | None
    label: int


class Instruction(NamedTuple):
    """One instruction.

    Attributes
    ----------
    offset, end : int
        Its bytes in the file.
    immediates : tuple
        In the order of the binary format. An index or a label is an int; a block type is a type's index, the text of a
        value type, or None; a vector is a tuple; of floats and vectors of 128 bits it is the bytes.
    """

    offset: int
    end: int
    opcode: Opcode
    immediates: tuple[Any, ...]


class InstructionCursor(TypeCursor):
    """Reads instructions."""

    __slots__ = ()

    def instruction(self) -> Instruction:
        start = self.pos
        code = self.byte("an instruction")
        if code in PREFIXES:
            code = key(code, self.u32("an instruction"))
        opcode = OPCODES.get(code)
        if opcode is None:
            raise self.wrong("an unknown instruction", start)
        immediates = tuple([_READERS[kind](self) for kind in opcode.immediates])
        return Instruction(start, self.pos, opcode, immediates)

    def signed(self, bits: int) -> int:
        start = self.pos
        self.skip_signed(bits, "a number")
        value = 0
        for place, byte in enumerate(self.data[start : self.pos]):
            value |= (byte & 0x7F) << (7 * place)
        width = 7 * (self.pos - start)
        value = value - (1 << width) if self.data[self.pos - 1] & 0x40 else value
        return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))

    def index(self) -> int:
        return self.u32("an index")

    def raw(self, size: int) -> bytes:
        start = self.pos
        self.skip(size, "a constant")
        return self.data[start : self.pos]

    def block_type(self) -> int | str | None:
        start = self.pos
        code = self.data[start] if start < self.end else 0
        if code == 0x40:
            self.pos += 1
            return None
        if 0x40 < code < 0x80:  # a negative number of one byte
            return self.value_type("a block's type")
        index = self.leb128(33, "a block's type")
        if self.data[self.pos - 1] & 0x40:
            raise self.wrong("a block's type is no type and no index", start)
        return index

    def labels(self) -> tuple[int, ...]:
        return tuple([self.index() for _ in range(self.count(self.limits.file_bytes, "targets"))] + [self.index()])

    def memory_argument(self) -> MemoryArgument:
        align = self.index()
        memory = self.index() if align & 0x40 else 0
        return MemoryArgument(align & ~0x40, memory, self.leb128(64, "an offset"))

    def types_of_select(self) -> tuple[str, ...]:
        return tuple([self.value_type("a type") for _ in range(self.count(1, "types"))])

    def catches(self) -> tuple[Catch, ...]:
        found = []
        for _ in range(self.count(self.limits.file_bytes, "clauses")):
            kind = self.byte("a clause")
            if kind > 3:
                raise self.wrong(f"a clause is of the unknown kind {kind}", self.pos - 1)
            found.append(Catch(kind, self.index() if kind < 2 else None, self.index()))
        return tuple(found)


_READERS: Final[dict[str, Callable[[InstructionCursor], Any]]] = {
    **dict.fromkeys(
        ("label", "function", "type", "table", "memory", "local", "global", "tag", "data", "element", "field", "count"),
        InstructionCursor.index,
    ),
    "block": InstructionCursor.block_type,
    "labels": InstructionCursor.labels,
    "i32": lambda cursor: cursor.signed(32),
    "i64": lambda cursor: cursor.signed(64),
    "f32": lambda cursor: cursor.raw(4),
    "f64": lambda cursor: cursor.raw(8),
    "v128": lambda cursor: cursor.raw(16),
    "lanes": lambda cursor: cursor.raw(16),
    "lane": lambda cursor: cursor.byte("a lane"),
    "memarg": InstructionCursor.memory_argument,
    "types": InstructionCursor.types_of_select,
    "heap": lambda cursor: cursor.heap_type("a type"),
    "catches": InstructionCursor.catches,
    "cast": lambda cursor: cursor.byte("a cast"),
    "zero": lambda cursor: cursor.byte("a zero"),
}


def read_instruction(data: bytes, at: int, end: int) -> Instruction:
    """The instruction that begins at `at`.

    Raises
    ------
    InvalidModule
        It is unknown, malformed, or goes beyond `end`.
    """
    return _cursor(data, at, end, "the code").instruction()


def instructions(data: bytes, at: int, end: int, where: str = "the code") -> Iterator[Instruction]:
    """The instructions from `at` to `end`, one by one; some 10 us each.

    Raises
    ------
    InvalidModule
        As `read_instruction`; it names `where`.
    """
    cursor = _cursor(data, at, end, where)
    while cursor.pos < cursor.end:
        yield cursor.instruction()


def body_instructions(module: ModuleInfo, body: Body) -> Iterator[Instruction]:
    """The instructions of a function, its last ``end`` included.

    Raises
    ------
    InvalidModule
        As `read_instruction`.
    """
    return instructions(module.data, body.code, body.end, f"function {body.function}")


def _cursor(data: bytes, at: int, end: int, where: str) -> InstructionCursor:
    cursor = InstructionCursor(data, DEFAULT)
    cursor.pos, cursor.end, cursor.where = at, end, where
    return cursor


def code_start(module: ModuleInfo) -> int:
    """The byte of the file at which the code section's content begins; 0 where there is none."""
    section = next((each for each in module.sections if each.id == CODE_SECTION), None)
    if section is None:
        return 0
    at = section.offset + 1
    while module.data[at] & 0x80:
        at += 1
    return at + 1
