"""Columns that only the rows of a table name: each label's, and what a sweep varied. Knows dtypes, and no file.

A file states the names and dtypes of its columns. Which of them may be there, and with which dtypes, is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from judicia_notebook.context import MOST_LABELS, is_label
from judicia_notebook.records import labels
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd

MOST_COLUMNS = 1000
DTYPES = ("bool", "boolean", "int64", "Int64", "uint64", "UInt64", "float64", "Float64", "str", "object")


def with_labels(pattern: pd.DataFrame, stated: Mapping[str, str]) -> pd.DataFrame:
    """A frame without rows of `Runtime.calls`, with those columns of labels that a file states.

    Raises
    ------
    ValueError
    """
    return added(pattern, stated, labels.PREFIX, "label", is_label)


def added(
    pattern: pd.DataFrame, stated: Mapping[str, str], prefix: str, after: str, is_name: Callable[[str], bool]
) -> pd.DataFrame:
    """A frame without rows, with the stated columns of a prefix behind one of its own.

    Raises
    ------
    ValueError
        There are too many, or one has a dtype or a name that none has.
    """
    import pandas as pd

    found = {name: dtype for name, dtype in stated.items() if name.startswith(prefix) and name not in pattern}
    if len(found) > MOST_COLUMNS:
        raise ValueError(f"it has {len(found)} columns {prefix}..., more than {MOST_COLUMNS}")
    columns: dict[str, Any] = {}
    for name, column in pattern.items():
        columns[str(name)] = column
        if name == after:
            columns |= {name: _nothing(name, dtype, prefix, is_name) for name, dtype in found.items()}
    return pd.DataFrame(columns)


def _nothing(name: str, dtype: str, prefix: str, is_name: Callable[[str], bool]) -> pd.Series:
    import pandas as pd

    if dtype not in DTYPES:
        raise ValueError(f"its column {printable(name, 80)} is of {printable(dtype, 40)}, of which none is")
    if not is_name(name.removeprefix(prefix)) or printable(name, len(name)) != name:
        raise ValueError(f"no column is called {printable(name, 80)}")
    return pd.Series([], dtype=dtype)


def taken_apart(calls: pd.DataFrame) -> pd.DataFrame:
    """A frame of an older file, in which all labels are one text: ``variant=A, size=3``. Their values stay texts."""
    import pandas as pd

    which, distinct = pd.factorize(calls["label"])
    read = [*(_read(text) for text in distinct), {}]  # the last is what a code of -1 finds
    if len(labels.names_of(read)) > MOST_LABELS:
        return calls  # these texts are no labels of ours
    columns: dict[str, Any] = {}
    for name, column in calls.items():
        columns[str(name)] = column
        if name == "label":
            columns |= {name: values.take(which) for name, values in labels.columns(read).items()}
    made = pd.DataFrame(columns, copy=False)
    made.attrs.update(calls.attrs)
    return made


def completed(frame: pd.DataFrame, pattern: pd.DataFrame, missing: Mapping[str, str | None]) -> pd.DataFrame:
    """A frame of an older file with the columns of now: each of the missing ones has one text, or NA, in all rows."""
    import pandas as pd

    after = {
        str(pattern.columns[place - 1]): str(name) for place, name in enumerate(pattern.columns) if name in missing
    }
    columns: dict[str, Any] = {}
    for name, column in frame.items():
        columns[str(name)] = column
        last = str(name)
        while (added := after.get(last)) is not None:
            values = pd.Series(missing[added], index=frame.index, dtype="str")
            columns[added] = values.astype(pattern[added].dtype.name)
            last = added
    made = pd.DataFrame(columns, copy=False)
    made.attrs.update(frame.attrs)
    return made


def _read(text: str) -> dict[str, str]:
    parts = (part.partition("=") for part in islice(text.split(", "), MOST_LABELS))
    return {name: value for name, equals, value in parts if equals and value and is_label(name)}
