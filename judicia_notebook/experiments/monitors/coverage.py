"""Which basic blocks ran, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.experiments.monitoring.monitor import Kit, Monitor
from judicia_notebook.wasm.rewriting.counters import BlockCounters

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts


class Coverage(Monitor):
    """A row for each block that can run, in the order of the file."""

    name = "coverage"
    about = "which blocks ran, and how often"
    keys = ("block",)
    numbers = ("count",)

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        kit.get(BlockCounters)

    def frame(self, counts: Counts, state: Any) -> pd.DataFrame:  # noqa: ARG002  # sums are enough
        """See `Monitor.frame`."""
        blocks, shown = counts.blocks, counts.reachable.nonzero()[0]
        columns = {
            "block": shown,
            "instructions": counts.sizes[shown],
            "count": counts.begun[shown],
            "covered": counts.begun[shown] > 0,
            "instructions_covered": counts.reached[shown],
        }
        return counts.frame(
            counts.function_of[shown].tolist(),
            [blocks.start[block] for block in shown.tolist()],
            columns,
            ends=[blocks.end[block] for block in shown.tolist()],
            counted=("count", "covered", "instructions_covered"),
        )
