"""The size of a SQLite database on disk, all its files together, and the way it stays within a limit.

- SQLite writes changes to a write-ahead log first, and from there to the file. It begins the log anew only when no
  statement reads from it: while reading statements overlap, the log grows with each transaction.
- A transaction writes each page it changes to the log once: at most as many pages as the database has afterwards. So a
  database may have as many pages as fit twice beside the present log. The host sets this as SQLite's own limit on pages
  for each transaction.
- Where the log takes too much of the room, the host empties it first. For that the statements that read must end, and
  new statements wait at the `Gate`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PAGE_BYTES: Final = 4096
_FRAME_BYTES: Final = PAGE_BYTES + 24  # a page in the log
_INDEX_BYTES: Final = 32 << 10  # the log's index has such pieces, one for each 4096 pages in the log
_SPARE_FRAMES: Final = 4  # the last page of a transaction can be in the log twice
_PAIR_BYTES: Final = PAGE_BYTES + _FRAME_BYTES + _INDEX_BYTES // 4096
_FIXED_BYTES: Final = 2 * _INDEX_BYTES + 32 + _SPARE_FRAMES * _FRAME_BYTES


def log_bytes(file: Path) -> int:
    """Bytes of a database's log as it lies on the disk."""
    try:
        return file.with_name(f"{file.name}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def pages_within(limit: int, log: int) -> int:
    """How many pages a database may have after a transaction, so that all its files stay within `limit` bytes.

    Parameters
    ----------
    log : int
        Bytes of its log as the transaction begins.

    Examples
    --------
    >>> pages_within(1 << 20, 0), pages_within(1 << 20, 600_000)
    (117, 44)
    """
    return max(0, (limit - log - _FIXED_BYTES) // _PAIR_BYTES)


class Gate:
    """Keeps statements from beginning on a file whose log is being emptied."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._emptying: Counter[str] = Counter()

    @contextmanager
    def closed(self, schema: str) -> Iterator[None]:
        """Let no statement begin there while this block runs."""
        with self._lock:
            self._emptying[schema] += 1
        try:
            yield
        finally:
            with self._lock:
                self._emptying[schema] -= 1

    def is_open(self, schemas: Collection[str]) -> bool:
        """Whether a statement may begin on all of these files."""
        return not any(self._emptying[schema] for schema in schemas)
