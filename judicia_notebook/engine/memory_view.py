"""Parts of a linear memory as a person reads them: a table of hex and text, and a picture of its pages.

Both are copies of a moment. They keep what they show, and no memory alive.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from judicia_notebook.units import format_count, format_size

PAGE: Final = 1 << 16
"""Bytes of a page of WebAssembly."""

BLOCK: Final = 1 << 12
"""Bytes of a block: what is looked at for content."""

_ROW: Final = 16
_BLOCKS_PER_PAGE: Final = PAGE // BLOCK
_ZEROS: Final = bytes(PAGE)
_SHADES: Final = "·▁▂▃▄▅▆▇█"
_MOST_CELLS: Final = 1024
_CELLS_IN_A_ROW: Final = 64


def blocks_with_content(
    copy: Callable[[int, int], bytes], start: int, stop: int, touched: Iterable[tuple[int, int]]
) -> bytes:
    """For each block between two pointers 1 where any of its bytes is not 0, otherwise 0.

    Reads a page at a time, and what was touched alone: so a memory of 1 GiB takes the room of a page.

    Parameters
    ----------
    copy : callable
        ``copy(pointer, length)``
    start, stop : int
    touched : iterable of (int, int)
        Pointers to the beginnings and ends of what may hold content, in their order.
    """
    found = bytearray(-(-(stop - start) // BLOCK))
    for begin, end in touched:
        first = begin - (begin - start) % BLOCK
        for at in range(first, end, PAGE):
            page = copy(at, min(PAGE, end - at))
            if page == _ZEROS[: len(page)]:
                continue
            for place in range(0, len(page), BLOCK):
                if page[place : place + BLOCK].strip(b"\0"):
                    found[(at + place - start) // BLOCK] = 1
    return bytes(found)


@dataclass(frozen=True, slots=True, repr=False)
class MemoryView:
    """Some bytes of a memory; its repr is a table like that of ``hexdump -C``.

    Attributes
    ----------
    start : int
        The pointer to the first byte.
    data : bytes
    size : int
        Bytes of the whole memory.
    pages : MemoryPages or None
        Of a view of no given place: where the memory has content. A notebook draws it below the table.
    """

    start: int
    data: bytes
    size: int
    pages: MemoryPages | None = None

    MOST: ClassVar[int] = 1 << 16
    """Bytes that a view shows at most."""

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """Address, hex and text of each 16 bytes; ``*`` stands for rows that are the same as the one before."""
        before, is_marked = b"", False
        for at in range(0, len(self.data), _ROW):
            row = self.data[at : at + _ROW]
            if row == before and at + _ROW < len(self.data):
                if not is_marked:
                    yield "*", "", ""
                is_marked = True
                continue
            before, is_marked = row, False
            yield f"{self.start + at:08x}", f"{row[:8].hex(' ')}  {row[8:].hex(' ')}".rstrip(), _as_text(row)

    def __repr__(self) -> str:
        rows = [f"{address}  {octets:<48}  |{text}|" if text else address for address, octets, text in self.lines()]
        return "\n".join([*rows, f"{self.start + len(self.data):08x}"])


def _as_text(row: bytes) -> str:
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in row)


@dataclass(frozen=True, slots=True, repr=False)
class MemoryPages:
    """Where a memory has content, as a picture.

    Attributes
    ----------
    start, stop : int
        Pointers: the part that was looked at.
    size : int
        Bytes of the whole memory.
    blocks : bytes
        For each 4 KiB 1 where any byte is not 0, otherwise 0.
    """

    start: int
    stop: int
    size: int
    blocks: bytes

    @property
    def pages_with_content(self) -> int:
        """Pages of 64 KiB in which any byte is not 0."""
        return sum(any(self.blocks[at : at + _BLOCKS_PER_PAGE]) for at in range(0, len(self.blocks), _BLOCKS_PER_PAGE))

    @property
    def cell(self) -> int:
        """Bytes that one cell of the picture stands for: a block, a page, or several pages."""
        if len(self.blocks) <= 16 * _BLOCKS_PER_PAGE:
            return BLOCK
        pages = -(-len(self.blocks) // _BLOCKS_PER_PAGE)
        return PAGE * -(-pages // _MOST_CELLS)

    @property
    def shares(self) -> tuple[float, ...]:
        """For each cell, the share of its blocks that have content."""
        step = self.cell // BLOCK
        parts = (self.blocks[at : at + step] for at in range(0, len(self.blocks), step))
        return tuple(sum(part) / len(part) for part in parts)

    @property
    def sentence(self) -> str:
        """What the picture shows."""
        pages = -(-(self.stop - self.start) // PAGE)
        what = "page" if pages == 1 else "pages"
        content = f"{format_count(self.pages_with_content)} of {format_count(pages)} {what} of 64 KiB with content"
        where = "" if self.stop - self.start == self.size else f" from {self.start:#x} to {self.stop:#x}"
        return f"{format_size(self.size)} of memory{where}: {content}; a cell is {format_size(self.cell)}"

    def __repr__(self) -> str:
        text = "".join(_SHADES[math.ceil(share * 8)] for share in self.shares)
        rows = [text[at : at + _CELLS_IN_A_ROW] for at in range(0, len(text), _CELLS_IN_A_ROW)]
        return "\n".join([self.sentence, *rows])
