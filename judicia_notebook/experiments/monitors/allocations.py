"""Who asked a guest's allocator for memory, how much, and what is still held: by the names that allocators have.

- The outermost call counts: what ``judicia_alloc`` asks ``malloc`` for is counted for who called ``judicia_alloc``.
- A call tells who it is, the allocator's entry how much, its exit where. That goes into a record, which the host reads
  behind each call of its own.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from judicia_notebook.experiments.monitoring.monitor import CallEnd, Kit, Monitor
from judicia_notebook.reporting import notices
from judicia_notebook.text import with_plugin_text
from judicia_notebook.wasm.encoding import leb128, signed_leb128
from judicia_notebook.wasm.rewriting.assembler import assemble
from judicia_notebook.wasm.rewriting.counter_memory import Columns, CounterMemory, Helper
from judicia_notebook.wasm.rewriting.instrument import CallPoint, FunctionBody, Instrument, LeavePoint
from judicia_notebook.wasm.rust_symbols import demangle

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts
    from judicia_notebook.wasm.info import ModuleInfo

MOST_EVENTS: Final = 1 << 17
"""Allocations and frees of one call of the host's that are kept; the counts are NA beyond."""
MOST_POINTS: Final = 1000
"""Of the timeline of live bytes."""
_ROW: Final = struct.Struct("<qQQQ")
_HOST = 0
_ZERO, _ONE, _IF, _END, _EQZ, _ADD, _SUB = b"\x41\0", b"\x41\1", b"\x04\x40", b"\x0b", b"\x45", b"\x6a", b"\x6b"


class _Kind(NamedTuple):
    """Which parameters of an allocator's function say how much, times what, and what is given back."""

    size: int | None = None
    times: int | None = None
    old: int | None = None


_ALLOCATE, _FREE = _Kind(size=0), _Kind(old=0)
KINDS: Final = {
    **dict.fromkeys(("judicia_alloc", "malloc", "_Znwm", "_Znwj", "_Znam", "_Znaj"), _ALLOCATE),
    **dict.fromkeys(("__rust_alloc", "__rdl_alloc", "__rust_alloc_zeroed", "__rdl_alloc_zeroed"), _ALLOCATE),
    **dict.fromkeys(("aligned_alloc", "memalign"), _Kind(size=1)),
    "calloc": _Kind(size=0, times=1),
    "realloc": _Kind(size=1, old=0),
    **dict.fromkeys(("__rust_realloc", "__rdl_realloc"), _Kind(size=3, old=0)),
    **dict.fromkeys(("judicia_free", "free", "__rust_dealloc", "__rdl_dealloc", "_ZdlPv", "_ZdaPv"), _FREE),
    # Rust's own; compilers leave out the first parameter, which is the allocator itself, where there is but one.
    "dlmalloc::dlmalloc::Dlmalloc<A>::malloc": _Kind(size=-1),
    "dlmalloc::dlmalloc::Dlmalloc<A>::free": _Kind(old=-1),
}
"""The functions that are taken for an allocator's, by name: of an export, or in the name section."""


def find_allocators(module: ModuleInfo) -> dict[int, tuple[str, _Kind]]:
    """The allocators' functions of a module by index, those alone whose type fits their name."""
    imported = sum(each.kind == "func" for each in module.imports)
    named = {index: name for index, name in module.names.items() if index >= imported}
    exported = {each.index: each.name for each in module.exports if each.kind == "func" and each.name in KINDS}
    found = {}
    for index, text in {**named, **exported}.items():
        name = demangle(text)
        last = name.rpartition("::")[2]
        kind = KINDS.get(text) or KINDS.get(name) or (KINDS.get(last) if last.startswith("__r") else None)
        if kind is None or index >= len(module.functions):
            continue
        params, results = module.functions[index].params, module.functions[index].results
        kind = _Kind(*(len(params) - 1 if place == -1 else place for place in kind))
        used = [place for place in kind if place is not None]
        fits = all(0 <= place < len(params) and params[place] in {"i32", "i64"} for place in used)
        if fits and (kind.size is None or results in {("i32",), ("i64",)}):
            found[index] = (name, kind)
    return found


class AllocationRecorder(Instrument):
    """Writes each outermost call of an allocator into a record, until it is full.

    Attributes
    ----------
    sites : Columns
        ``block``, ``offset`` and ``target`` of each call of one that names it.
    allocators : dict of int to (str, kind)
    """

    name: ClassVar[str] = "allocations"

    def __init__(self) -> None:
        super().__init__()
        self.sites = Columns("block", "offset", "target")
        self.allocators: dict[int, tuple[str, _Kind]] = {}
        self._site = self._depth = self._pending = self._size = self._old = self._used = self._total = 0
        self._record = self._helper = 0

    def prepare(self, module: ModuleInfo, memory: CounterMemory) -> None:
        """See `Instrument.prepare`."""
        self.allocators = find_allocators(module)
        cells = [memory.reserve(8) for _ in range(7)]
        self._site, self._depth, self._pending, self._size, self._old, self._used, self._total = cells
        self._record = memory.reserve(_ROW.size * MOST_EVENTS)
        m, at = memory.index, 4
        code = assemble(f"""
            i32.const 0  i32.load {m} {self._used}  local.tee {at}  i32.const {_ROW.size * MOST_EVENTS}  i32.lt_u
            if
              local.get {at}  local.get 0  i64.store {m} {self._record}
              local.get {at}  local.get 1  i64.store {m} {self._record + 8}
              local.get {at}  local.get 2  i64.store {m} {self._record + 16}
              local.get {at}  local.get 3  i64.store {m} {self._record + 24}
              i32.const 0  local.get {at}  i32.const {_ROW.size}  i32.add  i32.store {m} {self._used}
            end
        """)
        code += memory.bump(self._total)
        self._helper = memory.add_function(Helper(("i64",) * 4, (), ("i32",), code))

    def call(self, body: FunctionBody, point: CallPoint) -> bytes:
        """See `Instrument.call`: who is about to call."""
        if point.target not in self.allocators or point.target is None:
            return b""
        number = self.sites.add(point.block, point.instruction.offset, point.target) + 1
        return _ZERO + b"\x41" + signed_leb128(number) + body.memory.store(self._site, 4)

    def _step(self, body: FunctionBody, by: bytes) -> bytes:
        memory = body.memory
        return _ZERO + _ZERO + memory.load(self._depth, 4) + _ONE + by + memory.store(self._depth, 4)

    def _is_outermost(self, body: FunctionBody) -> bytes:
        return _ZERO + body.memory.load(self._depth, 4) + _EQZ + _IF

    def entry(self, body: FunctionBody) -> bytes:
        """See `Instrument.entry`."""
        if body.function not in self.allocators:
            return b""
        memory, kind = body.memory, self.allocators[body.function][1]
        size = self._parameter(body, kind.size)
        if kind.times is not None:
            size += self._parameter(body, kind.times) + b"\x7e"  # i64.mul
        kept = _ZERO + _ZERO + memory.load(self._site, 4) + memory.store(self._pending, 4)
        kept += _ZERO + size + memory.store(self._size)
        kept += _ZERO + self._parameter(body, kind.old) + memory.store(self._old)
        forgotten = _ZERO + _ZERO + memory.store(self._site, 4)
        return self._is_outermost(body) + kept + _END + forgotten + self._step(body, _ADD)

    @staticmethod
    def _parameter(body: FunctionBody, place: int | None) -> bytes:
        """Code that pushes a parameter as an i64; 0 for none."""
        if place is None:
            return b"\x42\0"
        wide = b"" if body.type.params[place] == "i64" else b"\xad"
        return b"\x20" + leb128(place) + wide

    def leave(self, body: FunctionBody, point: LeavePoint) -> bytes:
        """See `Instrument.leave`."""
        if body.function not in self.allocators:
            return b""
        memory, (_, kind) = body.memory, self.allocators[body.function]
        pointer = b"\x42\0"
        if kind.size is not None and (result := point.result(0)) is not None:
            pointer = result + (b"" if body.type.results[0] == "i64" else b"\xad")
        what = _ZERO + memory.load(self._pending, 4) + b"\xad"  # i64.extend_i32_u
        if kind.size is None:
            what = b"\x42\x7f"  # -1: it gives back alone
        numbers = what + _ZERO + memory.load(self._size) + pointer + _ZERO + memory.load(self._old)
        event = numbers + b"\x10" + leb128(self._helper)
        return self._step(body, _SUB) + self._is_outermost(body) + event + _END

    def read(self, memory: bytes) -> tuple[list[tuple[int, int, int, int]], int]:
        """The events: a site (0 for the host, -1 where memory is given back), bytes, pointer, what is given back."""
        used = int.from_bytes(memory[self._used : self._used + 4], "little")
        total = int.from_bytes(memory[self._total : self._total + 8], "little")
        found = list(_ROW.iter_unpack(memory[self._record : self._record + used]))
        return found, total - len(found)


class _Held:
    """Counts and bytes by site, what is live by instance and pointer, failures, and events that were lost.

    `timeline` has how many bytes were live after how many events: of all at first, then of every second, fourth, ...
    """

    def __init__(self) -> None:
        self.count: Counter[int] = Counter()
        self.bytes: Counter[int] = Counter()
        self.live: dict[tuple[int, int], tuple[int, int]] = {}
        self.failed = self.lost = 0
        self.timeline: list[tuple[int, int]] = []
        self._events = self._live_bytes = 0
        self._stride = 1

    def take(self, instance: int, pointer: int, site: int, size: int) -> None:
        self.give_back(instance, pointer)  # what frees it may be unknown
        self.count[site] += 1
        self.bytes[site] += size
        self.live[instance, pointer] = site, size
        self._live_bytes += size

    def give_back(self, instance: int, pointer: int) -> None:
        _, size = self.live.pop((instance, pointer), (0, 0))
        self._live_bytes -= size

    def note(self) -> None:
        self._events += 1
        if self._events % self._stride == 0:
            self.timeline.append((self._events, self._live_bytes))
        if len(self.timeline) > MOST_POINTS:
            self._stride *= 2
            self.timeline = self.timeline[1::2]


class Allocations(Monitor):
    """A row for each place that asked for memory, the one that holds the most first."""

    name = "allocations"
    about = "who asked the allocator for memory, how much, and what is still held"
    keys = ("site",)
    numbers = ("count", "bytes", "live_bytes")

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        self._recorder = kit.get(AllocationRecorder)

    def start(self) -> _Held:
        """See `Monitor.start`."""
        return _Held()

    def collect(self, state: _Held, memory: bytes, end: CallEnd) -> None:
        """See `Monitor.collect`."""
        events, lost = self._recorder.read(memory)
        state.lost += lost
        for site, size, pointer, old in events:
            if site >= 0 and not pointer:
                state.failed += 1
                continue
            if old:
                state.give_back(end.instance, old)
            if site >= 0:
                state.take(end.instance, pointer, site, size)
            state.note()

    def frame(self, counts: Counts, state: _Held) -> pd.DataFrame:
        """See `Monitor.frame`."""
        import numpy as np
        import pandas as pd

        recorder = self._recorder
        allocators = sorted({name for name, _ in recorder.allocators.values()})
        is_stripped = not counts.module.names
        if is_stripped:
            notices.say("The module names no functions: what it allocates inside itself is not known.")
        elif not allocators:
            notices.say("No allocator is known in this module: it exports none, and names none.")
        live: Counter[int] = Counter()
        for site, size in state.live.values():
            live[site] += size
        order = sorted(state.count, key=lambda site: (-live[site], -state.bytes[site], site))
        rows = [None if site == _HOST else site - 1 for site in order]
        sites, blocks = recorder.sites, counts.blocks
        functions = [None if row is None else blocks.function[sites["block"][row]] for row in rows]
        offsets = [None if row is None else sites["offset"][row] for row in rows]
        called = [None if row is None else recorder.allocators[sites["target"][row]][0] for row in rows]
        files, lines = counts.places(offsets)

        def numbers(of: Counter[int]) -> Any:
            # A guest may ask for 2**64 - 1 bytes as often as it likes, and say that it has them.
            known = [not state.lost and of[site] < 1 << 63 for site in order]
            values = np.array([of[site] if is_known else 0 for site, is_known in zip(order, known, strict=True)], "i8")
            return pd.arrays.IntegerArray(values, ~np.array(known, bool))

        made = pd.DataFrame({
            "function": pd.Series([counts.name_of(function) for function in functions], dtype="str"),
            "index": pd.array(functions, dtype="Int64"),
            "site": pd.Series([
                "host" if function is None else f"{counts.names[function]} at {offset}"
                for function, offset in zip(functions, offsets, strict=True)
            ], dtype="str"),
            "allocator": pd.Series(called, dtype="str"),
            "count": numbers(state.count),
            "bytes": numbers(state.bytes),
            "live_bytes": numbers(live),
            "offset": pd.array(offsets, dtype="Int64"),
            "file": pd.Series(files, dtype="str"),
            "line": pd.array(lines, dtype="Int64"),
        })  # fmt: skip
        if is_stripped:
            made.loc[len(made), "site"] = "not known"
        made.attrs |= {
            "allocators": allocators,
            "failed": state.failed,
            "dropped": state.lost,
            "timeline": tuple(state.timeline),
        }
        return with_plugin_text(made)
