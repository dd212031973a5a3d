"""Modules of data segments, written byte by byte: what an assembler would not write, too."""

from __future__ import annotations

from dataclasses import dataclass

from tests.engine.bomb_parts import I32, MAGIC, NOTHING, leb, section, vector

PAGE = 1 << 16


def signed(number: int, width: int = 1) -> bytes:
    """LEB128 of a signed number, in that many bytes or more."""
    out = b""
    while True:
        low, number = number & 0x7F, number >> 7
        width -= 1
        if width <= 0 and number == (-1 if low & 0x40 else 0):
            return out + bytes([low])
        out += bytes([low | 0x80])


def unsigned(number: int, width: int = 1) -> bytes:
    out = leb(number)
    if len(out) >= width:
        return out
    return out[:-1] + bytes([out[-1] | 0x80]) + b"\x80" * (width - len(out) - 1) + b"\0"


@dataclass(frozen=True)
class Data:
    """A data segment; `how` says where it lies: ``const``, ``sum``, ``passive``, or ``wide`` for an i64."""

    offset: int
    content: bytes
    memory: int = 0
    how: str = "const"
    named: bool = False
    width: int = 1

    def encode(self) -> bytes:
        content = unsigned(len(self.content), self.width) + self.content
        if self.how == "passive":
            return b"\x01" + content
        wrapped = self.offset - (1 << 32) if self.offset >= 1 << 31 else self.offset
        place = {
            "const": b"\x41" + signed(wrapped, self.width),
            "sum": b"\x41" + signed(wrapped) + b"\x41\0\x6a",
            "wide": b"\x42" + signed(wrapped),
        }[self.how]
        named = self.named or self.memory
        return (b"\x02" + unsigned(self.memory, self.width) if named else b"\0") + place + b"\x0b" + content


def module(
    pages: list[int], segments: list[Data], *, start: bytes = b"", behind: bytes = b"", counted: bool = True
) -> bytes:
    """A module that exports its memories, and of each segment ``init`` (at, from, count) and ``drop``.

    Parameters
    ----------
    pages : list of int
        The minimum of each memory; exported as ``m0`` and so on, the first as ``memory``, too.
    start : bytes
        The instructions of the start function, where it has one.
    behind : bytes
        What follows the data section.
    counted : bool
        Whether there is a data count section; without it there are no ``init`` and ``drop``.
    """
    functions: list[tuple[str, int, bytes]] = []
    if counted and pages:
        for number in range(len(segments)):
            index = leb(number)
            functions.append((f"init{number}", 1, b"\x20\0\x20\1\x20\2\xfc\x08" + index + b"\0"))
            functions.append((f"drop{number}", 0, b"\xfc\x09" + index))
    names = [f"m{number}" for number in range(len(pages))]
    exports = [b"%s\x02%s" % (_name(each), leb(number)) for number, each in enumerate(names)]
    exports += [_name("memory") + b"\x02\0"] if pages else []
    exports += [_name(each) + b"\0" + leb(number) for number, (each, _, _) in enumerate(functions)]
    codes = [code for _, _, code in functions] + ([start] if start else [])
    kinds = [kind for _, kind, _ in functions] + ([0] if start else [])
    return b"".join(
        (
            MAGIC,
            section(1, vector([NOTHING, b"\x60\x03" + I32 * 3 + b"\0"])),
            section(3, vector(map(leb, kinds))),
            section(5, vector(b"\0" + leb(each) for each in pages)),
            section(7, vector(exports)),
            section(8, leb(len(functions))) if start else b"",
            section(12, leb(len(segments))) if counted else b"",
            section(10, vector(leb(len(code) + 2) + b"\0" + code + b"\x0b" for code in codes)),
            section(11, vector(each.encode() for each in segments)),
            behind,
        )
    )


def _name(text: str) -> bytes:
    return leb(len(text)) + text.encode()
