"""The rows of a runtime's calls and host calls, which the core writes, too: ``core/rows.c``.

Python has the chunks and the keys, and the core fills rows into the chunk of now. It is read as any
`judicia_notebook.records.table.Table` is.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from functools import partial
from itertools import count
from typing import Any, TypeVar, cast

from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.core.builtin import add_host_row, add_row
from judicia_notebook.engine.core.structs import HostNumber, Number
from judicia_notebook.engine.finalizers import leave
from judicia_notebook.records.table import Chunk, Key, Layout, Table

K = TypeVar("K", bound=tuple[Any, ...])

_INDEX = (1 << 32) - 1
_DROPPED = -2  # JC_DROPPED
_NAMES: dict[IntEnum, str] = {Number.FUEL_USED: "fuel"}
"""Columns that have another name in C; the others have the same."""


class _OpenChunk(Chunk[K]):
    """A chunk of which the core knows how many rows are filled, until it is closed."""

    __slots__ = ("_closed", "_rows", "address", "serial")

    def __init__(self, start: int, room: int, row_bytes: int, rows: int, serial: int) -> None:
        self._rows = rows
        self.serial = serial
        self._closed: int | None = None
        super().__init__(start, room, row_bytes)
        self.address = ctypes.addressof((ctypes.c_char * len(self.data)).from_buffer(self.data)) if room else None

    @property
    def filled(self) -> int:
        """Rows that can be read."""
        return int(functions.rows_filled(self._rows, self.serial)) if self._closed is None else self._closed

    @filled.setter
    def filled(self, count: int) -> None:
        if count:
            self._closed = count

    def open(self) -> None:
        """Have the core fill it."""
        functions.rows_open(self._rows, self.serial, self.address, self.room, self.start)

    def close(self) -> None:
        """No more rows go into it; again where an exception came before there was a next one."""
        if self._closed is None:
            self._closed = functions.rows_close(self._rows, self.serial)


class CoreRows(Table[K]):
    """A ring of at most `capacity` rows, as `Table`. Safe to use from any thread.

    Parameters
    ----------
    numbers : type of IntEnum
        The names of the numbers, in the core's order.
    layout : Layout
        It has all of them.
    capacity, key_capacity : int
        Rows, and bytes of their keys.
    began_ns : int
        ``perf_counter_ns`` that instants count from.

    Attributes
    ----------
    pointer : int
        Of the ``jc_rows``.
    """

    def __init__(
        self, numbers: type[IntEnum], layout: Layout[K], capacity: int, key_capacity: int, began_ns: int
    ) -> None:
        columns = (structs.Column * len(numbers))()
        for number in numbers:
            field = layout.fields[_NAMES.get(number, number.name.lower())]
            columns[number] = structs.Column(field.offset, 4 if field.code == "I" else 8)
        self.pointer: int = functions.rows_new(
            columns, len(columns), layout.packed.size, layout.fields["key"].offset, began_ns
        )
        if not self.pointer:
            raise MemoryError
        self._remains = leave(self, partial(functions.rows_release, self.pointer))
        self._serials = count(1)
        super().__init__(layout, capacity, key_capacity)

    def add(self, key: Key, numbers: Any) -> int:
        """Append a row and return its position; `numbers` is what the layout packs."""
        pack = self._pack_slots
        if pack is None:
            return self._add_numbers(key, numbers)
        row = bytearray(self._row_bytes)  # its own: a handler or finalizer may add another meanwhile
        with self._lock:
            while (place := self.place(key)) >= 0:
                pack(row, 0, place & _INDEX, numbers)
                position: int = functions.rows_put(self.pointer, place >> 32, bytes(row))
                if position != -1:
                    return position
        return -1

    def _add_numbers(self, key: Key, numbers: tuple[int, ...]) -> int:
        chunk = cast("_OpenChunk[K]", self._chunk)
        index = chunk.indexes.get(key)  # an index is its chunk's for good, and the core refuses a chunk that is closed
        if index is not None:
            position = add_row(self.pointer, chunk.serial << 32 | index, *numbers)
            if position >= 0:
                return position
        with self._lock:
            while (place := self.place(key)) >= 0:
                position = add_row(self.pointer, place, *numbers)
                if position != -1:
                    return position
        return -1

    def place(self, key: Key) -> int:
        """Where the chunk of now has a key, as ``jc_key`` says it; it is kept there unless it is already.

        Below 0 where this thread is changing the chunk: a handler or finalizer came meanwhile. The row it has cannot be
        kept, and is counted as dropped.
        """
        with self._lock:
            if self._is_changing:
                self.dropped += 1
                return _DROPPED
            chunk = cast("_OpenChunk[K]", self._chunk)
            if functions.rows_is_full(self.pointer, chunk.serial):  # or closed, where a change of chunks was cut off
                chunk = cast("_OpenChunk[K]", self._next_chunk())
            index = chunk.indexes.get(key)
            if index is None:
                found, index = self._keep(key)
                chunk = cast("_OpenChunk[K]", found)
            return chunk.serial << 32 | index

    def _make_chunk(self, start: int, room: int) -> Chunk[K]:
        return _OpenChunk(start, room, self._row_bytes, self.pointer, next(self._serials))


class HostCallRows(CoreRows[K]):
    """The table of host calls."""

    def __init__(self, layout: Layout[K], capacity: int, key_capacity: int, began_ns: int) -> None:
        super().__init__(HostNumber, layout, capacity, key_capacity, began_ns)

    def add_own(self, key: Key, bytes_in: int, bytes_out: int) -> None:
        """The row of the host call that this thread is in: the core knows whose it is, and how long it took."""
        chunk: Any = self._chunk
        index = chunk.indexes.get(key)  # as for `_add_numbers`
        if index is None or add_host_row(self.pointer, chunk.serial << 32 | index, bytes_in, bytes_out) < 0:
            with self._lock:
                while (place := self.place(key)) >= 0:
                    if add_host_row(self.pointer, place, bytes_in, bytes_out) != -1:
                        return


def call_rows(layout: Layout[K], capacity: int, key_capacity: int, began_ns: int) -> CoreRows[K]:
    """The table of calls."""
    return CoreRows(Number, layout, capacity, key_capacity, began_ns)
