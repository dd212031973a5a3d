"""The limits on files: bytes and entries of a folder, and the bytes and names that a request moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from judicia_notebook.policy.limits import LimitTable, limit


@dataclass(frozen=True, slots=True)
class FileLimits:
    """The limits in force. Sizes are bytes.

    Examples
    --------
    >>> FileLimits(folder_files=10).folder_files, FileLimits().entries
    (10, 10000)
    """

    file_bytes: int = limit(8 << 20, "bytes", "request", "one file that is read or written")
    folder_bytes: int = limit(
        64 << 20,
        "bytes",
        "folder",
        "all private files together; of a mapped folder, what plugins wrote there since the runtime began",
    )
    folder_files: int = limit(1000, "files and folders", "folder", "likewise")
    entries: int = limit(10_000, "entries", "request", "that one `list` gives")


KINDS: Final = LimitTable(FileLimits, "files", "files")
