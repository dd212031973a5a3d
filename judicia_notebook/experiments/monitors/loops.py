"""How often each loop was entered, its iterations, and the most of them in one entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.experiments.monitoring.monitor import CallEnd, Kit, Monitor
from judicia_notebook.wasm.rewriting.counters import BlockCounters, LoopMaxima

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts


class Loops(Monitor):
    """A row for each ``loop`` that can run; it has the number of the block that its iterations begin with."""

    name = "loops"
    about = "entries, iterations, and the most iterations of one entry"
    keys = ("loop",)
    numbers = ("entries", "iterations", "most")

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        kit.get(BlockCounters)
        self._maxima = kit.get(LoopMaxima)

    def start(self) -> list[np.ndarray]:
        """See `Monitor.start`: the most iterations, once there are some."""
        return []

    def collect(self, state: list[np.ndarray], memory: bytes, end: CallEnd) -> None:  # noqa: ARG002
        """See `Monitor.collect`: a maximum is no sum."""
        import numpy as np

        found = np.array(self._maxima.read(memory), "i8")
        state[:] = [np.maximum(state[0], found) if state else found]

    def frame(self, counts: Counts, state: list[np.ndarray]) -> pd.DataFrame:
        """See `Monitor.frame`."""
        import numpy as np

        found = np.array(self._maxima.sites["block"], "i8")
        order = found.argsort()
        loops = found[order]
        columns = {
            "loop": loops,
            "entries": counts.ended[loops - 1],  # the block before it ends with the ``loop``
            "iterations": counts.begun[loops],
            "most": state[0][order] if state else np.zeros(len(loops), "i8"),
        }
        return counts.frame(
            counts.function_of[loops].tolist(),
            [counts.last_offset(loop - 1) for loop in loops.tolist()],
            columns,
            counted=("entries", "iterations", "most"),
        )
