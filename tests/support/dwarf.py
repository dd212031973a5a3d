"""Debug sections by hand, for a module of two small functions."""

from __future__ import annotations

import struct

import wasmtime

CODE = bytes(wasmtime.wat2wasm('(module (func (export "f")) (func nop nop nop nop))'))


def leb128(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def module(**sections: bytes) -> bytes:
    """A module of two functions with these debug sections; the bodies are at 2 and 5 of the code section."""
    found = CODE
    for name, data in sections.items():
        label = f".debug_{name}".encode()
        content = leb128(len(label)) + label + data
        found += b"\0" + leb128(len(content)) + content
    return found


def sized(body: bytes) -> bytes:
    return struct.pack("<I", len(body)) + body


def table(program: bytes, *, files: bytes = b"\0a.c\0\0\0\0\0", line_range: int = 14, version: int = 4) -> bytes:
    """A table of lines of version 4: its header up to the program, and the program."""
    fields = bytes([1, 1, 1, 0xFB, line_range, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])
    return sized(struct.pack("<HI", version, len(fields + files)) + fields + files + program)


def new_table(tables: bytes, program: bytes = b"") -> bytes:
    """One of version 5, whose folders and files are `tables`."""
    fields = bytes([1, 1, 1, 0xFB, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1])
    return sized(struct.pack("<HBBI", 5, 4, 0, len(fields + tables)) + fields + tables + program)


def at(address: int) -> bytes:
    return b"\0\x05\x02" + struct.pack("<I", address)


END = b"\0\x01\x01"
GOOD = at(5) + b"\x03\x06\x01" + b"\x02\x03" + END


def unit(entries: bytes, declarations: int = 0, version: int = 4) -> bytes:
    return sized(struct.pack("<HIB", version, declarations, 4) + entries)


FUNCTION = b"\x01\x2e\x00" + b"\x11\x01\x12\x06\x03\x08" + b"\0\0"  # low, high, name in place; no children
REFERENCE = b"\x02\x2e\x00" + b"\x31\x13\x11\x01\x12\x06" + b"\0\0"  # an origin, low, high
NESTED = b"\x03\x1d\x01" + b"\x11\x01\x12\x06" + b"\0\0"  # inlined, with children
OUTER = b"\x04\x2e\x01" + b"\x11\x01\x12\x06" + b"\0\0"
RANGES = b"\x05\x2e\x00" + b"\x55\x17" + b"\0\0"
ABBREVIATIONS = FUNCTION + REFERENCE + NESTED + OUTER + RANGES + b"\0"
