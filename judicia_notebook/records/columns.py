"""A table's rows as columns that a DataFrame can be made of. Knows tables and dtypes, but not what any column means.

- Numbers are copied chunk by chunk, so that each chunk is read while the cache holds it.
- Keys are few where rows are many: a text is looked up once a key and spread over the rows as codes, never once a row.
- The dtypes are the same for no rows as for a million: categories for texts, ``Int64`` and ``Float64`` where NA can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from judicia_notebook.text import printable, with_plugin_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from judicia_notebook.records.table import Layout, Rows

    Array = np.ndarray[Any, Any]

K = TypeVar("K", bound=tuple[Any, ...])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Columns(Generic[K]):
    """Named columns of runs of rows, of those whose key is `wanted`.

    Parameters
    ----------
    layout : Layout
    runs : sequence of Rows
        As `Table.rows` gives them.
    names : sequence of str
        Which columns to read. One of nanoseconds, ``guest_ns``, is also there in milliseconds, as ``guest_ms``.
    wanted : callable, optional
        Takes a key.
    """

    def __init__(
        self,
        layout: Layout[K],
        runs: Sequence[Rows[K]],
        names: Iterable[str],
        wanted: Callable[[K], bool] | None = None,
    ) -> None:
        import numpy as np

        self._which, self.keys = _read_keys(layout, runs)
        self._numbers = _read_numbers(layout, runs, tuple(names))
        if wanted is not None:
            self.keep(np.array([wanted(key) for key in self.keys], bool)[self._which])

    def __len__(self) -> int:
        return len(self._which)

    def __getitem__(self, name: str) -> Array:
        return self._numbers[name]

    def key_of(self, row: int) -> K:
        """One row's key."""
        return self.keys[int(self._which[row])]

    def keep(self, chosen: Array) -> None:
        """Keep the chosen rows: where a mask is True, or in the order of indexes."""
        self._numbers = {name: numbers[chosen] for name, numbers in self._numbers.items()}
        self._which = self._which[chosen]

    def texts(self, text_of: Callable[[K], str], limit: int) -> pd.Categorical:
        """A text of the key, made printable and cut at `limit` characters; NA where it is empty."""
        import numpy as np

        texts = [text_of(key) for key in self.keys]
        in_use = {texts[code] for code in self._used()}
        shown = {text: printable(text, limit) for text in in_use}
        names = sorted(set(shown.values()) - {""})
        code_of_name = {name: code for code, name in enumerate(names)}
        code_of = {text: code_of_name.get(name, -1) for text, name in shown.items()}
        codes = np.array([code_of.get(text, -1) for text in texts], np.min_scalar_type(-len(names) - 1))
        return categories(codes[self._which], names)

    def keys_in_use(self) -> list[K]:
        """The keys that a row has, in the order in which they come first in the table."""
        return [self.keys[code] for code in self._used()]

    def places_of_keys(self) -> Array:
        """For each row the place of its key in `keys_in_use`."""
        import numpy as np

        return np.searchsorted(self._used(), self._which)

    def _used(self) -> Array:
        import numpy as np

        used: Array = np.bincount(self._which, minlength=len(self.keys)).nonzero()[0]
        return used

    def values(self, value_of: Callable[[K], Any], dtype: str) -> Any:
        """Any other part of the key, as an array of `dtype`; None becomes NA where the dtype has it."""
        import numpy as np
        import pandas as pd

        values = np.empty(len(self.keys), object)
        values[:] = [value_of(key) for key in self.keys]
        if dtype in {"object", "str"}:  # as a Series: in pandas 2 an array of "str" is one of fixed width
            return pd.Series(values, dtype=dtype).take(self._which).reset_index(drop=True)
        return pd.array(values, dtype=dtype).take(self._which)


def _read_keys(layout: Layout[K], runs: Sequence[Rows[K]]) -> tuple[Array, list[K]]:
    """The index of each row's key, and the distinct keys."""
    import numpy as np

    which = np.empty(sum(run.length for run in runs), np.intp)
    index_of: dict[K, int] = {}
    for part, run, rows in _parts(layout, runs):
        indexes = np.array([index_of.setdefault(key, len(index_of)) for key in run.keys], np.intp)
        which[part] = indexes[rows["key"]]
    return which, list(index_of)


def _read_numbers(layout: Layout[K], runs: Sequence[Rows[K]], names: Sequence[str]) -> dict[str, Array]:
    import numpy as np

    total = sum(run.length for run in runs)
    in_ms = {name: name[:-3] + "_ns" for name in names if name.endswith("_ms")}
    numbers = {name: np.empty(total, "f8" if name in in_ms else "i8") for name in names}
    for part, _, rows in _parts(layout, runs):
        for name, column in numbers.items():
            if name in in_ms:
                np.divide(rows[in_ms[name]], 1e6, out=column[part])
            else:
                column[part] = rows[name]
    return numbers


def _parts(layout: Layout[K], runs: Sequence[Rows[K]]) -> Iterator[tuple[slice, Rows[K], Array]]:
    """Where each run goes in a column, the run, and its rows without a copy."""
    begin = 0
    for run in runs:
        yield slice(begin, begin + run.length), run, layout.array(run)
        begin += run.length


def nullable(values: Array, valid: Array) -> Any:
    """An ``Int64`` or ``Float64`` array that is NA where `valid` is False."""
    import pandas as pd

    array = pd.arrays.FloatingArray if values.dtype.kind == "f" else pd.arrays.IntegerArray
    return array(values, ~valid)


def categories(codes: Array, names: Sequence[str]) -> pd.Categorical:
    """A categorical of texts; NA where the code is -1."""
    import numpy as np
    import pandas as pd

    return pd.Categorical.from_codes(codes, categories=pd.Index(np.array(names, object), dtype="str"))


def array_of(values: Sequence[Any], mixed: Literal["str", "object"] = "str") -> Any:
    """An array in the dtype of its values, also where some are None.

    Values of several kinds are texts, or objects where `mixed` says so.

    Examples
    --------
    >>> [str(array_of(values).dtype) for values in ([1, None], [1, 2.5], [True], ["a", 1, None])]
    ['Int64', 'float64', 'bool', 'str']
    """
    import pandas as pd

    plain = [None if value != value else value for value in values]  # noqa: PLR0124  # NaN is NA
    present = [value for value in plain if value is not None]
    dtypes = _DTYPES.get(_kind_of(present))
    if dtypes is not None:
        return pd.Series(plain, dtype=dtypes[len(present) < len(plain)]).array  # as `values` above
    if mixed == "object":
        return pd.array(objects(plain), dtype="object")
    return texts(None if value is None else str(value) for value in plain).array


_DTYPES = {
    "bool": ("bool", "boolean"), "int64": ("int64", "Int64"), "uint64": ("uint64", "UInt64"),
    "float": ("float64", "Float64"), "text": ("str", "str"),
}  # fmt: skip
"""For each kind the dtype without and with values missing."""


def _kind_of(present: Sequence[Any]) -> str:
    """The kind of some values of JSON, none of which is None; empty where they are of several, or of none of these."""
    kinds = set(map(type, present))
    if kinds == {bool}:
        return "bool"
    if kinds == {str}:
        return "text"
    if kinds == {int}:
        low, high = min(present), max(present)
        return "int64" if low >= -(1 << 63) and high < 1 << 63 else "uint64" if low >= 0 and high < 1 << 64 else ""
    if kinds and kinds <= {int, float} and all(abs(value) < 1 << 64 or isinstance(value, float) for value in present):
        exact = all(float(value) == value for value in present)
        return "float" if exact else ""
    return ""


def texts(values: Iterable[str | None]) -> pd.Series:
    """A column of texts; None becomes NA."""
    import pandas as pd

    return pd.Series(list(values), dtype="str")


def numbers(values: Iterable[int]) -> Array:
    """A column of whole numbers, as ``int64``."""
    import numpy as np

    return np.fromiter(values, "i8")


def objects(values: Iterable[Any]) -> Array:
    """A column of tuples, lists or dictionaries as they are: NumPy itself would make rows of them."""
    import numpy as np

    kept = list(values)
    column = np.empty(len(kept), object)
    for place, value in enumerate(kept):
        column[place] = value
    return column


def utc(began: datetime, since_ns: Array) -> pd.DatetimeIndex:
    """Instants `since_ns` nanoseconds after `began`, as ``datetime64[ns, UTC]``."""
    import pandas as pd

    began_ns: int = (began - _EPOCH) // timedelta(microseconds=1) * 1000
    return pd.DatetimeIndex((since_ns + began_ns).view("M8[ns]")).tz_localize("UTC")


def frame(dropped: int, columns: dict[str, Any]) -> pd.DataFrame:
    """A DataFrame that says how many older rows are not in it."""
    import pandas as pd

    made = pd.DataFrame(columns, copy=False)
    made.attrs["dropped"] = dropped
    return with_plugin_text(made)
