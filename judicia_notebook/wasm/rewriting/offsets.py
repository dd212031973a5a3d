"""From bytes of a rewritten module back to those of the original."""

from __future__ import annotations

from array import array
from bisect import bisect_right


class OffsetMap:
    """Which bytes of the original stand where, in runs that were copied.

    Parameters
    ----------
    new, old : array of unsigned int
        From `new`, counted from the beginning of the code section's content, the bytes from `old` of the original
        follow, up to the next entry or to what is inserted before it. Both ascend.
    base : int
        Where the content of the new code section begins.
    """

    __slots__ = ("base", "new_bytes", "old_bytes")

    def __init__(self, new: array[int], old: array[int], base: int) -> None:
        self.new_bytes = new
        self.old_bytes = old
        self.base = base

    def old(self, offset: int) -> int | None:
        """The byte of the original that stands at this byte of the rewritten module.

        What is inserted has none of its own: for it, that of the original's next instruction. None before all code.
        """
        at = offset - self.base
        entry = bisect_right(self.new_bytes, at) - 1
        if entry < 0:
            return None
        old = self.old_bytes[entry] + at - self.new_bytes[entry]
        return min(old, self.old_bytes[entry + 1]) if entry + 1 < len(self.old_bytes) else old
