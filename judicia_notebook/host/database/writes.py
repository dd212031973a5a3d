"""How much this thread has written to disk so far.

SQLite has no limit for the temporary files of one statement. Linux counts what each thread writes, and a statement has
its thread to itself while it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_COUNTS: Final = Path("/proc/thread-self/io")


def written_by_this_thread() -> int | None:
    """Bytes handed to the system for writing; None where the system does not say."""
    try:
        for line in _COUNTS.read_bytes().splitlines():
            if line.startswith(b"wchar: "):
                return int(line[7:])
    except (OSError, ValueError):
        pass
    return None
