"""From finished cells to the tidy frame: one row a cell, with its parameters and the cost of its call.

The columns of the call are those of `Runtime.calls`, with their dtypes. ``call_id`` counts in the runtime of
``run_id``, of which every worker has its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.experiments.sweep.grid import Grid
from judicia_notebook.records import frames
from judicia_notebook.text import with_plugin_text

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.experiments.sweep.journal import Entry


def frame(grid: Grid, entries: Mapping[int, Entry]) -> pd.DataFrame:
    """The finished cells in the order of the grid. ``frame.attrs`` says how many ``cells`` there are in all."""
    import pandas as pd

    cells = sorted(entries)
    names = list(dict.fromkeys(name for params in grid.params for name in params))
    params = [grid.params[cell // grid.repeats] for cell in cells]
    workers = {name: number for number, name in enumerate(dict.fromkeys(entry.worker for entry in entries.values()))}
    columns: dict[str, Any] = {
        "cell": pd.array(cells, dtype="int64"),
        "repeat": pd.array([cell % grid.repeats for cell in cells], dtype="int64"),
        **{name: _param([values.get(name) for values in params]) for name in names},
        "worker": pd.array([workers[entries[cell].worker] for cell in cells], dtype="int64"),
    }
    calls = [msgspec.json.decode(entries[cell].call) for cell in cells]
    made = pd.DataFrame(columns | frames.of_values(calls))
    made.attrs["cells"] = grid.size
    return with_plugin_text(made)


def _param(values: list[Any]) -> Any:
    """A column in the dtype of its values, also where some are missing; as objects where that would change a value."""
    import pandas as pd

    present = [value for value in values if value is not None]
    dtypes = _DTYPES.get(_kind(present), ("object", "object"))
    return pd.Series(values, dtype=dtypes[len(present) < len(values)])


_DTYPES = {
    "bool": ("bool", "boolean"), "int64": ("int64", "Int64"), "uint64": ("uint64", "UInt64"),
    "float": ("float64", "Float64"), "text": ("str", "str"),
}  # fmt: skip
"""For each kind the dtype without and with values missing."""


def _kind(present: list[Any]) -> str:
    kinds = set(map(type, present))
    if kinds == {bool}:
        return "bool"
    if kinds == {str}:
        return "text"
    if kinds == {int}:
        low, high = min(present), max(present)
        return "int64" if low >= -(1 << 63) and high < 1 << 63 else "uint64" if low >= 0 and high < 1 << 64 else ""
    if kinds and kinds <= {int, float} and all(float(value) == value for value in present):
        return "float"
    return ""
