"""The labels of `judicia_notebook.label` as columns: one text of them all, and a column for each.

A row keeps its labels as JSON, so that a number stays a number. Which labels there are, only the rows know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from judicia_notebook.records.columns import array_of
from judicia_notebook.records.schema import TEXT_LIMIT, Column, Message, Recording
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.records.columns import Columns
    from judicia_notebook.records.table import Row

PREFIX = "label_"


def read(labels: str) -> dict[str, Any]:
    """The labels of a row, by name; texts are printable."""
    found: dict[str, Any] = json.loads(labels) if labels else {}
    return {name: shown(value) for name, value in found.items()}


def shown(value: Any) -> Any:
    """A label's value as it is in frames: an empty text is none."""
    return printable(value, TEXT_LIMIT) or None if isinstance(value, str) else value


def as_text(labels: Mapping[str, Any]) -> str:
    """Labels in one text.

    Examples
    --------
    >>> as_text({"variant": "A", "size": 3})
    'variant=A, size=3'
    """
    return ", ".join(f"{name}={value}" for name, value in labels.items())


def names_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The labels' names, in the order in which they come first."""
    return list(dict.fromkeys(name for labels in rows for name in labels))


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each label as a column of its name, of rows as they are read."""
    return {PREFIX + name: array_of([labels.get(name) for labels in rows]) for name in names_of(rows)}


class LabelText(Message, frozen=True, kw_only=True):
    """All labels of a call in one text."""

    source: str = "labels"

    @property
    def of_key(self) -> Callable[[Any], str]:
        """Takes it out of a key."""
        return lambda key: as_text(json.loads(key.labels)) if key.labels else ""


class LabelColumns(Column, frozen=True, kw_only=True):
    """The labels by name; in a frame each is a column."""

    @property
    def is_fixed(self) -> bool:
        return False

    def value(self, row: Row[Any], _recording: Recording, /) -> dict[str, Any]:
        return read(row.key.labels)

    def arrays(self, rows: Columns[Any], _recording: Recording, /) -> dict[str, Any]:
        found = [read(key.labels) for key in rows.keys_in_use()]
        places = rows.places_of_keys()
        return {name: values.take(places) for name, values in columns(found).items()}

    def page_row(self) -> tuple[str, str, str, str, str]:
        return f"`{PREFIX}...`", *super().page_row()[1:]
