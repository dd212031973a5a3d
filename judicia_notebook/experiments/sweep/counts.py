"""What the monitors of a sweep counted: their frames as JSON, column by column, and back.

Most columns of a monitor's frame are of the module, not of the call, and repeats mostly count the same. So each
distinct column travels, and stands in the file, once under its digest, and a cell names the digests of its columns.
A file may come from a stranger: a column is decoded as its dtype says or refused, and its texts are made printable.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import msgspec

from judicia_notebook.errors import JudiciaError
from judicia_notebook.records.columns import objects
from judicia_notebook.text import printable
from judicia_notebook.units import format_count
from judicia_notebook.wasm.strict_parsing import parse_json_as

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS: Final = 1 << 22
"""Of the frame of a monitor in a cell."""
MOST_COLUMNS: Final = 64
SUMMED: Final = ("dropped", "failed", "lost")
"""What a monitor's frame says beside its columns, added up over the cells."""
_TEXT = 2000
_DIGEST = 32  # hexadecimal digits
_HEAD_VALUES = 8  # of a column, beside its rows

_Int = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_VALUES: Final[dict[str, Any]] = {
    "str": list[str | None],
    "int64": list[_Int],
    "Int64": list[_Int | None],
    "bool": list[bool],
    "boolean": list[bool | None],
    "float64": list[float | None],
    "Float64": list[float | None],
    "object": list[Any],
}
"""The dtypes that a column may have, and what its values are in JSON."""


class _Column(msgspec.Struct):
    dtype: str
    values: list[Any]


class Referred(msgspec.Struct, frozen=True):
    """The frame of a monitor in a cell: the digests of its columns by their names, and sums beside them."""

    columns: dict[str, str]
    sums: dict[str, int] = {}


class Counted(NamedTuple):
    """The frames of a cell as they travel: what the cell names, as JSON, and the columns by their digests."""

    referred: bytes
    columns: dict[str, bytes]


def encode(frames: Mapping[str, pd.DataFrame]) -> Counted:
    """The frames of a cell's monitors, by their names.

    Raises
    ------
    JudiciaError
        One has more rows than a sweep keeps.
    """
    referred, columns = {}, {}
    for monitor, frame in frames.items():
        if len(frame) > MOST_ROWS:
            raise JudiciaError(
                f"{monitor} has {format_count(len(frame))} rows in a cell: a sweep keeps {format_count(MOST_ROWS)}.",
                hint="p.monitor keeps those of one call." if monitor != "path" else "path=1000000 keeps fewer.",
            )
        names = {}
        for name, column in frame.items():
            data = msgspec.json.encode(_Column(str(column.dtype), _plain(column)))
            names[str(name)] = digest = digest_of(data)
            columns[digest] = data
        sums = {name: int(frame.attrs[name]) for name in SUMMED if name in frame.attrs}
        referred[monitor] = Referred(names, sums)
    return Counted(msgspec.json.encode(referred), columns)


def digest_of(column: bytes) -> str:
    """What a column is called."""
    return hashlib.sha256(column).hexdigest()[:_DIGEST]


def _plain(column: pd.Series[Any]) -> list[Any]:
    values = column.astype(object).tolist()
    if str(column.dtype) == "object":
        return [_told(value) for value in values]
    return [None if missing else value for value, missing in zip(values, column.isna().tolist(), strict=True)]


def _told(value: Any) -> Any:
    """A value of a column of objects: a number, bytes, or several of them; JSON has no bytes, NaN or infinity."""
    if isinstance(value, list | tuple):
        return [_told(each) for each in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _meant(value: Any) -> Any:
    """What `_told` was given, but lists are tuples.

    Raises
    ------
    ValueError
    """
    match value:
        case list():
            return tuple(map(_meant, value))
        case {"bytes": str(digits), **rest} if not rest:
            return bytes.fromhex(digits)
        case {"float": "nan" | "inf" | "-inf" as text, **rest} if not rest:
            return float(text)
        case None | bool() | int() | float():
            return value
    raise ValueError("it has what is no number")


def check_column(digest: str, column: bytes) -> None:
    """Refuse a column that no frame can have, or that is not the one of its digest.

    Raises
    ------
    ValueError
    """
    if digest_of(column) != digest:
        raise ValueError("a column is not that of its digest")
    decode(column)


def decode(column: bytes) -> Any:
    """The array that a column is.

    Raises
    ------
    ValueError
    """
    import pandas as pd

    found = parse_json_as(column, _Column, values=MOST_ROWS + _HEAD_VALUES)
    if found.dtype not in _VALUES:
        raise ValueError(f"a column has the dtype {printable(found.dtype, 40)}")
    try:
        values = msgspec.convert(found.values, _VALUES[found.dtype])
    except msgspec.ValidationError as error:
        raise ValueError(f"a column of {found.dtype}: {printable(str(error), 200)}") from None
    if found.dtype == "object":
        return pd.array(objects(map(_meant, values)), dtype="object")
    if found.dtype == "str":
        values = [None if text is None else printable(text, _TEXT) for text in values]
    return pd.Series(values, dtype=found.dtype).array


def check_referred(referred: Mapping[str, Referred], columns: Collection[str]) -> None:
    """Refuse a cell that names what is not there.

    Raises
    ------
    ValueError
    """
    for monitor, each in referred.items():
        if not monitor.isidentifier() or printable(monitor, 40) != monitor:
            raise ValueError(f"there is no monitor {printable(monitor, 40)!r}")
        if len(each.columns) > MOST_COLUMNS or not set(each.sums) <= set(SUMMED):
            raise ValueError(f"the frame of {monitor} has more than a monitor's")
        for name, digest in each.columns.items():
            is_the_sweeps = name in {"cell", "repeat"} or name.startswith("param_")
            if not name.isidentifier() or printable(name, 80) != name or is_the_sweeps:
                raise ValueError(f"{monitor} has a column {printable(name, 80)!r}")
            if digest not in columns:
                raise ValueError(f"the column {name} of {monitor} is not in the file")
