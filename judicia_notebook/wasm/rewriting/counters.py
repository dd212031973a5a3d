"""The instruments that count. Each says what it costs at run time: instructions that it adds.

Counts are 64 bits wide, little-endian, in the memory of the counters; `read` takes them out of its bytes.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from judicia_notebook.wasm.encoding import leb128, signed_leb128
from judicia_notebook.wasm.features import take_census
from judicia_notebook.wasm.rewriting.assembler import assemble
from judicia_notebook.wasm.rewriting.counter_memory import Columns, CounterMemory, Helper
from judicia_notebook.wasm.rewriting.instrument import (
    AccessPoint,
    CallPoint,
    FunctionBody,
    Instrument,
    LeavePoint,
    TablePoint,
)

if TYPE_CHECKING:
    from judicia_notebook.wasm.info import ModuleInfo

Bytes = bytes | bytearray | memoryview
_END, _IF = b"\x0b", b"\x04\x40"
_I64_ADD, _I64_SUB, _I64_EQZ = b"\x7c", b"\x7d", b"\x50"
_ZERO = b"\x41\0"


_HASH = 0x9E3779B97F4A7C15 - (1 << 64)  # 2 to the 64th by the golden ratio, as a signed number


class PageCounts(NamedTuple):
    """Of a page: accesses, bytes, and which page touched for the first time it was, from 1."""

    reads: int
    writes: int
    bytes_read: int
    bytes_written: int
    first_touch: int


def read_counts(memory: Bytes, addresses: Iterable[int]) -> array[int]:
    """The counts at these addresses."""
    whole = array("Q", bytes(memory[: len(memory) & ~7]))
    if sys.byteorder == "big":
        whole.byteswap()
    return array("Q", [whole[address >> 3] for address in addresses])


class BlockCounters(Instrument):
    """How often each reachable block ran: six instructions a block.

    Attributes
    ----------
    sites : Columns
        ``block`` and ``address``, a row for each reachable block.
    """

    name: ClassVar[str] = "blocks"
    counts_blocks: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.sites = Columns("block", "address")

    def block(self, body: FunctionBody, number: int) -> bytes:
        address = body.memory.reserve(8)
        self.sites.add(number, address)
        return body.bump(address)

    def read(self, memory: Bytes, blocks: int) -> array[int]:
        """How often each of so many blocks ran, by its number; 0 for one that is unreachable."""
        counts = array("Q", bytes(8 * blocks))
        for number, count in zip(self.sites["block"], read_counts(memory, self.sites["address"]), strict=True):
            counts[number] = count
        return counts


class TableCounters(Instrument):
    """How often each target of a ``br_table`` was chosen: fourteen instructions each time.

    Attributes
    ----------
    sites : Columns
        ``block``, which it ends, ``targets``, the default as the last, and the ``address`` of the first one's counter.
    """

    name: ClassVar[str] = "tables"

    def __init__(self) -> None:
        super().__init__()
        self.sites = Columns("block", "targets", "address")

    def table(self, body: FunctionBody, point: TablePoint) -> bytes:
        address = body.memory.reserve(8 * point.targets)
        self.sites.add(point.block, point.targets, address)
        default = b"\x41" + signed_leb128(point.targets - 1)
        chosen = point.operand + default + point.operand + default + b"\x49\x1b"  # the less of the two, unsigned
        place = chosen + b"\x41\3\x74" + body.tee("i32", "table") + body.get("i32", "table")
        return place + body.memory.load(address) + b"\x42\1" + _I64_ADD + body.memory.store(address)

    def read(self, memory: Bytes) -> list[array[int]]:
        """The counts of each table's targets, in the order of `sites`."""
        places = zip(self.sites["address"], self.sites["targets"], strict=True)
        return [read_counts(memory, range(address, address + 8 * count, 8)) for address, count in places]


class LoopMaxima(Instrument):
    """The most iterations of each loop in one entry: some ten instructions an iteration.

    It counts in a local, which begins anew with each entry. So loops of which none is in another can share one, and a
    function has as many as its loops nest deep.

    Attributes
    ----------
    sites : Columns
        ``block``, the loop's first one, and ``address``.
    """

    name: ClassVar[str] = "loops"

    def __init__(self) -> None:
        super().__init__()
        self.sites = Columns("block", "address")

    def loop(self, body: FunctionBody, number: int, depth: int) -> bytes:
        return b"\x42\0" + body.set("i64", f"iterations {depth}")

    def iteration(self, body: FunctionBody, number: int, depth: int) -> bytes:
        address = body.memory.reserve(8)
        self.sites.add(number, address)
        count, memory = f"iterations {depth}", body.memory
        more = body.get("i64", count) + b"\x42\1" + _I64_ADD + body.tee("i64", count)
        is_most = more + _ZERO + memory.load(address) + b"\x56"  # i64.gt_u
        return is_most + _IF + _ZERO + body.get("i64", count) + memory.store(address) + _END

    def read(self, memory: Bytes) -> array[int]:
        """The most iterations, in the order of `sites`."""
        return read_counts(memory, self.sites["address"])


class InclusiveCounters(Instrument):
    """How many instructions ran in each function and what it called: four instructions a block, some 25 a call.

    A function that calls itself is counted from its outermost call to that one's end. An activation adds up its own
    instructions in a local, and hands them to a running total as it leaves. Before it calls it says how many it and
    those around it have not handed on: with the total these are all that have run. So each call waits for the total
    once. A function that calls nothing has no more than what ran in it alone: no code says when it is entered.

    What ran in functions that are open as a call of the host's ends by a trap is known once all that ran is known: no
    open one has handed on what it added up. So blocks have to be counted, too.

    Attributes
    ----------
    sites : Columns
        ``function``, and the ``address`` of two numbers: where the function is open 1 and all that had run at its
        entry, and the sum of what it took. The address is 0 for a function that calls nothing.
    """

    name: ClassVar[str] = "inclusive"

    def __init__(self) -> None:
        super().__init__()
        self.sites = Columns("function", "address")
        self.total = 0
        self.around = 0  # what open functions have not handed on

    def prepare(self, module: ModuleInfo, memory: CounterMemory) -> None:
        self.total, self.around = memory.reserve(8), memory.reserve(8)

    def entry(self, body: FunctionBody) -> bytes:
        if not body.has_calls:
            self.sites.add(body.function, 0)
            return b""
        memory, address = body.memory, body.memory.reserve(16)
        self.sites.add(body.function, address)
        around = _ZERO + memory.load(self.around) + body.set("i64", "around")
        is_outermost = _ZERO + memory.load(address) + _I64_EQZ + body.tee("i32", "is outermost")
        begins = _ZERO + self._all(body) + b"\x42\1" + _I64_ADD + memory.store(address)
        return around + is_outermost + _IF + begins + _END

    def block(self, body: FunctionBody, number: int) -> bytes:
        count = b"\x42" + signed_leb128(body.all_blocks.instructions[number])
        return body.get("i64", "own") + count + _I64_ADD + body.set("i64", "own")

    def call(self, body: FunctionBody, point: CallPoint) -> bytes:
        held = body.get("i64", "around") + body.get("i64", "own") + _I64_ADD
        return _ZERO + held + body.memory.store(self.around)

    def leave(self, body: FunctionBody, point: LeavePoint) -> bytes:
        memory = body.memory
        hands_on = _ZERO + _ZERO + memory.load(self.total) + body.get("i64", "own") + _I64_ADD
        hands_on += memory.store(self.total)
        if not body.has_calls:
            return hands_on
        address = self.sites["address"][-1]
        spent = self._all(body) + _ZERO + memory.load(address) + _I64_SUB + b"\x42\1" + _I64_ADD
        ends = _ZERO + _ZERO + memory.load(address + 8) + spent + _I64_ADD + memory.store(address + 8)
        closes = _ZERO + b"\x42\0" + memory.store(address)
        restores = _ZERO + body.get("i64", "around") + memory.store(self.around)
        is_outermost = body.get("i32", "is outermost") + _IF
        if point.how == "tail call":
            return hands_on + restores + is_outermost + ends + closes + _END
        return hands_on + is_outermost + ends + closes + restores + _END  # others say it again before they call

    def _all(self, body: FunctionBody) -> bytes:
        """Code that pushes how many instructions had run as the function was entered or, at its end, have run."""
        return _ZERO + body.memory.load(self.total) + body.get("i64", "around") + _I64_ADD

    def read(self, memory: Bytes, alone: Mapping[int, int]) -> dict[int, int]:
        """The instructions by the index of the function, what it called among them.

        Parameters
        ----------
        alone : mapping
            By the index of each function what ran in it alone, as blocks were counted.
        """
        total, found = sum(alone.values()), {}
        for function, address in zip(self.sites["function"], self.sites["address"], strict=True):
            if address:
                begun, spent = struct.unpack_from("<QQ", memory, address)
                found[function] = spent + (total - begun + 1 if begun else 0)
            else:
                found[function] = alone.get(function, 0)
        return found

    def closing(self) -> Iterable[int]:
        """The addresses of the numbers that the host sets to zero after a trap, once it has read the counts."""
        return [self.around, *(address for address in self.sites["address"] if address)]


class IndirectCalls(Instrument):
    """Which function each ``call_indirect`` and ``call_ref`` called, and how often: by a function of ours.

    The call says which it is; the function that is entered next tells which it was, whatever the tables hold by then.
    Where a call returns and no function of the module has been entered, it was one of the host's. That of a tail call
    shows at the next call, so in a module with tail calls each direct call looks, too.

    Pairs beyond `capacity` are counted together. A function of the host's that is called through a table and calls the
    guest in turn is taken for the function that it calls.

    Parameters
    ----------
    capacity : int
        How many pairs there may be, a power of 2.

    Attributes
    ----------
    sites : Columns
        ``block`` and ``offset`` of each such call.
    """

    name: ClassVar[str] = "indirect calls"
    _TRIES = 32

    def __init__(self, capacity: int = 1 << 14) -> None:
        super().__init__()
        if capacity < self._TRIES or capacity & (capacity - 1):
            raise ValueError(f"capacity is a power of 2, at least {self._TRIES}")
        self.sites = Columns("block", "offset")
        self.capacity = capacity
        self._current = self._table = self._lost = self._record = 0
        self._looks_at_each_call = False

    @property
    def options(self) -> tuple[object, ...]:
        return (self.capacity,)

    def prepare(self, module: ModuleInfo, memory: CounterMemory) -> None:
        self._current = memory.reserve(8)
        self._lost = memory.reserve(8)
        self._table = memory.reserve(16 * (self.capacity + self._TRIES))
        self._record = memory.add_function(self._recorder(memory))
        self._looks_at_each_call = bool({"tail_calls", "function_references"} & take_census(module).features)

    def _recorder(self, memory: CounterMemory) -> Helper:
        """A function of ours: count the pair of the call that is noted and the function it is given, and end the note.

        The pair's place is looked for from a hash of it on, and not further than some tries.
        """
        m, pair, place, last = memory.index, 1, 2, 3
        code = assemble(f"""
            i32.const 0  i32.load {m} {self._current}  i64.extend_i32_u  i64.const 32  i64.shl
            local.get 0  i64.extend_i32_u  i64.or  local.set {pair}
            i32.const 0  i32.const 0  i32.store {m} {self._current}
            local.get {pair}  i64.const {_HASH}  i64.mul  i64.const 32  i64.shr_u  i32.wrap_i64
            i32.const {self.capacity - 1}  i32.and  i32.const 16  i32.mul  local.tee {place}
            i32.const {16 * self._TRIES}  i32.add  local.set {last}
            loop
              local.get {place}  i64.load {m} {self._table}  i64.eqz
              if  ;; free: from now on this pair's
                local.get {place}  local.get {pair}  i64.store {m} {self._table}
              end
              local.get {place}  i64.load {m} {self._table}  local.get {pair}  i64.eq
              if
                local.get {place}
                local.get {place}  i64.load {m} {self._table + 8}  i64.const 1  i64.add
                i64.store {m} {self._table + 8}
                return
              end
              local.get {place}  i32.const 16  i32.add  local.tee {place}  local.get {last}  i32.lt_u
              br_if 0
            end
        """)
        return Helper(("i32",), (), ("i64", "i32", "i32"), code + memory.bump(self._lost))

    def call(self, body: FunctionBody, point: CallPoint) -> bytes:
        if point.target is not None:
            return self._told(body, 0) if self._looks_at_each_call else b""
        number = self.sites.add(point.block, point.instruction.offset) + 1
        return _ZERO + b"\x41" + signed_leb128(number) + body.memory.store(self._current, 4)

    def _told(self, body: FunctionBody, function: int) -> bytes:
        is_noted = _ZERO + body.memory.load(self._current, 4)
        return is_noted + _IF + b"\x41" + signed_leb128(function) + b"\x10" + leb128(self._record) + _END

    def entry(self, body: FunctionBody) -> bytes:
        return self._told(body, body.function + 1)

    def returned(self, body: FunctionBody, point: CallPoint) -> bytes:
        return b"" if point.target is not None else self._told(body, 0)

    def read(self, memory: Bytes) -> tuple[dict[tuple[int, int | None], int], int]:
        """How often each call, by its row in `sites`, called which function, None for the host's; and all others."""
        found: dict[tuple[int, int | None], int] = {}
        for place in range(self.capacity + self._TRIES):
            pair, count = struct.unpack_from("<QQ", memory, self._table + 16 * place)
            if count:
                function = pair & 0xFFFFFFFF
                found[(pair >> 32) - 1, function - 1 if function else None] = count
        (lost,) = struct.unpack_from("<Q", memory, self._lost)
        return found, lost

    def closing(self) -> Iterable[int]:
        """Likewise, before each call of the host's: one that trapped has called nothing."""
        return [self._current]


class PageCounters(Instrument):
    """Reads and writes of each page of each memory: a call of a function of ours for each access.

    What goes over the end of a page counts for both, with its bytes in each. Addresses beyond the last page that is
    told apart count as that page's. What is out of bounds traps, and counts for none; of ``memory.init`` that holds for
    the memory, not for the segment.

    Parameters
    ----------
    most_pages : int
        Of a memory that are told apart.

    Attributes
    ----------
    pages : list of int
        How many of each memory are told apart.
    """

    name: ClassVar[str] = "pages"
    _ROW = struct.Struct("<5Q")

    def __init__(self, most_pages: int = 1 << 16) -> None:
        super().__init__()
        self.most_pages = most_pages
        self.pages: list[int] = []
        self.tables: list[int] = []
        self._functions: list[tuple[int, int]] = []
        self._touched = 0

    @property
    def options(self) -> tuple[object, ...]:
        return (self.most_pages,)

    def prepare(self, module: ModuleInfo, memory: CounterMemory) -> None:
        self._touched = memory.reserve(8)
        for number, each in enumerate(module.memories):
            most = self.most_pages if each.maximum_pages is None else each.maximum_pages
            self.pages.append(max(1, min(most, self.most_pages)))
            self.tables.append(memory.reserve(self._ROW.size * self.pages[-1]))
            extend = "" if each.is64 else "i64.extend_i32_u"
            reads, writes = (
                memory.add_function(self._counter(memory, number, extend, writes=writes)) for writes in (False, True)
            )
            self._functions.append((reads, writes))

    def _counter(self, memory: CounterMemory, number: int, extend: str, *, writes: bool) -> Helper:
        """A function of ours, of an address, what is added to it, and how many bytes: count the pages they are on."""
        m, table, last = memory.index, self.tables[number], self.pages[number] - 1
        count, sum_, first = table + 8 * writes, table + 16 + 8 * writes, table + 32
        address, offset, left, row, part = 0, 1, 2, 3, 4
        code = assemble(f"""
            memory.size {number}  {extend}  i64.const 16  i64.shl  local.tee {part}
            local.get {address}  i64.lt_u  if  return  end
            local.get {part}  local.get {address}  i64.sub  local.get {offset}  i64.lt_u  if  return  end
            local.get {address}  local.get {offset}  i64.add  local.set {address}
            local.get {part}  local.get {address}  i64.sub  local.get {left}  i64.lt_u  if  return  end
            local.get {left}  i64.eqz  if  return  end
            loop
              local.get {address}  i64.const 16  i64.shr_u  local.tee {part}
              i64.const {last}
              local.get {part}  i64.const {last}  i64.lt_u
              select
              i32.wrap_i64  i32.const {self._ROW.size}  i32.mul  local.set {row}
              i64.const 65536  local.get {address}  i64.const 65535  i64.and  i64.sub  local.tee {part}
              local.get {left}
              local.get {part}  local.get {left}  i64.lt_u
              select
              local.set {part}
              local.get {row}  i64.load {m} {first}  i64.eqz
              if
                i32.const 0  i32.const 0  i64.load {m} {self._touched}  i64.const 1  i64.add
                i64.store {m} {self._touched}
                local.get {row}  i32.const 0  i64.load {m} {self._touched}  i64.store {m} {first}
              end
              local.get {row}  local.get {row}  i64.load {m} {count}  i64.const 1  i64.add  i64.store {m} {count}
              local.get {row}  local.get {row}  i64.load {m} {sum_}  local.get {part}  i64.add  i64.store {m} {sum_}
              local.get {address}  local.get {part}  i64.add  local.set {address}
              local.get {left}  local.get {part}  i64.sub  local.tee {left}
              i64.const 0  i64.ne
              br_if 0
            end
        """)
        return Helper(("i64", "i64", "i64"), (), ("i32", "i64"), code)

    def access(self, body: FunctionBody, point: AccessPoint) -> bytes:
        if point.offset >> 47:  # no memory is as large
            return b""
        function = self._functions[point.memory][point.writes]
        offset = b"\x42" + signed_leb128(point.offset)
        return point.address + offset + point.length + b"\x10" + leb128(function)

    def read(self, memory: Bytes) -> dict[tuple[int, int], PageCounts]:
        """What happened to each page that was touched, by the index of its memory and its number."""
        found = {}
        for number, (table, pages) in enumerate(zip(self.tables, self.pages, strict=True)):
            rows = self._ROW.iter_unpack(memory[table : table + self._ROW.size * pages])
            for page, row in enumerate(rows):
                if row[4]:
                    found[number, page] = PageCounts(*row)
        return found
