"""Reads and writes of each page of 64 KiB of each memory, and in which order pages were touched first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from judicia_notebook.experiments.monitoring.counts import opcode_name
from judicia_notebook.experiments.monitoring.monitor import CallEnd, Cut, Kit, Monitor
from judicia_notebook.text import with_plugin_text
from judicia_notebook.wasm.rewriting.counters import PageCounters

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from judicia_notebook.experiments.monitoring.counts import Counts

_Page = tuple[int, int]
_SEVERAL: Final = {"memory.copy", "memory.init"}


class _Touched(NamedTuple):
    """Which page touched for the first time each page was, from 1; and where calls were cut."""

    first: dict[_Page, int]
    cuts: list[Cut]


class Memory(Monitor):
    """A row for each page that was read or written. Pages belong to no function; ``accesses`` tells those apart."""

    name = "memory"
    about = "reads and writes of each page of 64 KiB"
    keys = ("memory", "page")
    numbers = ("reads", "writes", "bytes_read", "bytes_written")

    def prepare(self, kit: Kit) -> None:
        """See `Monitor.prepare`."""
        self._pages = kit.get(PageCounters)

    def start(self) -> _Touched:
        """See `Monitor.start`."""
        return _Touched({}, [])

    def collect(self, state: _Touched, memory: bytes, end: CallEnd) -> None:
        """See `Monitor.collect`: the pages in the order in which this call touched them."""
        for number, rows in enumerate(self._rows(memory)):
            touched = rows[:, 4].nonzero()[0]
            for page in touched[rows[touched, 4].argsort(kind="stable")].tolist():
                state.first.setdefault((number, page), len(state.first) + 1)
        if end.cut is not None:
            state.cuts.append(end.cut)

    def _rows(self, memory: bytes) -> list[np.ndarray]:
        """Of each memory the numbers of its pages."""
        import numpy as np

        places = zip(self._pages.tables, self._pages.pages, strict=True)
        return [np.frombuffer(memory, "<u8", 5 * pages, table).reshape(-1, 5) for table, pages in places]

    def frame(self, counts: Counts, state: _Touched) -> pd.DataFrame:
        """See `Monitor.frame`."""
        import numpy as np
        import pandas as pd

        order, tables = sorted(state.first), self._rows(counts.memory)
        rows = np.array([tables[number][page][:4] for number, page in order], "i8").reshape(-1, 4)
        columns: dict[str, Any] = {
            "memory": np.array([number for number, _ in order], "i8"),
            "page": np.array([page for _, page in order], "i8"),
        }
        # Of a copy that trapped, the half that was within bounds is among the counts, and nothing was moved.
        stops = [opcode_name(counts.instructions_of(cut.block)[cut.begun - 1]) for cut in state.cuts]
        unknown = np.full(len(order), not _SEVERAL.isdisjoint(stops))
        columns |= {name: pd.arrays.IntegerArray(rows[:, place], unknown) for place, name in enumerate(self.numbers)}
        columns["first_touch"] = np.array([state.first[each] for each in order], "i8")
        return with_plugin_text(pd.DataFrame(columns))
