"""Which byte of a module each piece of its compiled code was made from.

Wasmtime's profiler names frames by addresses in compiled code, and the compiled module (an ELF file) has a table that
leads back: its section ``.wasmtime.addrmap``, in the format of Wasmtime 50. It belongs to Wasmtime and may change with
any version, so what it says is held against the function that the address is in before it is used.

The section is: how many entries, how many blocks; for each block the address of its first entry and where its bytes
begin; the blocks. An entry is a number, twice its distance from the one before, plus one if it has no place in the
module; then that place, the first of a block as it is, others as the difference.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from operator import itemgetter
from typing import Final

_HEADER: Final = struct.Struct(
    "<40xQ10xHHH"
)  # where the section headers are; the size of one; how many; which has names
_SECTION: Final = struct.Struct("<I20xQQ")  # the place of its name; its offset and size
_ELF_OF_64_BITS: Final = b"\x7fELF\x02\x01"
_NAME: Final = b".wasmtime.addrmap\0"
_PAIR: Final = struct.Struct("<II")


class AddressMap:
    """A compiled module's table of places. A block of it is read when an address in it is asked for.

    Parameters
    ----------
    compiled : bytes
        As Wasmtime has serialized it; of anything else, the table is empty.
    """

    def __init__(self, compiled: bytes) -> None:
        self._bodies = b""
        self._index: list[tuple[int, int]] = []  # of each block its first address, and where it begins
        self._blocks: dict[int, tuple[list[int], list[int | None]]] = {}
        try:
            section = _section(compiled)
            count = _PAIR.unpack_from(section)[1] if section else 0
            after = _PAIR.size * (1 + count)
            self._index = list(_PAIR.iter_unpack(section[_PAIR.size : after]))
            self._bodies = section[after:]
        except (struct.error, IndexError, OverflowError):
            self._index = []

    def __len__(self) -> int:
        """How many blocks it has."""
        return len(self._index)

    def place(self, address: int) -> int | None:
        """The byte of the module's file that the code at an address was made from, if one is known."""
        block = bisect_right(self._index, address, key=itemgetter(0)) - 1
        if block < 0:
            return None
        if block not in self._blocks:
            self._blocks[block] = self._read(block)
        starts, places = self._blocks[block]
        found = bisect_right(starts, address) - 1
        return places[found] if found >= 0 else None

    def _read(self, block: int) -> tuple[list[int], list[int | None]]:
        """The addresses of a block's entries, and their places; none where it cannot be read."""
        starts: list[int] = []
        places: list[int | None] = []
        address, position = self._index[block]
        end = self._index[block + 1][1] if block + 1 < len(self._index) else len(self._bodies)
        place: int | None = None
        try:
            while position < end:
                token, position = _number(self._bodies, position)
                address += token >> 1
                if not token & 1:
                    value, after = _number(self._bodies, position)
                    if place is not None and self._bodies[after - 1] & 0x40:
                        value -= 1 << 7 * (after - position)
                    place, position = value + (place or 0), after
                starts.append(address)
                places.append(None if token & 1 else place)
        except (IndexError, ValueError):
            return [], []
        return starts, places


def _section(data: bytes) -> bytes:
    if data[:6] != _ELF_OF_64_BITS:
        return b""
    first, size, count, names = _HEADER.unpack_from(data)
    sections = [_SECTION.unpack_from(data, first + at * size) for at in range(count)]
    _, texts, _ = sections[names]
    for name, offset, length in sections:
        if data[texts + name : texts + name + len(_NAME)] == _NAME:
            return data[offset : offset + length]
    return b""


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number in LEB128, without a sign, and where it ends."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("a number has no end")
