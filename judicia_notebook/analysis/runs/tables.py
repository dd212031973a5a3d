"""The tables of a run as plain values, which the archive writes and reads. Knows no `Run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.records.rows import SCHEMAS

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.records.recorder import Recorder

TABLES = tuple(SCHEMAS)
"""The frames of a run, named as the properties of `Runtime` are."""


class Tables(NamedTuple):
    """The frames of a run by name, and their origin."""

    frames: Mapping[str, pd.DataFrame]
    meta: Mapping[str, Any]
    sweeps: Mapping[str, pd.DataFrame] = {}


def of_recorder(recorder: Recorder) -> Tables:
    """The present contents of a recorder."""
    from judicia_notebook.analysis.runs import environment
    from judicia_notebook.records import frames

    made = {name: getattr(frames, name)(recorder) for name in TABLES}
    calls = made["calls"]
    known = calls[["plugin", "digest"]].drop_duplicates().dropna()
    plugins: dict[str, list[str]] = {}
    for plugin, digest in zip(known["plugin"], known["digest"], strict=True):
        plugins.setdefault(str(plugin), []).append(str(digest))
    meta = {
        "run_id": recorder.run_id,
        "began": recorder.began_utc.isoformat(),
        "plugins": plugins,
        "engines": recorder.describe_engines(),
        **environment.describe(),
    }
    return Tables(made, meta)
