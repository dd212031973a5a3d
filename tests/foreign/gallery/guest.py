"""A loaded module as the pieces of work see it: calls by name, and bytes put where its own allocator says."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import judicia_notebook as jn


@dataclass(slots=True)
class Guest:
    """A plugin and what its imports were told.

    Attributes
    ----------
    notes : list
        What the Python functions that answer its imports noted; empty at first.
    """

    plugin: jn.Plugin
    notes: list[Any]

    def call(self, name: str, *numbers: float) -> Any:
        return self.plugin.raw(name)(*numbers)

    def put(self, allocator: str, data: bytes) -> int:
        """Copy bytes to where the guest's own allocator makes room; answers the pointer."""
        pointer = int(self.call(allocator, len(data)))
        self.plugin.memory.write(pointer, data)
        return pointer

    def read(self, pointer: int, length: int) -> bytes:
        return self.plugin.memory.read(pointer, length)

    def words(self, pointer: int, count: int = 1) -> tuple[int, ...]:
        """Unsigned 32-bit numbers."""
        return struct.unpack(f"<{count}I", self.read(pointer, 4 * count))

    def packed(self, value: int, *, high_is_pointer: bool) -> bytes:
        """What a pointer and a length, halves of one i64, stand for."""
        low, high = value & 0xFFFFFFFF, (value >> 32) & 0xFFFFFFFF
        return self.read(high, low) if high_is_pointer else self.read(low, high)
