"""A table's rows as a DataFrame. The columns' declarations give the dtypes, also where values are missing.

No dtype may change a value. SQLite lets a plugin put text where numbers are: such a column comes as the Python objects
it holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from judicia_notebook.host.database.tables import moment

if TYPE_CHECKING:
    import pandas as pd

_INT64 = range(-(1 << 63), 1 << 63)


def frame(kinds: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """The rows of a table whose columns have these names and kinds.

    Whole numbers are ``int64`` and truth values ``bool``, or ``Int64`` and ``boolean`` where some are missing; floats
    are ``float64``, texts ``str``, moments ``datetime64[us]``, with ``UTC`` where they have a zone. Dates, bytes and
    all other values are objects.
    """
    import pandas as pd

    columns = [_column(kind, [row[at] for row in rows]) for at, kind in enumerate(kinds.values())]
    made = pd.DataFrame(dict(enumerate(columns)), copy=False)
    made.columns = pd.Index(list(kinds), dtype="str" if kinds else "object")
    return made


def _column(kind: str, values: list[Any]) -> pd.Series:
    import pandas as pd

    makes = _MAKES.get(kind)
    given = [value for value in values if value is not None]
    made = None if makes is None else makes(values, given)
    return pd.Series(values, dtype="object") if made is None else made


def _integers(values: list[Any], given: list[Any]) -> pd.Series | None:
    import pandas as pd

    if not all(type(value) is int and value in _INT64 for value in given):
        return None
    return pd.Series(values, dtype="int64" if len(given) == len(values) else "Int64")


def _floats(values: list[Any], given: list[Any]) -> pd.Series | None:
    import pandas as pd

    return pd.Series(values, dtype="float64") if all(type(value) is float for value in given) else None


def _truths(values: list[Any], given: list[Any]) -> pd.Series | None:
    import pandas as pd

    if not all(type(value) in (bool, int) and value in (0, 1) for value in given):
        return None
    truths = [None if value is None else bool(value) for value in values]
    return pd.Series(truths, dtype="bool" if len(given) == len(values) else "boolean")


def _texts(values: list[Any], given: list[Any]) -> pd.Series | None:
    import pandas as pd

    return pd.Series(values, dtype="str") if all(type(value) is str for value in given) else None


def _moments(values: list[Any], given: list[Any]) -> pd.Series | None:
    return _times(values, given, zone=False)


def _moments_with_zone(values: list[Any], given: list[Any]) -> pd.Series | None:
    return _times(values, given, zone=True)


def _times(values: list[Any], given: list[Any], *, zone: bool) -> pd.Series | None:
    import numpy as np
    import pandas as pd

    read = [None if value is None else _moment(value) for value in values]
    if sum(stamp is not None and (stamp.tzinfo is not None) == zone for stamp in read) != len(given):
        return None
    naive = [
        None if stamp is None else stamp.astimezone(dt.UTC).replace(tzinfo=None) if zone else stamp for stamp in read
    ]
    made = pd.Series(np.array(naive, dtype="M8[us]"))
    return made.dt.tz_localize("UTC") if zone else made


def _moment(value: Any) -> dt.datetime | None:
    """A moment in the form that the platform writes, with every digit; None for text in any other form."""
    if isinstance(value, dt.datetime):
        return value
    try:
        made = dt.datetime.fromisoformat(value)
        return made if moment(made) == value else None
    except (TypeError, ValueError):
        return None


def _dates(values: list[Any], _given: list[Any]) -> pd.Series | None:
    import pandas as pd

    try:
        read = [
            value if value is None or isinstance(value, dt.date) else dt.date.fromisoformat(value) for value in values
        ]
    except (TypeError, ValueError):
        return None
    return pd.Series(read, dtype="object")


_MAKES: Final[dict[str, Callable[[list[Any], list[Any]], pd.Series | None]]] = {
    "int": _integers,
    "float": _floats,
    "bool": _truths,
    "text": _texts,
    "moment": _moments,
    "moment with zone": _moments_with_zone,
    "date": _dates,
}
