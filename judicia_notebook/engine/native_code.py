"""How much native code a compiled module has. Wasmtime keeps what it compiled as an ELF image in memory."""

from __future__ import annotations

import ctypes
import struct
from ctypes import byref, c_void_p
from typing import TYPE_CHECKING, Final

from judicia_notebook.engine import capi

if TYPE_CHECKING:
    from judicia_notebook.engine.compiler import Module

_MAGIC: Final = b"\x7fELF\x02\x01"  # of 64 bits, little-endian
_HEADER = struct.Struct("<40xQ10xHHH")  # where the section headers are; the size and number of these, which has names
_SECTION = struct.Struct("<I4x8x8xQQ")  # the place of its name, its offset, its size
_TEXT = b".text\0"


def native_code_bytes(module: Module) -> int | None:
    """The bytes of machine code of a compiled module, trampolines included; None where its image is in another form."""
    begin, end = c_void_p(), c_void_p()
    capi.module_image_range(module.pointer, byref(begin), byref(end))
    if not begin.value or not end.value:
        return None
    return _text_size(begin.value, end.value - begin.value)


def _text_size(address: int, size: int) -> int | None:
    """The size of the section of code in an ELF image of our own process; nothing is read beyond `size`."""

    def read(at: int, length: int) -> bytes:
        return ctypes.string_at(address + at, length) if 0 <= at <= size - length else bytes(length)

    if read(0, len(_MAGIC)) != _MAGIC:
        return None
    table, entry, count, names = _HEADER.unpack(read(0, _HEADER.size))
    sections = [_SECTION.unpack(read(table + number * entry, _SECTION.size)) for number in range(count)]
    if names >= len(sections):
        return None
    _, texts, _ = sections[names]
    return next((length for name, _, length in sections if read(texts + name, len(_TEXT)) == _TEXT), None)
