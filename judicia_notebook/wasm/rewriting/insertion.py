"""Writes one function anew: the original's bytes, and between them what the instruments insert at its sites.

- Bytes of the original are copied as they are, padded numbers included. One thing alone changes: where exits are wanted
  the body stands in a block of its result types, and ``return`` becomes a branch to that block's end. The labels of
  branches need not change, since the block takes the place of the function's own label.
- In a module with tags an exit by an exception passes the instruments, too: the body stands in a ``try_table``, whose
  only clause catches all, and what is caught is thrown again.
- Where the original's bytes go is noted at each insertion, for `judicia_notebook.wasm.rewriting.offsets`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from judicia_notebook.wasm.compile_cost import Body
from judicia_notebook.wasm.disassembly import Instruction, MemoryArgument, read_instruction
from judicia_notebook.wasm.encoding import leb128
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.rewriting.control import Kind, Site
from judicia_notebook.wasm.rewriting.instrument import (
    AccessPoint,
    BulkPoint,
    CallPoint,
    FunctionBody,
    Instrument,
    LeavePoint,
    TablePoint,
)
from judicia_notebook.wasm.rewriting.walker import read_number, split

_BLOCK, _END, _BR, _THROW_REF, _TRY_TABLE = b"\x02", b"\x0b", b"\x0c", b"\x0a", b"\x1f"
_EXNREF: Final = b"\x69"
_CATCH_ALL_REF: Final = b"\x01\x03\x00"  # one clause, to the block outside of the ``try_table``
_GET, _SET, _TEE = b"\x20", b"\x21", b"\x22"
_SEVERAL: Final = {"memory.init", "memory.copy", "memory.fill"}


class TooLong(Exception):
    """A new body is longer than it may be; it is not written to its end."""


class NewBody(NamedTuple):
    """A function's body without its size.

    Attributes
    ----------
    content : bytes
    new, old : array of unsigned int
        From the byte `new` of `content` on, the bytes of the original from `old` on are copied.
    counted : array of unsigned int
        For each reachable block the byte of `content` behind the code that counts it.
    """

    content: bytes
    new: array[int]
    old: array[int]
    counted: array[int]


class Inserter:
    """Rewrites the functions of one module.

    Parameters
    ----------
    block_type : callable
        The encoded type of a block with these results.
    """

    def __init__(
        self, module: ModuleInfo, instruments: Sequence[Instrument], block_type: Callable[[tuple[str, ...]], bytes]
    ) -> None:
        self._module = module
        self._data = module.data
        self._block_type = block_type
        self._throws = bool(module.tags)
        points = (
            "entry",
            "leave",
            "block",
            "loop",
            "iteration",
            "table",
            "access",
            "bulk",
            "bulk_done",
            "call",
            "returned",
        )
        self._at = {point: [each for each in instruments if each.has(point)] for point in points}
        self.has_exits = bool(self._at["leave"])

    def rewrite(self, body: Body, function: FunctionBody, sites: Sequence[Site], most: int) -> NewBody:
        """The new body of a function.

        Parameters
        ----------
        most : int
            Bytes it may have.

        Raises
        ------
        RewriteError
            There is no room for its locals or counters.
        TooLong
        """
        self._function = function
        self._out = bytearray()
        self._copied = body.code
        self._new, self._old, self._counted = array("I", (0,)), array("I", (body.code,)), array("I")
        start = b"".join(each.entry(function) for each in self._at["entry"])
        self._insert(body.code, start + self._opening() if self.has_exits else start)
        handlers: dict[Kind, Callable[[Site], None]] = {
            Kind.BLOCK: self._block,
            Kind.LOOP: self._loop,
            Kind.RETURN: self._return,
            Kind.TABLE: self._table,
            Kind.CALL: self._call,
            Kind.TAIL_CALL: self._tail_call,
            Kind.ACCESS: self._access,
            Kind.BULK: self._amount,
        }
        out = self._out
        for site in sites:
            handlers[site.kind](site)
            if len(out) > most:
                raise TooLong
        if self.has_exits:
            self._insert(body.end - 1, b"")
            self._old[-1] = body.end  # what follows is behind the function
            self._out += self._closing()
        self._out += self._data[self._copied : body.end]
        new = self._with_locals(body)
        if len(new.content) > most:
            raise TooLong
        return new

    def _with_locals(self, body: Body) -> NewBody:
        """The body with its old declarations of locals as they were, and the new ones behind them."""
        declared = self._data[body.start : body.code]
        added = self._function.declarations()
        if added:
            count, first = read_number(declared, 0, len(declared))
            declared = leb128(count + len(added)) + declared[first:] + b"".join(added)
        shift = len(declared)
        return NewBody(
            declared + self._out,
            array("I", [at + shift for at in self._new]),
            self._old,
            array("I", [at + shift for at in self._counted]),
        )

    def _insert(self, at: int, code: bytes) -> None:
        """Copy the original up to `at`, and put this code there."""
        out = self._out
        out += self._data[self._copied : at]
        out += code
        self._copied = at
        self._new.append(len(out))
        self._old.append(at)

    # --- exits ---

    def _opening(self) -> bytes:
        kind = self._block_type(self._function.type.results)
        if self._throws:
            return _BLOCK + kind + _BLOCK + _EXNREF + _TRY_TABLE + kind + _CATCH_ALL_REF
        return _BLOCK + kind

    def _closing(self) -> bytes:
        thrown = b""
        if self._throws:
            thrown = _END + _BR + b"\1" + _END + self._leaving("throw") + _THROW_REF
        return thrown + _END + self._leaving("return")

    def _leaving(self, how: str) -> bytes:
        point = LeavePoint(self._function, how)
        code = b"".join(each.leave(self._function, point) for each in self._at["leave"])
        if not point.used:
            return code
        results = [(kind, f"result {number}") for number, kind in enumerate(self._function.type.results)]
        kept = b"".join(self._function.set(*each) for each in reversed(results))
        return kept + code + b"".join(self._function.get(*each) for each in results)

    def _return(self, site: Site) -> None:
        self._insert(site.offset, _BR + leb128(site.value))
        self._copied = self._old[-1] = site.end

    def _tail_call(self, site: Site) -> None:
        code = b""
        if self._at["call"]:
            point = CallPoint(self._instruction(site), site.block)
            code = b"".join(each.call(self._function, point) for each in self._at["call"])
        self._insert(site.offset, code + (self._leaving("tail call") if self.has_exits else b""))

    # --- blocks ---

    def _block(self, site: Site) -> None:
        function, counted = self._function, None
        for each in self._at["block"]:
            self._insert(site.offset, each.block(function, site.value))
            if each.counts_blocks and counted is None:
                counted = len(self._out)
        self._counted.append(len(self._out) + site.offset - self._copied if counted is None else counted)
        if self._looped is not None:
            code = b"".join(each.iteration(function, site.value, self._looped) for each in self._at["iteration"])
            self._insert(site.offset, code)
            self._looped = None

    _looped: int | None = None  # of a loop whose first block comes next: how many loops are around it

    def _loop(self, site: Site) -> None:
        if self._at["loop"]:
            code = b"".join(each.loop(self._function, site.block + 1, site.value) for each in self._at["loop"])
            self._insert(site.offset, code)
        if self._at["iteration"]:
            self._looped = site.value

    def _table(self, site: Site) -> None:
        point = TablePoint(self._function, site.block, site.offset, site.value)
        code = b"".join(each.table(self._function, point) for each in self._at["table"])
        self._insert(site.offset, (self._function.tee("i32", "operand") if point.used else b"") + code)

    # --- calls and accesses ---

    def _instruction(self, site: Site) -> Instruction:
        return read_instruction(self._data, site.offset, site.end)

    def _call(self, site: Site) -> None:
        point = CallPoint(self._instruction(site), site.block)
        self._insert(site.offset, b"".join(each.call(self._function, point) for each in self._at["call"]))
        if self._at["returned"]:
            self._insert(site.end, b"".join(each.returned(self._function, point) for each in self._at["returned"]))

    def _access(self, site: Site) -> None:
        instruction = self._instruction(site)
        if instruction.opcode.name in _SEVERAL:
            code = self._bulk(instruction, site.block)
        else:
            code = self._single(instruction, site.block)
        self._insert(site.offset, code)

    def _amount(self, site: Site) -> None:
        instruction = self._instruction(site)
        module = self._module
        named = zip(instruction.opcode.immediates, instruction.immediates, strict=True)
        memories, tables = ([each.is64 for each in space] for space in (module.memories, module.tables))
        spaces = {"memory": memories, "table": tables}
        is64 = [spaces[kind][value] for kind, value in named if kind in spaces and isinstance(value, int)]
        name, function = instruction.opcode.name, self._function
        kind = "i64" if all(is64) and not name.endswith(".init") else "i32"
        point = BulkPoint(
            function, site.block, site.end, kind, self._constant_before(site), grows=name.endswith(".grow")
        )
        before = b"".join(each.bulk(function, point) for each in self._at["bulk"])
        behind = b"".join(each.bulk_done(function, point) for each in self._at["bulk_done"])
        self._insert(site.offset, (function.tee(kind, "amount") if point.used else b"") + before)
        self._insert(site.end, behind)

    def _constant_before(self, site: Site) -> int | None:
        """The constant that stands directly before an instruction, in its block."""
        before = b""
        start = self._function.all_blocks.start[site.block]
        for _, piece in split(self._data, self._function.function, start, site.offset):
            before = piece[-1]
        if before[:1] not in {b"\x41", b"\x42"}:
            return None
        value = read_instruction(before, 0, len(before)).immediates[0]
        return value if isinstance(value, int) else None

    def _told(self, point: AccessPoint) -> bytes:
        return b"".join(each.access(self._function, point) for each in self._at["access"])

    def _single(self, instruction: Instruction, block: int) -> bytes:
        """A load, with its address on the stack; or a store, a lane's load too, with a value above it."""
        function, opcode = self._function, instruction.opcode
        place = instruction.immediates[0]
        assert isinstance(place, MemoryArgument)  # noqa: S101  # `is_access` has looked
        takes = opcode.takes or ()
        writes = not opcode.gives
        point = AccessPoint(
            function, instruction, block, place.memory, place.offset, opcode.access, "address", "", writes=writes
        )
        code = self._told(point)
        if not point.used:
            return code
        tee = function.tee("i64" if point.is64 else "i32", "address")
        if len(takes) == 1:
            return tee + code
        value = (takes[1], f"value {takes[1]}")
        return function.set(*value) + tee + code + function.get(*value)

    def _bulk(self, instruction: Instruction, block: int) -> bytes:
        """``memory.init``, ``memory.copy`` or ``memory.fill``, with three operands on the stack."""
        function, name = self._function, instruction.opcode.name
        memories = [value for value in instruction.immediates if isinstance(value, int)]
        if name == "memory.init":
            memories = memories[1:]
        addresses = ["i64" if self._module.memories[memory].is64 else "i32" for memory in memories]
        middle = (addresses[1], "source") if name == "memory.copy" else ("i32", "middle")
        length = ("i32" if name == "memory.init" else min(addresses), "length")  # of two memories the narrower one
        points = [
            AccessPoint(
                function, instruction, block, memory, 0, 0, purpose, " ".join(length), writes=purpose == "address"
            )
            for memory, purpose in zip(memories, ("address", "source"), strict=False)
        ]
        code = b"".join(self._told(point) for point in points)
        if not any(point.used for point in points):
            return code
        first = function.tee(addresses[0], "address")
        kept = function.set(*length) + function.set(*middle) + first
        return kept + code + function.get(*middle) + function.get(*length)
