"""The memory of a guest that trapped or was stopped, as it was then: what stays of an instance that is gone.

- A dump is a copy of at most 1 MiB: round the fault, where Wasmtime names it; otherwise of the memory's beginning.
  Pages that the guest never touched are not copied.
- All dumps of a process hold at most 32 MiB together: the newest 32 have their bytes, and older ones say that theirs
  are gone. A dump that nobody keeps counts for nothing.
"""

from __future__ import annotations

import mmap
import re
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from judicia_notebook.engine.guest_memory import Part, ReadableMemory, copy_out
from judicia_notebook.engine.touched_pages import touched
from judicia_notebook.errors import InvalidPayload, ResourceExhausted

if TYPE_CHECKING:
    from judicia_notebook.engine.memory import Memory

MOST_BYTES: Final = 1 << 20
"""Bytes of a dump."""

MOST_DUMPS: Final = 32
"""Dumps of this process that have their bytes."""

_BEFORE: Final = 128  # bytes before the fault that a view begins with
Run = tuple[int, bytes]
"""A pointer, and the bytes from there on."""

_T = TypeVar("_T")

# The end of Wasmtime's message. Before it stand the names of the guest's functions, which may say anything.
_FAULT = re.compile(
    r"\n    0: memory fault at wasm address 0x([0-9a-f]{1,16}) in linear memory of size 0x[0-9a-f]{1,16}"
    r"\n    1: wasm trap: out of bounds memory access\s*\0?\Z"
)

_lock = threading.RLock()  # a signal's handler may call a guest that traps while it is held
_newest: list[weakref.ref[MemoryDump]] = []


def fault_address(message: str) -> int | None:
    """The address that a guest used out of bounds, from Wasmtime's message of its trap; None where it names none.

    Examples
    --------
    >>> fault_address("wasm trap: wasm `unreachable` instruction executed") is None
    True
    """
    found = _FAULT.search(message)
    return int(found[1], 16) if found is not None else None


class MemoryDump(ReadableMemory):
    """A part of a memory as it was; it is read as `GuestMemory` is.

    Attributes
    ----------
    start, stop : int
        Pointers: the part that is there.
    size : int
        Bytes that the whole memory had.
    fault : int or None
        The address that the guest used out of bounds, where Wasmtime names it.
    """

    __slots__ = ("__weakref__", "_runs", "_size", "fault", "start", "stop")

    def __init__(self, start: int, stop: int, size: int, fault: int | None, runs: Sequence[Run]) -> None:
        self.start = start
        self.stop = stop
        self.fault = fault
        self._runs: Sequence[Run] | None = runs  # what lies between them is zeros
        self._size = size
        _keep(self)

    @classmethod
    def of(cls, memory: Memory, fault: int | None = None) -> MemoryDump:
        """A dump of a memory as it is now; nothing may free the memory meanwhile.

        Raises
        ------
        MemoryError
        """
        size = memory.size
        start = 0 if fault is None else max(0, min(fault + MOST_BYTES // 2, size) - MOST_BYTES)
        start -= start % mmap.PAGESIZE
        stop = min(start + MOST_BYTES, size)
        runs = [
            (start + begin, copy_out(memory, start + begin, end - begin))
            for begin, end in touched(memory.base + start, stop - start)
        ]
        return cls(start, stop, size, fault, runs)

    @property
    def size(self) -> int:
        """Bytes that the whole memory had."""
        return self._size

    @property
    def is_empty(self) -> bool:
        """Whether its bytes are gone, because there were so many newer dumps."""
        return self._runs is None

    def clear(self) -> None:
        """Let go of its bytes."""
        self._runs = None

    def _reading(self, work: Callable[[Part], _T]) -> _T:
        runs = self._runs
        if runs is None:
            raise ResourceExhausted(
                f"This dump is empty: a process keeps the bytes of its newest {MOST_DUMPS} dumps.",
                hint="Keep what you need of a dump while it is new:  data = error.memory.read(pointer, length)",
            )
        ends = [(at, at + len(data)) for at, data in runs]
        return work(Part(self.start, self.stop, partial(_assembled, runs), lambda: ends))

    def _refuse(self, pointer: int, length: int, part: Part) -> InvalidPayload:
        if self._size == part.stop - part.start:
            return super()._refuse(pointer, length, part)
        return InvalidPayload(
            f"{self._outside(pointer, length)} is not in the dump, which has the bytes from {part.start} to "
            f"{part.stop} of a memory of {self._size} bytes."
        )

    def _whole(self, part: Part) -> int:  # noqa: ARG002  # the part may end before the memory does
        return self._size

    def _place(self, part: Part, length: int) -> int:
        if self.fault is None:
            return part.start
        return max(part.start, min(self.fault - _BEFORE, part.stop - length)) & ~15

    def __reduce__(self) -> tuple[Any, ...]:
        return _revived, (self.start, self.stop, self._size, self.fault, self._runs)

    def __repr__(self) -> str:
        fault = "" if self.fault is None else f", fault at {self.fault:#x}"
        gone = ", emptied" if self.is_empty else ""
        return f"<MemoryDump from {self.start:#x} to {self.stop:#x} of {self._size} bytes{fault}{gone}>"


def _revived(start: int, stop: int, size: int, fault: int | None, runs: Sequence[Run] | None) -> MemoryDump:
    dump = MemoryDump(start, stop, size, fault, runs or ())
    if runs is None:
        dump.clear()
    return dump


def _assembled(runs: Sequence[Run], pointer: int, length: int) -> bytes:
    """Bytes from runs, and zeros where there is none."""
    found = bytearray(length)
    for at, data in runs:
        begin, end = max(at, pointer), min(at + len(data), pointer + length)
        if begin < end:
            found[begin - pointer : end - pointer] = memoryview(data)[begin - at : end - at]
    return bytes(found)


def _keep(dump: MemoryDump) -> None:
    """Count a new dump, and empty the oldest beyond `MOST_DUMPS`."""
    global _newest
    with _lock:
        _newest.append(weakref.ref(dump))
        if len(_newest) <= MOST_DUMPS:
            return
        alive = [(reference, found) for reference in _newest if (found := reference()) is not None]
        for _, found in alive[:-MOST_DUMPS]:
            found.clear()
        _newest = [reference for reference, _ in alive[-MOST_DUMPS:]]
