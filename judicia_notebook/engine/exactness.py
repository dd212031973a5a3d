"""Refuses a payload that JSON would change without a word, and names the place.

msgspec writes bytes as base64, a named tuple as an array and an offset rounded to minutes, and it leaves out the fields
that attrs calls private. None of these is the value that the caller gave. So this file decides on each type that a
payload may hold, as docs/conversions.md lists them, and refuses a type without a decision.

Only a payload that differs from the value of its own text is looked through: plain JSON never is.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import uuid
from collections.abc import Iterable
from typing import Any

import msgspec

from judicia_notebook.engine.plain import is_foreign, to_plain
from judicia_notebook.errors import InvalidPayload
from judicia_notebook.text import printable

_PLAIN = frozenset({str, int, float, bool, type(None)})
_TEXTS = (dt.date, dt.timedelta, decimal.Decimal, uuid.UUID)  # each digit of them is written
_KEYS = frozenset({str, int, float})
_NUMBERS_OF_NUMPY = "biuf"
_LONGEST_PART = 40
_MOST_PARTS = 12

_Path = tuple[Any, str] | None
_Parts = list[tuple[str, Any]]


def has_other_keys(value: Any, name: str) -> bool:
    """Whether an object has a key that is no text, so that two keys may read the same.

    Raises
    ------
    InvalidPayload
        JSON would hold another value than the payload. The message names its place, which begins with `name`.
    """
    others = False
    seen: dict[int, Any] = {}  # and kept meanwhile, so that no other object gets its id
    stack: list[tuple[_Path, Any]] = [((None, name), value)]
    while stack:
        path, item = stack.pop()
        if type(item) in _PLAIN or id(item) in seen:
            continue
        seen[id(item)] = item
        try:
            parts = _parts(item)
        except TypeError as error:
            raise InvalidPayload(f"{_place(path)} is {error}.") from None
        others = others or (isinstance(item, dict) and not set(map(type, item)) <= {str})
        stack.extend(((path, part), child) for part, child in reversed(parts))
    return others


def _place(path: _Path) -> str:
    parts: list[str] = []
    while path is not None:
        path, part = path
        parts.append(part)
    parts.reverse()
    shown = parts if len(parts) <= _MOST_PARTS else [*parts[:3], "...", *parts[3 - _MOST_PARTS :]]
    return "".join(shown)


def _parts(value: Any) -> _Parts:
    """The values inside a value that JSON might change, each with its place in it."""
    if isinstance(value, dict):
        return _parts_of_dict(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        raise TypeError(
            f"a {type(value).__name__}, whose names would be lost: ._asdict() makes an object, tuple(...) an array"
        )
    if isinstance(value, list | tuple | set | frozenset):
        return _items(value)
    if isinstance(value, bytes | bytearray | memoryview):
        _refuse_bytes(type(value).__name__)
    if isinstance(value, enum.Enum):
        return [(".value", value.value)]
    if is_foreign(value):
        return _parts_of_foreign(value)
    if type(value) in (dt.datetime, dt.time):
        _check_zone(value)
        return []
    if type(value) in _TEXTS:
        return []
    return _parts_of_record(value)


def _items(value: Iterable[Any]) -> _Parts:
    if set(map(type, value)) <= _PLAIN:
        return []
    return [(f"[{at}]", child) for at, child in enumerate(value) if type(child) not in _PLAIN]


def _parts_of_dict(value: dict[Any, Any]) -> _Parts:
    if not set(map(type, value)) <= {str}:
        for key in value:
            _check_key(key)
    return [(_part(key), child) for key, child in value.items() if type(child) not in _PLAIN]


def _part(key: Any) -> str:
    if isinstance(key, str) and key.isidentifier() and len(key) <= _LONGEST_PART:
        return f".{key}"
    return f"[{printable(repr(key), _LONGEST_PART)}]"


def _check_key(key: Any) -> None:
    plain = key.value if isinstance(key, enum.Enum) else to_plain(key) if is_foreign(key) else key
    if isinstance(plain, bytes | bytearray | memoryview):
        _refuse_bytes(f"an object with the {type(plain).__name__} key {printable(repr(plain), _LONGEST_PART)}")
    if isinstance(plain, float) and not math.isfinite(plain):
        raise TypeError(f"an object with the key {plain}, which JSON cannot say")
    if type(plain) is dt.datetime or type(plain) is dt.time:
        _check_zone(plain)
    elif not isinstance(plain, str) and type(plain) not in _KEYS and type(plain) not in _TEXTS:
        raise TypeError(
            f"an object with the key {printable(repr(key), _LONGEST_PART)}: a key is text, a number or a time; "
            "str(...) makes text of it"
        )


def _refuse_bytes(what: str) -> None:
    raise TypeError(
        f"{what}, and JSON has no bytes: call_bytes(function, data) sends bytes as they are, .decode() makes text "
        "of them where they are text, jn.base64(data) base64 text"
    )


def _parts_of_foreign(value: Any) -> _Parts:
    plain = to_plain(value)
    dtype = getattr(value, "dtype", None)
    if dtype is not None and dtype.kind in _NUMBERS_OF_NUMPY:
        return []
    if dtype is not None and dtype.kind in "SV":
        _refuse_bytes("bytes" if isinstance(plain, bytes) else f"an array of bytes ({dtype})")
    return [("", plain)]


def _check_zone(value: dt.datetime | dt.time) -> None:
    offset = value.utcoffset()
    if offset is None and value.tzinfo is not None:
        raise TypeError(
            f"a {type(value).__name__} whose zone has no offset here: leave the zone out, or send a datetime"
        )
    if offset is not None and offset % dt.timedelta(minutes=1):
        raise TypeError(
            f"a {type(value).__name__} with an offset of {offset}, of which JSON's times have hours and minutes alone: "
            ".astimezone(datetime.UTC) is the same moment"
        )


def _parts_of_record(value: Any) -> _Parts:
    """The fields of a record, which becomes an object; any other value has no JSON form."""
    kind = type(value)
    if isinstance(value, type):
        to_plain(value)  # raises: a class is no value
    if isinstance(value, msgspec.Struct):
        names: Iterable[str] = kind.__struct_fields__
    elif dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [field.name for field in kind.__attrs_attrs__]
        if private := [name for name in names if name.startswith("_")]:
            raise TypeError(f"a {kind.__name__}, whose {private[0]} would be left out: attrs.asdict(...) keeps it")
    else:
        to_plain(value)  # raises, so below `names` is always there
    missing = [name for name in names if not hasattr(value, name)]
    if missing:
        raise TypeError(f"a {kind.__name__}, whose {missing[0]} has no value")
    return [(f".{name}", child) for name in names if (child := getattr(value, name)) is not msgspec.UNSET]
