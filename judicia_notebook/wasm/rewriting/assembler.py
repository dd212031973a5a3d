"""Code from a list of instructions by name, for the functions of ours; a few of each module, so it need not be fast."""

from __future__ import annotations

from functools import cache

from judicia_notebook.wasm.encoding import leb128, signed_leb128
from judicia_notebook.wasm.opcodes import OPCODES, Opcode


@cache
def _by_name() -> dict[str, Opcode]:
    return {opcode.name: opcode for opcode in OPCODES.values() if opcode.immediates != ("types",)}  # of two selects


def assemble(text: str) -> bytes:
    """Encode instructions, one after the other, each with its immediates; a comment begins with ``;;``.

    A block takes and gives nothing. A load or store has the index of its memory and its offset, and is aligned.

    Examples
    --------
    >>> assemble("local.get 0  i64.load 1 8  i64.const -1  i64.add  drop").hex(" ")
    '20 00 29 43 01 08 42 7f 7c 1a'
    """
    words = iter([word for line in text.splitlines() for word in line.partition(";;")[0].split()])
    code = bytearray()
    for word in words:
        opcode = _by_name()[word]
        code.append(opcode.prefix)
        if opcode.number is not None:
            code += leb128(opcode.number)
        for kind in opcode.immediates:
            match kind:
                case "block":
                    code.append(0x40)
                case "i32" | "i64":
                    code += signed_leb128(int(next(words)))
                case "memarg":
                    exponent = opcode.access.bit_length() - 1
                    code.append(0x40 | exponent)
                    code += leb128(int(next(words))) + leb128(int(next(words)))
                case _:
                    code += leb128(int(next(words)))
    return bytes(code)
