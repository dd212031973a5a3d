"""The JSON of ABI v1: strict both ways, and no slower than it must be.

msgspec reads and writes, and is lenient about a few things. The usual message proves that it has none of them by going
the other way once more, in C: a value that equals what its bytes read as is plain JSON through and through, and bytes
that equal what their value is written as hold no key twice. Any other message is looked through:

- duplicate keys: every key in the text has a colon after it, so a message without any has exactly as many colons
  outside its strings as the decoded value has keys;
- integers beyond 64 bits: only a message with 19 digits in a row can hold one;
- NaN and infinity, which msgspec writes as ``null``: only a message with a ``null`` in it can hide one.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from judicia_notebook.errors import InvalidPayload

MAX_DEPTH = 128
_NESTED = (dict, list, tuple)
_CONTAINERS = frozenset({dict, list})  # what the decoder makes

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ONLY_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else 0 for byte in range(256))
_LONG_NUMBER = b"0" * 19
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_decoder = msgspec.json.Decoder()


def _to_plain(value: Any) -> Any:
    """NumPy's and pandas' values as plain ones; the names are compared so that neither needs to be there."""
    module = type(value).__module__.partition(".")[0]
    if module == "numpy" and hasattr(value, "dtype"):
        return _from_numpy(value)
    if module == "pandas" and hasattr(value, "to_pydatetime") and value == value:  # NaT is not itself  # noqa: PLR0124
        return value.to_pydatetime(warn=False)
    raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} has no JSON form")


def _from_numpy(value: Any) -> Any:
    kind = value.dtype.kind
    if kind in "mM":
        # Nanoseconds would come out as bare integers; microseconds are what datetime can say.
        value = value.astype(value.dtype.str[:2] + "8[us]")
    plain = value.tolist()
    if kind in "mM" and _holds_none(plain):
        raise TypeError("a NaT has no JSON form")
    return float(plain) if type(plain) is type(value) else plain


def _holds_none(plain: Any) -> bool:
    return plain is None or (isinstance(plain, list) and any(_holds_none(one) for one in plain))


_encoder = msgspec.json.Encoder(enc_hook=_to_plain)


def encode(value: Any) -> bytes:
    """A Python value as the JSON a guest gets.

    Dataclasses become objects, datetimes ISO 8601 text, bytes base64 text, NumPy arrays nested lists. pandas' and
    NumPy's times are written to the microsecond.

    Raises
    ------
    InvalidPayload
        A type that has no JSON form, NaN or infinity, an integer beyond 64 bits, a lone surrogate, or nested too deep.
    """
    try:
        data = _encoder.encode(value)
        if not _reads_as(data, value):
            if b"null" in data or _may_hold_long_number(data):
                _check_numbers(msgspec.to_builtins(value, enc_hook=_to_plain, str_keys=True))
            if (isinstance(value, _NESTED) and _has_other_keys(value)) or _may_be_deep(data, MAX_DEPTH):
                decode(data)  # two keys that read the same, or nested too deep
    except RecursionError:
        raise InvalidPayload("The payload is nested too deep or contains itself.") from None
    except InvalidPayload:
        raise
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise InvalidPayload(f"The payload cannot be written as JSON: {error}") from None
    return data


def _reads_as(data: bytes, value: Any) -> bool:
    """Whether the value is what its bytes say, so that nothing was lost on the way. False may also mean unknown."""
    if _may_be_deep(data, MAX_DEPTH) or _may_hold_long_number(data):
        return False
    try:
        return bool(_decoder.decode(data) == value)
    except (TypeError, ValueError):  # arrays have no single truth
        return False


def _may_be_deep(data: bytes, max_depth: int) -> bool:
    return data.count(b"[") + data.count(b"{") > max_depth


def _has_other_keys(value: Any) -> bool:
    """Whether some dict has a key that is no text: ``1`` and ``"1"`` would read the same."""
    children = value
    if isinstance(value, dict):
        if any(type(key) is not str for key in value):
            _check_numbers([key for key in value if isinstance(key, float)])
            return True
        children = value.values()
    return any(isinstance(child, _NESTED) and _has_other_keys(child) for child in children)


def _check_numbers(value: Any) -> None:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, float):
            if not math.isfinite(one):
                raise InvalidPayload(f"The payload holds {one}, which JSON cannot say; use None instead.")
        elif isinstance(one, int):
            if not _INT_MIN <= one <= _INT_MAX:
                raise InvalidPayload(f"The payload holds the integer {one}, which does not fit 64 bits.")
        elif isinstance(one, dict):
            stack.extend(one.values())
        elif isinstance(one, list | tuple):
            stack.extend(one)


def decode(data: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The value a guest's JSON stands for.

    Raises
    ------
    ValueError
        Not UTF-8, not JSON, duplicate keys, an integer beyond 64 bits, or nested deeper than `max_depth`.
    """
    try:
        value = _decoder.decode(data)
    except RecursionError:
        raise ValueError(f"JSON nested deeper than {max_depth}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    if type(value) in _CONTAINERS and (_may_be_deep(data, max_depth) or _encoder.encode(value) != data):
        keys = _count_keys(value, max_depth)
        if data.count(b":") != keys and _STRING.sub(b"", data).count(b":") != keys:
            raise ValueError("JSON with a duplicate key")
    if _may_hold_long_number(data):
        _check_integers(value)
    return value


def _may_hold_long_number(data: bytes) -> bool:
    """Whether 19 digits stand in a row somewhere. A regular expression takes twenty times as long over digits."""
    return _LONG_NUMBER in data.translate(_ONLY_DIGITS)


def _count_keys(value: Any, max_depth: int) -> int:
    keys = 0
    level = [value]
    for _ in range(max_depth):
        below = []
        for one in level:
            children: Any = one
            if type(one) is dict:
                keys += len(one)
                children = one.values()
            below += [child for child in children if type(child) in _CONTAINERS]
        if not below:
            return keys
        level = below
    raise ValueError(f"JSON nested deeper than {max_depth}")


def _check_integers(value: Any) -> None:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, int) and not _INT_MIN <= one <= _INT_MAX:
            raise ValueError("JSON with an integer beyond 64 bits")
        if isinstance(one, dict):
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)
