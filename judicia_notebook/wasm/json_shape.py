r"""What a JSON text asks of its reader, measured in its bytes before anything reads it.

A decoder is one call of C: it holds Python's lock until it is done, uses native stack for every level, and makes some
hundred bytes of memory of a single byte. So this file bounds depth and number of values first, in time that grows with
the length alone. It goes a slice at a time; between two slices other threads and signals get their turn.

- Outside its strings, a text holds only numbers, words, white space and the brackets, commas and colons that make its
  shape. Strings end at quotes; with escapes taken away, each quote opens or closes one.
- Two quotes next to each other change nothing for what comes behind them. So once everything but quotes and marks is
  deleted, most strings are pairs of quotes, and go in one pass; only strings that hold marks are left to be split off.
- What is no JSON may be measured wrongly from its first error on. No decoder gets further than that.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Final

MAX_DEPTH: Final = 128
MOST_DEPTH: Final = 400
"""The deepest that may be allowed. A decoder takes 413 bytes of native stack a level, and a guest leaves 256 KiB."""

MAX_VALUES: Final = 500_000
MAX_DIGITS: Final = 400
"""Digits in a row. The longest exact float that means anything has fewer after its zeros."""

SLICE: Final = 64 << 10
_SHALLOW: Final = 8

_MARKS = b"[]{},:"
_DELETED = {chars: bytes(set(range(256)) - set(chars + b'"')) for chars in (b"[]{}", _MARKS)}
_PARENTHESES = bytes.maketrans(b"[{]}", b"(())")
_STEPS = bytes.maketrans(b"()", b"\x01\xff")


class TooManyValues(ValueError):
    """There are more values in the text than may be read; `used` is how many were counted until then."""

    def __init__(self, limit: int, used: int) -> None:
        super().__init__(f"JSON with more than {limit} values (quota json_values)")
        self.used = used


def check_shape(data: bytes, max_depth: int, max_values: int) -> None:
    """Refuse a text that is too deep, or of which there would be too many values.

    A key is a value here, and an empty array or object counts as two.

    Raises
    ------
    TooManyValues
    ValueError
        Nested deeper than `max_depth`.

    Examples
    --------
    >>> check_shape(b'{"a": [[1]]}', 3, 10)
    >>> check_shape(b'{"a": [[1]]}', 2, 10)
    Traceback (most recent call last):
    ValueError: JSON nested deeper than 2
    """
    openings = data.count(b"[") + data.count(b"{")
    # Each value takes a byte, and the marks in strings are counted, too: this is never less than there are.
    counted = len(data) > max_values and openings + data.count(b",") + data.count(b":") >= max_values
    if not counted and openings <= max_depth:
        return
    level, values = 0, 1
    for marks in _outside_strings(data, _DELETED[_MARKS if counted else b"[]{}"]):
        brackets = marks.translate(_PARENTHESES, b",:")
        if _deepest(brackets, level, max_depth) > max_depth:
            raise ValueError(f"JSON nested deeper than {max_depth}")
        level += brackets.count(b"(") - brackets.count(b")")
        if counted:
            values += sum(map(marks.count, (b",", b":", b"[", b"{")))
            if values > max_values:
                raise TooManyValues(max_values, values)


def _deepest(brackets: bytes, level: int, allowed: int) -> int:
    """The deepest level of parentheses that begin at `level`; where all are allowed anyway, any allowed level."""
    left = brackets
    for passes in range(_SHALLOW):
        if level + passes + left.count(b"(") <= allowed:
            return level + passes
        left = left.replace(b"()", b"")
    return max(accumulate(array("b", brackets.translate(_STEPS)), initial=level))


def uncollected(decode: Callable[[Any], Any], text: bytes | str) -> Any:
    """The value that `decode` makes of a text, with Python's garbage collector off meanwhile.

    The collector would walk all the new arrays and objects again and again, under the lock, and could free none: nine
    tenths of the time. Should another thread switch it while a decoder calls back into Python, ours is the last word.
    """
    if len(text) < SLICE or not gc.isenabled():
        return decode(text)
    try:  # at once: a signal may raise behind each of these lines
        gc.disable()
        return decode(text)
    finally:
        gc.enable()


def _outside_strings(data: bytes, deleted: bytes) -> Iterator[bytes]:
    """What stands outside the strings of each slice, but for the bytes that are deleted."""
    inside, held = False, b""
    for start in range(0, len(data), SLICE):
        piece, held = held + data[start : start + SLICE], b""
        if b"\\" in piece:
            if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # what it escapes is in the next slice
                piece, held = piece[:-1], b"\\"
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        piece = piece.translate(None, deleted).replace(b'""', b"")
        parts = piece.split(b'"')
        yield b"".join(parts[inside::2])
        inside ^= len(parts) % 2 == 0
