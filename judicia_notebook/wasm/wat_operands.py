"""One instruction, one type, one name: how each is written in the text format.

Names are written so that no text of the file's author is anything but an identifier: what the format does not allow in
one becomes ``_``.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from judicia_notebook.wasm.disassembly import Catch, Instruction, MemoryArgument
from judicia_notebook.wasm.info import FuncType, GlobalType, MemoryType, TableType

_NOT_OF_AN_IDENTIFIER = re.compile(r"[^0-9A-Za-z!#$%&'*+\-./:<=>?@\\^_`|~]+")
_MOST_NAME = 120
_MOST_TYPES = 1000
_CATCHES: Final = ("catch", "catch_ref", "catch_all", "catch_all_ref")
_CALLS: Final = frozenset({"call_indirect", "return_call_indirect"})
_COPIES: Final = frozenset({"memory.copy", "table.copy"})  # both places are written, or none
_MEMORY_LAST: Final = frozenset({"memory.init", "table.init"})  # in the binary format, and first in text


def identifiers(names: Mapping[int, str]) -> dict[int, str]:
    """An identifier for each function that has a name, each once.

    Examples
    --------
    >>> identifiers({0: "add(int, int)", 1: "add(int, int)", 2: ""})
    {0: '$add_int_int_', 1: '$add_int_int_#1'}
    """
    found: dict[int, str] = {}
    taken: set[str] = set()
    for index, name in names.items():
        shown = _NOT_OF_AN_IDENTIFIER.sub("_", name[: 4 * _MOST_NAME])[:_MOST_NAME]
        if not shown.strip("_"):
            continue
        if shown in taken:
            shown = f"{shown}#{index}"
        if shown in taken:  # someone has foreseen it
            continue
        taken.add(shown)
        found[index] = f"${shown}"
    return found


def quoted(data: bytes) -> str:
    r"""Bytes as a string of the text format.

    Examples
    --------
    >>> print(quoted(b'a"b' + bytes([0, 255])))
    "a\22b\00\ff"
    """
    return '"' + "".join(map(_CHARACTERS.__getitem__, data)) + '"'


_CHARACTERS: Final = [
    chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:02x}" for byte in range(256)
]


def type_text(kind: FuncType) -> str:
    """The parameters and results of a function, with a space before each; nothing where there are none."""
    found = ""
    for word, types in (("param", kind.params), ("result", kind.results)):
        if types:
            found += f" ({word} {' '.join(types[:_MOST_TYPES])})"
    return found


def limits_text(kind: MemoryType) -> str:
    """A memory's type."""
    most = f" {kind.maximum_pages}" if kind.maximum_pages is not None else ""
    return f"{'i64 ' if kind.is64 else ''}{kind.minimum_pages}{most}{' shared' if kind.shared else ''}"


def table_text(kind: TableType) -> str:
    """A table's type."""
    most = f" {kind.maximum}" if kind.maximum is not None else ""
    return f"{'i64 ' if kind.is64 else ''}{kind.minimum}{most} {kind.element}"


def global_text(kind: GlobalType) -> str:
    """A global's type."""
    return f"(mut {kind.value})" if kind.mutable else kind.value


def float_text(raw: bytes) -> str:
    """A float of 4 or 8 bytes, so that assembling it gives these very bytes.

    Examples
    --------
    >>> float_text(struct.pack("<f", 0.1)), float_text(bytes.fromhex("0100c0ff")), float_text(struct.pack("<d", 1e300))
    ('0.1', '-nan:0x400001', '1e+300')
    """
    size = len(raw)
    bits = int.from_bytes(raw, "little")
    sign = "-" if bits >> (8 * size - 1) else ""
    value: float = struct.unpack("<f" if size == 4 else "<d", raw)[0]
    if math.isinf(value):
        return f"{sign}inf"
    if math.isnan(value):
        return f"{sign}nan:{bits & (0x7FFFFF if size == 4 else 0xFFFFFFFFFFFFF):#x}"
    if size == 8:
        return repr(value)
    for digits in range(1, 10):
        written = f"{value:.{digits}g}"
        if struct.pack("<f", _finite(float(written))) == raw:
            return written
    return value.hex()


def _finite(value: float) -> float:
    """A number that fits into 4 bytes: a rounded one may be beyond the largest."""
    return value if abs(value) < 3.4028235e38 else math.copysign(math.inf, value)


class Operands:
    """Writes instructions.

    Parameters
    ----------
    types : sequence of FuncType or None
        Those of the module.
    functions : mapping of int to str
        Their identifiers.
    """

    def __init__(self, types: Sequence[FuncType | None], functions: Mapping[int, str]) -> None:
        self._types = types
        self._functions = functions

    def function(self, index: int) -> str:
        """A function as an operand."""
        return self._functions.get(index, str(index))

    def type_use(self, index: int) -> str:
        """A function type by its number, and what it is."""
        kind = self._types[index] if index < len(self._types) else None
        return f"(type {index}){type_text(kind) if kind is not None else ''}"

    def write(self, instruction: Instruction) -> str:
        """An instruction, on one line."""
        _, _, opcode, immediates = instruction
        name = opcode.name
        if name in _CALLS:
            kind, table = immediates
            return f"{name}{f' {table}' if table else ''} {self.type_use(kind)}"
        if name in _MEMORY_LAST:
            segment, place = immediates
            return f"{name}{f' {place}' if place else ''} {segment}"
        if name in _COPIES:
            return " ".join([name, *map(str, immediates)]) if any(immediates) else name
        parts = [name]
        for kind, value in zip(opcode.immediates, immediates, strict=True):
            writer = _WRITERS.get(kind)
            if kind == "function":
                parts.append(self.function(value))
            elif kind == "block":
                parts.append(self._block_type(value))
            elif kind == "memarg":
                parts.append(_memory_argument(value, opcode.access))
            elif writer is not None:
                parts.append(writer(value))
            else:
                parts.append(str(value))
        return " ".join(part for part in parts if part)

    def _block_type(self, value: int | str | None) -> str:
        if isinstance(value, int):
            return self.type_use(value)
        return f"(result {value})" if value is not None else ""


def _memory_argument(argument: MemoryArgument, access: int) -> str:
    natural = access.bit_length() - 1
    parts = [
        str(argument.memory) if argument.memory else "",
        f"offset={argument.offset}" if argument.offset else "",
        f"align={1 << argument.align}" if argument.align != natural else "",
    ]
    return " ".join(part for part in parts if part)


def _catch(clause: Catch) -> str:
    tag = f" {clause.tag}" if clause.tag is not None else ""
    return f"({_CATCHES[clause.kind]}{tag} {clause.label})"


_WRITERS: Final[dict[str, Callable[[Any], str]]] = {
    "labels": lambda labels: " ".join(map(str, labels)),
    "f32": float_text,
    "f64": float_text,
    "v128": lambda raw: "i32x4 " + " ".join(f"{part:#010x}" for part in struct.unpack("<4I", raw)),
    "lanes": lambda raw: " ".join(map(str, raw)),
    "memory": lambda index: str(index) if index else "",
    "table": lambda index: str(index) if index else "",
    "types": lambda types: f"(result {' '.join(types)})",
    "catches": lambda clauses: " ".join(map(_catch, clauses)),
    "zero": lambda _: "",
}
