"""What this process and a child say to each other: frames of a header, a message as MessagePack, and bytes.

Each side reads with the types below, so that what does not fit them is an error. Neither unpickles anything: a guest
that broke out of its sandbox would be in the child, and must not get into this process through what it says.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple, TypeVar

import msgspec

from judicia_notebook.experiments.unmetered.reports import Report
from judicia_notebook.records.record import CallRecord
from judicia_notebook.wasm.manifest import Manifest

HEADER = struct.Struct("<4sIQ")
"""What it is, the bytes of the message, the bytes that follow it. The core writes one before a verdict."""

HELLO, LOADED, ENDED, REFUSED, VERDICT = b"helo", b"load", b"done", b"nope", b"over"
LOAD, CALL = b"take", b"call"
FROM_CHILD = frozenset({HELLO, LOADED, ENDED, REFUSED, VERDICT})

IDLE, IDLE_SECONDS = 5, 60.0
"""The exit code of a child that was asked nothing for so long: it is no use to anybody, and takes 60 MB."""

MOST_MESSAGE = 4 << 20
"""Bytes of a message. Texts and data in it were cut before."""


class Hello(msgspec.Struct):
    """A child is ready: when its clock of rows began (``perf_counter_ns``)."""

    began_ns: int


class Load(msgspec.Struct):
    """A plugin; its module's bytes follow. Calls of it name the `key`."""

    key: str
    name: str
    abi: str
    manifest: Manifest
    config: dict[str, Any]
    ceiling: dict[str, Any]
    clock: str
    cache_folder: str
    features: tuple[str, ...]


class Rights(msgspec.Struct):
    """A plugin's policy at one moment."""

    granted: tuple[str, ...]
    quota: dict[str, Any]
    on_denied: str


class Call(msgspec.Struct):
    """A call of a plugin; the packed request follows.

    Attributes
    ----------
    key : str
        Of the plugin.
    rights : Rights
        What the plugin may do and use.
    quota : dict, optional
        Limits for this call alone.
    fresh : bool
        In an instance made for it alone; otherwise in the one that is kept.
    renew : bool
        Before that, forget the one that is kept.
    """

    key: str
    kind: str
    function: str
    rights: Rights
    quota: dict[str, Any] | None
    fresh: bool
    renew: bool


class Ended(msgspec.Struct):
    """A call is over; the packed value follows, where it has one. `record` is its row, in the child's own run."""

    record: CallRecord | None
    report: Report | None


class Nothing(msgspec.Struct):
    """A message without content."""


class Frame(NamedTuple):
    """One message as it travels."""

    tag: bytes
    message: bytes
    body: bytes = b""


M = TypeVar("M")
_encode = msgspec.msgpack.Encoder().encode


def pack(tag: bytes, message: msgspec.Struct, body: bytes = b"") -> tuple[bytes, bytes]:
    """A frame to be written: what goes before its bytes, and these.

    Raises
    ------
    ValueError
        The message is too long.
    """
    content = _encode(message)
    if len(content) > MOST_MESSAGE:
        raise ValueError(f"a message of {len(content)} bytes")
    return HEADER.pack(tag, len(content), len(body)) + content, body


def unpack(kind: type[M], frame: Frame) -> M:
    """The message of a frame.

    Raises
    ------
    ValueError
        It is no such message.
    """
    return msgspec.msgpack.decode(frame.message, type=kind)


def pack_value(kind: str, value: Any) -> bytes:
    """The value of a call of this kind of request, as bytes; equal bytes are equal values, NaNs bit by bit."""
    if kind == "data":
        return bytes(value or b"")
    return _encode(value)


def unpack_value(kind: str, data: bytes) -> Any:
    """The value of these bytes.

    Raises
    ------
    ValueError
    """
    if kind == "data":
        return data
    value = msgspec.msgpack.decode(data)
    return tuple(value) if kind == "numbers" and isinstance(value, list) else value
