"""Which function of a module begins where in its compiled code.

Wasmtime's profiler names a function by a text that it has demangled already, and takes any name that reads like a C++
type for one: ``a`` becomes ``signed char``, ``3foo`` becomes ``foo``. The compiled module says by number what lies
where: it is an ELF file, and the symbol of each function is ``wasm[0]::function[NUMBER]``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

_HEADER: Final = struct.Struct("<40xQ10xHHH")  # where the section headers are; the size of one; how many
_SECTION: Final = struct.Struct("<4xI16xQQI20x")  # its type, offset and size; the section that it is linked to
_SYMBOL: Final = struct.Struct("<IBxHQQ")  # its name's offset, kind, section, value and size
_SYMBOL_TABLE, _FUNCTION = 2, 2
_NAME: Final = re.compile(rb"wasm\[0\]::function\[(\d+)\]")
_ELF_OF_64_BITS: Final = b"\x7fELF\x02\x01"


def function_starts(compiled: bytes) -> dict[int, int]:
    """The function numbers of a serialized module, by where the code of each begins; none where it is no such file."""
    try:
        return dict(_read(memoryview(compiled)))
    except (struct.error, IndexError, ValueError, OverflowError):
        return {}


def _read(data: memoryview) -> Iterator[tuple[int, int]]:
    if bytes(data[:6]) != _ELF_OF_64_BITS:
        return
    first, size, count, _ = _HEADER.unpack_from(data)
    sections = [_SECTION.unpack_from(data, first + at * size) for at in range(count)]
    for kind, offset, length, linked in sections:
        if kind != _SYMBOL_TABLE:
            continue
        _, texts_at, texts_length, _ = sections[linked]
        texts = data[texts_at : texts_at + texts_length]
        for name, described, _, value, _ in _SYMBOL.iter_unpack(data[offset : offset + length]):
            found = _NAME.match(texts[name : name + 40]) if described & 15 == _FUNCTION else None
            if found is not None:
                yield value, int(found[1])
