"""A module's info as bytes: what its sections and its manifest say, so that a known file need not be read again.

All of it is a pure function of the file's bytes and of the readers in this room, and `READERS` names the readers. It
knows no cache: who keeps the bytes, under which digest, and who may write there, is the engine's business.

- Nothing is written that can be looked up in the rest: the type of an export or a function import is that of its
  function, the bytes of a data segment are in the file.
- Every number is held against the file and the other numbers before it is used. Bytes that are not from here, or from
  another version of here, give no info, never an error, and never an index beyond its end.
- Names of functions are not in it: `FunctionNames` reads them from the file when one is asked for.
"""

from __future__ import annotations

import functools
import hashlib
import pkgutil
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from judicia_notebook.wasm import memory_images
from judicia_notebook.wasm.function_names import FunctionNames
from judicia_notebook.wasm.info import (
    CustomSection,
    Export,
    ExternKind,
    ExternType,
    FunctionTypes,
    FuncType,
    GlobalType,
    Import,
    MemoryType,
    ModuleInfo,
    Section,
    TableType,
)
from judicia_notebook.wasm.manifest import SECTION, Manifest
from judicia_notebook.wasm.memory_images import FEW

if TYPE_CHECKING:
    from judicia_notebook.wasm.memory_images import Image

MAX_BYTES: Final = 1 << 20
"""Of packed info. A module of 20 MB from Go has 40 KB; what has more is read again at each load."""

_READERS = (
    "wasm/binary_format.py",
    "wasm/info.py",
    "wasm/manifest.py",
    "wasm/memory_images.py",
    "wasm/packed_info.py",
    "wasm/sections.py",
    "wasm/strict_parsing.py",
    "capabilities.py",
)


@functools.cache
def readers() -> str:
    """A digest of the readers' sources: info of others is never used, whatever version they call themselves.

    Empty where the sources cannot be read, and then nothing may be kept.
    """
    digest = hashlib.sha256()
    try:
        for name in _READERS:
            digest.update(pkgutil.get_data("judicia_notebook", name) or b"")
    except OSError:
        return ""
    return digest.hexdigest()[:16]


class Recalled(NamedTuple):
    """What is known of a file that was read before.

    Attributes
    ----------
    manifest : Manifest or None
        That of its custom section; None where it has no such section, or it was not read.
    images : tuple of Image or None
        None where the module has more data segments than are kept here.
    code_bytes : int
        The size of its compiled code, which is how its file in the cache is called.
    """

    module: ModuleInfo
    manifest: Manifest | None
    images: tuple[Image, ...] | None
    code_bytes: int


_Number = Annotated[int, Meta(ge=0)]


class _Packed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    size: _Number
    code_bytes: _Number
    types: tuple[FuncType | None, ...]
    imports: tuple[tuple[str, str, ExternKind, GlobalType | None], ...]
    exports: tuple[tuple[str, ExternKind, _Number], ...]
    functions: bytes
    wide: bool
    tables: tuple[TableType, ...]
    memories: tuple[MemoryType, ...]
    tags: tuple[FuncType, ...]
    global_count: _Number
    start: _Number | None
    sections: tuple[Section, ...]
    custom_sections: tuple[CustomSection, ...]
    data_segments: _Number
    element_segments: _Number
    segments: tuple[tuple[_Number, _Number, _Number, _Number], ...] | None
    manifest: Manifest | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)


def pack_info(module: ModuleInfo, manifest: Manifest | None, code_bytes: int) -> bytes | None:
    """A module's info as bytes, for `unpack_info`; None where it would have more than `MAX_BYTES`.

    Parameters
    ----------
    module : ModuleInfo
        As `read_module` read it, within the limits that it has by default.
    manifest : Manifest or None
        That of the module's own section, if it was read from there.
    code_bytes : int
    """
    indexes = module.functions.indexes
    segments = None
    if module.data_segments <= FEW:
        segments = tuple(memory_images.read_leading(module).segments)
    packed = _Packed(
        len(module.data),
        code_bytes,
        module.types,
        tuple([(each.module, each.name, each.kind, _own_type(each)) for each in module.imports]),
        tuple([(each.name, each.kind, each.index) for each in module.exports]),
        bytes(indexes) if isinstance(indexes, bytes) else array("I", indexes).tobytes(),
        not isinstance(indexes, bytes),
        module.tables,
        module.memories,
        module.tags,
        module.global_count,
        module.start,
        module.sections,
        module.custom_sections,
        module.data_segments,
        module.element_segments,
        segments,
        manifest,
    )
    try:
        data = _encoder.encode(packed)
    except (ValueError, TypeError, OverflowError, RecursionError):  # half a surrogate in a name, for example
        return None
    return data if len(data) <= MAX_BYTES else None


def _own_type(wanted: Import) -> GlobalType | None:
    return wanted.type if isinstance(wanted.type, GlobalType) else None


def unpack_info(data: bytes, packed: bytes) -> Recalled | None:
    """What `pack_info` was given for the file with these bytes; None where that is not certain."""
    try:
        return _unpack(data, _decoder.decode(packed))
    except (ValueError, LookupError, TypeError, RecursionError):  # msgspec's errors are ValueErrors
        return None


def _unpack(data: bytes, packed: _Packed) -> Recalled:
    functions = FunctionTypes(packed.types, _indexes(packed))
    _require(packed.size == len(data))
    _require(packed.start is None or packed.start < len(functions))
    places = [(each.offset, each.size) for each in packed.sections]
    places += [(each.offset, each.size) for each in packed.custom_sections]
    _require(all(0 <= offset <= offset + size <= len(data) for offset, size in places))
    module = ModuleInfo(
        packed.types,
        tuple(_imports(packed, functions)),
        tuple(_exports(packed, functions)),
        functions,
        packed.tables,
        packed.memories,
        packed.tags,
        packed.global_count,
        packed.start,
        packed.sections,
        packed.custom_sections,
        packed.data_segments,
        packed.element_segments,
        FunctionNames(data, packed.custom_sections, len(functions)),
        data,
    )
    _require(packed.manifest is None or any(each.name == SECTION for each in packed.custom_sections))
    images = None if packed.segments is None else memory_images.images_of(module, packed.segments)
    return Recalled(module, packed.manifest, images, packed.code_bytes)


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("the info contradicts itself, or the file")


def _indexes(packed: _Packed) -> Sequence[int]:
    """The functions' types: each names a function type."""
    if not packed.wide:
        valid = bytes([number for number, kind in enumerate(packed.types[:0x100]) if kind is not None])
        _require(not packed.functions.translate(None, valid))
        return packed.functions
    indexes = array("I", packed.functions)
    _require({number for number, kind in enumerate(packed.types) if kind is not None}.issuperset(indexes))
    return indexes


def _imports(packed: _Packed, functions: FunctionTypes) -> Iterator[Import]:
    """The imports: in its index space each is the next."""
    spaces: dict[ExternKind, Iterator[ExternType]] = {
        "func": iter(functions),
        "table": iter(packed.tables),
        "memory": iter(packed.memories),
        "tag": iter(packed.tags),
    }
    for module, name, kind, own in packed.imports:
        found = own if kind == "global" else next(spaces[kind], None)
        if found is None:
            raise ValueError(f"an imported {kind} has no type")
        yield Import(module, name, kind, found)


def _exports(packed: _Packed, functions: FunctionTypes) -> Iterator[Export]:
    counts = {
        "func": len(functions),
        "table": len(packed.tables),
        "memory": len(packed.memories),
        "global": packed.global_count,
        "tag": len(packed.tags),
    }
    for name, kind, index in packed.exports:
        _require(index < counts[kind])
        yield Export(name, kind, index, functions[index] if kind == "func" else None)
