"""Where a runtime's services keep data: a folder that was given, or a temporary one that goes with the runtime."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from pathlib import Path


class DataFolder:
    """The data folder of one runtime, made when it is asked for; from any thread."""

    def __init__(self, given: str | os.PathLike[str] | None) -> None:
        self._given = Path(given).absolute() if given is not None else None
        self._own: Path | None = None
        self._end: weakref.finalize[[Path, int], DataFolder] | None = None
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where it is; from now on it is there."""
        if self._given is not None:
            self._given.mkdir(parents=True, exist_ok=True)
            return self._given
        with self._lock:
            if self._own is None:
                self._own = Path(tempfile.mkdtemp(prefix="judicia-"))
                self._end = weakref.finalize(self, _remove, self._own, os.getpid())  # at Python's end, too
            return self._own

    def remove_own(self) -> None:
        """Remove the temporary folder; one that was given stays."""
        if self._end is not None:
            self._end()


def _remove(folder: Path, owner: int) -> None:
    """Remove a runtime's temporary folder, unless this is a forked child of its owner."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
