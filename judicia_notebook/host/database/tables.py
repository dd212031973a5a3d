"""A DataFrame as a table of the platform's: SQLAlchemy's table for it, and its rows as plain values.

SQLite has neither truth values nor moments. It gets 0 and 1, and ISO 8601 text in the form of PostgreSQL's answers. The
column's declared type says which kind they are, so that a table comes back as the frame that it was.

A value goes in exactly, or the frame is refused with the column's name: no digit of a number or a time is cut.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy
from sqlalchemy.types import UserDefinedType

from judicia_notebook.engine.plain import is_foreign, to_plain
from judicia_notebook.errors import PolicyError
from judicia_notebook.host.database.statements import PLATFORM
from judicia_notebook.text import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_TAKEN: Final = ("sqlite_", "pg_", "judicia_")
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1
_AT_ONCE = 1000
_EXACT_IN_FLOAT = 1 << 53
_NO_COLUMN: Final = ("timedelta64", "duration", "complex", "clongdouble", "period", "interval")
_DTYPE_KINDS: Final = {"int": "int", "uint": "int", "float": "float", "double": "float", "bool": "bool"}

# SQLite keeps a column's type as it was written, and goes by the TEXT in it. None of these words may hold INT.
_DECLARED: Final = {
    "BIGINT": "int", "INTEGER": "int", "DOUBLE": "float", "FLOAT": "float", "BOOLEAN": "bool", "TEXT": "text",
    "BLOB": "bytes", "DATETIME TEXT": "moment", "DATETIME UTC TEXT": "moment with zone", "DATE TEXT": "date",
}  # fmt: skip
_SQLITE_TEXTS: Final = {kind: declared for declared, kind in _DECLARED.items() if declared.startswith("DATE")}


class _DeclaredText(UserDefinedType[Any]):
    """Text in a column that is declared to be more."""

    cache_ok = True

    def __init__(self, declared: str) -> None:
        self.declared = declared

    def get_col_spec(self, **_more: Any) -> str:
        """The type's words in CREATE TABLE."""
        return self.declared


def kind_of_declared(declared: str) -> str:
    """The kind of a SQLite column; empty for one that `make_table` did not make."""
    return _DECLARED.get(declared.upper(), "")


def check_name(name: str) -> None:
    """Refuse a text that cannot be a table's name, or that no grant could name.

    Raises
    ------
    PolicyError
    """
    if not _NAME.fullmatch(str(name)) or name.startswith(_TAKEN):
        raise PolicyError(
            f"A table's name is of a-z, 0-9 and _, begins with a letter and not with {', '.join(_TAKEN)}; not {name!r}."
        )


def check_known(name: str, tables: Sequence[str]) -> None:
    """Refuse a name that no platform table has.

    Raises
    ------
    PolicyError
    """
    if name not in tables:
        raise PolicyError(f"There is no platform table {name!r}.{did_you_mean(name, tables)}")


def make_table(name: str, frame: pd.DataFrame, *, postgresql: bool) -> sqlalchemy.Table:
    """The table for a frame; its index is left out.

    Raises
    ------
    PolicyError
        Columns that cannot be named, or hold what no column can.
    """
    check_name(name)
    for column in frame.columns:
        if not isinstance(column, str | int) or isinstance(column, bool):
            raise PolicyError(
                f"Table {name}: {column!r:.80} cannot be a column's name; frame.set_axis(...) renames it."
            )
    names = [str(column) for column in frame.columns]
    folded = [column.lower() for column in names]
    if not names:
        raise PolicyError(f"Table {name}: a table has at least one column.")
    for column in names:
        if not column or "\0" in column or '"' in column or len(column.encode()) > 63:
            raise PolicyError(
                f"Table {name}: {column!r:.80} cannot be a column's name, which has 1 to 63 bytes, no NUL and no "
                "double quote; frame.rename(columns=...) gives another."
            )
        if folded.count(column.lower()) > 1:
            same = ", ".join(repr(other) for other in names if other.lower() == column.lower())
            raise PolicyError(
                f"Table {name}: there are two columns {column!r} ({same}); capitals do not tell them apart."
            )
    metadata = sqlalchemy.MetaData(schema=PLATFORM if postgresql else None)
    columns = [
        sqlalchemy.Column(column, _type_of(name, column, frame.iloc[:, place], postgresql=postgresql), key=f"c{place}")
        for place, column in enumerate(names)
    ]
    return sqlalchemy.Table(name, metadata, *columns)


def _type_of(table: str, column: str, series: Any, *, postgresql: bool) -> Any:
    values = [_checked(table, column, value) for value in series]
    found = {_kind(table, column, value) for value in values if value is not None} or {
        _dtype_kind(table, column, series.dtype)
    }
    if found == {"int", "float"}:
        _check_exact(table, column, values)
        return sqlalchemy.Double()
    if len(found) > 1:
        raise PolicyError(
            f"Table {table}: column {column!r} mixes {' and '.join(sorted(found))}; .astype(str) makes text of all."
        )
    kind = found.pop()
    if not postgresql and kind in _SQLITE_TEXTS:
        return _DeclaredText(_SQLITE_TEXTS[kind])
    return {
        "int": sqlalchemy.BigInteger(),
        "float": sqlalchemy.Double(),
        "bool": sqlalchemy.Boolean(),
        "text": sqlalchemy.Text(),
        "bytes": sqlalchemy.LargeBinary(),
        "moment": sqlalchemy.DateTime(),
        "moment with zone": sqlalchemy.DateTime(timezone=True),
        "date": sqlalchemy.Date(),
    }[kind]


def _dtype_kind(table: str, column: str, dtype: Any) -> str:
    """For a column without a value."""
    name = str(dtype).lower()
    if name.startswith(_NO_COLUMN):
        raise PolicyError(
            f"Table {table}: column {column!r} is {dtype}, which no column can be; .astype(str) makes text."
        )
    if name.startswith(("datetime64", "timestamp")):
        return "moment with zone" if "," in name else "moment"
    if name.startswith("sparse"):
        return _dtype_kind(table, column, dtype.subtype)
    if name == "category":
        return _dtype_kind(table, column, dtype.categories.dtype)
    return next((kind for start, kind in _DTYPE_KINDS.items() if name.startswith(start)), "text")


def _checked(table: str, column: str, value: Any) -> Any:
    """A value as Python's own; None where it is missing."""
    try:
        return _plain(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise PolicyError(f"Table {table}: column {column!r} holds {error}.") from None


def _check_exact(table: str, column: str, values: list[Any]) -> None:
    """Refuse whole numbers which the floats beside them would round."""
    for value in values:
        if isinstance(value, int) and abs(value) > _EXACT_IN_FLOAT and int(float(value)) != value:
            raise PolicyError(
                f"Table {table}: column {column!r} mixes int and float, and {value} is no float; .astype(float) rounds "
                "it, .astype(str) makes text of all."
            )


def _kind(table: str, column: str, plain: Any) -> str:
    if isinstance(plain, bool):
        return "bool"
    if isinstance(plain, int) and _INT_MIN <= plain <= _INT_MAX:
        return "int"
    if isinstance(plain, dt.datetime):
        return "moment with zone" if plain.tzinfo else "moment"
    if isinstance(plain, str) and ("\0" in plain or not _is_unicode(plain)):
        raise PolicyError(
            f"Table {table}: column {column!r} holds {plain!r:.80}, and a text has no NUL and no surrogates."
        )
    for kind, name in ((float, "float"), (str, "text"), (bytes, "bytes"), (dt.date, "date")):
        if isinstance(plain, kind):
            return name
    raise PolicyError(
        f"Table {table}: column {column!r} holds {_shown(plain)}, which no column can; make it text or a number first."
    )


def _shown(value: Any) -> str:
    try:
        return repr(value)[:80]
    except Exception:  # a value's own code may raise anything
        return f"a {type(value).__name__}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: Any) -> Any:
    """NumPy's and pandas' values as Python's; None where one is missing.

    Raises
    ------
    TypeError
        It would be another value.
    """
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if is_foreign(value):
        kind = value.dtype.kind if hasattr(value, "dtype") else ""
        if kind == "V":
            raise TypeError(f"a value of {value.dtype}, which has a form of its own: .tolist() makes it plain")
        if kind in ("m", "M") and str(value) == "NaT":
            return None
        if kind or isinstance(value, dt.datetime):
            value = to_plain(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def records(frame: pd.DataFrame, table: sqlalchemy.Table, *, postgresql: bool) -> Iterator[list[dict[str, Any]]]:
    """The rows, some at a time, as the table's insert takes them."""
    keys = [column.key for column in table.columns]
    columns = [[_stored(value, postgresql=postgresql) for value in frame.iloc[:, at]] for at in range(len(keys))]
    for start in range(0, len(frame), _AT_ONCE):
        rows = zip(*(column[start : start + _AT_ONCE] for column in columns), strict=True)
        yield [dict(zip(keys, row, strict=True)) for row in rows]


def _stored(value: Any, *, postgresql: bool) -> Any:
    plain = _plain(value)
    if postgresql or plain is None:
        return plain
    if isinstance(plain, bool):
        return int(plain)
    return moment(plain) if isinstance(plain, dt.date) else plain


def moment(value: dt.date) -> str:
    """ISO 8601, with seconds and as much of their fraction as there is; a zone becomes UTC.

    Examples
    --------
    >>> moment(dt.datetime(2026, 1, 2, 3, 4, 5, 600000)), moment(dt.date(2026, 1, 2))
    ('2026-01-02T03:04:05.6', '2026-01-02')
    """
    if not isinstance(value, dt.datetime):
        return value.isoformat()
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC)
    head, dot, rest = value.replace(tzinfo=None).isoformat().partition(".")
    fraction = rest.rstrip("0")
    return head + (dot + fraction if fraction else "") + ("+00:00" if value.tzinfo else "")


def moment_of_postgresql(text: str) -> str:
    """PostgreSQL's way to write a moment as ISO 8601; what that cannot say (``infinity``, BC) stays.

    Examples
    --------
    >>> moment_of_postgresql("2026-01-02 03:04:05.6+00"), moment_of_postgresql("2026-01-02 03:04:05")
    ('2026-01-02T03:04:05.6+00:00', '2026-01-02T03:04:05')
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        return text
    day, clock, zone = match.groups()
    return f"{day}T{clock}{zone + ':00' if zone and len(zone) == 3 else zone or ''}"


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d(?::\d\d)*)?")
