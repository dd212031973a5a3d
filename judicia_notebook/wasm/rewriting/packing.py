"""A rewritten module as bytes, for a cache: reading them takes a hundredth of the time of rewriting.

Who keeps them makes sure that they come back as they were, and are as trusted as compiled code: what they say of blocks
and offsets is not checked against the module again. `rewriter.key` is what to keep them under.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec

from judicia_notebook.wasm.rewriting.blocks import Blocks
from judicia_notebook.wasm.rewriting.counter_memory import CounterMemory
from judicia_notebook.wasm.rewriting.instrument import Instrument
from judicia_notebook.wasm.rewriting.offsets import OffsetMap
from judicia_notebook.wasm.rewriting.rewriter import Original, Rewritten, key


class _Packed(msgspec.Struct, array_like=True):
    key: str
    byte_order: str
    wasm: bytes
    memory_name: str
    memory_bytes: int
    calls_end_blocks: bool
    blocks: list[bytes]
    offsets: list[bytes]
    base: int
    counted: bytes
    sites: list[list[bytes]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def pack(rewritten: Rewritten) -> bytes:
    """A rewritten module with all that is known of it, but for the original."""
    blocks, offsets = rewritten.blocks, rewritten.offsets
    columns = (getattr(blocks, name) for name in Blocks.__slots__)
    return _encode(
        _Packed(
            key=key(rewritten.original, rewritten.instruments, calls_end_blocks=rewritten.calls_end_blocks),
            byte_order=sys.byteorder,
            wasm=rewritten.wasm,
            memory_name=rewritten.memory_name,
            memory_bytes=rewritten.memory_bytes,
            calls_end_blocks=rewritten.calls_end_blocks,
            blocks=[bytes(column) for column in columns],
            offsets=[bytes(offsets.new_bytes), bytes(offsets.old_bytes)],
            base=offsets.base,
            counted=bytes(rewritten.counted),
            sites=[[bytes(each.sites[name]) for name in each.sites.names] for each in rewritten.instruments],
        )
    )


def unpack(original: Original, instruments: Sequence[Instrument], packed: bytes) -> Rewritten | None:
    """What `pack` was given; None where these bytes are not of this module with these instruments.

    Parameters
    ----------
    instruments : sequence of Instrument
        Fresh ones. They are given their sites, also where None comes of it.
    """
    try:
        return _unpack(original, instruments, _decode(packed))
    except (msgspec.MsgspecError, ValueError):  # columns that are missing, or hold half a number
        return None


def _unpack(original: Original, instruments: Sequence[Instrument], found: _Packed) -> Rewritten | None:
    expected = key(original, instruments, calls_end_blocks=found.calls_end_blocks)
    if (found.key, found.byte_order) != (expected, sys.byteorder):
        return None
    memory = CounterMemory(len(original.module.memories), len(original.module.functions), found.memory_bytes)
    for each, columns in zip(instruments, found.sites, strict=True):
        each.prepare(original.module, memory)  # as it did before: it finds the same addresses
        for name, column in zip(each.sites.names, columns, strict=True):
            each.sites[name].frombytes(column)
    memory.size = found.memory_bytes
    blocks = Blocks()
    for name, column in zip(Blocks.__slots__, found.blocks, strict=True):
        _fill(getattr(blocks, name), column)
    new, old = (array("I", column) for column in found.offsets)
    counted = array("I", found.counted)
    lengths = {len(counted), *(len(getattr(blocks, name)) for name in Blocks.__slots__)}
    if len(lengths) > 1 or len(new) != len(old):
        return None
    offsets = OffsetMap(new, old, found.base)
    return Rewritten(
        found.wasm, original, instruments, blocks, memory, found.memory_name, offsets, counted,
        calls_end_blocks=found.calls_end_blocks,
    )  # fmt: skip


def _fill(column: Any, content: bytes) -> None:
    if isinstance(column, bytearray):
        column += content
    else:
        column.frombytes(content)
