"""A run as a folder of Parquet files, one a frame, for programs that read these: dtypes and NA are in the files.

They are written for other programs. `read_run` does not read them: a file of a stranger would be parsed outside of any
bounds of ours.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from judicia_notebook.analysis.runs import anonymity, archive, sweep_frames
from judicia_notebook.errors import JudiciaError
from judicia_notebook.records.columns import texts

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.analysis.runs.tables import Tables


def write(run: Tables, folder: str | os.PathLike[str], *, anonymous: bool = False) -> Path:
    """Write the tables of a run; the folder appears when it is whole.

    Raises
    ------
    JudiciaError
        pyarrow is not installed.
    FileExistsError
        There is something at the path.
    ValueError
        A frame among the sweeps is none, has a name that none can have, or carried monitors.
    OSError
    """
    try:
        import pyarrow as pa  # noqa: F401  # pandas would say so less clearly
    except ImportError:
        raise JudiciaError(
            "Parquet needs pyarrow, which is not installed.",
            hint="python -m pip install 'judicia-notebook[parquet]'",
        ) from None
    sweep_frames.check_no_counts(run.sweeps)
    if anonymous and not run.meta.get("anonymous"):
        run = anonymity.anonymous(run)
    target = Path(folder)
    if os.path.lexists(target):
        raise FileExistsError(f"{target} is there already; give the name of a new folder")
    head = archive.head_of(run)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    part.mkdir()
    try:
        (part / "meta.json").write_bytes(head)
        for name, frame in run.frames.items():
            plain(frame).to_parquet(part / f"{name}.parquet")
        for name, frame in run.sweeps.items():
            path = (part / sweep_frames.member(name)).with_suffix(".parquet")
            path.parent.mkdir(exist_ok=True)
            plain(frame).to_parquet(path)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return target


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose columns have one kind of value each: objects are JSON, as in the CSV."""
    objects = {
        name: texts(None if value is None else json.dumps(value, separators=(",", ":")) for value in column).array
        for name, column in frame.items()
        if column.dtype == "object"
    }
    return frame.assign(**objects) if objects else frame
