"""Reads and writes of memory by function. Loads and stores are counted by their blocks, so they cost nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from judicia_notebook.experiments.monitoring.monitor import Kit, Monitor
from judicia_notebook.wasm.rewriting.counter_memory import Columns
from judicia_notebook.wasm.rewriting.counters import BlockCounters, read_counts
from judicia_notebook.wasm.rewriting.instrument import AccessPoint, FunctionBody, Instrument

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts

_ZERO, _ADD = b"\x41\0", b"\x7c"
_NUMBERS: Final = ("reads", "writes", "bytes_read", "bytes_written")


class AccessSites(Instrument):
    """Where loads and stores are, and how many bytes bulk instructions move: six instructions for each of these.

    Attributes
    ----------
    sites : Columns
        ``block``, ``offset``, ``writes`` (0 or 1), ``size``, and the ``address`` of the sum of bytes; 0 where each
        access has `size`.
    """

    name: ClassVar[str] = "access sites"

    def __init__(self) -> None:
        super().__init__()
        self.sites = Columns("block", "offset", "writes", "size", "address")

    def access(self, body: FunctionBody, point: AccessPoint) -> bytes:
        """See `Instrument.access`."""
        address = 0 if point.size else body.memory.reserve(8)
        self.sites.add(point.block, point.instruction.offset, int(point.writes), point.size, address)
        if not address:
            return b""
        return _ZERO + _ZERO + body.memory.load(address) + point.length + _ADD + body.memory.store(address)


class Accesses(Monitor):
    """A row for each function that has loads or stores; each half of a ``memory.copy`` is an access."""

    name = "accesses"
    about = "reads and writes of memory, and their bytes, by function"
    keys = ("function",)
    numbers = _NUMBERS
    is_by_name = True

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        kit.get(BlockCounters)
        self._accesses = kit.get(AccessSites)

    def frame(self, counts: Counts, state: Any) -> pd.DataFrame:  # noqa: ARG002  # sums are enough
        """See `Monitor.frame`."""
        import numpy as np

        sites = self._accesses.sites
        bulk = dict.fromkeys(address for address in sites["address"] if address)
        bulk_bytes = dict(zip(bulk, read_counts(counts.memory, bulk), strict=True))
        sums: dict[int, list[int]] = {}
        lost: set[int] = set()
        for block, offset, writes, size, address in zip(*(sites[name] for name in sites.names), strict=True):
            function = counts.blocks.function[block]
            row = sums.setdefault(function, [0, 0, 0, 0])
            times = int(counts.begun[block])
            if block in counts.cuts:
                # What stopped there was the instruction itself: it read and wrote nothing.
                place = self._place(counts, block, offset)
                times = counts.times(block, place + 1)
                if address and times != counts.times(block, place):
                    lost.add(function)  # the bytes of the one that failed are among the others
            row[writes] += times
            row[2 + writes] += bulk_bytes[address] if address else times * size
        shown = sorted(sums)
        table = np.array([sums[function] for function in shown], "i8").reshape(-1, 4)
        unknown, counts.unknown = counts.unknown, counts.unknown | lost
        try:
            return counts.frame(
                shown,
                [counts.first_offset(function) for function in shown],
                {name: table[:, place] for place, name in enumerate(_NUMBERS)},
                counted=_NUMBERS,
            )
        finally:
            counts.unknown = unknown

    @staticmethod
    def _place(counts: Counts, block: int, offset: int) -> int:
        """Which instruction of a block begins at a byte of the file."""
        at, place = counts.blocks.start[block], 0
        for instruction in counts.instructions_of(block):
            if at >= offset:
                break
            at, place = at + len(instruction), place + 1
        return place
