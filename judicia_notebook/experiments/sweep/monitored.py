"""The frame of a sweep that carried monitors, and the tidy frames of what they counted.

This module is imported where such a frame is made. A file of a stranger may name one column in many cells, so no frame
is made with more than `MOST_VALUES`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import pandas as pd  # noqa: TID253  # the class below is one of its own

from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.sweep import counts
from judicia_notebook.records.columns import array_of
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    from judicia_notebook.experiments.sweep.counts import Referred

MOST_VALUES: Final = 200_000_000
"""Rows times columns of a tidy frame."""


class CountedCell(NamedTuple):
    """A cell: its number, its repeat, its ``param_*`` columns, and the frames of its monitors."""

    cell: int
    repeat: int
    params: Mapping[str, Any]
    referred: Mapping[str, Referred]


class SweepCounts(Mapping[str, pd.DataFrame]):
    """The frames of a sweep's monitors by their names: those of `Plugin.monitor`, with what was varied before them.

    A row of a frame is one of a cell: ``cell`` and ``repeat``, the ``param_*`` columns of the sweep, and the monitor's
    own columns. A cell in which nothing ran has no rows. Frames are made when they are asked for.
    """

    def __init__(self, cells: Sequence[CountedCell], columns: Mapping[str, bytes]) -> None:
        self._cells = tuple(cells)
        self._columns = columns

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._names:
            raise KeyError(f"{printable(str(name), 80)} was not monitored, but {', '.join(self._names) or 'nothing'}")
        return self.of(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for cell in self._cells for name in cell.referred))

    def of(self, name: str, cells: Collection[int] | None = None) -> pd.DataFrame:
        """The frame of a monitor, of some cells alone.

        Parameters
        ----------
        name : str
        cells : collection of int, optional
            Their numbers, as the column ``cell`` has them; all by default.

        Raises
        ------
        JudiciaError
            It would be too large; the columns of a damaged file do not fit together.
        """
        import numpy as np

        chosen = [each for each in self._cells if name in each.referred and (cells is None or each.cell in cells)]
        arrays: dict[str, Any] = {}
        size = 0
        rows = []
        for each in chosen:
            own = each.referred[name].columns.values()
            arrays |= {digest: counts.decode(self._columns[digest]) for digest in own if digest not in arrays}
            lengths = {len(arrays[digest]) for digest in own}
            if len(lengths) > 1 or list(each.referred[name].columns) != list(chosen[0].referred[name].columns):
                raise JudiciaError(f"The columns of {name} in cell {each.cell} do not fit together.")
            rows.append(lengths.pop() if lengths else 0)
            size += rows[-1] * (len(own) + len(each.params) + 2)
            if size > MOST_VALUES:
                raise JudiciaError(
                    f"The frame of {name} has more than {format_count(MOST_VALUES)} values.",
                    hint=f"Of some cells:  frame.counts.of({name!r}, cells=range(10))",
                )
        params = list(dict.fromkeys(column for each in chosen for column in each.params))
        heads: dict[str, Any] = {
            "cell": pd.array([each.cell for each in chosen], dtype="int64"),
            "repeat": pd.array([each.repeat for each in chosen], dtype="int64"),
            **{column: array_of([each.params.get(column) for each in chosen], mixed="object") for column in params},
        }
        made = pd.DataFrame(heads).take(np.repeat(np.arange(len(chosen)), rows)).reset_index(drop=True)
        for column in chosen[0].referred[name].columns if chosen else ():
            parts = [pd.Series(arrays[each.referred[name].columns[column]]) for each in chosen]
            made[column] = pd.concat(parts, ignore_index=True)
        for key in counts.SUMMED:
            if any(key in each.referred[name].sums for each in chosen):
                made.attrs[key] = sum(each.referred[name].sums.get(key, 0) for each in chosen)
        return with_plugin_text(made)

    def __repr__(self) -> str:
        return f"<SweepCounts: {', '.join(self._names) or 'nothing'} of {format_count(len(self._cells))} cells>"


class MonitoredSweep(pd.DataFrame):  # type: ignore[misc]  # pandas tells no types
    """The cells of a sweep, and in `counts` what its monitors counted in them.

    Frames that pandas makes of it are plain ones, without `counts`.

    Attributes
    ----------
    counts : SweepCounts
        A frame for each monitor, by its name.
    """

    _metadata: ClassVar[list[str]] = ["counts"]  # so it is pickled, too
    counts: SweepCounts


def with_counts(frame: pd.DataFrame, found: SweepCounts) -> MonitoredSweep:
    """The same frame, with what was counted."""
    made = MonitoredSweep(frame)
    made.attrs = dict(frame.attrs)
    made.counts = found
    return made
