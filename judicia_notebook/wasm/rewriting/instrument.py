"""What an instrument is: the code that is inserted at the points that it names by the methods it has.

An instrument overrides the methods of the points it wants; sites of other points are not looked for. What it returns is
inserted there. Such code leaves the stack as it finds it, writes nothing but the memory of the counters and locals of
its own, branches within itself alone, and does not trap: then the rewritten module computes what the original does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from judicia_notebook.errors import RewriteError
from judicia_notebook.units import format_count
from judicia_notebook.wasm.encoding import leb128, value_type
from judicia_notebook.wasm.rewriting.counter_memory import Columns, CounterMemory
from judicia_notebook.wasm.rewriting.walker import split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judicia_notebook.wasm.disassembly import Instruction
    from judicia_notebook.wasm.info import FuncType, ModuleInfo
    from judicia_notebook.wasm.rewriting.blocks import Blocks

MOST_LOCALS: Final = 50_000
"""Of a function, its parameters included: the engine takes no more."""


class FunctionBody:
    """A function that is being rewritten, as instruments see it.

    Attributes
    ----------
    function : int
        Its index, the same in the original and in the rewritten module.
    type : FuncType
    blocks : range
        The numbers of its blocks.
    module : ModuleInfo
        The original.
    memory : CounterMemory
    all_blocks : Blocks
        Those of the functions up to this one.
    has_calls : bool
        Whether it may call something; known where an instrument inserts code at calls.
    """

    def __init__(
        self, function: int, kind: FuncType, locals_: int, blocks: range, module: ModuleInfo, all_blocks: Blocks,
        memory: CounterMemory, *, has_calls: bool, short: bool,
    ) -> None:  # fmt: skip
        self.function = function
        self.type = kind
        self.blocks = blocks
        self.module = module
        self.memory = memory
        self.all_blocks = all_blocks
        self.has_calls = has_calls
        self.short = short
        self.added: list[str] = []  # the types of the new locals
        self._first_local = len(kind.params) + locals_
        self._named: dict[tuple[str, str], int] = {}

    def local(self, kind: str, purpose: str) -> int:
        """The index of a local of that type, which is the same for the same purpose and begins as zero.

        Raises
        ------
        RewriteError
            A function has too many locals.
        """
        index = self._named.get((kind, purpose))
        if index is None:
            index = self._named[kind, purpose] = self._first_local + len(self.added)
            if index >= MOST_LOCALS:
                raise RewriteError(
                    f"function {self.function} has {format_count(self._first_local)} locals, and there is no room for"
                    f" more beside the {format_count(len(self.added))} of its counters: the engine takes"
                    f" {format_count(MOST_LOCALS)}",
                    function=self.function,
                )
            self.added.append(kind)
        return index

    def get(self, kind: str, purpose: str) -> bytes:
        """``local.get`` of such a local."""
        return b"\x20" + leb128(self.local(kind, purpose))

    def set(self, kind: str, purpose: str) -> bytes:
        """``local.set`` of such a local."""
        return b"\x21" + leb128(self.local(kind, purpose))

    def tee(self, kind: str, purpose: str) -> bytes:
        """``local.tee`` of such a local."""
        return b"\x22" + leb128(self.local(kind, purpose))

    def opcodes(self, block: int, start: int | None = None) -> Iterator[int]:
        """The first byte of each instruction of a block, or of those from this byte of the original on."""
        blocks = self.all_blocks
        first = blocks.start[block] if start is None else start
        for _, piece in split(self.module.data, self.function, first, blocks.end[block]):
            for instruction in piece:
                yield instruction[0]

    def bump(self, address: int) -> bytes:
        """Code that adds 1 to the counter at an address: in place, or by a call where the function became too long."""
        return self.memory.bump_by_call(address) if self.short else self.memory.bump(address)

    def declarations(self) -> list[bytes]:
        """The declarations of the new locals."""
        found: list[bytes] = []
        at = 0
        while at < len(self.added):
            end = at + 1
            while end < len(self.added) and self.added[end] == self.added[at]:
                end += 1
            found.append(leb128(end - at) + value_type(self.added[at]))
            at = end
        return found


class AccessPoint:
    """A load, a store, or a half of a bulk instruction, before it happens.

    Attributes
    ----------
    instruction : Instruction
    block : int
        The number of the block it is in.
    memory : int
        The index of the memory.
    offset : int
        What the instruction adds to the address.
    size : int
        Bytes; 0 where `length` has them.
    writes : bool
    is64 : bool
        Whether its address is an i64.
    """

    __slots__ = ("_address", "_body", "_length", "block", "instruction", "is64", "memory", "offset", "size", "used",
                 "writes")  # fmt: skip

    def __init__(
        self, body: FunctionBody, instruction: Instruction, block: int, memory: int, offset: int, size: int,
        address: str, length: str, *, writes: bool,
    ) -> None:  # fmt: skip
        self.instruction = instruction
        self.block = block
        self.memory = memory
        self.offset = offset
        self.size = size
        self.writes = writes
        self.is64 = body.module.memories[memory].is64
        self.used = False
        self._body = body
        self._address = address
        self._length = length

    @property
    def address(self) -> bytes:
        """Code that pushes its address as an i64, the offset not added."""
        self.used = True
        return self._wide(self._address, is64=self.is64)

    @property
    def length(self) -> bytes:
        """Code that pushes how many bytes it reads or writes, as an i64."""
        if self.size:
            return b"\x42" + _signed(self.size)
        self.used = True
        kind, _, purpose = self._length.partition(" ")
        return self._wide(purpose, is64=kind == "i64")

    def _wide(self, purpose: str, *, is64: bool) -> bytes:
        return self._body.get("i64", purpose) if is64 else self._body.get("i32", purpose) + b"\xad"


def _signed(number: int) -> bytes:
    """Of at most 16."""
    return bytes((number,))


class TablePoint:
    """A ``br_table``, before it branches.

    Attributes
    ----------
    block : int
        The number of the block it ends.
    offset : int
        Where it stands in the original.
    targets : int
        How many targets it has, the default, which is the last, among them.
    """

    __slots__ = ("_body", "block", "offset", "targets", "used")

    def __init__(self, body: FunctionBody, block: int, offset: int, targets: int) -> None:
        self.block = block
        self.offset = offset
        self.targets = targets
        self.used = False
        self._body = body

    @property
    def operand(self) -> bytes:
        """Code that pushes what it chooses by, an i32."""
        self.used = True
        return self._body.get("i32", "operand")


class BulkPoint:
    """An instruction that takes as long as its last operand says, before it runs: of a memory or table, ``init``,
    ``copy``, ``fill`` and ``grow``.

    Attributes
    ----------
    block : int
        The number of the block it is in.
    end : int
        The byte of the original behind it.
    constant : int or None
        Its last operand, where a constant stands directly before it.
    kind : str
        The type of its last operand, and of the result of one that grows: ``i32`` or ``i64``.
    grows : bool
        Whether it is ``memory.grow`` or ``table.grow``, whose result -1 says that it did not.
    """

    __slots__ = ("_body", "block", "constant", "end", "grows", "kind", "used")

    def __init__(
        self, body: FunctionBody, block: int, end: int, kind: str, constant: int | None, *, grows: bool
    ) -> None:
        self.block = block
        self.end = end
        self.constant = constant
        self.kind = kind
        self.grows = grows
        self.used = False
        self._body = body

    @property
    def amount(self) -> bytes:
        """Code that pushes its last operand as an i64: bytes, pages or elements."""
        self.used = True
        return self._body.get(self.kind, "amount") + (b"" if self.kind == "i64" else b"\xad")


class CallPoint:
    """A call, before it happens or behind it.

    Attributes
    ----------
    instruction : Instruction
        By its opcode's name, `call`, `call_indirect`, `call_ref`, or one of the three tail calls.
    block : int
        The number of the block it is in.
    target : int or None
        The index of the function; None where it is known at run time.
    """

    __slots__ = ("block", "instruction", "target")

    def __init__(self, instruction: Instruction, block: int) -> None:
        self.instruction = instruction
        self.block = block
        value = instruction.immediates[0]
        self.target = value if instruction.opcode.name in {"call", "return_call"} and isinstance(value, int) else None


class LeavePoint:
    """An exit of a function.

    Attributes
    ----------
    how : str
        ``return``, ``tail call``, or ``throw``: an exception passes the function.
    """

    __slots__ = ("_body", "how", "used")

    def __init__(self, body: FunctionBody, how: str) -> None:
        self._body = body
        self.how = how
        self.used = False

    def result(self, number: int) -> bytes | None:
        """Code that pushes a result, which it has at a ``return`` alone; None where it has none, or one of a type that
        no local can hold.
        """
        kinds = self._body.type.results
        if self.how != "return" or number >= len(kinds) or not all(map(can_be_kept, kinds)):
            return None
        self.used = True
        return self._body.get(kinds[number], f"result {number}")


def can_be_kept(kind: str) -> bool:
    """Whether a local of this type begins with a value, so that it can be declared anywhere."""
    return not kind.startswith("(ref ") or kind.startswith("(ref null ")


class Instrument:
    """The base of all instruments: it inserts nothing.

    Attributes
    ----------
    name : str
        Of the kind; part of the key that a rewritten module is kept under.
    counts_blocks : bool
        Whether its code at the beginning of a block counts the block: what `Rewritten.locate` calls counted.
    sites : Columns
        What it keeps of its sites.
    """

    name: ClassVar[str] = ""
    counts_blocks: ClassVar[bool] = False

    def __init__(self) -> None:
        self.sites = Columns()

    @property
    def options(self) -> tuple[object, ...]:
        """What it was told, as plain values; they are part of the key, too."""
        return ()

    def prepare(self, module: ModuleInfo, memory: CounterMemory) -> None:
        """Reserve what it needs before the first function."""

    def entry(self, body: FunctionBody) -> bytes:
        """At the entry of a function, before all else."""
        return b""

    def leave(self, body: FunctionBody, point: LeavePoint) -> bytes:
        """At each exit of a function; the results, or the arguments of a tail call, are on the stack."""
        return b""

    def block(self, body: FunctionBody, number: int) -> bytes:
        """At the beginning of a reachable block, each time it runs."""
        return b""

    def loop(self, body: FunctionBody, number: int, depth: int) -> bytes:
        """Before a loop is entered, and not before its next iteration; `number` is that of the loop's first block.

        `depth` is how many loops of the function it is in: of the loops with one depth no two run at the same time.
        """
        return b""

    def iteration(self, body: FunctionBody, number: int, depth: int) -> bytes:
        """At the beginning of each iteration of that loop, the first included; behind `block`."""
        return b""

    def table(self, body: FunctionBody, point: TablePoint) -> bytes:
        """Before a ``br_table`` branches."""
        return b""

    def access(self, body: FunctionBody, point: AccessPoint) -> bytes:
        """Before a memory is read or written; for ``memory.copy`` twice, first what it writes."""
        return b""

    def bulk(self, body: FunctionBody, point: BulkPoint) -> bytes:
        """Before an instruction that takes as long as its last operand says."""
        return b""

    def bulk_done(self, body: FunctionBody, point: BulkPoint) -> bytes:
        """Behind such an instruction, once it has run; the result of one that grows is on the stack."""
        return b""

    def call(self, body: FunctionBody, point: CallPoint) -> bytes:
        """Before a call."""
        return b""

    def returned(self, body: FunctionBody, point: CallPoint) -> bytes:
        """Behind a call that has returned; its results are on the stack."""
        return b""

    @classmethod
    def has(cls, point: str) -> bool:
        """Whether it inserts something at a point, which is named as its method."""
        return getattr(cls, point) is not getattr(Instrument, point)
