"""The binary format, as the bombs need it: written piece by piece, and taken apart again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

MAGIC = b"\0asm\1\0\0\0"
I32, I64, V128, FUNCREF = b"\x7f", b"\x7e", b"\x7b", b"\x70"
NOTHING = b"\x60\0\0"

Make = Callable[[int], bytes]
"""A module from a count."""


def leb(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def signed(number: int) -> bytes:
    """A number from 0 on, as ``i32.const`` has it."""
    out = b""
    while number > 0x3F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def vector(entries: Iterable[bytes]) -> bytes:
    listed = list(entries)
    return leb(len(listed)) + b"".join(listed)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def signature(params: int, results: int, kind: bytes = I32) -> bytes:
    return b"\x60" + leb(params) + kind * params + leb(results) + kind * results


def bodies(*codes: bytes) -> bytes:
    """The code section; each body is its declarations of locals and its instructions."""
    return section(10, vector(leb(len(code)) + code for code in codes))


def numbered(count: int, entry: Callable[[int], bytes]) -> bytes:
    return leb(count) + b"".join(map(entry, range(count)))


def number_at(content: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends."""
    number = shift = 0
    while True:
        number |= (content[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if content[at - 1] < 0x80:
            return number, at


def pieces(content: bytes, at: int) -> Iterator[bytes]:
    """What lies there one after the other, each with its size before it."""
    while at < len(content):
        size, at = number_at(content, at)
        yield content[at : at + size]
        at += size


def parts_of(module: bytes) -> Iterator[tuple[int, bytes]]:
    """The sections that have no name."""
    at = len(MAGIC)
    while at < len(module):
        number = module[at]
        size, at = number_at(module, at + 1)
        if number:
            yield number, module[at : at + size]
        at += size
