"""How often each branch was taken and not, and how often each target of a ``br_table`` was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from judicia_notebook.experiments.monitoring.monitor import Kit, Monitor
from judicia_notebook.wasm.opcodes import OPCODES
from judicia_notebook.wasm.rewriting.counters import BlockCounters, TableCounters

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts

_IF, _GC = 0x04, 0xFB
_CONDITIONAL: Final = {_IF: "if", 0x0D: "br_if", 0xD5: "br_on_null", 0xD6: "br_on_non_null", _GC: "br_on_cast"}
assert OPCODES[0x0D].name == "br_if"  # noqa: S101  # the numbers above are those of the table


class Branches(Monitor):
    """A row for each ``if``, ``br_if`` and ``br_on_...``, and for each target of a ``br_table``."""

    name = "branches"
    about = "how often each branch was taken and not"
    keys = ("block", "target")
    numbers = ("taken", "not_taken")

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        kit.get(BlockCounters)
        self._tables = kit.get(TableCounters)

    def frame(self, counts: Counts, state: Any) -> pd.DataFrame:  # noqa: ARG002  # sums are enough
        """See `Monitor.frame`."""
        import numpy as np
        import pandas as pd

        blocks = counts.blocks
        rows: list[tuple[int, str, str | None, int, int]] = []
        tables = dict(zip(self._tables.sites["block"], self._tables.read(counts.memory), strict=True))
        for block in counts.reachable.nonzero()[0].tolist():
            kind = _CONDITIONAL.get(blocks.last[block])
            if kind is not None:
                there, after = int(counts.ended[block]), int(counts.begun[block + 1])
                # Directly behind an ``if`` is what it guards; behind all others what they jump over.
                taken, not_taken = (after, there - after) if kind == "if" else (there - after, after)
                rows.append((block, kind, None, taken, not_taken))
            elif block in tables:
                whole, last = sum(tables[block]), len(tables[block]) - 1
                for target, chosen in enumerate(tables[block]):
                    shown = "default" if target == last else str(target)
                    rows.append((block, "br_table", shown, chosen, whole - chosen))
        columns = {
            "block": np.array([row[0] for row in rows], "i8"),
            "kind": pd.Series([row[1] for row in rows], dtype="str"),
            "target": pd.Series([row[2] for row in rows], dtype="str"),
            "taken": np.array([row[3] for row in rows], "i8"),
            "not_taken": np.array([row[4] for row in rows], "i8"),
        }
        shown_blocks = [row[0] for row in rows]
        return counts.frame(
            [blocks.function[block] for block in shown_blocks],
            [counts.last_offset(block) for block in shown_blocks],
            columns,
            counted=("taken", "not_taken"),
        )
