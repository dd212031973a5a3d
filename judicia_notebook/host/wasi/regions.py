"""Regions of the guest's memory, as the shim reads and writes them: every pointer, length and count in it may be a lie.

Numbers from the guest are unsigned 32-bit ones and are added up as Python integers, so nothing wraps around. What lies
outside the memory is answered with EFAULT, as a kernel would.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from judicia_notebook.engine.guest_memory import copy_in, copy_out
from judicia_notebook.host.wasi.errno import Errno, Failed

if TYPE_CHECKING:
    from judicia_notebook.engine.memory import Memory

MAX_REGIONS = 1024
"""Regions in one read or write, as in IOV_MAX of most systems."""

_REGION = struct.Struct("<II")
_SIZE = struct.Struct("<I")
_LONG = struct.Struct("<Q")

Region = tuple[int, int]
"""Where it begins, and how many bytes it has."""


class Regions:
    """Reads and writes within the memory a module exports.

    Parameters
    ----------
    memory : Memory or None
        None where the module exports none: then every pointer is wrong.
    """

    __slots__ = ("_memory", "_size")

    def __init__(self, memory: Memory | None) -> None:
        self._memory, self._size = memory, memory.size if memory is not None else 0

    def check(self, pointer: int, length: int) -> None:
        """Refuse a region that is not inside the memory; an empty region lies anywhere.

        Raises
        ------
        Failed
            EFAULT.
        """
        if length and pointer + length > self._size:
            raise Failed(Errno.FAULT)

    def read(self, pointer: int, length: int) -> bytes:
        """Copy bytes out."""
        self.check(pointer, length)
        return copy_out(self._memory, pointer, length) if self._memory is not None else b""

    def write(self, pointer: int, data: bytes) -> None:
        """Copy bytes in."""
        self.check(pointer, len(data))
        if self._memory is not None:
            copy_in(self._memory, pointer, data)

    def write_size(self, pointer: int, number: int) -> None:
        """Write a 32-bit number."""
        self.write(pointer, _SIZE.pack(number))

    def write_long(self, pointer: int, number: int) -> None:
        """Write a 64-bit number."""
        self.write(pointer, _LONG.pack(number & (2**64 - 1)))

    def regions(self, pointer: int, count: int) -> list[Region]:
        """An array of iovecs; each region is inside the memory, but they may overlap.

        Raises
        ------
        Failed
            EINVAL for more than `MAX_REGIONS`, EFAULT for a region outside.
        """
        if count > MAX_REGIONS:
            raise Failed(Errno.INVAL)
        found: list[Region] = list(_REGION.iter_unpack(self.read(pointer, count * _REGION.size)))
        for region in found:
            self.check(*region)
        return found

    def gather(self, regions: list[Region], most: int) -> bytes:
        """The first bytes of these regions one after the other, `most` of them at most."""
        parts = []
        for pointer, length in regions:
            part = self.read(pointer, min(length, most))
            parts.append(part)
            most -= len(part)
            if not most:
                break
        return b"".join(parts)

    def scatter(self, regions: list[Region], data: bytes) -> None:
        """Fill regions one after the other; `data` is not longer than they are together."""
        done = 0
        for pointer, length in regions:
            self.write(pointer, data[done : done + length])
            done += length
            if done >= len(data):
                break
