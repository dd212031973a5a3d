"""A DataFrame as a table of the platform's: SQLAlchemy's table for it, and its rows as plain values.

SQLite has neither truth values nor moments: there they are 0 and 1, and ISO 8601 text as PostgreSQL's are answered.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy

from judicia_notebook.errors import PolicyError, did_you_mean
from judicia_notebook.host.database.statements import PLATFORM

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_TAKEN: Final = ("sqlite_", "pg_", "judicia_")
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1
_AT_ONCE = 1000


def check_name(name: str) -> None:
    """Refuse what cannot be a table's name, or could not be granted.

    Raises
    ------
    PolicyError
    """
    if not _NAME.fullmatch(str(name)) or name.startswith(_TAKEN):
        raise PolicyError(
            f"A table's name is of a-z, 0-9 and _, begins with a letter and not with {', '.join(_TAKEN)}; not {name!r}."
        )


def check_known(name: str, tables: Sequence[str]) -> None:
    """Refuse what is no platform table.

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
    names = [str(column) for column in frame.columns]
    folded = [column.lower() for column in names]
    if not names:
        raise PolicyError(f"Table {name}: a table has at least one column.")
    for column in names:
        if not column or "\0" in column or '"' in column or len(column.encode()) > 63:
            raise PolicyError(f"Table {name}: {column!r} cannot be a column's name.")
        if folded.count(column.lower()) > 1:
            raise PolicyError(f"Table {name}: there are two columns {column!r}; capitals do not tell them apart.")
    metadata = sqlalchemy.MetaData(schema=PLATFORM if postgresql else None)
    columns = [
        sqlalchemy.Column(column, _type_of(name, column, frame.iloc[:, place], postgresql=postgresql), key=f"c{place}")
        for place, column in enumerate(names)
    ]
    return sqlalchemy.Table(name, metadata, *columns)


def _type_of(table: str, column: str, series: Any, *, postgresql: bool) -> Any:
    found = {_kind(table, column, value) for value in series if not _is_missing(value)} or {_dtype_kind(series)}
    if found == {"int", "float"}:
        return sqlalchemy.Double()
    if len(found) > 1:
        raise PolicyError(f"Table {table}: column {column!r} mixes {' and '.join(sorted(found))}.")
    kind = found.pop()
    if not postgresql and kind in ("bool", "moment", "moment with zone", "date"):
        return sqlalchemy.Integer() if kind == "bool" else sqlalchemy.Text()
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


def _dtype_kind(series: Any) -> str:
    """For a column without a value."""
    dtype = str(series.dtype).lower()
    if dtype.startswith("datetime64"):
        return "moment with zone" if "," in dtype else "moment"
    kinds = {"int": "int", "uint": "int", "float": "float", "bool": "bool"}
    return next((kind for start, kind in kinds.items() if dtype.startswith(start)), "text")


def _kind(table: str, column: str, value: Any) -> str:
    plain = _plain(value)
    if isinstance(plain, bool):
        return "bool"
    if isinstance(plain, int) and _INT_MIN <= plain <= _INT_MAX:
        return "int"
    if isinstance(plain, dt.datetime):
        return "moment with zone" if plain.tzinfo else "moment"
    for kind, name in ((float, "float"), (str, "text"), (bytes, "bytes"), (dt.date, "date")):
        if isinstance(plain, kind):
            return name
    raise PolicyError(
        f"Table {table}: column {column!r} holds {plain!r:.80}, which no column can; make it text or a number first."
    )


def _plain(value: Any) -> Any:
    """NumPy's and pandas' values as Python's."""
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    return value.item() if hasattr(value, "dtype") and hasattr(value, "item") else value


def _is_missing(value: Any) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return type(value).__name__ in ("NAType", "NaTType")


def records(frame: pd.DataFrame, table: sqlalchemy.Table, *, postgresql: bool) -> Iterator[list[dict[str, Any]]]:
    """The rows, some at a time, as the table's insert takes them."""
    keys = [column.key for column in table.columns]
    columns = [[_stored(one, postgresql=postgresql) for one in frame.iloc[:, at]] for at in range(len(keys))]
    for start in range(0, len(frame), _AT_ONCE):
        rows = zip(*(column[start : start + _AT_ONCE] for column in columns), strict=True)
        yield [dict(zip(keys, row, strict=True)) for row in rows]


def _stored(value: Any, *, postgresql: bool) -> Any:
    if _is_missing(value):
        return None
    plain = _plain(value)
    if postgresql:
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
