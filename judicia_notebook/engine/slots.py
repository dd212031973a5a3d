"""How numbers lie in a call: 16 bytes each, arguments first, results written over them.

`struct` packs and checks them in one C call; what it refuses (an integer beyond its type, a float where an integer
must be) never gets near a guest.
"""

from __future__ import annotations

import ctypes
import functools
import operator
import struct
from ctypes import c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from judicia_notebook.engine import capi
from judicia_notebook.text import printable

NUMBERS = frozenset({"i32", "i64", "f32", "f64"})
"""The types that can be passed."""

_UNSIGNED = {"i32": "I12x", "i64": "Q8x", "f32": "f12x", "f64": "d8x"}
_SIGNED = {**_UNSIGNED, "i32": "i12x", "i64": "q8x"}


@functools.cache
def layout(kinds: tuple[str, ...], *, signed: bool) -> struct.Struct:
    """Slots for these values, as `struct` packs them; a type that is no number fills its slot with zeros."""
    formats = _SIGNED if signed else _UNSIGNED
    return struct.Struct("<" + "".join(formats.get(kind, "16x") for kind in kinds))


def pack_numbers(kinds: tuple[str, ...], numbers: tuple[float, ...]) -> bytes:
    """Arguments as they lie in a call's slots. Integers may be given signed or unsigned.

    Raises
    ------
    ValueError
        The wrong count of numbers, or one that does not fit its parameter.
    """
    try:
        return layout(kinds, signed=True).pack(*numbers)
    except (struct.error, OverflowError, TypeError):
        pass
    bits = {"i32": 32, "i64": 64}
    try:
        unsigned = [
            number + (1 << bits[kind]) if kind in bits and -(1 << (bits[kind] - 1)) <= number < 0 else number
            for kind, number in zip(kinds, numbers, strict=True)
        ]
        return layout(kinds, signed=False).pack(*unsigned)
    except (struct.error, OverflowError, TypeError, ValueError):
        raise ValueError(_misfit(kinds, numbers)) from None


def pack_number(kind: str, number: float) -> bytes:
    """One argument as it lies in its slot.

    Raises
    ------
    ValueError
        It does not fit its parameter: "is a float, and i32 takes a whole number".
    """
    try:
        return pack_numbers((kind,), (number,))
    except ValueError:
        raise ValueError(_wrong(kind, number) or "does not fit its type") from None


def _misfit(kinds: tuple[str, ...], numbers: tuple[Any, ...]) -> str:
    """The error in these arguments, in the words of WebAssembly's types."""
    if len(kinds) != len(numbers):
        takes = "no numbers" if not kinds else "1 number" if len(kinds) == 1 else f"{len(kinds)} numbers"
        given = "none was given" if not numbers else f"{len(numbers)} {'was' if len(numbers) == 1 else 'were'} given"
        return f"it takes {takes}, {given}"
    wrongs = (_wrong(kind, number) for kind, number in zip(kinds, numbers, strict=True))
    found = (f"argument {place} {wrong}" for place, wrong in enumerate(wrongs, 1) if wrong)
    return next(found, "an argument does not fit its type")


def _wrong(kind: str, number: Any) -> str:
    """The error in one argument; empty where it fits."""
    if kind in {"f32", "f64"}:
        try:
            layout((kind,), signed=True).pack(number)
        except (struct.error, OverflowError, TypeError):
            if isinstance(number, int | float):
                return f"is not within the range of {kind}"
            return f"is {_noun(number)}, and {kind} takes a number"
        return ""
    try:
        whole = operator.index(number)
    except TypeError:
        return f"is {_noun(number)}, and {kind} takes a whole number"
    bits = int(kind[1:])
    return "" if -(1 << (bits - 1)) <= whole < 1 << bits else f"is not within {bits} bits"


def _noun(value: Any) -> str:
    """A noun for a value, as people say it."""
    if value is None:
        return "None"
    nouns = {str: "a text", float: "a float", complex: "a complex number", bytes: "bytes", list: "a list"}
    return nouns.get(type(value)) or f"of the type {printable(type(value).__name__, 60)}"


class Slots:
    """Room for one call's numbers.

    One instance's exports share theirs: a nested call begins when the outer one's arguments are read already, and has
    ended before the outer one's results are written.
    """

    __slots__ = ("address", "count", "packed", "wide", "words")

    def __init__(self, count: int) -> None:
        self.count = count
        self.words = (c_uint32 * (4 * count))()  # a slot is four words
        self.wide = (c_uint64 * (2 * count)).from_buffer(self.words)
        self.packed = memoryview(self.words).cast("B")
        self.address = c_void_p(ctypes.addressof(self.words))


class Export:
    """An exported function with everything ctypes needs to call it already made.

    Parameters
    ----------
    found : Extern
        A function; kept, since Wasmtime is handed its address.
    slots : Slots
        Used where it has room for this function's numbers; otherwise the export gets its own.
    """

    __slots__ = ("_found", "_unpack", "arguments", "function", "slots", "wide", "words")

    def __init__(
        self, box: c_void_p, found: capi.Extern, params: tuple[str, ...], results: tuple[str, ...], slots: Slots
    ) -> None:
        count = max(len(params), len(results), 1)
        self.slots = slots = slots if count <= slots.count else Slots(count)
        self.words, self.wide = slots.words, slots.wide
        self._found = found
        self._unpack = layout(results, signed=True).unpack_from
        self.function = c_void_p(ctypes.addressof(found) + capi.Extern.of.offset)
        self.arguments = (box, self.function, slots.address, c_size_t(count))

    def write(self, packed: bytes) -> None:
        """Put arguments into the slots, as `pack_numbers` packed them for this export's parameters."""
        self.slots.packed[: len(packed)] = packed

    def read(self) -> tuple[float, ...]:
        """The results in the slots, integers signed."""
        return self._unpack(self.words)
