"""`judicia_notebook.read_sweep`: the frame of a sweep from its file alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.sweep.journal import FORMAT_WITHOUT_DESCRIPTION, Entry, Head, read_entries, read_head
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.text import printable
from judicia_notebook.units import format_count, format_size, parse_size

if TYPE_CHECKING:
    import pandas as pd

MOST_BYTES = 256 << 20
_MOST_REPEATS = 1 << 40
_MOST_PARAMS = 1000
_BYTES_A_CELL = 6  # as in the file of a run


@tells_interrupts("Reading the sweep was interrupted.")
def read_sweep(path: str | os.PathLike[str], *, anonymous: bool = False, most: int | str = MOST_BYTES) -> pd.DataFrame:
    """Read the file of `sweep`: the frame of the cells that were finished, as `sweep` gives it.

    Nothing of the sweep is needed, neither its modules nor its payloads. Nothing in the file is run, and its size is
    bounded, so it may be a stranger's. Of files of the first format, which do not name their payloads and quotas, the
    frame has no ``param_*`` columns; `sweep` with the same arguments and path gives them the present one.

    Parameters
    ----------
    path : path
    anonymous : bool
        Whether to leave out the names of its user and machine, as `Run.save` does.
    most : int or str
        How many bytes the file may have, such as ``"2GiB"``; 256 MiB if nothing is said.

    Returns
    -------
    DataFrame
        ``attrs["sweep"]`` has what the file says of the grid: the plugins with their digests, grants and quotas, the
        axes, and with what machine and packages it was begun. With monitors it has ``counts``, as `sweep` gives it.

    Raises
    ------
    JudiciaError
        It is no such file, it is damaged, too large, or of a later format; it has counts, and is to be anonymous.
    OSError

    Examples
    --------
    >>> import judicia_notebook as jn, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "study.jsonl"
    ...     made = jn.sweep("example:specimen", "echo", [1, 2], repeats=2, path=path, progress=False)
    ...     jn.read_sweep(path)["param_payload"].tolist()
    [1, 1, 2, 2]
    """
    from judicia_notebook.experiments.sweep.table import frame

    named, limit = Path(path), parse_size(most)
    with named.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise JudiciaError(f"{named.name} has more than {format_size(limit)} (most=).")
    whole = data.rfind(b"\n") + 1
    first, *lines = data[:whole].splitlines() or [b""]
    del data
    head = read_head(named.name, first)
    entries: dict[int, Entry] = {}
    finished = read_entries(named.name, lines)
    for entry in finished.entries:
        entries.setdefault(entry.cell, entry)
    repeats, size, params = _shape(named.name, head)
    if params * len(entries) > limit // _BYTES_A_CELL:
        raise JudiciaError(f"{named.name} has more parameters than its size allows (most=).")
    if wrong := [cell for cell in entries if not 0 <= cell < size]:
        raise JudiciaError(f"{named.name} has the cell {wrong[0]}, and its grid has {format_count(size)} cells.")
    params_of = head.description.params if head.format != FORMAT_WITHOUT_DESCRIPTION else lambda _: {}
    is_counted = bool(head.grid.get("monitors"))
    if anonymous and is_counted:
        raise JudiciaError(
            f"{named.name} has counts of monitors, which name functions and source files: they cannot be anonymous.",
            hint="jn.read_sweep(path) reads it with all names.",
        )
    made = frame(params_of, repeats, size, head, entries, finished.columns if is_counted else None)
    if not anonymous:
        return made
    from judicia_notebook.analysis.runs.anonymity import anonymous_sweep

    return anonymous_sweep(made)


def _shape(name: str, head: Head) -> tuple[int, int, int]:
    """Repeats, cells and parameters of the grid.

    Raises
    ------
    JudiciaError
    """
    repeats: Any = head.grid.get("repeats")
    if type(repeats) is not int or not 0 < repeats < _MOST_REPEATS:
        raise JudiciaError(f"{name} says no number of repeats.")
    size, params = repeats, 0
    for axis in head.description.axes:
        size *= len(axis)
        columns = {column for level in axis for column in level}
        params += len(columns)
        if len(columns) > _MOST_PARAMS:
            raise JudiciaError(f"{name} names {format_count(len(columns))} parameters, more than {_MOST_PARAMS}.")
        if wrong := [column for column in columns if printable(column, 200) != column]:
            raise JudiciaError(f"{name} names a parameter {printable(wrong[0], 80)!r}.")
    return repeats, size if head.format != FORMAT_WITHOUT_DESCRIPTION else _MOST_REPEATS, params
