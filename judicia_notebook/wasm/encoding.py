r"""The binary format's smallest parts, written: numbers, names, types, vectors and sections. Knows no module."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from judicia_notebook.wasm.binary_format import HEAP_TYPES, NULL_TYPES, PLAIN_TYPES


def leb128(number: int) -> bytes:
    """An unsigned number as WebAssembly writes it: seven bits a byte, the lowest first.

    Examples
    --------
    >>> leb128(300).hex(" ")
    'ac 02'
    """
    if number < 0x80:
        return bytes((number,))
    written = bytearray()
    while number > 0x7F:
        written.append(0x80 | (number & 0x7F))
        number >>= 7
    written.append(number)
    return bytes(written)


def signed_leb128(number: int) -> bytes:
    """A signed number: two's complement, the last byte's bit 6 is the sign.

    Examples
    --------
    >>> signed_leb128(64).hex(" "), signed_leb128(-1).hex()
    ('c0 00', '7f')
    """
    written = bytearray()
    while not -0x40 <= number < 0x40:
        written.append(0x80 | (number & 0x7F))
        number >>= 7
    written.append(number & 0x7F)
    return bytes(written)


def padded_leb128(number: int, width: int) -> bytes:
    """A number in that many bytes, unsigned; a signed one that is positive, where its last bits are no sign."""
    return bytes([number >> 7 * n & 0x7F | (0x80 if n < width - 1 else 0) for n in range(width)])


def sized(data: bytes) -> bytes:
    """The data behind its size."""
    return leb128(len(data)) + data


def vector(items: Sequence[bytes]) -> bytes:
    """The items behind their number."""
    return leb128(len(items)) + b"".join(items)


def name(text: str) -> bytes:
    """A name, behind its size in bytes."""
    return sized(text.encode())


def section(number: int, items: Sequence[bytes]) -> bytes:
    """A section whose content is a vector."""
    return bytes((number,)) + sized(vector(items))


def custom_section(title: str, data: bytes) -> bytes:
    """A custom section of that name."""
    return b"\0" + sized(name(title) + data)


def function_type(params: Iterable[str], results: Iterable[str]) -> bytes:
    """A type of functions; the types of its values as `judicia_notebook.wasm.info.FuncType` has them.

    Examples
    --------
    >>> function_type(["i32"], ["i64", "funcref"]).hex(" ")
    '60 01 7f 02 7e 70'
    """
    return b"\x60" + b"".join(vector([value_type(kind) for kind in kinds]) for kinds in (params, results))


def function_body(locals_: Sequence[bytes], code: bytes) -> bytes:
    """A function's body with its size: declarations of locals, and code without its last ``end``."""
    return sized(vector(locals_) + code + b"\x0b")


_CODES: Final = {
    **{kind: bytes((code,)) for code, kind in PLAIN_TYPES.items()},
    **{NULL_TYPES.get(heap, f"{heap}ref"): bytes((code,)) for code, heap in HEAP_TYPES.items()},
}
_HEAPS: Final = {heap: bytes((code,)) for code, heap in HEAP_TYPES.items()}


def value_type(kind: str) -> bytes:
    """The type of a value, from the text of `judicia_notebook.wasm.binary_format.TypeCursor.value_type`.

    Raises
    ------
    ValueError
        It is no such text.

    Examples
    --------
    >>> value_type("i32").hex(), value_type("(ref null 70)").hex(" "), value_type("(ref func)").hex(" ")
    ('7f', '63 c6 00', '64 70')
    """
    code = _CODES.get(kind)
    if code is not None:
        return code
    heap = kind.removeprefix("(ref ").removeprefix("null ").removesuffix(")")
    if not kind.startswith("(ref ") or not (heap in _HEAPS or heap.isdecimal()):
        raise ValueError(f"{kind!r} is no type of values")
    nullable = kind.startswith("(ref null ")
    return (b"\x63" if nullable else b"\x64") + (_HEAPS.get(heap) or signed_leb128(int(heap)))
