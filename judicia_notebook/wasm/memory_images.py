"""What data segments write into a fresh memory, taken out of a module before it is compiled.

An engine whose host makes the memories turns each active data segment into code, which is compiled, metered and run in
each instance: 30 000 segments of a byte took eleven seconds and 0.9 GiB. So the *leading* segments become images that
the host copies in when it makes the memory. It knows the format of a module, and not who makes memories or when.

- A segment is taken if its offset is one ``i32.const`` and it lies within the minimum of a memory that the module
  defines. Passive ones write nothing at instantiation; they stay, and those behind them can still be taken.
- Where the module's first memory begins empty none is taken; `_room` says why.
- The first active segment that cannot be taken ends it. It may trap, or write where a later one writes as well, so it
  and all behind it keep their place in the order.
- A taken segment leaves an *empty passive* one. Indices stay, and an active segment is empty after instantiation too:
  ``memory.init`` of nothing is fine, of more it traps, ``data.drop`` does nothing. Nothing of the guest runs before
  the image is there: no constant expression reads a memory, and the start function comes after all segments.
- What stays, stays at its byte. A custom section of zeros fills the room before the data section, so that the offsets
  in the compiler's messages, those of code in stacks and DWARF, and all other sections are those of the file as given.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple

from judicia_notebook.wasm.binary_format import DEFAULT, Cursor
from judicia_notebook.wasm.encoding import padded_leb128
from judicia_notebook.wasm.info import MemoryType, ModuleInfo

VERSION: Final = 2
"""Raise it when other segments are taken: code that lacks some of them must not meet the images of others."""

MAX_SEGMENTS: Final = 100_000
"""No engine takes more; the limit of the WebAssembly JavaScript interface."""

FEW: Final = 100
"""Data segments up to which the images are read from the module in less time than from a file."""

_DATA = 11
_PAGE = 1 << 16
_EMPTY_PASSIVE = b"\x01\0"
_GAP = 64
"""Bytes between two segments up to which one copy takes both. Far below a page, so that no page of zeros is touched for
it, and a file of small segments far apart makes no large image."""


class Run(NamedTuple):
    """Bytes of an image: what they are, and the address of the first."""

    offset: int
    content: bytes


Image = tuple[Run, ...]
"""A memory's contents apart from zeros: runs in ascending order that do not touch."""


Segment = tuple[int, int, int, int]
"""A data segment that is taken: its memory among the defined ones, its address, where its bytes are, how many they are.
A plain tuple: a Go program has 30 000 of them."""


@dataclass(frozen=True, slots=True)
class LeadingSegments:
    """The data segments that a module begins with, up to the first that cannot be taken.

    Attributes
    ----------
    segments : list of Segment
        Those that are taken.
    replacement : bytes
        What stands in place of them.
    count : int
        How many they are, passive ones included.
    start, end : int
        Where they begin and end in the file.
    """

    segments: list[Segment]
    replacement: bytes
    count: int
    start: int
    end: int


_U32 = rb"((?:[\x80-\xff]{0,3}[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x0f]))"
_I32 = rb"((?:[\x80-\xff]{0,3}[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x07\x78-\x7f]))"
_ACTIVE = re.compile(rb"(?:\x00|\x02" + _U32 + rb")\x41" + _I32 + rb"\x0b" + _U32)
_PASSIVE = re.compile(rb"\x01" + _U32)
"""Both as strict as an engine: what it refuses must not be taken. Reading byte by byte takes twice the time."""


def _unsigned(number: bytes) -> int:
    value = shift = 0
    for byte in number:
        value |= (byte & 0x7F) << shift
        shift += 7
    return value


def _address(number: bytes) -> int:
    """The operand of ``i32.const`` is signed, and an address is not."""
    value = _unsigned(number)
    return (value - (1 << 7 * len(number))) & 0xFFFFFFFF if number[-1] & 0x40 else value


def read_leading(module: ModuleInfo) -> LeadingSegments:
    """The leading segments. A malformed one ends them: the compiler will say what is wrong with it."""
    section = next((each for each in module.sections if each.id == _DATA), None)
    if section is None or module.data_segments > MAX_SEGMENTS:
        return LeadingSegments([], b"", 0, 0, 0)
    defined = _defined(module)
    imported = len(module.memories) - len(defined)
    room = [0] * imported + _room(defined)
    data = module.data
    cursor = Cursor(data, DEFAULT)
    cursor.pos = section.offset + 1
    last = cursor.u32("its size") + cursor.pos
    count = cursor.u32("the number of data segments")
    start = end = cursor.pos
    segments: list[Segment] = []
    replacement: list[bytes] = []
    while len(replacement) < count:
        active = _ACTIVE.match(data, end, last)
        if active is not None:
            index, address, length = active.groups()
            memory = _unsigned(index) if index else 0
            offset, size, first = _address(address), _unsigned(length), active.end()
            after = first + size
            if memory < imported or memory >= len(room) or offset + size > room[memory] or after > last:
                break
            segments.append((memory - imported, offset, first, size))
            replacement.append(_EMPTY_PASSIVE)
        elif passive := _PASSIVE.match(data, end, last):
            after = passive.end() + _unsigned(passive[1])
            if after > last:
                break
            replacement.append(data[end:after])
        else:
            break
        end = after
    return LeadingSegments(segments, b"".join(replacement), len(replacement), start, end)


def _defined(module: ModuleInfo) -> tuple[MemoryType, ...]:
    return module.memories[sum(each.kind == "memory" for each in module.imports) :]


def _room(defined: Sequence[MemoryType]) -> list[int]:
    """How many bytes of each memory can be taken: none of one that is shared, or has 64-bit addresses.

    None of any where the first memory begins empty: the host that makes the memories cannot tell it from the engine's
    own heap of references, so it would not know which memory an image belongs to.
    """
    if defined and not defined[0].minimum_pages:
        return [0] * len(defined)
    return [0 if each.is64 or each.shared else each.minimum_pages * _PAGE for each in defined]


class ImagedModule(NamedTuple):
    """What to compile, and what the memories of an instance hold before anything of it runs.

    Attributes
    ----------
    wasm : bytes
        The module without the segments that are in the images; as long as the file as given.
    images : tuple of Image
        One for each memory that the module defines, in their order; empty where no segment is taken.
    """

    wasm: bytes
    images: tuple[Image, ...] = ()


def take_images(module: ModuleInfo) -> ImagedModule:
    """The module without its leading data segments, and the images they make.

    Examples
    --------
    >>> from judicia_notebook.wasm.sections import read_module
    >>> wasm = bytes.fromhex("0061736d01000000 0503010001 0b080100 4107 0b 026869")
    >>> taken = take_images(read_module(wasm))
    >>> taken.images
    ((Run(offset=7, content=b'hi'),),)
    >>> len(taken.wasm) == len(wasm)
    True
    """
    leading = read_leading(module)
    if not leading.segments:
        return ImagedModule(module.data)
    return ImagedModule(_without(module, leading), _images(module, leading.segments))


def read_images(module: ModuleInfo) -> tuple[Image, ...]:
    """The images alone, for a module that was compiled before."""
    segments = read_leading(module).segments
    return _images(module, segments) if segments else ()


def images_of(module: ModuleInfo, segments: Sequence[Segment]) -> tuple[Image, ...]:
    """The images that `read_leading` found these segments for.

    Raises
    ------
    ValueError
        A segment is beyond the file, or beyond its memory: it is not from there.
    """
    room = [memory.minimum_pages * _PAGE for memory in _defined(module)]
    for memory, offset, start, size in segments:
        if memory >= len(room) or offset + size > room[memory] or start + size > len(module.data):
            raise ValueError("a data segment lies beyond its memory or the file")
    return _images(module, segments) if segments else ()


# --- images as bytes -------------------------------------------------------------------------------------------------

_COUNT = struct.Struct("<I")
_RUN = struct.Struct("<II")  # address and size; the contents of all runs follow behind the last of these


def pack_images(images: tuple[Image, ...]) -> bytes:
    """Images as bytes, for `unpack_images`."""
    heads = [_COUNT.pack(len(images))]
    for image in images:
        heads.append(_COUNT.pack(len(image)))
        heads += [_RUN.pack(run.offset, len(run.content)) for run in image]
    return b"".join(heads + [run.content for image in images for run in image])


def unpack_images(packed: bytes) -> tuple[Image, ...] | None:
    """What `pack_images` was given; None where these bytes are not from there."""
    try:
        (count,), at = _COUNT.unpack_from(packed), _COUNT.size
        places: list[list[tuple[int, int]]] = []
        for _ in range(count):
            (runs,) = _COUNT.unpack_from(packed, at)
            at += _COUNT.size
            end = at + runs * _RUN.size
            places.append(list(_RUN.iter_unpack(packed[at:end])))
            if len(places[-1]) != runs:
                return None
            at = end
    except struct.error:
        return None
    if at + sum(size for image in places for _, size in image) != len(packed):
        return None
    images: list[Image] = []
    for image in places:
        read = []
        for offset, size in image:
            read.append(Run(offset, packed[at : at + size]))
            at += size
        images.append(tuple(read))
    return tuple(images)


# --- the two halves of a module --------------------------------------------------------------------------------------


def _without(module: ModuleInfo, leading: LeadingSegments) -> bytes:
    data = module.data
    section = next(each for each in module.sections if each.id == _DATA)
    cursor = Cursor(data, DEFAULT)
    cursor.pos = section.offset + 1
    size = cursor.u32("its size")
    removed = leading.end - leading.start - len(leading.replacement)  # at least three bytes a segment
    header = b"\x0b" + padded_leb128(size - removed, cursor.pos - section.offset - 1)
    count = data[cursor.pos : leading.start]
    # One byte is the section's number, then its size, then a name of no bytes and zeros.
    width = 1 if removed < 0x80 else 5
    filling = b"\0" + padded_leb128(removed - 1 - width, width) + bytes(removed - 1 - width)
    return b"".join(
        (data[: section.offset], filling, header, count, leading.replacement, memoryview(data)[leading.end :])
    )


def _images(module: ModuleInfo, found: Sequence[Segment]) -> tuple[Image, ...]:
    by_memory: list[list[Segment]] = [[] for _ in _defined(module)]
    for segment in found:
        if segment[3]:
            by_memory[segment[0]].append(segment)
    return tuple([_image(module.data, segments) for segments in by_memory])


def _image(data: bytes, segments: list[Segment]) -> Image:
    runs: list[Run] = []
    cluster: list[Segment] = []
    reached = 0
    for segment in sorted(segments, key=itemgetter(1)):
        _, offset, _, size = segment
        if cluster and offset - reached > _GAP:
            runs.append(_run(data, cluster, reached))
            cluster = []
        cluster.append(segment)
        reached = max(reached, offset + size)
    if cluster:
        runs.append(_run(data, cluster, reached))
    return tuple(runs)


def _run(data: bytes, cluster: list[Segment], end: int) -> Run:
    """Segments that lie close together, the one with the lowest address first."""
    _, low, start, size = cluster[0]
    if len(cluster) == 1:
        return Run(low, data[start : start + size])
    content = bytearray(end - low)
    cluster.sort(key=itemgetter(2))  # where two overlap, the later in the file is written last
    for _, offset, start, size in cluster:
        content[offset - low : offset - low + size] = data[start : start + size]
    return Run(low, bytes(content))
