"""How often each function was called, and how many instructions ran in it, alone and with what it called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.experiments.monitoring.monitor import CallEnd, Kit, Monitor
from judicia_notebook.wasm.rewriting.counters import BlockCounters, InclusiveCounters

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts

    Array = np.ndarray[Any, Any]


class Functions(Monitor):
    """A row for each function that the module defines."""

    name = "functions"
    about = "calls, and instructions with and without those of the functions called"
    keys = ("function",)
    numbers = ("calls", "instructions", "self_instructions")
    is_by_name = True

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        kit.get(BlockCounters)
        self._inclusive = kit.get(InclusiveCounters)

    def start(self) -> Array:
        """See `Monitor.start`: what each function took with those that it called, in the order of its sites."""
        import numpy as np

        addresses = np.array(self._inclusive.sites["address"], "i8")
        self._places = addresses // 8
        self._calls = addresses > 0
        return np.zeros(len(addresses), "i8")

    def collect(self, state: Array, memory: bytes, end: CallEnd) -> None:
        """See `Monitor.collect`: what was open has run up to where the call ended."""
        import numpy as np

        whole = np.frombuffer(memory, "<u8").astype("i8", copy=False)
        begun = np.where(self._calls, whole[self._places], 0)
        state += np.where(self._calls, whole[self._places + 1], 0)
        state += np.where(begun > 0, end.ran - begun + 1, 0)

    def frame(self, counts: Counts, state: Array) -> pd.DataFrame:
        """See `Monitor.frame`."""
        import numpy as np

        shown = list(counts.functions)
        firsts = [counts.blocks.of(function).start for function in shown]
        calls = counts.begun[firsts] if shown else np.zeros(0, "i8")
        alone = counts.by_function(counts.ran)
        inclusive = np.where(self._calls, state, alone[shown]) if shown else np.zeros(0, "i8")
        columns = {
            "calls": calls,
            "instructions": inclusive,
            "self_instructions": alone[shown] if shown else np.zeros(0, "i8"),
        }
        return counts.frame(
            shown, [counts.first_offset(function) for function in shown], columns, counted=tuple(columns)
        )
