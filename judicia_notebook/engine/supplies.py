"""Memories, globals and tables that a module imports: each instance gets its own, from a module of ours.

Their types are the importing module's. What is given here is what such a type leaves open: a global's number, the pages
or bytes that a memory begins with, the elements of a table. A *provider* defines and exports all of it, written as text
here; ``core/supplied.c`` makes an instance of it beside each instance of the guest. So a memory that is supplied is
made, limited and counted as any memory of a guest.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from judicia_notebook.engine import capi, memory
from judicia_notebook.engine.core import structs
from judicia_notebook.engine.slots import pack_number
from judicia_notebook.wasm.info import GlobalType, MemoryType, TableType
from judicia_notebook.wasm.memory_images import Image, Run

PAGE: Final = 1 << 16
_MOST_PAGES, _MOST_PAGES64, _MOST_ELEMENTS = 1 << 16, 1 << 48, (1 << 32) - 1

Given = float | bytes | None
"""A number, the bytes that a memory begins with, or None for the least that the module asks for."""


class Supply(NamedTuple):
    """An import that is no function, and what is given for it."""

    module: str
    name: str
    type: MemoryType | GlobalType | TableType
    given: Given


def provider_images(supplies: Sequence[Supply]) -> tuple[Image, ...] | None:
    """What the provider's memories begin with, for who copies it in.

    None where the provider's text has to have it: the system has no memories of ours, or a memory is empty, which could
    be the engine's heap.
    """
    if not memory.AVAILABLE:
        return None
    memories = [(supply.type, supply.given) for supply in supplies if isinstance(supply.type, MemoryType)]
    if any(_pages(kind, given) == 0 for kind, given in memories):
        return None
    return tuple((Run(0, given),) if isinstance(given, bytes) and given else () for _, given in memories)


def _pages(kind: MemoryType, given: Given) -> int:
    if isinstance(given, bytes):
        return max(kind.minimum_pages, -(-len(given) // PAGE))
    return kind.minimum_pages if given is None else _whole(given, "pages of 64 KiB")


def provider_text(supplies: Sequence[Supply], *, has_content: bool = True) -> str:
    """The provider, as text: what is supplied has its place as its name.

    Parameters
    ----------
    has_content : bool
        Whether it has data segments with what the memories begin with.

    Raises
    ------
    ValueError
        Something does not fit its type: "is 2 pages, and the module asks for 17 at least".
    """
    fields: list[str] = []
    memories = 0
    for place, supply in enumerate(supplies):
        fields.append(field_text(supply, place))
        if isinstance(supply.type, MemoryType):
            if has_content and isinstance(supply.given, bytes) and supply.given:
                start = "i64.const 0" if supply.type.is64 else "i32.const 0"
                fields.append(f'(data (memory {memories}) ({start}) "{_escaped(supply.given)}")')
            memories += 1
    return f"(module {' '.join(fields)})"


def field_text(supply: Supply, place: int = 0) -> str:
    """The definition of one supply.

    Raises
    ------
    ValueError
    """
    kind, given = supply.type, supply.given
    if isinstance(kind, GlobalType):
        return _global_text(kind, given, place)
    if isinstance(kind, MemoryType):
        return _memory_text(kind, given, place)
    return _table_text(kind, given, place)


def _global_text(kind: GlobalType, given: Given, place: int) -> str:
    if kind.value not in capi.VALUE_KINDS:
        raise ValueError(f"is of the type {kind.value}; only i32, i64, f32 and f64 can be supplied")
    if given is None or isinstance(given, bytes):
        raise ValueError(f"takes a number ({kind.value})")
    pack_number(kind.value, given)
    value = f"(mut {kind.value})" if kind.mutable else kind.value
    return f'(global (export "{place}") {value} ({kind.value}.const {_number_text(kind.value, given)}))'


def _number_text(kind: str, number: float) -> str:
    if kind in {"i32", "i64"}:
        return str(int(number))
    return "nan" if math.isnan(number) else float(number).hex()


def _memory_text(kind: MemoryType, given: Given, place: int) -> str:
    if kind.shared:
        raise ValueError("is a shared memory, and those are off: it would bypass the memory quota")
    pages = _pages(kind, given)
    top = _MOST_PAGES64 if kind.is64 else _MOST_PAGES
    _check_range(pages, kind.minimum_pages, kind.maximum_pages, top, "pages")
    most = "" if kind.maximum_pages is None else kind.maximum_pages
    return f'(memory (export "{place}") {"i64 " if kind.is64 else ""}{pages} {most})'


def _table_text(kind: TableType, given: Given, place: int) -> str:
    if kind.is64 or kind.element not in capi.REFERENCE_KINDS:
        raise ValueError(f"is a table of {kind.element}; only plain ones of funcref and externref can be supplied")
    elements = kind.minimum if given is None else _whole(given, "elements")
    _check_range(elements, kind.minimum, kind.maximum, _MOST_ELEMENTS, "elements")
    return f'(table (export "{place}") {elements} {"" if kind.maximum is None else kind.maximum} {kind.element})'


def _whole(value: Given, unit: str) -> int:
    if value.__class__ is not int:
        raise ValueError(f"is a {type(value).__name__}, and must be a number of {unit}, or None for the least")
    return int(value)


def _check_range(given: int, least: int, most: int | None, top: int, unit: str) -> None:
    if given < least:
        raise ValueError(f"is {given} {unit}, and the module asks for {least} at least")
    limit = top if most is None else min(most, top)
    if given > limit:
        raise ValueError(f"is {given} {unit}, and the module takes {limit} at most")


def _escaped(data: bytes) -> str:
    return "\\" + data.hex("\\") if data else ""


class SupplyArray:
    """Supplies as the core reads them, with everything that they point to."""

    __slots__ = ("_kept", "address", "count")

    def __init__(self, supplies: Sequence[Supply]) -> None:
        array = (structs.Supply * len(supplies))()
        self._kept: list[object] = [array]
        for place, supply in enumerate(supplies):
            names = [supply.module.encode(), supply.name.encode(), str(place).encode()]
            array[place] = structs.Supply(*(part for name in names for part in (name, len(name))))
            self._kept.append(names)
        self.address = ctypes.addressof(array)
        self.count = len(supplies)
