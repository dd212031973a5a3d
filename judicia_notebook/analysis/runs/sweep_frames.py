"""Frames of sweeps in the file of a run: which columns one has, and what the file says of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from judicia_notebook.analysis.runs import named_columns
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd

MOST_SWEEPS = 100
PARAM = "param_"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class Stated(msgspec.Struct):
    """What a file says of a sweep.

    Attributes
    ----------
    never_na : list of str
        The texts among its columns in which an empty cell is an empty text.
    cells : int
        How many there are in all.
    about : dict
        The frame's ``attrs["sweep"]``.
    """

    rows: int
    columns: dict[str, str]
    never_na: list[str] = []
    cells: int = 0
    about: dict[str, Any] = {}


def member(name: str) -> str:
    """The file's member that has a sweep."""
    return f"sweeps/{name}.csv"


def check_names(names: Iterable[Any]) -> None:
    """Refuse names of which no member can be made.

    Raises
    ------
    ValueError
    """
    for count, name in enumerate(names, 1):
        if count > MOST_SWEEPS:
            raise ValueError(f"a run keeps at most {MOST_SWEEPS} sweeps")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"a sweep's name is at most 64 letters, digits, '_', '-' and '.', not {printable(str(name), 80)!r}"
            )


def check_no_counts(sweeps: Mapping[str, pd.DataFrame]) -> None:
    """Refuse sweeps that carried monitors: the file of a run has frames of calls, and what was counted would be lost.

    Raises
    ------
    ValueError
    """
    for name, frame in sweeps.items():
        about = frame.attrs.get("sweep")
        grid = about.get("grid") if isinstance(about, Mapping) else None
        if isinstance(grid, Mapping) and grid.get("monitors"):
            raise ValueError(
                f"sweeps[{name!r}] carried monitors, and a run keeps no counts: the file of jn.sweep(path=) does"
            )


def stated(name: str, frame: pd.DataFrame, calls: pd.DataFrame) -> Stated:
    """What the file says of a frame.

    Parameters
    ----------
    calls : DataFrame
        One of `Runtime.calls` without rows.

    Raises
    ------
    ValueError
        It is no frame of a sweep.
    """
    columns = {str(column): str(dtype) for column, dtype in frame.dtypes.items()}
    wanted = {column: str(dtype) for column, dtype in pattern(columns, calls).dtypes.items()}
    if columns != wanted or list(columns) != list(wanted):
        wrong = [column for column in [*wanted, *columns] if columns.get(column) != wanted.get(column)]
        which = f"look at its column {printable(wrong[0], 80)}" if wrong else "its columns are in another order"
        raise ValueError(f"sweeps[{name!r}] is no frame of jn.sweep or jn.read_sweep: {which}")
    full = [
        column
        for column in columns
        if column.startswith(PARAM) and columns[column] == "str" and frame[column].notna().all()
    ]
    cells = int(frame.attrs.get("cells", len(frame)))
    return Stated(len(frame), columns, full, cells, dict(frame.attrs.get("sweep", {})))


def pattern(columns: Mapping[str, str], calls: pd.DataFrame) -> pd.DataFrame:
    """A frame of a sweep without rows, with those columns of parameters and labels that are stated.

    Raises
    ------
    ValueError
    """
    import pandas as pd

    numbers = {name: pd.Series([], dtype="int64") for name in ("cell", "repeat", "worker")}
    whole = pd.concat([pd.DataFrame(numbers), calls.iloc[:0]], axis=1)
    with_params = named_columns.added(whole, columns, PARAM, "repeat", lambda name: 0 < len(name) <= _LONGEST_PARAM)
    return named_columns.with_labels(with_params, columns)


_LONGEST_PARAM = 200
