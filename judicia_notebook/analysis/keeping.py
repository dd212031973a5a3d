"""`Runtime.save`: what a runtime recorded, kept in a file. Knows the recorder; the rest is that of `metrics.runs`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from judicia_notebook.errors import tells_interrupts

if TYPE_CHECKING:
    from judicia_notebook.records.recorder import Recorder


class Recorded(Protocol):
    """What is needed of the runtime."""

    recorder: Recorder


@tells_interrupts("Saving was interrupted; nothing was written.")
def save(self: Recorded, path: str | os.PathLike[str], *, anonymous: bool = False) -> Path:
    """Keep everything that was recorded until now in a file, for `read_run`, a colleague, or a paper's supplement.

    The file is a zip of one CSV a frame, and a ``meta.json`` with units, versions, machine and clocks.

    Parameters
    ----------
    path : path
        Such as ``"run.zip"``. What stands there is replaced.
    anonymous : bool
        For a review that must not know whose it is: plugins, digests, threads, targets, grants' scopes and all free
        texts are replaced by numbers, instants count from 1970. Names of functions and labels stay.

    Returns
    -------
    Path

    Raises
    ------
    OSError
    """
    from judicia_notebook.analysis.runs import archive, run

    return archive.save(run.of_recorder(self.recorder), path, anonymous=anonymous)
