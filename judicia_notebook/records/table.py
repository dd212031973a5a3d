"""A bounded table of packed rows that many threads append to and anyone may read meanwhile.

It does not know what its columns mean.

- Rows live in chunks, one `bytearray` each, written with ``struct.pack_into``. A row is some hundred bytes, where a
  Python object a row would be some thousand, and NumPy reads a chunk without a copy.
- Whatever is not a number, all texts of a row among it, is one tuple: the row's *key*. A chunk keeps each distinct key
  once and the row holds its index. Keys belong to their chunk, so dropping the oldest chunk drops its texts too, and a
  guest that makes every text unique cannot make the table grow.
- The table is over its capacity when it has too many rows or its keys weigh too much. Then the oldest chunk goes, and
  its rows are counted in `dropped`.
- A row's *position* counts from the table's beginning and stays its own for good, also after older rows were dropped.
- Rows below a chunk's `filled` never change, so readers take the lock only to list the chunks.

The lock is re-entrant: a finalizer may run at any bytecode and add a row of its own while its thread is in here.
That may cost one row; with a plain lock it would cost the kernel.
"""

from __future__ import annotations

import struct
import sys
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Hashable, Sequence
from typing import NamedTuple

CHUNK_ROWS = 4096

# A key's tuple and its entry in the list; texts up to _SHORT are nearly always literals that exist anyway.
_KEY_BYTES = 160
_SHORT = 32
_TEXTS = (str, bytes)

Key = tuple[Hashable, ...]

_NUMPY_CODES = {"B": "u1", "I": "<u4", "q": "<i8"}


class Layout:
    """The numbers of a row: names and `struct` codes, and with them the packed form for `struct` and for NumPy."""

    def __init__(self, **columns: str) -> None:
        self.names = ("key", *columns)
        self._codes = ("I", *columns.values())
        self.packed = struct.Struct("<" + "".join(self._codes))

    def numpy_dtype(self) -> list[tuple[str, str]]:
        """What ``numpy.dtype`` needs to read the rows."""
        return [(name, _NUMPY_CODES[code]) for name, code in zip(self.names, self._codes, strict=True)]


class Chunk:
    """Consecutive rows of a table and the keys they use."""

    __slots__ = ("data", "filled", "indexes", "key_bytes", "keys", "room", "start")

    def __init__(self, start: int, room: int, row_bytes: int) -> None:
        self.start = start
        self.room = room
        self.filled = 0
        self.data = bytearray(room * row_bytes)
        self.keys: list[Key] = []
        self.indexes: dict[Key, int] = {}
        self.key_bytes = 0

    def seal(self, row_bytes: int) -> None:
        """Give back what only a growing chunk needs."""
        self.room = self.filled
        self.indexes = {}
        if len(self.data) > self.filled * row_bytes:
            # A new object, since a reader may hold the old one's buffer, which cannot be cut then.
            self.data = self.data[: self.filled * row_bytes]


class Rows(NamedTuple):
    """A run of rows as a reader sees them: `length` rows of `data` from row `first` on."""

    data: bytearray
    keys: Sequence[Key]
    first: int
    length: int


class Table:
    """A ring of at most `capacity` rows whose keys weigh at most about `key_capacity` bytes."""

    def __init__(self, layout: Layout, capacity: int, key_capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a table holds at least one row, not {capacity}")
        self.layout = layout
        self.capacity = capacity
        self.key_capacity = key_capacity
        self.dropped = 0
        self._lock = threading.RLock()
        self._pack_into = layout.packed.pack_into
        self._row_bytes = layout.packed.size
        self._chunk_rows = max(1, min(CHUNK_ROWS, capacity // 8))
        self._chunk = Chunk(0, 0, 0)  # full from the start, so that an unused table costs nothing
        self._sealed: deque[Chunk] = deque()
        self._sealed_rows = 0
        self._sealed_key_bytes = 0

    def add(self, key: Key, *numbers: int) -> int:
        """Append a row and return its position. `numbers` follow the layout."""
        with self._lock:
            chunk = self._chunk
            row = chunk.filled
            if row == chunk.room:
                chunk, row = self._next_chunk(), 0
            index = chunk.indexes.get(key)
            if index is None:
                chunk, index = self._keep(key)
                row = chunk.filled
            self._pack_into(chunk.data, row * self._row_bytes, index, *numbers)
            chunk.filled = row + 1
            return chunk.start + row

    def clear(self) -> None:
        """Forget all rows. The positions of those that follow go on from theirs."""
        with self._lock:
            self._chunk = Chunk(self._chunk.start + self._chunk.filled, 0, 0)
            self._sealed.clear()
            self._sealed_rows = self._sealed_key_bytes = self.dropped = 0

    @property
    def end(self) -> int:
        """The position the next row will get; also how many rows were ever added."""
        with self._lock:
            return self._chunk.start + self._chunk.filled

    def __len__(self) -> int:
        with self._lock:
            return self._sealed_rows + self._chunk.filled

    def row_at(self, position: int) -> tuple[Key, tuple[int, ...]] | None:
        """The key and the numbers of one row; None where it was dropped or does not exist yet."""
        with self._lock:
            chunk = self._chunk
            if position < chunk.start:
                before = bisect_right(self._sealed, position, key=lambda sealed: sealed.start)
                if not before:
                    return None
                chunk = self._sealed[before - 1]
            row = position - chunk.start
            if not 0 <= row < chunk.filled:
                return None
            index, *numbers = self.layout.packed.unpack_from(chunk.data, row * self._row_bytes)
            return chunk.keys[index], tuple(numbers)

    def rows(self, start: int = 0, stop: int | None = None) -> list[Rows]:
        """What is kept of the rows at positions `start` to `stop`, oldest first."""
        with self._lock:
            chunks = [(chunk, chunk.data, chunk.filled) for chunk in (*self._sealed, self._chunk)]
        found = []
        for chunk, data, filled in chunks:
            first = max(start - chunk.start, 0)
            last = filled if stop is None else min(stop - chunk.start, filled)
            if first < last:
                found.append(Rows(data, chunk.keys, first, last - first))
        return found

    def _keep(self, key: Key) -> tuple[Chunk, int]:
        """A place for a key that the chunk has not seen, in a new chunk where this one's keys weigh enough."""
        weight = _KEY_BYTES + sum(
            sys.getsizeof(part) for part in key if isinstance(part, _TEXTS) and len(part) > _SHORT
        )
        chunk = self._chunk
        if chunk.keys and chunk.key_bytes + weight > self.key_capacity // 16:
            chunk = self._next_chunk()
        index = len(chunk.keys)
        chunk.keys.append(key)
        chunk.indexes[key] = index
        chunk.key_bytes += weight
        return chunk, index

    def _next_chunk(self) -> Chunk:
        full = self._chunk
        if full.filled:
            full.seal(self._row_bytes)
            self._sealed.append(full)
            self._sealed_rows += full.filled
            self._sealed_key_bytes += full.key_bytes
        # One sixteenth stays free for the keys of the chunk that begins now.
        allowed = self.key_capacity - self.key_capacity // 16
        while self._sealed and (self._sealed_rows >= self.capacity or self._sealed_key_bytes > allowed):
            self._drop_oldest()
        room = min(self._chunk_rows, self.capacity - self._sealed_rows)
        self._chunk = Chunk(full.start + full.filled, room, self._row_bytes)
        return self._chunk

    def _drop_oldest(self) -> None:
        oldest = self._sealed.popleft()
        self._sealed_rows -= oldest.filled
        self._sealed_key_bytes -= oldest.key_bytes
        self.dropped += oldest.filled
