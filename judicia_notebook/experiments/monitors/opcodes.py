"""Which instructions ran, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from judicia_notebook.experiments.monitoring.monitor import Kit, Monitor
from judicia_notebook.wasm.rewriting.counters import BlockCounters

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts


class Opcodes(Monitor):
    """A row for each instruction that ran in a function; their sum is that of all instructions."""

    name = "opcodes"
    about = "the instructions that ran, by function"
    keys = ("function", "opcode")
    numbers = ("count",)
    is_by_name = True

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        kit.get(BlockCounters)

    def frame(self, counts: Counts, state: Any) -> pd.DataFrame:  # noqa: ARG002  # sums are enough
        """See `Monitor.frame`."""
        import numpy as np
        import pandas as pd

        found = counts.mix()
        rows = sorted(found, key=lambda row: (row[0], -found[row], row[1]))
        columns = {
            "opcode": pd.Series([opcode for _, opcode in rows], dtype="str"),
            "count": np.array([found[row] for row in rows], "i8"),
        }
        functions = [function for function, _ in rows]
        return counts.frame(
            functions, [counts.first_offset(function) for function in functions], columns, counted=("count",)
        )
