"""The frames of one run as values: the contents of a file, and the result of `read_run`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.runs import archive, parquet, sweep_frames, tables
from judicia_notebook.analysis.runs.tables import TABLES, Tables
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.text import printable
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.records.recorder import Recorder


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """The records of one runtime, with the frames and columns that the runtime itself has.

    Attributes
    ----------
    calls, host_calls, samples, logs, audit, policies : DataFrame
        As those of `Runtime`.
    meta : mapping
        When and with what it was recorded: ``run_id``, ``began``, ``machine``, ``clocks``, ``packages``, the digests
        of the ``plugins``, and whether it is ``anonymous``.
    sweeps : mapping of str to DataFrame
        Frames of `sweep` that were saved with it, by the names they were given.
    """

    calls: pd.DataFrame
    host_calls: pd.DataFrame
    samples: pd.DataFrame
    logs: pd.DataFrame
    audit: pd.DataFrame
    policies: pd.DataFrame
    meta: Mapping[str, Any]
    sweeps: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The frames by name."""
        return {name: getattr(self, name) for name in TABLES}

    def save(self, path: str | os.PathLike[str], *, anonymous: bool = False) -> Path:
        """Write it to a file, as `Runtime.save` does."""
        return archive.save(Tables(self.frames, self.meta, self.sweeps), path, anonymous=anonymous)

    def to_parquet(self, folder: str | os.PathLike[str], *, anonymous: bool = False) -> Path:
        """Write it as Parquet, as `Runtime.to_parquet` does."""
        return parquet.write(Tables(self.frames, self.meta, self.sweeps), folder, anonymous=anonymous)

    def title(self) -> tuple[str, str]:
        """The run's id and time, for people."""
        if self.meta.get("anonymous"):
            return self._name, ""
        return self._name, str(self.meta.get("began", ""))[:19].replace("T", " ")

    @property
    def _name(self) -> str:
        if self.meta.get("anonymous"):
            return "anonymous run"
        return f"run {printable(str(self.meta.get('run_id', '')), 80)}".strip()

    def rows(self) -> list[tuple[str, str]]:
        """Its contents, machine and packages, for people."""
        frames = self.frames
        counts = [format_count(len(frame)) + f" {name.replace('_', ' ')}" for name, frame in frames.items()]
        dropped = [f"{format_count(frame.attrs['dropped'])} {name.replace('_', ' ')}"
                   for name, frame in frames.items() if frame.attrs.get("dropped")]  # fmt: skip
        rows = [
            ("holds", ", ".join(counts)),
            ("sweeps", ", ".join(f"{name} ({format_count(len(frame))} cells)" for name, frame in self.sweeps.items())),
            ("dropped before", ", ".join(dropped)),
            ("plugins", ", ".join(self._of("plugins"))),
            ("machine", ", ".join(str(self._of("machine").get(part) or "") for part in ("system", "processor"))),
            ("packages", ", ".join(f"{name} {version}" for name, version in self._of("packages").items())),
        ]
        return [(head, text) for head, text in rows if text.strip(" ,")]

    def _of(self, part: str) -> Mapping[str, Any]:
        """A part of `meta`, of which a file may say anything."""
        found = self.meta.get(part)
        return found if isinstance(found, Mapping) else {}

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(frame):,} {name.replace('_', ' ')}" for name, frame in self.frames.items())
        return f"<{self._name}: {counts}>"


def of_recorder(recorder: Recorder) -> Run:
    """The present contents of a recorder."""
    made = tables.of_recorder(recorder)
    return Run(**made.frames, meta=made.meta)


@tells_interrupts("Saving was interrupted; nothing was written.")
def save_run(
    recorder: Recorder,
    path: str | os.PathLike[str],
    *,
    anonymous: bool = False,
    sweeps: Mapping[str, pd.DataFrame] | None = None,
) -> Path:
    """Write the present contents of a recorder; `Runtime.save` says more.

    Raises
    ------
    OSError
    ValueError
    """
    sweep_frames.check_names(sweeps or {})
    return archive.save(tables.of_recorder(recorder)._replace(sweeps=sweeps or {}), path, anonymous=anonymous)


@tells_interrupts("Writing was interrupted; there is no such folder.")
def write_parquet(
    recorder: Recorder,
    folder: str | os.PathLike[str],
    *,
    anonymous: bool = False,
    sweeps: Mapping[str, pd.DataFrame] | None = None,
) -> Path:
    """Write the present contents of a recorder as Parquet; `Runtime.to_parquet` says more.

    Raises
    ------
    JudiciaError, OSError, ValueError
    """
    return parquet.write(tables.of_recorder(recorder)._replace(sweeps=sweeps or {}), folder, anonymous=anonymous)


@tells_interrupts("Reading the run was interrupted.")
def read_run(path: str | os.PathLike[str], *, most: int | str = archive.MOST_BYTES) -> Run:
    """Read a file of `Runtime.save`: the same frames, with the same dtypes.

    Nothing in the file is run, and its size is bounded, so it may be a stranger's.

    Parameters
    ----------
    path : path
    most : int or str
        How many bytes it may have when it is unpacked, such as ``"2GiB"``; 256 MiB if nothing is said. Reading takes
        up to about five times as much memory, mostly twice.

    Raises
    ------
    JudiciaError
        It is no such file, it is damaged, too large, or of a later version.
    OSError

    Examples
    --------
    >>> import judicia_notebook as jn, pathlib, tempfile
    >>> with jn.Runtime() as rt, tempfile.TemporaryDirectory() as folder:
    ...     checker = rt.load("example:checker")
    ...     answer = checker.call("check", {"output": "4", "answer": "4"})
    ...     saved = rt.save(pathlib.Path(folder) / "run.zip")
    ...     jn.read_run(saved).calls["outcome"].tolist()
    ['ok']
    """
    made = archive.read(path, most)
    return Run(**made.frames, meta=made.meta, sweeps=made.sweeps)
