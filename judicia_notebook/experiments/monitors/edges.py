"""Which function called which, and how often; calls through tables by the function that was called."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from judicia_notebook.experiments.monitoring.monitor import CallEnd, Kit, Monitor
from judicia_notebook.wasm.rewriting.counter_memory import Columns
from judicia_notebook.wasm.rewriting.counters import BlockCounters, IndirectCalls
from judicia_notebook.wasm.rewriting.instrument import CallPoint, FunctionBody, Instrument

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts

_Edge = tuple[int, int | None]


class DirectCalls(Instrument):
    """Where calls of named functions are: no code, since a call is the last instruction of a block, which is counted.

    Attributes
    ----------
    sites : Columns
        ``block``, ``offset`` and the index of the ``target``.
    """

    name: ClassVar[str] = "direct calls"

    def __init__(self) -> None:
        super().__init__()
        self.sites = Columns("block", "offset", "target")

    def call(self, body: FunctionBody, point: CallPoint) -> bytes:  # noqa: ARG002  # as the others
        """See `Instrument.call`."""
        if point.target is not None:
            self.sites.add(point.block, point.instruction.offset, point.target)
        return b""


class Edges(Monitor):
    """A row for each pair of a function and one that it called; calls of functions of the host's are among them."""

    name = "edges"
    about = "which function called which, how often, and how often through a table"
    keys = ("caller", "callee")
    numbers = ("count", "indirect")
    is_by_name = True

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        kit.get(BlockCounters)
        self._direct = kit.get(DirectCalls)
        self._indirect = kit.get(IndirectCalls)

    def start(self) -> Counter[tuple[int, int | None]]:
        """See `Monitor.start`: how often an indirect call, by its row, called a function; -1 counts those lost."""
        return Counter()

    def collect(self, state: Counter[tuple[int, int | None]], memory: bytes, end: CallEnd) -> None:  # noqa: ARG002
        """See `Monitor.collect`."""
        found, lost = self._indirect.read(memory)
        state.update(found)
        if lost:
            state[-1, None] += lost

    def frame(self, counts: Counts, state: Counter[tuple[int, int | None]]) -> pd.DataFrame:
        """See `Monitor.frame`."""
        import numpy as np
        import pandas as pd

        sums: Counter[_Edge] = Counter()
        indirect: Counter[_Edge] = Counter()
        offsets: dict[_Edge, int] = {}

        def add(block: int, offset: int, target: int | None, times: int, sort: Counter[_Edge] | None) -> None:
            edge = counts.blocks.function[block], target
            sums[edge] += times
            offsets.setdefault(edge, offset)
            if sort is not None:
                sort[edge] += times

        direct = self._direct.sites
        for block, offset, target in zip(direct["block"], direct["offset"], direct["target"], strict=True):
            if times := int(counts.ended[block]):
                add(block, offset, target, times, None)
        sites = self._indirect.sites
        for (row, called), times in sorted(state.items(), key=lambda each: each[0][0]):
            if row >= 0:
                add(sites["block"][row], sites["offset"][row], called, times, indirect)
        edges = sorted(sums, key=lambda edge: (-sums[edge], edge[0], -1 if edge[1] is None else edge[1]))
        callers = [caller for caller, _ in edges]
        columns = {
            "caller": pd.Series([counts.names[caller] for caller in callers], dtype="str"),
            "callee": pd.Series([counts.name_of(callee) for _, callee in edges], dtype="str"),
            "callee_index": pd.array([callee for _, callee in edges], dtype="Int64"),
            "count": np.array([sums[edge] for edge in edges], "i8"),
            "indirect": np.array([indirect[edge] for edge in edges], "i8"),
        }
        made = counts.frame(callers, [offsets[edge] for edge in edges], columns, counted=("count", "indirect"))
        made.attrs["lost"] = state[-1, None]
        return made
