"""The JSON of ABI v1: strict both ways, and no slower than it must be.

msgspec reads and writes, and is lenient about a few things.

- What it reads has passed the gate (`core/gate.h`), which measures a text in one pass of C: depth, values, digits,
  duplicate keys, integers beyond 64 bits. So each step in C is short, and the reading loses nothing.
- What it wrote is compared with the value in one walk of C over both (`core/exact.c`): a value that its text says
  exactly is plain JSON through and through. Where that is unknown, as with a subclass of int, the text is read once
  more; a value that equals the value read from its bytes is plain JSON, too. Any other payload is looked through. NaN
  and infinity, which msgspec writes as ``null``, can hide only in a message with a ``null`` in it.

A float that is hard to round takes msgspec 30 us, and Python 0.6; for the others msgspec is eight times as fast. So a
message with many floats that may be hard is read with Python's `float`. As that is called from Python, other threads
get their turn meanwhile.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from judicia_notebook.engine import room
from judicia_notebook.engine.core import gate
from judicia_notebook.engine.core.builtin import is_exact, is_limited, is_small
from judicia_notebook.engine.core.gate import Look
from judicia_notebook.engine.exactness import has_other_keys
from judicia_notebook.engine.plain import to_plain
from judicia_notebook.errors import InvalidPayload
from judicia_notebook.wasm.json_shape import MAX_DEPTH, MAX_VALUES, uncollected

_ORDINARY_RECURSION = 3000  # completion libraries raise Python's 1000 to this
_ARRAYS = (list, tuple, set, frozenset)
_BUFFERS = (bytes, bytearray, memoryview, msgspec.Raw)
_PLAIN = (str, int, float, bytes, type(None), type)
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_DIGITS = bytes(ord("0") if byte in b"0123456789" else 0 for byte in range(256))
_LONG_NUMBER = b"0" * 19
"""Shorter integers fit 64 bits."""

_HARD, _DOUBTFUL = 1000, 40_000
"""The most floats of either kind that msgspec gets: 30 ms of hard ones, 60 ms of doubtful ones that are all ties."""

_FLOATS_A_LOOK = 1000
_BYTES_A_BYTE = 4  # a text with one wide character has all of them wide
_BYTES_A_VALUE = 110  # measured: 100 for short texts of wide characters, 87 for objects in objects
_BYTES_WRITTEN = 40  # a value that is no text, with its comma: a datetime is the longest
_BYTES_OF_ARRAY = 96  # an element of an array, with the number that Python makes of it
_BYTES_ESCAPED = 6


_encoder = msgspec.json.Encoder(enc_hook=to_plain)


def encode(value: Any, name: str = "payload") -> bytes:
    """A Python value as the JSON a guest gets: exactly, or not at all.

    Dataclasses become objects, datetimes ISO 8601 text, NumPy arrays nested lists; docs/conversions.md has all types.

    Parameters
    ----------
    value : Any
    name : str
        The payload's name in errors.

    Raises
    ------
    InvalidPayload
        A type that has no JSON form, among them bytes; digits that would be lost; NaN or infinity, an integer beyond
        64 bits, a lone surrogate, or nested too deep.
    """
    try:
        if not is_small(value) and (is_limited() or sys.getrecursionlimit() > _ORDINARY_RECURSION):
            _check_nesting(value)
            check_room_to_write(value)
        data = _encoder.encode(value)
        if not (is_exact(data, value, MAX_DEPTH) or _reads_as(data, value)):
            _look_through(value, data, name)
    except RecursionError:
        raise InvalidPayload("The payload is nested too deep or contains itself.") from None
    except InvalidPayload:
        raise
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        if isinstance(error, TypeError):
            has_other_keys(value, name)  # raises with the place, where it finds it
        raise InvalidPayload(f"The payload cannot be written as JSON: {error}") from None
    return data


def rewrite(value: Any, levels: int) -> bytes:
    """The JSON of a value that `decode` made. Nothing of it can get lost, so it is not read once more to prove that.

    Parameters
    ----------
    levels : int
        How deep `decode` let it be nested.

    Raises
    ------
    InvalidPayload
        It is nested deeper than `encode` writes.
    """
    check_room_to_write(value)
    data = _encoder.encode(value)
    return encode(value) if levels > MAX_DEPTH and _may_be_deep(data, MAX_DEPTH) else data


def _look_through(value: Any, data: bytes, name: str) -> None:
    """Refuse a value that was written as another one."""
    deep = _may_be_deep(data, MAX_DEPTH)
    if deep:
        plain = decode(data, max_values=len(data))
        if _is_same(lambda: plain, value):
            return
    others = has_other_keys(value, name)
    if b"null" in data or _LONG_NUMBER in data.translate(_DIGITS):
        _check_numbers(msgspec.to_builtins(value, enc_hook=to_plain, str_keys=True))
    if others and not deep:
        decode(data, max_values=len(data))  # two keys that read the same


def check_room_to_write(value: Any) -> None:
    """Where memory is limited, refuse a value whose text has no room: msgspec would end the process.

    Raises
    ------
    MemoryError
    """
    if room.look():
        room.check_room(2 * _written(value))  # the text grows by half at a time


def _written(value: Any) -> int:
    """Bytes of the JSON of a value at most."""
    size, left = 0, [value]
    while left:
        item = left.pop()
        size += _BYTES_WRITTEN
        if isinstance(item, str):
            size += _written_text(item)
        elif isinstance(item, _BUFFERS):
            size += memoryview(item).nbytes * 4 // 3
        elif not isinstance(item, _PLAIN):
            left.extend(_children(item))
            if isinstance(item, dict):
                left.extend(item)
            elif hasattr(item, "dtype"):
                size += _BYTES_OF_ARRAY * item.size
    return size


def _written_text(text: str) -> int:
    if text.isascii() and text.isprintable():
        return len(text) + text.count('"') + text.count("\\")
    return _BYTES_ESCAPED * len(text)


def _check_nesting(value: Any) -> None:
    """Refuse a value that is nested too deep, before C recurses into it as far as a raised recursion limit allows."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        children = (child for item in level for child in _children(item))
        level = list({id(child): child for child in children if not isinstance(child, _PLAIN)}.values())
        if not level:
            return
    raise RecursionError


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, _ARRAYS):
        return value
    names = getattr(type(value), "__struct_fields__", ())  # of msgspec
    return [*getattr(value, "__dict__", {}).values(), *(getattr(value, name, None) for name in names)]


def _reads_as(data: bytes, value: Any) -> bool:
    """Whether the value equals the value of its bytes, so that nothing was lost. False may also mean unknown."""
    if len(data) < gate.SMALL:  # where a call of C costs more than this
        if _may_be_deep(data, MAX_DEPTH) or _LONG_NUMBER in data.translate(_DIGITS):
            return False
        return _is_same(lambda: _read(data, None), value)
    try:
        report = gate.measure(data, MAX_DEPTH, gate.UNBOUNDED)
    except ValueError:
        return False
    return not report.verdict and _is_same(lambda: _read(data, report), value)


def _is_same(read: Callable[[], Any], value: Any) -> bool:
    try:
        return (read() == value) is True
    except (TypeError, ValueError, Warning):  # arrays inside have no single truth, and old NumPy only warns of it
        return False


def _may_be_deep(data: bytes, max_depth: int) -> bool:
    return data.count(b"[") + data.count(b"{") > max_depth


def _check_numbers(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                raise InvalidPayload(f"The payload holds {item}, which JSON cannot say; use None instead.")
        elif isinstance(item, int):
            if not _INT_MIN <= item <= _INT_MAX:
                raise InvalidPayload(f"The payload holds the integer {item}, which does not fit 64 bits.")
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("Number out of range")
    return number


def _finite_with_looks(look: Look) -> Callable[[str], float]:
    left = _FLOATS_A_LOOK

    def finite(text: str) -> float:
        nonlocal left
        left -= 1
        if not left:
            left = _FLOATS_A_LOOK
            look()
        return _finite(text)

    return finite


_decoder = msgspec.json.Decoder()
_rounding_decoder = msgspec.json.Decoder(float_hook=_finite)


def _decoder_of(report: gate.Report, look: Look | None = None) -> msgspec.json.Decoder[Any]:
    """The decoder that is fast for a message."""
    if report.hard <= _HARD and report.doubtful <= _DOUBTFUL:
        return _decoder
    return _rounding_decoder if look is None else msgspec.json.Decoder(float_hook=_finite_with_looks(look))


def _read(data: bytes, report: gate.Report | None, look: Look | None = None) -> Any:
    """Decode a text that was measured before; a small one needs no report."""
    if len(data) < gate.SMALL and not room.limited:
        return _decoder.decode(data)
    if report is None:
        report = gate.measure(data, gate.UNBOUNDED, gate.UNBOUNDED)
    if room.look():
        room.check_room(room_for(data, report.values))
    return uncollected(_decoder_of(report, look).decode, data)


def reread(data: bytes) -> Any:
    """The value of JSON that this package wrote, of values which were within bounds before."""
    return _read(data, None)


def room_for(data: bytes, values: int) -> int:
    """Bytes that the values of a text take at most."""
    return _BYTES_A_BYTE * len(data) + _BYTES_A_VALUE * values


def decode(data: bytes, max_depth: int = MAX_DEPTH, max_values: int = MAX_VALUES, look: Look | None = None) -> Any:
    """The value a guest's JSON stands for.

    The value takes at most four times the memory of the text, and 110 bytes for each of its values. The gate takes up
    to 80 bytes for each key, and gives them back before anything is read.

    Parameters
    ----------
    data : bytes
    max_depth, max_values : int
        Levels of arrays and objects, and values in all; see `gate.measure`.
    look : callable, optional
        Called between two steps, none of which is long; it raises to end the reading.

    Raises
    ------
    TooManyValues
        A ValueError, too.
    ValueError
        Not UTF-8, not JSON, duplicate keys, an integer beyond 64 bits, a number of more than 400 digits in a row, or
        nested deeper than `max_depth`.
    MemoryError
    """
    is_small = len(data) < gate.SMALL and gate.is_ordinary(data, max_depth, max_values)
    report = gate.UNREMARKABLE if is_small else gate.measure(data, max_depth, max_values, look)
    try:
        value = _decoder.decode(data) if is_small and not room.limited else _read(data, report, look)
    except RecursionError:
        raise ValueError("JSON nested deeper than Python's recursion limit allows here") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    if look is not None:
        look()
    if report.verdict:
        raise ValueError(gate.FAULTS[report.verdict])
    return value
