"""A frame as the cells of a CSV, and back with every dtype. Knows dtypes, and no column by its name.

- A frame without rows is the pattern: it has all columns and their dtypes. So a file only fills the package's columns,
  and chooses no type. An empty cell is NA, except in texts that have no NA. Objects are JSON, times are ISO 8601 with
  nanoseconds, and numbers are written so that reading them gives the same bits.
- A stranger's file may cost more than it holds: a line of a billion commas has as many cells. So the reader compares
  the heads before it parses, refuses a line longer than any of a run's, and counts JSON before it decodes it.
- A spreadsheet takes a cell that begins with ``=``, and some other signs, for a formula to run. The writer puts
  `TEXT_MARK` before such a text, and before a text that begins with the mark. A spreadsheet then takes the cell for
  text, and the reader takes the mark away.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from judicia_notebook.records.columns import categories, nullable
from judicia_notebook.text import printable, printable_json
from judicia_notebook.units import format_count
from judicia_notebook.wasm.strict_parsing import parse_any_json

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

TEXT_MARK: Final = "'"
_FORMULA = re.compile(r"\s*[-=+@'|%\uff0b\uff0d\uff1d\uff20]")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ANY_LENGTH = 1 << 40
_NEEDS_QUOTES = re.compile(r'[",\r\n]')
_ROWS_AT_ONCE = 50_000
_FIRST = 200
_MOST_TEXTS = 10_000
_LONGEST_LINE = 4 << 20  # of characters; messages and their fields have at most 10 000 each


class Stream(Protocol):
    """Where a CSV is written to."""

    def write(self, data: bytes, /) -> object: ...


def write(frame: pd.DataFrame, stream: Stream) -> None:
    """Write a frame with its heads, some rows at a time, since texts take more memory than numbers.

    pandas writes cell by cell. But most columns have few values, so here each value is put into words once a block, and
    neighbours with few values between them are one piece of text for each pair of values there is.
    """
    stream.write((heads_of(frame) + "\n").encode())
    for first in range(0, len(frame), _ROWS_AT_ONCE):
        rows = frame.iloc[first : first + _ROWS_AT_ONCE]
        pieces = _joined([_written(column) for _, column in rows.items()])
        lines = map(",".join, zip(*(piece.spread() for piece in pieces), strict=True))
        stream.write("".join([f"{line}\n" for line in lines]).encode())


def heads_of(frame: pd.DataFrame) -> str:
    """The first line of a frame's CSV."""
    return ",".join(_quoted(str(name)) for name in frame.columns)


class _Cells(NamedTuple):
    """A column of a block of rows, or several that are neighbours: texts, and which of them each row has.

    Where `codes` is None, each row has the text at its place; otherwise a code of -1 means the last text.
    """

    codes: Array | None
    texts: list[str]

    def spread(self) -> list[str]:
        """The text of each row."""
        import numpy as np

        if self.codes is None:
            return self.texts
        spread: list[str] = np.array(self.texts, object)[self.codes].tolist()
        return spread


def _joined(columns: list[_Cells]) -> list[_Cells]:
    """The same columns, with neighbours joined where that makes few texts."""
    import numpy as np

    pieces: list[_Cells] = []
    for column in columns:
        before = pieces[-1] if pieces else column
        many = len(column.texts)
        if pieces and before.codes is not None and column.codes is not None and len(before.texts) * many <= _MOST_TEXTS:
            codes = np.where(before.codes < 0, len(before.texts) - 1, before.codes) * many
            codes += np.where(column.codes < 0, many - 1, column.codes)
            pieces[-1] = _Cells(codes, [f"{left},{right}" for left in before.texts for right in column.texts])
        else:
            pieces.append(column)
    return pieces


def _written(column: pd.Series) -> _Cells:
    import numpy as np
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        plain = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("M8[ns]")
        if not np.isnat(plain).any():
            return _Cells(None, np.datetime_as_string(plain, unit="ns", timezone="UTC").tolist())
        codes, instants = pd.factorize(plain)
        return _Cells(codes, [*np.datetime_as_string(instants, unit="ns", timezone="UTC").tolist(), ""])
    if isinstance(dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy().astype(np.intp)
        return _Cells(codes, [*(_quoted(as_text(str(name))) for name in column.cat.categories), ""])
    if pd.api.types.is_object_dtype(dtype):
        found = ["" if value is None else json.dumps(value, separators=(",", ":")) for value in column]
        return _Cells(None, [_quoted(text) for text in found])
    if pd.api.types.is_float_dtype(dtype):
        values = column.to_numpy("f8", na_value=np.nan)
        if _mostly_differ(column):
            return _Cells(None, _reals_written(values))
        codes, bits = pd.factorize(values.view("i8"))  # by its bits 0.0 is not -0.0
        return _Cells(codes, [*_reals_written(bits.view("f8")), ""])
    if pd.api.types.is_integer_dtype(dtype) and not column.hasnans and _mostly_differ(column):
        return _Cells(None, list(map(str, column.tolist())))
    codes, distinct = pd.factorize(column)
    if _is_text(dtype):
        return _Cells(codes, [*(_quoted(as_text(text)) for text in distinct), ""])
    return _Cells(codes, [*map(str, distinct.tolist()), ""])


def _mostly_differ(column: pd.Series) -> bool:
    """Whether finding equal values takes longer than it saves, judged by the first ones."""
    first = column.iloc[:_FIRST]
    return bool(first.nunique() > 0.9 * len(first))


def _reals_written(values: Array) -> list[str]:
    """The shortest text of each that reads as the same bits; NaN is NA."""
    return ["" if value != value else repr(value) for value in values.tolist()]  # noqa: PLR0124


def _quoted(text: str) -> str:
    """A cell, in quotes where a CSV needs them."""
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def as_text(text: str) -> str:
    """A text in the form of its cell, which no spreadsheet runs.

    Examples
    --------
    >>> as_text("=HYPERLINK(1)"), as_text("'quoted'"), as_text("checker")
    ("'=HYPERLINK(1)", "''quoted'", 'checker')
    """
    return TEXT_MARK + text if _FORMULA.match(text) else text


class Allowance:
    """How many values the JSON of a file may have in all, counted before any of it is decoded."""

    def __init__(self, values: int) -> None:
        self.most = self.left = values

    def take(self, text: str) -> None:
        """Count a cell.

        Raises
        ------
        ValueError
            It has more than are left.
        """
        self.left -= sum(map(_JSON_STRING.sub("", text).count, ",:[{")) + 1
        if self.left < 0:
            raise ValueError(f"its JSON has more than the {format_count(self.most)} values that are read (most=)")


def read(
    stream: IO[str],
    pattern: pd.DataFrame,
    rows: int,
    allowance: Allowance,
    *,
    marked: bool = True,
    never_na: Collection[str] = (),
) -> pd.DataFrame:
    """Read a frame that must have these rows, and the columns and dtypes of the pattern.

    `marked` is whether its texts were written with `as_text`; an empty cell of a column in `never_na` is an empty text.

    Raises
    ------
    ValueError
        It has other rows or columns, a cell does not fit its column, or there is more JSON than allowed.
    """
    import pandas as pd

    found = pd.read_csv(
        _Lines(stream, heads_of(pattern) + "\n"),
        dtype={name: _dtype_read(dtype) for name, dtype in pattern.dtypes.items()},
        keep_default_na=False,
        na_values={name: [""] for name in pattern if name not in never_na},
        nrows=rows + 1,
        low_memory=True,  # which parses some rows at a time: a cell takes twenty bytes while it is parsed
        **_exactly(),
    )
    if len(found) != rows:
        there = (
            f"more than {format_count(rows)}"
            if len(found) > rows
            else f"{format_count(len(found))} of {format_count(rows)}"
        )
        raise ValueError(f"it has not as many rows and cells as it says: {there} rows")
    if not isinstance(found.index, pd.RangeIndex):
        raise ValueError("it has not as many rows and cells as it says: a row has too many cells")
    columns = {name: _restored(found.pop(name), pattern[name], allowance, marked) for name in list(found.columns)}
    return pd.DataFrame(columns, copy=False)


class _Lines(io.TextIOBase):
    """A text with the expected first line, and without too long a line. pandas calls only `read`."""

    def __init__(self, stream: IO[str], heads: str) -> None:
        super().__init__()
        there = stream.readline(len(heads))
        if there != heads:
            pairs = zip_longest(heads.rstrip("\n").split(","), there.rstrip("\n").split(","), fillvalue="no more")
            differing = (
                f": column {n} is {found}, not {wanted}"
                for n, (wanted, found) in enumerate(pairs, 1)
                if found != wanted
            )
            raise ValueError("its columns are not those of this table" + next(differing, ""))
        self._stream, self._heads, self._length = stream, heads, 0

    def read(self, size: int | None = -1) -> str:
        if self._heads:
            heads, self._heads = self._heads, ""
            return heads
        text = self._stream.read(_ROWS_AT_ONCE if size is None or size < 0 else size)
        end = text.rfind("\n")
        self._length = self._length + len(text) if end < 0 else len(text) - end - 1
        if self._length > _LONGEST_LINE:
            raise ValueError(
                f"a line of it is longer than any of a run, which has at most {format_count(_LONGEST_LINE)} characters"
            )
        return text


def _exactly() -> dict[str, Any]:
    """The option that makes pandas read the same bits, for versions that do not by default."""
    import pandas as pd

    major, minor = (int(part) for part in pd.__version__.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _is_text(dtype: Any) -> bool:
    return str(dtype) == "str" or str(dtype).startswith("string")


def _dtype_read(dtype: Any) -> Any:
    """The dtype that the parser gives a column; `_restored` does the rest."""
    import pandas as pd

    if isinstance(dtype, pd.Float64Dtype):  # pandas would make these through text
        return "float64"
    if isinstance(dtype, pd.CategoricalDtype | pd.DatetimeTZDtype):  # "category" makes numbers of "007"
        return "object"
    return dtype


def _restored(found: pd.Series, pattern: pd.Series, allowance: Allowance, marked: bool) -> Any:
    import numpy as np
    import pandas as pd

    dtype = pattern.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _restored_categories(found, list(dtype.categories), marked)
    if isinstance(dtype, pd.Float64Dtype):
        values = found.to_numpy("f8")
        return nullable(values, ~np.isnan(values))
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.to_datetime(found, format="ISO8601", utc=True).astype(dtype).array
    if pd.api.types.is_object_dtype(dtype):
        values = np.empty(len(found), object)
        for text in found:
            if isinstance(text, str):
                allowance.take(text)
        values[:] = [printable_json(parse_any_json(text)) if isinstance(text, str) else None for text in found]
        return pd.Series(values, dtype="object")
    if _is_text(dtype):
        which, distinct = pd.factorize(found)
        texts = pd.Series([*(_text(text, marked) for text in distinct), None], dtype="str")  # the last for NA
        return texts.take(which).array
    return found.array


def _text(cell: str, marked: bool) -> str:
    """The text of a cell, made printable: a stranger may have written it."""
    return printable(cell.removeprefix(TEXT_MARK) if marked else cell, _ANY_LENGTH)


def _restored_categories(found: pd.Series, fixed: list[str], marked: bool) -> pd.Categorical:
    """The same texts, as a frame that was never in a file has them: sorted, printable, all in use."""
    import numpy as np
    import pandas as pd

    which, distinct = pd.factorize(found)
    texts = [_text(text, marked) for text in distinct]
    names = fixed or sorted(set(texts))
    if unknown := set(texts) - set(names):
        raise ValueError(f"{min(unknown)!r} is none of {', '.join(names)}")
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.array([*(code_of[text] for text in texts), -1], np.intp)  # the last is what a code of -1 finds
    return categories(codes[which], names)
