"""JSON Schemas of payloads, read for people: the fields there are, and a payload to begin with.

A schema is a plugin's word on itself, so it may be anything. The reading is bounded in depth and in number, and makes
every text printable. It leaves out a part that makes no sense: a help text must not fail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from judicia_notebook.text import printable

MOST_FIELDS, MOST_CHOICES, MOST_DEPTH, MOST_VALUES = 60, 12, 6, 200
NAME_LIMIT, TEXT_LIMIT, SAMPLE_LIMIT = 80, 300, 2000

_EMPTY: Mapping[str, Any] = {"string": "", "number": 0, "integer": 0, "boolean": False, "array": [], "object": {}}
_BOUNDS = (
    ("minimum", "at least"),
    ("exclusiveMinimum", "above"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "below"),
    ("minLength", "characters: at least"),
    ("maxLength", "characters: at most"),
    ("minItems", "entries: at least"),
    ("maxItems", "entries: at most"),
    ("pattern", "matching"),
)


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a payload: whether it is required, which values it takes, and its schema's text."""

    name: str
    needed: bool
    kind: str
    about: str


def fields(schema: object) -> tuple[Field, ...]:
    """The fields of the objects that a schema describes, required fields first.

    Examples
    --------
    >>> [field] = fields({"properties": {"n": {"type": "integer", "minimum": 0}}, "required": ["n"]})
    >>> field.name, field.needed, field.kind
    ('n', True, 'integer, at least 0')
    """
    there, needed = _properties(schema), _required(schema)
    names = sorted(there, key=lambda name: needed.index(name) if name in needed else len(needed))
    return tuple(
        Field(
            name=printable(name, NAME_LIMIT),
            needed=name in needed,
            kind=kind(there[name]),
            about=_text(there[name].get("description")) if isinstance(there[name], dict) else "",
        )
        for name in names[:MOST_FIELDS]
    )


def kind(schema: object) -> str:
    """Which values a schema allows, in words.

    Examples
    --------
    >>> kind({"enum": ["clock", "log"]}), kind({"type": "number", "minimum": 0, "default": 1}), kind(True)
    ('one of "clock", "log"', 'number, at least 0, default 1', 'anything')
    """
    if not isinstance(schema, dict):
        return "anything"
    said = [_choices(schema) or _types(schema)]
    said += [f"{words} {_value(schema[key])}" for key, words in _BOUNDS if key in schema]
    if "default" in schema:
        said.append(f"default {_value(schema['default'])}")
    return printable(", ".join(said), TEXT_LIMIT)


def sample(schema: object, *, optional: bool = False) -> str:
    """A payload that a schema allows, as JSON: the required fields; empty where it describes none.

    Parameters
    ----------
    optional : bool
        Whether fields that have a default are there too.

    Examples
    --------
    >>> sample({"properties": {"service": {"enum": ["clock", "log"]}}, "required": ["service"]})
    '{"service": "clock"}'
    """
    value = _Sampler(optional).value(schema) if _properties(schema) else None
    if not value:
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SAMPLE_LIMIT and text == printable(text, SAMPLE_LIMIT) else ""


class _Sampler:
    """Makes values until there are too many."""

    def __init__(self, optional: bool) -> None:
        self._optional = optional
        self._left = MOST_VALUES

    def value(self, schema: object, depth: int = 0) -> Any:
        self._left -= 1
        if not isinstance(schema, dict) or depth > MOST_DEPTH or self._left < 0:
            return None
        if "const" in schema:
            return schema["const"]
        if "default" in schema:
            return schema["default"]
        for key in ("enum", "examples"):
            if isinstance(schema.get(key), list) and schema[key]:
                return schema[key][0]
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list) and schema[key]:
                return self.value(schema[key][0], depth + 1)
        return self._of_type(schema, depth)

    def _of_type(self, schema: dict[str, Any], depth: int) -> Any:
        if there := _properties(schema):
            needed = _required(schema)
            chosen = [
                name for name in (*needed, *there) if name in needed or (self._optional and _default(there[name]))
            ]
            return {name: self.value(there.get(name), depth + 1) for name in dict.fromkeys(chosen)}
        types = schema.get("type")
        first = next((name for name in _listed(types) if name != "null"), None)
        least = schema.get("minimum")
        if first in ("integer", "number") and isinstance(least, int | float) and least > 0:
            return least
        return _EMPTY.get(str(first))


def _properties(schema: object) -> dict[str, Any]:
    found = schema.get("properties") if isinstance(schema, dict) else None
    return found if isinstance(found, dict) else {}


def _required(schema: object) -> list[str]:
    """The required fields, of those that the schema describes."""
    found = schema.get("required") if isinstance(schema, dict) else None
    there = _properties(schema)
    return (
        [name for name in found[:MOST_VALUES] if isinstance(name, str) and name in there]
        if isinstance(found, list)
        else []
    )


def _default(schema: object) -> bool:
    return isinstance(schema, dict) and "default" in schema


def _listed(types: object) -> Iterable[Any]:
    return types[:MOST_CHOICES] if isinstance(types, list) else [types]


def _choices(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"only {_value(schema['const'])}"
    allowed = schema.get("enum")
    if not isinstance(allowed, list) or not allowed:
        return ""
    more = f" and {len(allowed) - MOST_CHOICES} more" if len(allowed) > MOST_CHOICES else ""
    return f"one of {', '.join(_value(choice) for choice in allowed[:MOST_CHOICES])}{more}"


def _types(schema: dict[str, Any]) -> str:
    named = [name for name in _listed(schema.get("type")) if isinstance(name, str)]
    return printable(" or ".join(named), NAME_LIMIT) if named else "anything"


def _value(value: object) -> str:
    """A value of a schema as JSON, cut: all of it may be as long as a manifest."""
    if isinstance(value, str):
        return json.dumps(printable(value, NAME_LIMIT), ensure_ascii=False)
    if isinstance(value, dict | list) and value:
        return "an object" if isinstance(value, dict) else "a list"
    return printable(json.dumps(value, ensure_ascii=False), NAME_LIMIT)


def _text(value: object) -> str:
    return printable(value, TEXT_LIMIT) if isinstance(value, str) else ""
