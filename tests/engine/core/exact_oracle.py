"""What a JSON text says, by Python's own reader, compared with a value type by type."""

from __future__ import annotations

import json
from typing import Any


def reads_as(text: bytes, value: Any) -> bool:
    """Whether the text is JSON of the ABI and says this value exactly; an array may be a tuple."""
    try:
        read = json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_refuse)
    except ValueError:
        return False
    return _are_same(read, value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("duplicate key")
    return dict(pairs)


def _refuse(word: str) -> Any:
    raise ValueError(word)


def _are_same(read: Any, value: Any) -> bool:
    if isinstance(read, list):
        same = type(value) in (list, tuple) and len(read) == len(value)
        return same and all(map(_are_same, read, value))
    if type(read) is not type(value):
        return False
    if isinstance(read, dict):
        same = list(read) == list(value) and all(type(key) is str for key in value)
        return same and all(map(_are_same, read.values(), value.values()))
    if isinstance(read, int) and not -(1 << 63) <= read < 1 << 64:
        return False
    return repr(read) == repr(value)
