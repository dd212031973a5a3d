"""The calls of a sweep: its payloads, bytes, numbers, or arguments and standard inputs, as named requests.

Each axis is a list, or a dict of names. The name of a request, and what the frame says of it, is short: a payload of
many values is known by its place.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from judicia_notebook.engine import wire
from judicia_notebook.runtime.request import (
    JsonRequest,
    NumbersRequest,
    Request,
    has_64_bits,
    make_request,
    read_numbers,
)
from judicia_notebook.text import printable

_LONGEST_TEXT = 64
_RESERVED = frozenset({"plugin", "payload", "quota", "grants", "metering"})
_SCALARS = (str, int, float, bool, type(None))


class NamedRequest(NamedTuple):
    """A request, its name in the frame, and further ``param_*`` columns."""

    name: Any
    request: Request
    columns: dict[str, Any]


def requests(function: str | None, payloads: Any, data: Any, numbers: Any, args: Any, stdin: Any) -> list[NamedRequest]:
    """The requests of a sweep, all of one kind and for one function.

    Raises
    ------
    ValueError, TypeError
        An axis that is no list, an empty one, or two of them.
    InvalidPayload
    """
    axes = {"payloads": payloads, "data": data, "numbers": numbers, "args": args}
    given = [name for name, axis in axes.items() if axis is not None]
    if len(given) > 1:
        raise TypeError(f"a sweep takes one of payloads, data, numbers and args, not {' and '.join(given)}")
    if args is not None:
        return _commands(function, args, stdin)
    name = make_request(function, stdin=stdin).function  # refuses none, and a standard input for a function
    if data is not None:
        return _of_bytes(name, data)
    if numbers is not None:
        return _of_numbers(name, numbers)
    return _of_json(name, [None] if payloads is None else payloads)


def _of_json(function: str, payloads: Any) -> list[NamedRequest]:
    if hasattr(payloads, "to_dict") and hasattr(payloads, "columns"):  # a frame would give the names of its columns
        raise TypeError('payloads is a list of payloads; .to_dict("records") makes a list of a DataFrame\'s rows')
    named: list[tuple[Any, Any]] = []
    for place, (name, payload) in enumerate(_named("payloads", payloads)):
        where = f"payloads[{place if name is None else repr(name)}]"
        data = b"" if payload is None else wire.encode(payload, where)
        request = JsonRequest.unpack(function, data)  # what the guest gets, not an object that may change
        named.append((_name(name, request.payload, place), request))
    fields = _shared_fields([request.payload for _, request in named])
    return [
        NamedRequest(name, request, {column: request.payload[field] for column, field in fields.items()})
        for name, request in named
    ]


def _of_bytes(function: str, data: Any) -> list[NamedRequest]:
    return [
        NamedRequest(_name(name, None, place), make_request(function, data=item), {})
        for place, (name, item) in enumerate(_named("data", data))
    ]


def _of_numbers(function: str, numbers: Any) -> list[NamedRequest]:
    made = []
    for place, (name, item) in enumerate(_named("numbers", numbers)):
        several = tuple(item) if isinstance(item, Iterable) and not isinstance(item, str | bytes) else (item,)
        request = NumbersRequest(function, read_numbers(several))
        given = request.numbers
        columns = {
            f"number_{position}": number if has_64_bits(number) else float(number)
            for position, number in enumerate(given, 1)
        }
        text = columns["number_1"] if len(given) == 1 else ", ".join(map(str, given))
        made.append(NamedRequest(_name(name, text, place), request, columns))
    return made


def _commands(function: str | None, args: Any, stdin: Any) -> list[NamedRequest]:
    one_input = isinstance(stdin, str | bytes | bytearray | memoryview)
    inputs = [(None, stdin)] if one_input else _named("stdin", stdin)
    made = []
    for (place, (name, item)), (at, (called, text)) in product(enumerate(_named("args", args)), enumerate(inputs)):
        request = make_request(function, args=item, stdin=text)
        shown = _name(name, shlex.join(item), place)
        if one_input:
            made.append(NamedRequest(shown, request, {"args": shown}))
            continue
        its_name = _name(called, None, at)
        made.append(NamedRequest(f"{shown} < {its_name}", request, {"args": shown, "stdin": its_name}))
    return made


def _named(axis: str, values: Any) -> list[tuple[Any, Any]]:
    """An axis as names and values; the values of a list have None for a name."""
    if isinstance(values, str | bytes | bytearray | memoryview) or not isinstance(values, Iterable):
        raise TypeError(f"{axis} is a list of {axis}, or names and {axis}; not {type(values).__name__}")
    named = list(values.items()) if isinstance(values, Mapping) else [(None, value) for value in values]
    if not named:
        raise ValueError(f"there are no {axis} to sweep over")
    return named


def _name(name: Any, value: Any, place: int) -> Any:
    """A request's name in the frame: its own name, its value where that is short, otherwise its place in the list."""
    name = name.item() if callable(getattr(name, "item", None)) else name  # a scalar of NumPy's
    for text in (name, value):
        if text is not None and _is_short(text):
            return text
    return place if name is None else str(name)


def _is_short(value: Any) -> bool:
    return isinstance(value, _SCALARS) and (not isinstance(value, str) or len(value) <= _LONGEST_TEXT)


def _shared_fields(values: Sequence[Any]) -> dict[str, str]:
    """Column to field, of the fields that every payload has and that say something short in each."""
    if not all(isinstance(value, dict) for value in values):
        return {}
    shared = [field for field in values[0] if all(field in value and _is_short(value[field]) for value in values)]
    short = [field for field in shared if len(field) <= _LONGEST_TEXT and printable(field) == field]
    return {f"payload_{field}" if field in _RESERVED else field: field for field in short}
