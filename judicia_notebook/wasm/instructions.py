r"""The instructions of a function body, taken apart without being judged.

Chapter 5.4 (Instructions) of the WebAssembly specification 3.0, as far as the engine's features are switched on. The
compiler's validator judges them; this file says which there are, and how often. So it need be right for valid code
alone: of any other, the compiler sees nothing after the first instruction that is wrong.

- One regular expression knows how long each instruction is. All of a body are found in C, 0.2 us each.
- A branch table says itself how long it is, which no regular expression can read: it is matched to the end of the
  body, and the search goes on after its targets.
- Nothing is skipped: where the lengths of the instructions do not add up to that of the body, one of them is unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple

BRANCH_TABLE: Final = 0x0E

_NUMBER = (
    rb"[\x80-\xff]{0,9}[\x00-\x7f]"  # LEB128, padded or not; without a bound, a row of 0xD2 takes the square of it
)
_TYPE = rb"(?:[\x63\x64]" + _NUMBER + rb"|" + _NUMBER + rb")"
_MEMORY = (  # alignment, and where its bit 6 says so a memory's index; the offset
    rb"(?:[\x00-\x3f]|[\x80-\xbf]" + _NUMBER + rb"|(?:[\x40-\x7f]|[\xc0-\xff]" + _NUMBER + rb")" + _NUMBER + rb")"
) + _NUMBER
_BULK = rb"\xfc(?:[\x00-\x07]|[\x09\x0b\x0d\x0f-\x11]" + _NUMBER + rb"|[\x08\x0a\x0c\x0e]" + _NUMBER * 2 + rb")"
_VECTOR = (
    rb"\xfd(?:[\x00-\x0b\x5c\x5d]"
    + _MEMORY
    + rb"|[\x54-\x5b]"
    + _MEMORY
    + rb".|[\x0c\x0d].{16}|[\x15-\x22].|[\x0e-\x14\x23-\x53\x5e-\x7f]|[\x80-\xff]\x01)"
)
_INSTRUCTION = re.compile(
    rb"(?s:[\x00\x01\x05\x0b\x0f\x1a\x1b\x45-\xc4\xd1]"
    rb"|[\x0c\x0d\x10\x20-\x26\x3f-\x42\xd2]" + _NUMBER + rb"|[\x02-\x04\xd0]" + _TYPE + rb"|[\x28-\x3e]" + _MEMORY
    + rb"|\x11" + _NUMBER * 2 + rb"|\x1c\x01" + _TYPE + rb"|\x43.{4}|\x44.{8}|" + _BULK + rb"|" + _VECTOR + rb"|\x0e.*)"
)  # fmt: skip


class Instructions(NamedTuple):
    """The instructions of a body: each as its bytes, with how often it stands there.

    A branch table stands there as its opcode alone, and `targets` has the targets of all of them.
    """

    counts: Counter[bytes]
    targets: int


def read_instructions(code: bytes) -> Instructions | None:
    r"""The instructions of a body, which begins after its locals; None where an unknown one is among them.

    Examples
    --------
    >>> read_instructions(bytes.fromhex("20 00 20 00 6a 0b")).counts[b"\x20\0"]
    2
    """
    counts: Counter[bytes] = Counter()
    targets = position = 0
    while position < len(code):
        found = _INSTRUCTION.findall(code, position)
        if sum(map(len, found)) != len(code) - position:
            return None
        position = len(code)
        if found[-1][0] == BRANCH_TABLE:
            count, position = _number(code, position - len(found[-1]) + 1)
            if count >= len(code) - position:  # each target takes a byte, and the default target another
                return None
            position = _after(code, position, count + 1)
            targets += count + 1
            found[-1] = bytes([BRANCH_TABLE])
        counts.update(found)
    return Instructions(counts, targets)


def instruction_at(code: bytes, at: int) -> int | None:
    r"""The number of the instruction that the byte at `at` belongs to, from 0; None where there is none.

    Examples
    --------
    >>> instruction_at(bytes.fromhex("20 00 20 00 6a 0b"), 4)
    2
    """
    number = position = 0
    while at >= 0 and position < len(code):
        found = _INSTRUCTION.match(code, position)
        if found is None:
            return number if position == at else None
        position = found.end()
        if found[0][0] == BRANCH_TABLE:
            count, position = _number(code, found.start() + 1)
            position = _after(code, position, min(count, len(code)) + 1)
        if at < position:
            return number
        number += 1
    return number if at == len(code) else None


def immediate(instruction: bytes) -> int:
    """The first number after the opcode."""
    return _number(instruction, 1)[0]


def _number(code: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, read for any bytes whatever, and where it ends."""
    number = shift = 0
    for byte in code[at : at + 5]:
        number |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            break
    return number, at


def _after(code: bytes, at: int, numbers: int) -> int:
    """Where that many numbers end."""
    if code[at : at + numbers].isascii():  # nearly always
        return at + numbers
    for _ in range(numbers):
        at = _number(code, at)[1]
    return at
