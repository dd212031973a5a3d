"""A bounded table of packed rows that many threads append to, and any thread may read meanwhile.

It does not know what its columns mean.

- Rows live in chunks, one `bytearray` each, written with ``struct.pack_into``. A row is some hundred bytes, where a
  Python object a row would be some thousand, and NumPy reads a chunk without a copy.
- The values of a row that are no numbers, such as its texts, form a tuple: the row's *key*. A chunk keeps each distinct
  key once, as a named tuple, and the row holds its index. Keys belong to their chunk, so dropping the oldest chunk
  drops its texts too, and a guest that makes every text unique cannot make the table grow.
- The table is over its capacity when it has too many rows or its keys weigh too much. Then the oldest chunk goes, and
  its rows are counted in `dropped`.
- A row's *position* counts from the table's beginning and stays its own for good, also after older rows were dropped.
- Rows below a chunk's `filled` never change, so readers take the lock only to list the chunks.

The lock is re-entrant: a finalizer or a signal's handler may run at any bytecode and add a row of its own while its
thread is in here. While that thread changes the chunk, such a row is counted as dropped; with a plain lock it would
cost the kernel. An exception may come at any bytecode, too: what belongs together is stored with no call in between,
since neither comes there, and a change of chunks that was cut off is made again.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    import numpy as np

CHUNK_ROWS = 4096

# A key's tuple and its entry in the list; texts up to _SHORT are nearly always literals that exist anyway.
_KEY_BYTES = 160
_SHORT = 32
_TEXTS = (str, bytes)

Key = tuple[Hashable, ...]
K = TypeVar("K", bound=tuple[Any, ...])

_NUMPY_CODES = {"B": "u1", "I": "<u4", "q": "<i8"}


class Field(NamedTuple):
    """Where a number lies in a packed row: bytes from the row's beginning, and its `struct` code, little-endian."""

    offset: int
    code: str


class Layout(Generic[K]):
    """The packed form of a row: the index of its key, then its numbers, one after the other and without gaps.

    Parameters
    ----------
    numbers : mapping of str to str
        The `struct` code of each, in their order.
    key : type
        A class of named tuples, in which readers get a key; plain tuples if nothing is said.
    slots : bool
        What rows are written from: objects with an attribute for each number, instead of tuples of the numbers.

    Attributes
    ----------
    names : tuple of str
        Of the numbers.
    fields : mapping of str to Field
        Where each lies; ``key`` is the index of the key.
    packed : struct.Struct
    """

    def __init__(
        self,
        numbers: Mapping[str, str],
        key: type[K] = cast("Any", tuple),  # noqa: B008
        *,
        slots: bool = False,
    ) -> None:
        codes = {"key": "I", **numbers}
        self.names = tuple(numbers)
        self.packed = struct.Struct("<" + "".join(codes.values()))
        self.name_key: Callable[[Key], K] = partial(tuple.__new__, key)  # half the time of `_make`
        self.pack_slots = self._compiled_pack() if slots else None
        self.fields: dict[str, Field] = {}
        offset = 0
        for name, code in codes.items():
            self.fields[name] = Field(offset, code)
            offset += struct.calcsize(f"<{code}")

    def _compiled_pack(self) -> Callable[[bytearray, int, int, object], None]:
        pack: Callable[[bytearray, int, int, object], None] = _compiled(
            f"data, at, index, row: into(data, at, index, {_attributes(self.names)})", into=self.packed.pack_into
        )
        return pack

    def unpack(self, data: bytearray, row: int) -> tuple[int, dict[str, int]]:
        """The index of a row's key, and its numbers by name."""
        index, *numbers = self.packed.unpack_from(data, row * self.packed.size)
        return index, dict(zip(self.names, numbers, strict=True))

    def array(self, run: Rows[Any]) -> np.ndarray[Any, Any]:
        """A run of rows as a structured array, without a copy."""
        import numpy as np

        kind = np.dtype([(name, _NUMPY_CODES[field.code]) for name, field in self.fields.items()])
        return np.frombuffer(run.data, kind, run.length, run.first * kind.itemsize)


def compiled_key(names: Sequence[str]) -> Callable[[Any], Key]:
    """A function that makes a tuple of some attributes of a row."""
    read: Callable[[Any], Key] = _compiled(f"row: ({_attributes(names)},)")
    return read


def _attributes(names: Sequence[str]) -> str:
    return ", ".join(f"row.{name}" for name in names)


def _compiled(source: str, **known: object) -> Any:
    """A function of names of ours, as `namedtuple` makes it; `attrgetter` would take 0.4 us more for a call's row."""
    return eval(f"lambda {source}", known)  # noqa: S307  # the names are those of fields declared in this room


class Chunk(Generic[K]):
    """Consecutive rows of a table and the keys they use."""

    __slots__ = ("data", "filled", "indexes", "key_bytes", "keys", "room", "start")

    def __init__(self, start: int, room: int, row_bytes: int) -> None:
        self.start = start
        self.room = room
        self.filled = 0
        self.data = bytearray(room * row_bytes)
        self.keys: list[K] = []
        self.indexes: dict[Key, int] = {}
        self.key_bytes = 0

    def open(self) -> None:
        """Take rows from now on."""

    def close(self) -> None:
        """Take no more rows; again does nothing."""

    def seal(self, row_bytes: int) -> None:
        """Give back what only a growing chunk needs."""
        self.room = self.filled
        self.indexes = {}
        if len(self.data) > self.filled * row_bytes:
            # A new object, since a reader may hold the old one's buffer, which cannot be cut then.
            self.data = self.data[: self.filled * row_bytes]


class Row(NamedTuple, Generic[K]):
    """One row: its key, and its numbers by name."""

    key: K
    numbers: dict[str, int]


class Rows(NamedTuple, Generic[K]):
    """A run of rows as a reader sees them: `length` rows of `data` from row `first` on."""

    data: bytearray
    keys: Sequence[K]
    first: int
    length: int


_tables: weakref.WeakSet[Table[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for table in tuple(_tables):
        table.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Table(Generic[K]):
    """A ring of at most `capacity` rows whose keys weigh at most about `key_capacity` bytes."""

    def __init__(self, layout: Layout[K], capacity: int, key_capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a table holds at least one row, not {capacity}")
        self.layout = layout
        self.capacity = capacity
        self.key_capacity = key_capacity
        self.dropped = 0
        self._lock = threading.RLock()
        _tables.add(self)
        self._pack_slots = layout.pack_slots
        self._pack_into = layout.packed.pack_into
        self._row_bytes = layout.packed.size
        self._chunk_rows = max(1, min(CHUNK_ROWS, capacity // 8))
        self._is_changing = False  # the chunk
        self._chunk = self._make_chunk(0, 0)  # full from the start, so that an unused table costs nothing
        self._sealed: deque[Chunk[K]] = deque()
        self._sealed_rows = 0
        self._sealed_key_bytes = 0

    def add(self, key: Key, numbers: Any) -> int:
        """Append a row and return its position.

        `key` has the parts of the named form, in their order; `numbers` is what the layout packs.
        """
        with self._lock:
            if self._is_changing:
                self.dropped += 1
                return -1
            chunk = self._chunk
            row = chunk.filled
            if row == chunk.room:
                chunk, row = self._next_chunk(), 0
            index = chunk.indexes.get(key)
            if index is None:
                chunk, index = self._keep(key)
                row = chunk.filled
            if self._pack_slots is None:
                self._pack_into(chunk.data, row * self._row_bytes, index, *numbers)
            else:
                self._pack_slots(chunk.data, row * self._row_bytes, index, numbers)
            chunk.filled = row + 1  # last: readers take every row below it as it is
            return chunk.start + row

    def clear(self) -> None:
        """Forget all rows. The positions of those that follow go on from theirs."""
        with self._lock:
            if self._is_changing:
                return  # by a handler of a signal, or a finalizer
            self._is_changing = True
            try:
                full, nothing = self._chunk, deque[Chunk[K]]()
                full.close()
                chunk = self._make_chunk(full.start + full.filled, 0)
                self._chunk, self._sealed = chunk, nothing
                self._sealed_rows = self._sealed_key_bytes = self.dropped = 0
                chunk.open()
            finally:
                self._is_changing = False

    @property
    def end(self) -> int:
        """The position the next row will get; also how many rows were ever added."""
        with self._lock:
            return self._chunk.start + self._chunk.filled

    def __len__(self) -> int:
        with self._lock:
            return self._sealed_rows + self._chunk.filled

    def row_at(self, position: int) -> Row[K] | None:
        """One row; None where it was dropped or does not exist yet."""
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
            index, numbers = self.layout.unpack(chunk.data, row)
            return Row(chunk.keys[index], numbers)

    def renew_lock(self) -> None:
        """In a forked child: the thread that held it is not there to give it back. What was recorded can be read."""
        self._lock = threading.RLock()

    def rows(self, start: int = 0, stop: int | None = None) -> list[Rows[K]]:
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

    def _keep(self, key: Key) -> tuple[Chunk[K], int]:
        """A place for a key that the chunk has not seen, in a new chunk where this one's keys weigh enough."""
        weight = _KEY_BYTES + sum(
            sys.getsizeof(part) for part in key if isinstance(part, _TEXTS) and len(part) > _SHORT
        )
        chunk = self._chunk
        if chunk.keys and chunk.key_bytes + weight > self.key_capacity // 16:
            chunk = self._next_chunk()
        index = len(chunk.keys)
        named = self.layout.name_key(key)
        chunk.keys.append(named)
        chunk.indexes[named] = index
        chunk.key_bytes += weight
        return chunk, index

    def _next_chunk(self) -> Chunk[K]:
        self._is_changing = True
        try:
            full = self._chunk
            full.close()
            filled, weight = full.filled, full.key_bytes
            # One sixteenth stays free for the keys of the chunk that begins now.
            allowed = self.key_capacity - self.key_capacity // 16
            while self._sealed and (
                self._sealed_rows + filled >= self.capacity or self._sealed_key_bytes + weight > allowed
            ):
                self._drop_oldest()
            stays = 0 < filled < self.capacity and weight <= allowed
            room = min(self._chunk_rows, self.capacity - self._sealed_rows - (filled if stays else 0))
            chunk = self._make_chunk(full.start + filled, room)
            if stays:
                full.seal(self._row_bytes)
                self._sealed_rows += filled
                self._sealed_key_bytes += weight
                self._chunk = chunk
                self._sealed.append(full)
            else:
                self.dropped += filled
                self._chunk = chunk
            chunk.open()
            return chunk
        finally:
            self._is_changing = False

    def _make_chunk(self, start: int, room: int) -> Chunk[K]:
        """The chunk that rows go into from now on."""
        return Chunk(start, room, self._row_bytes)

    def _drop_oldest(self) -> None:
        oldest = self._sealed[0]
        rows = oldest.filled
        self._sealed_rows -= rows
        self._sealed_key_bytes -= oldest.key_bytes
        self.dropped += rows
        self._sealed.popleft()
