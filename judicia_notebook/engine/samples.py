"""The samples of a runtime's calls: the use of each at its ticks and grows. The core writes them, in a ring of C's.

It is read as a `judicia_notebook.records.table.Table` is; what its columns mean is declared there.
"""

from __future__ import annotations

import ctypes
from ctypes import c_int64
from functools import partial
from typing import Any

from judicia_notebook.engine.core import functions, structs
from judicia_notebook.engine.finalizers import leave
from judicia_notebook.records.table import Layout, Row, Rows

_FIELDS = tuple(name for name, _ in structs.Sample._fields_)  # type: ignore[misc]  # pairs, all of them


class SampleTable:
    """A ring of at most `capacity` samples, oldest first. Safe to use from any thread.

    Parameters
    ----------
    layout : Layout
        Of the rows that readers get.
    capacity : int
    began_ns : int
        ``perf_counter_ns`` that instants count from.
    """

    def __init__(self, layout: Layout[Any], capacity: int, began_ns: int) -> None:
        self.layout = layout
        self.pointer: int = functions.samples_new(capacity, began_ns)
        if not self.pointer:
            raise MemoryError
        self._remains = leave(self, partial(functions.samples_release, self.pointer))

    @property
    def end(self) -> int:
        """The position that the next row will get; also how many rows were ever added."""
        return int(functions.samples_end(self.pointer))

    @property
    def dropped(self) -> int:
        """How many of the oldest rows were dropped."""
        return int(functions.samples_dropped(self.pointer))

    def __len__(self) -> int:
        return int(functions.samples_count(self.pointer))

    def add(self, _key: tuple[()], numbers: tuple[int, ...]) -> int:
        """Append a row, with the numbers of the layout; its position."""
        named = dict(zip(self.layout.names, numbers, strict=True))
        functions.samples_add(self.pointer, structs.Sample(*(named[name] for name in _FIELDS)))
        return self.end - 1

    def clear(self) -> None:
        """Forget all rows."""
        functions.samples_clear(self.pointer)

    def row_at(self, position: int) -> Row[Any] | None:
        """One row; None where it was dropped or does not exist yet."""
        for run in self.rows(position, position + 1):
            index, numbers = self.layout.unpack(run.data, 0)
            return Row(run.keys[index], numbers)
        return None

    def rows(self, start: int = 0, stop: int | None = None) -> list[Rows[Any]]:
        """A copy of what is kept of the rows at positions `start` to `stop`."""
        import numpy as np

        stop = self.end if stop is None else stop
        room = min(len(self), max(0, stop - start))
        if room == 0:
            return []
        found, first = np.empty(room, np.dtype([(name, "<i8") for name in _FIELDS])), c_int64()
        count = functions.samples_read(
            self.pointer, max(start, stop - room), stop, found.ctypes.data, ctypes.byref(first)
        )
        packed = np.zeros(count, self.layout.array(Rows(bytearray(), (), 0, 0)).dtype)
        for name in _FIELDS:
            packed[name] = found[name][:count]
        return [Rows(bytearray(packed.tobytes()), (self.layout.name_key(()),), 0, count)] if count else []
