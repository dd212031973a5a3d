"""A linear memory as a person looks at it: bytes and texts at pointers that may be wrong, and a picture of either.

- A pointer counts from 0. A guest's i32 that came as a negative number is the same pointer, unsigned.
- Each access finds the memory anew and is checked against the size that the memory has then: a guest may have grown it.
- A write that does not fit writes nothing.
- The finder decides whether there may be an access at all: a caller that was kept after its call, or a plugin whose
  instance is in a call, raises there.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from ctypes import c_int, c_ssize_t, c_void_p, py_object, pythonapi
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self, SupportsIndex, TypeVar

from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.memory_view import MemoryPages, MemoryView, blocks_with_content
from judicia_notebook.engine.touched_pages import touched
from judicia_notebook.errors import InvalidPayload, JudiciaError, describe, stays_in_process
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import numpy.typing as npt

    from judicia_notebook.engine.memory import Memory

TEXT_LIMIT = 1 << 20
"""Bytes within which a text without a length has to end."""

_UNSIGNED = 1 << 32
_CHUNK = 1 << 12
_FIELD_NAMES = re.compile(":[^:]*:")  # in the format of a buffer
_READ, _WRITE = 0x100, 0x200  # PyBUF_READ, PyBUF_WRITE

_from_memory = pythonapi.PyMemoryView_FromMemory  # holds Python's lock, and takes sizes above 2 GiB
_from_memory.restype, _from_memory.argtypes = py_object, [c_void_p, c_ssize_t, c_int]
T = TypeVar("T")


def copy_out(memory: Memory, pointer: int, length: int) -> bytes:
    """Bytes of a memory; who calls has checked that they lie in it."""
    return bytes(_from_memory(memory.base + pointer, length, _READ)) if length else b""


def copy_in(memory: Memory, pointer: int, data: bytes | memoryview) -> None:
    """Put bytes into a memory; who calls has checked that they lie in it."""
    if len(data):
        _from_memory(memory.base + pointer, len(data), _WRITE)[:] = data


def whole_number(value: Any, name: str) -> int:
    """An integer, NumPy's among them, as Python's own.

    Raises
    ------
    InvalidPayload
        It is a bool, or no integer.
    """
    try:
        if not isinstance(value, bool):
            whole: int = operator.index(value)
            return whole
    except TypeError:
        pass
    shown = repr(value) if isinstance(value, bool | float) else f"of the type {printable(type(value).__name__, 80)}"
    raise InvalidPayload(f"A {name} in a memory is an integer, not {shown}.")


def as_pointer(value: SupportsIndex) -> int:
    """A pointer: a negative i32 of a guest is read unsigned.

    Raises
    ------
    InvalidPayload
        It is no integer, or below -2**31.
    """
    pointer = whole_number(value, "pointer")
    if pointer < -_UNSIGNED // 2:
        raise InvalidPayload(f"Pointer {_shown(pointer)} is no address: a guest's are at least -2**31, as signed i32.")
    return pointer + _UNSIGNED if pointer < 0 else pointer


def _shown(number: int) -> str:
    """A number that a guest may have made huge; Python refuses to write out the largest."""
    return str(number) if number.bit_length() <= 64 else f"of {number.bit_length()} bits"


def _as_length(value: SupportsIndex) -> int:
    length = whole_number(value, "length")
    if length < 0:
        raise InvalidPayload(f"A length in a memory is 0 or more, not {_shown(length)}.")
    return length


def _content(data: bytes | bytearray | memoryview | npt.NDArray[Any]) -> bytes:
    """A copy, since another thread may change the data meanwhile."""
    try:
        view = memoryview(data)  # type: ignore[arg-type]  # before Python 3.12 an array's type does not say that it can
        if not {"O", "P"}.isdisjoint(_FIELD_NAMES.sub("", view.format)):
            raise TypeError("addresses of this process are no bytes for a guest")
        return bytes(view)
    except (TypeError, ValueError) as error:
        kind = printable(type(data).__name__, 80)
        raise InvalidPayload(f"Bytes, a bytearray or an array of numbers can be written, not {kind}.") from error


def _unit_of(encoding: str) -> int:
    """The bytes of a NUL in this encoding."""
    try:
        unit = len("\0\0".encode(encoding)) - len("\0".encode(encoding))  # without a byte order mark
    except (LookupError, ValueError, TypeError) as error:
        raise InvalidPayload(f"No text encoding: {printable(repr(encoding), 80)}.") from error
    return max(unit, 1)


class Part(NamedTuple):
    """The part of a memory that can be read in an access.

    Attributes
    ----------
    start, stop : int
        Pointers.
    copy : callable
        ``copy(pointer, length)`` copies bytes that lie between them.
    touched : callable
        ``touched()`` are the pointers ``(begin, end)`` of what may hold anything but zeros, in their order.
    """

    start: int
    stop: int
    copy: Callable[[int, int], bytes]
    touched: Callable[[], Sequence[tuple[int, int]]]


class ReadableMemory:
    """What a live memory and a dump have in common: reading, within bounds.

    Attributes
    ----------
    size : int
        Bytes of the memory.
    """

    __slots__ = ()

    @property
    def size(self) -> int:
        """Bytes of the memory, as it is now or was then."""
        raise NotImplementedError

    def _reading(self, work: Callable[[Part], T]) -> T:
        """What ``work(part)`` gives, in an access."""
        raise NotImplementedError

    def _refuse(self, pointer: int, length: int, part: Part) -> InvalidPayload:
        """The error for an access that does not lie in the part."""
        return InvalidPayload(
            f"{self._outside(pointer, length)} does not lie in the memory, which has {part.stop} bytes."
        )

    @staticmethod
    def _outside(pointer: int, length: int) -> str:
        return f"Pointer {_shown(pointer)} with length {_shown(length)}"

    def read(self, pointer: SupportsIndex, length: SupportsIndex) -> bytes:
        """Copy bytes out of the memory.

        Parameters
        ----------
        pointer : int
            From 0; a negative i32 is read unsigned.
        length : int
            Bytes.

        Raises
        ------
        InvalidPayload
            They do not all lie in the memory, or a number is no integer.
        PluginNotReady
            There is no access now.
        """
        at, count = as_pointer(pointer), _as_length(length)

        def work(part: Part) -> bytes:
            if not part.start <= at <= part.stop or count > part.stop - at:
                raise self._refuse(at, count, part)
            return part.copy(at, count)

        return self._reading(work)

    def text(
        self,
        pointer: SupportsIndex,
        length: SupportsIndex | None = None,
        encoding: str = "utf-8",
        limit: int = TEXT_LIMIT,
    ) -> str:
        r"""Read a text.

        Parameters
        ----------
        pointer : int
        length : int, optional
            Bytes. Without it the text ends at the first NUL, which may be no more than `limit` bytes away; in UTF-16
            and UTF-32 a NUL has two and four bytes.
        encoding : str
            UTF-8, or UTF-16 (``"utf-16-le"``) in AssemblyScript.
        limit : int
            Bytes.

        Raises
        ------
        InvalidPayload
            It does not lie in the memory, does not end, or is no text in this encoding.
        PluginNotReady
            There is no access now.
        """
        unit = _unit_of(encoding)
        data = self._until_nul(pointer, limit, unit) if length is None else self.read(pointer, length)
        try:
            return data.decode(encoding)
        except ValueError as error:
            where = _shown(as_pointer(pointer))
            raise InvalidPayload(f"The {len(data)} bytes at pointer {where} are no text: {error}.") from error

    def _until_nul(self, pointer: SupportsIndex, limit: SupportsIndex, unit: int) -> bytes:
        at, most = as_pointer(pointer), _as_length(limit)

        def work(part: Part) -> bytes:
            if not part.start <= at <= part.stop:
                raise self._refuse(at, unit, part)
            data, most_there = bytearray(), min(most, part.stop - at)
            while len(data) < most_there:
                data += part.copy(at + len(data), min(_CHUNK, most_there - len(data)))
                end = _nul(data, unit, len(data) - _CHUNK)
                if end >= 0:
                    return bytes(data[:end])
            why = ", where the memory ends" if at + len(data) == part.stop else ". Give its length, or a larger limit"
            raise InvalidPayload(f"No text at pointer {at}: no NUL follows within {len(data)} bytes{why}.")

        return self._reading(work)

    def view(self, pointer: SupportsIndex | None = None, length: SupportsIndex = 256) -> MemoryView:
        """A part as a table of hex and text, cut at the memory's end.

        Parameters
        ----------
        pointer : int, optional
            By default 0; in a dump, somewhat before the fault. Without it a notebook draws the memory's pages, too.
        length : int
            Bytes.

        Raises
        ------
        InvalidPayload
            It does not begin in the memory, or is longer than `MemoryView.MOST` bytes.
        PluginNotReady
            There is no access now.
        """
        at, count = None if pointer is None else as_pointer(pointer), _as_length(length)
        if count > MemoryView.MOST:
            raise InvalidPayload(f"A view shows at most {MemoryView.MOST} bytes, not {_shown(count)}.")

        def work(part: Part) -> MemoryView:
            first = self._place(part, count) if at is None else at
            if not part.start <= first <= part.stop:
                raise self._refuse(first, count, part)
            data = part.copy(first, min(count, part.stop - first))
            return MemoryView(first, data, self._whole(part), self._pages(part) if at is None else None)

        return self._reading(work)

    def _whole(self, part: Part) -> int:
        """Bytes of the whole memory, of which there is this part."""
        return part.stop

    def _place(self, part: Part, length: int) -> int:  # noqa: ARG002  # a dump needs it
        """Where a view of no given place begins."""
        return part.start

    def pages(self) -> MemoryPages:
        """A picture of which pages have content, and which are all zeros.

        Raises
        ------
        PluginNotReady
            There is no access now.
        """
        return self._reading(self._pages)

    def _pages(self, part: Part) -> MemoryPages:
        blocks = blocks_with_content(part.copy, part.start, part.stop, part.touched())
        return MemoryPages(part.start, part.stop, self._whole(part), blocks)


def _nul(data: bytearray, unit: int, begin: int) -> int:
    """Where the first whole NUL begins, at a multiple of `unit` from `begin` on; -1 for nowhere."""
    at = max(begin, 0)
    while (at := data.find(bytes(unit), at)) >= 0:
        if at % unit == 0:
            return at
        at += 1
    return -1


def _whole_of(memory: Memory) -> Part:
    size = memory.size
    return Part(0, size, partial(copy_out, memory), partial(touched, memory.base, size))


@stays_in_process("Copy what you need of it: p.memory.read(pointer, length).")
class GuestMemory(ReadableMemory):
    """The linear memory of an instance that is there now.

    Parameters
    ----------
    find : callable
        ``find()`` is the `Memory` to look at. It raises where there may be no access. Until the access is over the
        memory may be neither freed nor entered by another thread: in a host function that is so on the call's thread.
    wrote : callable, optional
        ``wrote(pointer, length)`` is told of each write, when it was made.
    """

    __slots__ = ("_reach", "_wrote")

    def __init__(self, find: Callable[[], Memory], *, wrote: Callable[[int, int], object] | None = None) -> None:
        self._reach: Callable[[Callable[[Memory], Any]], Any] = lambda work: work(find())
        self._wrote = wrote

    @classmethod
    def held(
        cls, reach: Callable[[Callable[[Memory], Any]], Any], *, wrote: Callable[[int, int], object] | None = None
    ) -> Self:
        """A memory that has to be held for each access.

        Parameters
        ----------
        reach : callable
            ``reach(work)`` finds the `Memory`, gives what ``work(memory)`` gives, and lets go of it. It raises where
            there may be no access.
        wrote : callable, optional
        """
        made = cls.__new__(cls)
        made._reach, made._wrote = reach, wrote
        return made

    @property
    def size(self) -> int:
        """Bytes of the memory as it is now.

        Raises
        ------
        PluginNotReady
            There is no access now.
        """
        size: int = self._reach(lambda memory: memory.size)
        return size

    def _reading(self, work: Callable[[Part], T]) -> T:
        def access(memory: Memory) -> T:
            return work(_whole_of(memory))

        found: T = self._reach(access)
        return found

    def write(self, pointer: SupportsIndex, data: bytes | bytearray | memoryview | npt.NDArray[Any]) -> None:
        """Copy bytes into the memory: all of them or, where they do not fit, none.

        Parameters
        ----------
        pointer : int
            From 0; a negative i32 is read unsigned.
        data : bytes, bytearray, memoryview or a NumPy array
            An array's bytes as they lie in memory.

        Raises
        ------
        InvalidPayload
            They do not all lie in the memory, the pointer is no integer, or the data are no bytes.
        PluginNotReady
            There is no access now.
        """
        at = as_pointer(pointer)
        content = _content(data)

        def access(memory: Memory) -> None:
            part = _whole_of(memory)
            if len(content) > part.stop - at:
                raise self._refuse(at, len(content), part)
            copy_in(memory, at, content)

        with deferred():  # no write without its row
            self._reach(access)
            if self._wrote is not None:
                self._wrote(at, len(content))

    def __repr__(self) -> str:
        try:
            return f"<GuestMemory of {self.size} bytes>"
        except JudiciaError as error:  # a repr tells, and raises nothing
            return f"<GuestMemory: {describe(error)[0]}>"
