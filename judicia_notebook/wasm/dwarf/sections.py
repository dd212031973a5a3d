"""The debug sections of a module, and the smallest parts of them: numbers, texts, attributes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from judicia_notebook.errors import DebugInfoError
from judicia_notebook.text import printable
from judicia_notebook.units import format_count


@dataclass(frozen=True, slots=True)
class DwarfLimits:
    """The most that is read. The defaults are far above what plugins have, and bound the reader to seconds."""

    rows: int = 1_000_000
    instructions: int = 5_000_000
    files: int = 200_000
    entries: int = 2_000_000
    attributes: int = 10_000_000
    declarations: int = 200_000
    ranges: int = 500_000
    units: int = 50_000
    text_bytes: int = 2_000
    texts_bytes: int = 16 << 20


DEFAULT: Final = DwarfLimits()


class Budget:
    """How much of each limit is left. One serves a whole reading: many small parts cost no more than a large one."""

    def __init__(self, limits: DwarfLimits = DEFAULT) -> None:
        self.limits = limits
        self._left = {name: getattr(limits, name) for name in limits.__slots__}

    def spend(self, what: str, count: int = 1) -> None:
        """Take some of a limit.

        Raises
        ------
        DebugInfoError
            That many are not left.
        """
        self._left[what] -= count
        if self._left[what] < 0:
            allowed = format_count(getattr(self.limits, what))
            raise DebugInfoError(f"it has more than {allowed} {_WORDS[what]}, and no more are read")


_WORDS = {
    "rows": "rows of lines", "instructions": "instructions of line programs", "files": "names of files",
    "entries": "entries", "attributes": "attributes", "declarations": "declarations of attributes",
    "ranges": "ranges of code", "units": "units", "texts_bytes": "bytes of names",
}  # fmt: skip


class Reader:
    """Reads from `pos` on, and never at or past `end`."""

    __slots__ = ("data", "end", "pos", "where")

    def __init__(self, data: bytes, where: str, pos: int = 0, end: int | None = None) -> None:
        self.data = data
        self.where = where
        self.end = len(data) if end is None else end
        self.pos = pos
        if not 0 <= pos <= self.end:
            raise DebugInfoError(f"section '{where}' has no byte {pos}")

    def wrong(self, message: str) -> DebugInfoError:
        return DebugInfoError(f"section '{self.where}': {message} (byte {self.pos})")

    def number(self, size: int) -> int:
        start = self.pos
        if size > self.end - start:
            raise self.wrong(f"it ends at byte {self.end}, within a number")
        self.pos = start + size
        return int.from_bytes(self.data[start : self.pos], "little")

    def unsigned(self) -> int:
        """LEB128 of at most 64 bits."""
        value = shift = 0
        while shift < 70:
            if self.pos >= self.end:
                raise self.wrong(f"it ends at byte {self.end}, within a number")
            byte = self.data[self.pos]
            self.pos += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise self.wrong("a number has more than 64 bits")

    def signed(self) -> int:
        start = self.pos
        value = self.unsigned()
        bits = 7 * (self.pos - start)
        return value - (1 << bits) if self.data[self.pos - 1] & 0x40 else value

    def skip(self, count: int) -> None:
        if count > self.end - self.pos:
            raise self.wrong(f"it ends at byte {self.end}, {format_count(count)} bytes are to follow")
        self.pos += count

    def skip_text(self) -> int:
        """Step over a text that ends with a zero; where it began."""
        start = self.pos
        end = self.data.find(b"\0", start, self.end)
        if end < 0:
            raise self.wrong("a text has no end")
        self.pos = end + 1
        return start

    def part(self, what: str) -> Reader:
        """What a length stands before; afterwards this reader is behind it."""
        length = self.number(4)
        if length >= 0xFFFFFFF0:
            raise self.wrong(f"{what} has offsets of 64 bits, which no module has")
        if length > self.end - self.pos:
            raise self.wrong(f"{what} says {format_count(length)} bytes, and {self.end - self.pos} are left")
        inner = Reader(self.data, self.where, self.pos, self.pos + length)
        self.pos += length
        return inner


class Sections:
    """A module's debug sections, with the texts that were read from them.

    Parameters
    ----------
    contents : mapping of str to bytes
        By name, such as ``.debug_line``; the first of a name.
    """

    def __init__(self, contents: Mapping[str, bytes], budget: Budget) -> None:
        self.contents = contents
        self.budget = budget
        self._texts: dict[tuple[str, int], str] = {}

    def reader(self, name: str, pos: int = 0) -> Reader:
        return Reader(self.contents.get(name, b""), name, pos)

    def text(self, place: tuple[str, int]) -> str:
        """The text at a place of a section, printable, and cut where it is very long.

        Raises
        ------
        DebugInfoError
            There is no such place, or there were too many texts.
        """
        found = self._texts.get(place)
        if found is None:
            name, start = place
            data = self.contents.get(name, b"")
            if start >= len(data):
                raise DebugInfoError(f"section '{name}' has no byte {start}, where a name should be")
            most = self.budget.limits.text_bytes
            end = data.find(b"\0", start, start + most)
            raw = data[start : end if end >= 0 else min(start + most, len(data))]
            self.budget.spend("texts_bytes", len(raw) + 64)
            found = self._texts[place] = printable(raw.decode("utf-8", "replace"), most)
        return found


# --- attributes ------------------------------------------------------------------------------------------------------

Value = int | tuple[str, int] | None
"""A number, the place of a text, or what is of no use here."""

FIXED: Final = {
    0x01: 4, 0x05: 2, 0x06: 4, 0x07: 8, 0x0B: 1, 0x0C: 1, 0x0E: 4, 0x11: 1, 0x12: 2, 0x13: 4, 0x14: 8, 0x17: 4, 0x19: 0,
    0x1C: 4, 0x1D: 4, 0x1E: 16, 0x1F: 4, 0x20: 8, 0x21: 0, 0x24: 8, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4, 0x29: 1,
    0x2A: 2, 0x2B: 3, 0x2C: 4,
}  # fmt: skip
"""The bytes of each form that always has as many; of an address, those of wasm32."""
_ADDRESS, _BLOCKS = 0x01, {0x03: 2, 0x04: 4, 0x0A: 1}
_STRING, _BLOCK, _SIGNED, _LOCATION = 0x08, 0x09, 0x0D, 0x18
_NUMBERS: Final = frozenset(
    {0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23}
)  # LEB128: udata, ref_udata, strx, addrx, loclistx, rnglistx
_TEXTS: Final = {0x0E: ".debug_str", 0x1F: ".debug_line_str"}
STRX: Final = frozenset({0x1A, 0x25, 0x26, 0x27, 0x28})
ADDRX: Final = frozenset({0x1B, 0x29, 0x2A, 0x2B, 0x2C})
UNIT_REFERENCES: Final = frozenset({0x11, 0x12, 0x13, 0x14, 0x15})
ADDRESS: Final = _ADDRESS
RNGLISTX: Final = 0x23
_INDIRECT = 0x16


def skip_form(reader: Reader, form: int, address_size: int) -> None:
    """Step over a value.

    Raises
    ------
    DebugInfoError
        There is no such form, or it is cut.
    """
    if form == _ADDRESS:
        reader.skip(address_size)
    elif form in FIXED:
        reader.skip(FIXED[form])
    elif form in _NUMBERS or form == _SIGNED:
        reader.unsigned()
    elif form == _STRING:
        reader.skip_text()
    elif form in _BLOCKS:
        reader.skip(reader.number(_BLOCKS[form]))
    elif form in {_BLOCK, _LOCATION}:
        reader.skip(reader.unsigned())
    else:
        raise reader.wrong(f"0x{form:x} is no form of a value")


def read_form(reader: Reader, form: int, address_size: int) -> Value:
    """A value as it stands there: the place of a text, or a number; None of a block, and of what is longer."""
    if form == _STRING:
        return reader.where, reader.skip_text()
    if form in _TEXTS:
        return _TEXTS[form], reader.number(4)
    if form == _ADDRESS:
        return reader.number(address_size)
    if form in {0x0C, 0x19}:  # flags
        return reader.number(1) if form == 0x0C else 1
    if form in FIXED and FIXED[form] <= 8 and form != 0x21:
        return reader.number(FIXED[form])
    if form in _NUMBERS:
        return reader.unsigned()
    if form == _SIGNED:
        return reader.signed()
    skip_form(reader, form, address_size)
    return None


def u32_at(data: bytes, offset: int, where: str) -> int:
    """The number of four bytes at an offset of a section."""
    try:
        return int(struct.unpack_from("<I", data, offset)[0])
    except struct.error:
        raise DebugInfoError(f"section '{where}' has no byte {offset}") from None
