"""A module without what only a debugger reads: the custom sections that hold DWARF, which can be 40 times the code.

Compilers write them together with the names of functions, which stay: a trap says which function it was in.
"""

from __future__ import annotations

from itertools import pairwise

from judicia_notebook.errors import LoadError
from judicia_notebook.wasm.sections import read_module

_CUSTOM = 0


def without_dwarf(wasm: bytes) -> bytes:
    r"""The module without its sections ``.debug_*``; as it is where it cannot be read.

    Examples
    --------
    >>> head = b"\0asm" + bytes([1, 0, 0, 0])
    >>> without_dwarf(head + b"\0\x08\x06.debugx" + b"\0\x0c\x0b.debug_line") == head + b"\0\x08\x06.debugx"
    True
    """
    try:
        module = read_module(wasm)
    except LoadError:
        return wasm  # the load says what is wrong with it
    starts = [*(section.offset for section in module.sections), len(wasm)]
    dwarf = {custom.offset + custom.size for custom in module.custom_sections if custom.name.startswith(".debug_")}
    kept = [wasm[start:end] for start, end in pairwise(starts) if not (wasm[start] == _CUSTOM and end in dwarf)]
    return b"".join([wasm[: starts[0]], *kept])
