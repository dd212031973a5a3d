"""From finished cells to the tidy frame: one row a cell, with its parameters and the cost of its call.

The columns of the call are those of `Runtime.calls`, with their dtypes. ``call_id`` counts in the runtime of
``run_id``, of which every worker has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.records import frames
from judicia_notebook.records.columns import array_of
from judicia_notebook.text import with_plugin_text

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.sweep.journal import Entry, Head


def frame(
    params_of: Callable[[int], Mapping[str, Any]],
    repeats: int,
    size: int,
    head: Head,
    entries: Mapping[int, Entry],
    counted: Mapping[str, bytes] | None = None,
) -> pd.DataFrame:
    """The finished cells in the order of the grid.

    Parameters
    ----------
    params_of : callable
        Takes the number of a configuration, and gives its ``param_*`` columns.
    size : int
        How many cells there are in all: ``frame.attrs["cells"]``.
    head : Head
        ``frame.attrs["sweep"]`` has what it says.
    counted : mapping, optional
        Of a sweep with monitors: the columns of their frames, by their digests.
    """
    import pandas as pd

    cells = sorted(entries)
    of_configuration = {number: params_of(number) for number in {cell // repeats for cell in cells}}
    params = [of_configuration[cell // repeats] for cell in cells]
    names = list(dict.fromkeys(name for values in params for name in values))
    workers = {name: number for number, name in enumerate(dict.fromkeys(entry.worker for entry in entries.values()))}
    columns: dict[str, Any] = {
        "cell": pd.array(cells, dtype="int64"),
        "repeat": pd.array([cell % repeats for cell in cells], dtype="int64"),
        **{name: array_of([values.get(name) for values in params], mixed="object") for name in names},
        "worker": pd.array([workers[entries[cell].worker] for cell in cells], dtype="int64"),
    }
    calls = [msgspec.json.decode(entries[cell].call) for cell in cells]
    made = pd.DataFrame(columns | frames.of_values(calls))
    made.attrs["cells"] = size
    said = {"grid": head.grid, "plugins": head.description.plugins, "about": head.about}
    made.attrs["sweep"] = msgspec.json.decode(msgspec.json.encode(said))  # as it is read from a file
    with_plugin_text(made)
    if counted is None:
        return made
    from judicia_notebook.experiments.sweep.monitored import CountedCell, SweepCounts, with_counts

    there = [
        CountedCell(cell, cell % repeats, values, entries[cell].counts)
        for cell, values in zip(cells, params, strict=True)
    ]
    return with_counts(made, SweepCounts(there, counted))
