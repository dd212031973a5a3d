"""Basic blocks: which bytes of the original run together, in columns, since a large module has millions of them.

A block begins at a function's first instruction, behind whatever may branch, and where a branch may arrive. It ends
behind its last instruction, which says by its opcode how: the blocks that follow are told in `Blocks`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import NamedTuple


class Block(NamedTuple):
    """One basic block.

    Attributes
    ----------
    number : int
        Its place in `Blocks`.
    function : int
        The index of its function.
    start, end : int
        Bytes of the original file.
    instructions : int
        Each ``else`` and ``end`` is one.
    last : int
        The first byte of its last instruction.
    reachable : bool
        False for code behind an unconditional branch: it never runs, and has no counter.
    """

    number: int
    function: int
    start: int
    end: int
    instructions: int
    last: int
    reachable: bool


class Blocks:
    """The blocks of all functions, in the order of the file: together they are all code, without gaps in a function.

    How often a branch was taken follows from the counts, since what is directly behind it has no other way in:

    - ``br_if``, ``br_on_...``: the next block is *not taken*; the difference is *taken*;
    - ``if``: the next block is *then*, the difference *else*;
    - ``loop``: as often as its block ran it was entered; the next block counts all iterations.

    Attributes
    ----------
    function, start, end, instructions : array of unsigned int
    last, reachable : bytearray
        As in `Block`.
    """

    __slots__ = ("end", "function", "instructions", "last", "reachable", "start")

    def __init__(self) -> None:
        self.function = array("I")
        self.start = array("I")
        self.end = array("I")
        self.instructions = array("I")
        self.last = bytearray()
        self.reachable = bytearray()

    def __len__(self) -> int:
        return len(self.last)

    def __getitem__(self, number: int) -> Block:
        return Block(
            number,
            self.function[number],
            self.start[number],
            self.end[number],
            self.instructions[number],
            self.last[number],
            bool(self.reachable[number]),
        )

    def at(self, offset: int) -> int | None:
        """The number of the block that has this byte of the original; None where none has."""
        number = bisect_right(self.start, offset) - 1
        return number if number >= 0 and offset < self.end[number] else None

    def of(self, function: int) -> range:
        """The numbers of the blocks of a function; none of an imported one."""
        first = bisect_right(self.function, function - 1)
        return range(first, bisect_right(self.function, function, first))
