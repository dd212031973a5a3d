"""A recorded column is declared once, and everything about it follows from its declaration.

A declaration says what the column means, its unit, how exact it is, when it is NA, how it is stored, and what becomes
of it where a run is saved without names. From the declarations of a table come

- the packed layout of its rows (`Schema.layout`),
- the fields of `CallRecord`, which *are* declarations, and their values (`Column.value`),
- the columns of the frame and their dtypes (`Column.array`, `Column.dtype`),
- the rows of the table in ``docs/columns.md`` (`Column.page_row`), which a test compares.

It may not know what any column means, nor the recorder: what a column needs beyond its row is a `Recording`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import reduce
from types import NoneType
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, get_args, get_type_hints

import msgspec

from judicia_notebook.records.columns import nullable, utc
from judicia_notebook.records.table import K, Layout, Row
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.records.columns import Columns

TEXT_LIMIT = 200
MESSAGE_LIMIT = 10_000
_LARGEST = (1 << 63) - 1


class Anonymous(NamedTuple):
    """What `Run.save` with ``anonymous=True`` makes of a column's values.

    `rule` is ``kept``; ``numbered``: each text is replaced by its `kind` and a number; ``unless_told``: so is one that
    names the user or the machine; ``class_alone``: of an error only its class stays; ``scopes``: of grants the scopes
    are numbered; ``removed``.
    """

    rule: Literal["kept", "numbered", "unless_told", "class_alone", "scopes", "removed"]
    kind: str = ""


KEPT = Anonymous("kept")


class Recording(Protocol):
    """What a column may need beyond its row: the recorder it is of."""

    run_id: str
    began_utc: datetime


class Column(msgspec.Struct, frozen=True):
    """One column of a frame. A `Schema` gives it its name.

    Attributes
    ----------
    meaning : str
        What it is, and by which clock; like the three that follow a cell of ``docs/columns.md``.
    unit, error, na : str
        ``—`` where it has no unit; ``never`` where it is never NA.
    anonymous : Anonymous
        Each text has to declare it, so that no new text is published by mistake.
    """

    meaning: str
    name: str = ""
    unit: str = "—"
    error: str = "exact"
    na: str = "never"
    anonymous: Anonymous = KEPT

    @property
    def dtype(self) -> str:
        """In the frame."""
        raise NotImplementedError

    @property
    def stored(self) -> Mapping[str, str]:
        """The numbers it packs into the row: the `struct` code by name."""
        return {}

    @property
    def reads(self) -> tuple[str, ...]:
        """The numbers that `array` takes from `Columns`."""
        return tuple(self.stored)

    def value(self, row: Row[Any], recording: Recording, /) -> Any:
        """Its value in one row; None where it is NA."""
        raise NotImplementedError

    def array(self, rows: Columns[Any], recording: Recording, /) -> Any:
        """Its values in a frame."""
        raise NotImplementedError

    def arrays(self, rows: Columns[Any], recording: Recording, /) -> dict[str, Any]:
        """The columns of a frame that it is: one of its own name, except where values name theirs."""
        return {self.name: self.array(rows, recording)}

    @property
    def is_fixed(self) -> bool:
        """Whether it is one column of its name, in every frame of its table."""
        return True

    def page_row(self) -> tuple[str, str, str, str, str]:
        """Its row of the page: column, what, unit, error, NA when."""
        return f"`{self.name}`", self.meaning, self.unit, self.error, self.na


# Numbers of the row ------------------------------------------------------------------------------------------------


class Number(Column, frozen=True, kw_only=True):
    """An integer of the row.

    Attributes
    ----------
    code : str
        For `struct`.
    least : int, optional
        The least number that is known; below it is NA.
    known_by : str
        The stored number that `least` is about; its own if nothing is said.
    stored_as : str
        Its name in the row, where that is another.
    """

    code: str = "q"
    least: int | None = None
    known_by: str = ""
    stored_as: str = ""

    @property
    def dtype(self) -> str:
        return "int64" if self.least is None else "Int64"

    @property
    def stored(self) -> Mapping[str, str]:
        return {self.stored_as or self.name: self.code}

    @property
    def reads(self) -> tuple[str, ...]:
        return (*self.stored, self.known_by) if self.known_by else tuple(self.stored)

    def value(self, row: Row[Any], _recording: Recording, /) -> int | None:
        number, judged = (row.numbers[name] for name in self._pair())
        return number if self.least is None or judged >= self.least else None

    def array(self, rows: Columns[Any], _recording: Recording, /) -> Any:
        numbers, judged = (rows[name] for name in self._pair())
        return numbers if self.least is None else nullable(numbers, judged >= self.least)

    def _pair(self) -> tuple[str, str]:
        [name] = self.stored
        return name, self.known_by or name


class Milliseconds(Column, frozen=True, kw_only=True):
    """A time that the row has in nanoseconds, as ``..._ns``."""

    unit: str = "ms"
    error: str = "of the clock"

    @property
    def dtype(self) -> str:
        return "float64"

    @property
    def stored(self) -> Mapping[str, str]:
        return {nanoseconds(self.name): "q"}

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def value(self, row: Row[Any], _recording: Recording, /) -> float:
        return row.numbers[nanoseconds(self.name)] / 1e6

    def array(self, rows: Columns[Any], _recording: Recording, /) -> Any:
        return rows[self.name]


class Sum(Column, frozen=True, kw_only=True):
    """The sum of some columns in milliseconds, added in their order, so that record and frame agree to the last bit."""

    parts: tuple[str, ...]
    unit: str = "ms"

    @property
    def dtype(self) -> str:
        return "float64"

    @property
    def reads(self) -> tuple[str, ...]:
        return self.parts

    def value(self, row: Row[Any], _recording: Recording, /) -> float:
        return reduce(operator.add, (row.numbers[nanoseconds(part)] / 1e6 for part in self.parts))

    def array(self, rows: Columns[Any], _recording: Recording, /) -> Any:
        total = rows[self.parts[0]].copy()
        for part in self.parts[1:]:
            total += rows[part]
        return total


class Instant(Column, frozen=True, kw_only=True):
    """A moment in UTC, of nanoseconds since the recorder began."""

    stored_as: str = "at_ns"
    unit: str = "UTC, ns"
    error: str = "that of the system clock"

    @property
    def dtype(self) -> str:
        return "datetime64[ns, UTC]"

    @property
    def stored(self) -> Mapping[str, str]:
        return {self.stored_as: "q"}

    def value(self, row: Row[Any], recording: Recording, /) -> datetime:
        return recording.began_utc + timedelta(microseconds=row.numbers[self.stored_as] // 1000)

    def array(self, rows: Columns[Any], recording: Recording, /) -> Any:
        return utc(recording.began_utc, rows[self.stored_as])


# Parts of the key --------------------------------------------------------------------------------------------------


class Text(Column, frozen=True, kw_only=True):
    """A text of the key, as its reader gets it: on one line, printable, cut; NA where it is empty.

    Attributes
    ----------
    source : str
        Where the key has it, such as ``subject.plugin``; under its own name if nothing is said.
    limit : int
        How many characters are shown.
    optional : bool
        Whether a record has None for an empty one; `declared` takes it from the record's annotation.
    """

    source: str = ""
    limit: int = TEXT_LIMIT
    optional: bool = True
    anonymous: Anonymous

    @property
    def dtype(self) -> str:
        return "category"

    def value(self, row: Row[Any], _recording: Recording, /) -> str | None:
        shown = printable(self.of_key(row.key), self.limit)
        return None if self.optional and not shown else shown

    def array(self, rows: Columns[Any], _recording: Recording, /) -> Any:
        return rows.texts(self.of_key, self.limit)

    @property
    def of_key(self) -> Callable[[Any], str]:
        """Takes it out of a key."""
        return operator.attrgetter(self.source or self.name)


class Message(Text, frozen=True, kw_only=True):
    """A text that would be a category of its own in nearly every row.

    Attributes
    ----------
    empty : bool
        Whether it is an empty text where there is none, and not NA.
    """

    empty: bool = False

    @property
    def dtype(self) -> str:
        return "str"

    def array(self, rows: Columns[Any], _recording: Recording, /) -> Any:
        of_key = self.of_key
        return rows.values(lambda key: printable(of_key(key), self.limit) or ("" if self.empty else None), self.dtype)


class KeyNumber(Column, frozen=True, kw_only=True):
    """A number that many rows share, so that it stands in their key; NA where that has None.

    Attributes
    ----------
    dtype : str
    source : str
        As that of `Text`.
    scale : float, optional
        What the stored one is multiplied by.
    """

    dtype: str = "Int64"
    source: str = ""
    scale: float | None = None

    def value(self, row: Row[Any], _recording: Recording, /) -> float | None:
        return self._scaled(operator.attrgetter(self.source or self.name)(row.key))

    def array(self, rows: Columns[Any], _recording: Recording, /) -> Any:
        of_key = operator.attrgetter(self.source or self.name)
        return rows.values(lambda key: _within_63_bits(self._scaled(of_key(key))), self.dtype)

    def _scaled(self, number: float | None) -> float | None:
        return number if number is None or self.scale is None else number * self.scale


def _within_63_bits(number: Any) -> Any:
    """Fuel is counted in 64 bits without a sign, of which a frame's integers have 63."""
    return min(number, _LARGEST) if isinstance(number, int) else number


# Of the recorder, and of other tables ------------------------------------------------------------------------------


class RunId(Column, frozen=True, kw_only=True):
    """The recorder's id."""

    @property
    def dtype(self) -> str:
        return "category"

    def value(self, _row: Row[Any], recording: Recording, /) -> str:
        return recording.run_id

    def array(self, rows: Columns[Any], recording: Recording, /) -> Any:
        return rows.texts(lambda _: recording.run_id, TEXT_LIMIT)


class Made(Column, frozen=True, kw_only=True):
    """A column that its table's function makes: it takes other tables, or a reader of JSON.

    Attributes
    ----------
    dtype : str
    code, stored_as : str
        What it packs into the row, if anything.
    """

    dtype: str = "object"
    code: str = ""
    stored_as: str = ""
    anonymous: Anonymous

    @property
    def stored(self) -> Mapping[str, str]:
        return {self.stored_as or self.name: self.code} if self.code else {}


class SinceCall(Made, frozen=True, kw_only=True):
    """A moment inside a call, of nanoseconds since the recorder began, since that call left its queue."""

    dtype: str = "Float64"
    code: str = "q"
    stored_as: str = "at_ns"
    unit: str = "ms"
    error: str = "of the clock"
    na: str = "the call still runs, or its row was dropped"
    anonymous: Anonymous = KEPT


class Schema(Generic[K]):
    """The columns of one table, in their order.

    Parameters
    ----------
    key : type
        The class of named tuples that the table's keys are read as.
    columns : mapping of str to Column
    slots : bool
        As that of `Layout`.

    Attributes
    ----------
    columns : mapping of str to Column
    layout : Layout
    reads : tuple of str
        The numbers that `Columns` has to have for the frame.
    """

    def __init__(self, key: type[K], columns: Mapping[str, Column], *, slots: bool = False) -> None:
        self.columns = {name: msgspec.structs.replace(column, name=name) for name, column in columns.items()}
        numbers = {name: code for column in self.columns.values() for name, code in column.stored.items()}
        self.layout = Layout(numbers, key, slots=slots)
        self.reads = tuple(dict.fromkeys(name for column in self.columns.values() for name in column.reads))

    @property
    def dtypes(self) -> dict[str, str]:
        """The dtypes of the columns that every frame has."""
        return {name: column.dtype for name, column in self.columns.items() if column.is_fixed}

    def values(self, row: Row[K], recording: Recording) -> dict[str, Any]:
        """One row with the frame's columns and units; None where a value is NA."""
        return {name: column.value(row, recording) for name, column in self.columns.items()}

    def arrays(self, rows: Columns[K], recording: Recording, **made: Any) -> dict[str, Any]:
        """The columns of the frame. `made` has those that rows alone do not tell."""
        arrays: dict[str, Any] = {}
        for name, column in self.columns.items():
            arrays |= {name: made[name]} if name in made else column.arrays(rows, recording)
        return arrays


def declared(record: type) -> dict[str, Column]:
    """The columns that the annotations of a class declare: ``cpu_ms: Annotated[float, Milliseconds(...)]``."""
    found: dict[str, Column] = {}
    for name, hint in get_type_hints(record, include_extras=True).items():
        kind, column = get_args(hint)
        if isinstance(column, Text):
            column = msgspec.structs.replace(column, optional=NoneType in get_args(kind))
        found[name] = column
    return found


def nanoseconds(name: str) -> str:
    """The stored number that a column in milliseconds is of."""
    return f"{name.removesuffix('_ms')}_ns"
