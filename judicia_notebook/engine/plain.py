"""NumPy's and pandas' values as Python's own, exactly; a value that does not fit is a TypeError with the way out.

Neither library needs to be there: their values are known by the module of their type. The payloads of calls and the
tables of the database both go through here, so that a value means the same at both.
"""

from __future__ import annotations

import binascii
import datetime as dt
from typing import Any

_YEARS = (1, 9999)  # of Python's datetime, and of four digits in ISO 8601


def base64(data: bytes | bytearray | memoryview) -> str:
    """Bytes as base64 text, the only way in which bytes become text in a JSON payload.

    Parameters
    ----------
    data : bytes, bytearray or memoryview

    Returns
    -------
    str
        Of the standard alphabet, with padding.

    Raises
    ------
    TypeError
        It is no bytes.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> jn.base64(b"hi")
    'aGk='
    """
    return binascii.b2a_base64(bytes(memoryview(data)), newline=False).decode()


def is_foreign(value: Any) -> bool:
    """Whether a value is one of NumPy's or pandas'."""
    return type(value).__module__.partition(".")[0] in ("numpy", "pandas")


def to_plain(value: Any) -> Any:
    """The same value as Python has it.

    Raises
    ------
    TypeError
        Python has no such value, or another one. The message names the value, and says what to send instead.
    """
    module = type(value).__module__.partition(".")[0]
    if module == "numpy" and hasattr(value, "dtype"):
        return _from_numpy(value)
    if module == "pandas" and isinstance(value, dt.datetime | dt.timedelta):
        return _from_pandas(value)
    kind = type(value)
    raise TypeError(f"a {kind.__module__}.{kind.__qualname__}, which has no JSON form{_way_out(value)}")


def _way_out(value: Any) -> str:
    """A hint at what to send in place of a value that has no plain form; empty where none is known."""
    name = type(value).__name__
    ways = {
        "DataFrame": '.to_dict("records") makes a list of its rows',
        "NAType": "None is what JSON has",
        "Fraction": "str(...) keeps it, float(...) rounds it",
        "complex": "[z.real, z.imag] keeps it",
        "Raw": "call_bytes sends JSON that is written already",
    }
    if isinstance(value, type):
        way = ""
    elif name in ways:
        way = ways[name]
    elif name in ("Interval", "Period") or isinstance(value, str | dt.date | dt.timedelta | dt.tzinfo):
        way = "str(...) makes text of it"
    elif isinstance(value, int | float):
        way = f"{'int' if isinstance(value, int) else 'float'}(...) makes a plain number of it"
    elif hasattr(value, "tolist"):
        way = ".tolist() makes a list of it"
    elif hasattr(value, "keys") and hasattr(value, "items"):
        way = "dict(...) makes a plain dict of it"
    else:
        way = "list(...) makes a list of it" if hasattr(value, "__iter__") else ""
    return way and f": {way}"


def _from_numpy(value: Any) -> Any:
    dtype = value.dtype
    if dtype.names is not None:
        raise TypeError(
            f"a value of {dtype}, whose names of fields would be lost: "
            "{name: x[name] for name in x.dtype.names} keeps them, .tolist() lets them go"
        )
    if dtype.kind in "mM":
        return _times(value).tolist()
    return (_doubles(value) if dtype.char == "g" else value).tolist()


def _doubles(value: Any) -> Any:
    """A longdouble as the double of the same value."""
    import numpy as np

    with np.errstate(over="ignore"):
        double = value.astype("f8")
    given, made = np.ma.compressed(value), np.ma.compressed(double)
    if not ((made == given) | np.isnan(given)).all():
        raise TypeError('a longdouble with more digits than a float has: .astype("f8") rounds it, str(...) keeps it')
    return double


def _times(value: Any) -> Any:
    """Moments and durations in microseconds, which are what Python has."""
    import numpy as np

    kind, given = value.dtype.kind, np.ma.compressed(value)
    unit, _ = np.datetime_data(value.dtype)
    if np.isnat(given).any():
        raise TypeError("a NaT, which has no JSON form: None is what JSON has")
    if unit == "generic" or (kind == "m" and unit in "YM"):
        raise TypeError(
            f"a {value.dtype}, which is no certain length of time: give it a unit from weeks to microseconds"
        )
    if kind == "M":
        years = given.astype("M8[Y]").astype("i8") + 1970
        if years.size and not (_YEARS[0] <= years.min() and years.max() <= _YEARS[1]):
            raise TypeError(f"a {value.dtype} beyond the years 1 to 9999: str(...) keeps it")
    made = value.astype(f"{kind}8[us]")
    if (np.ma.compressed(made).astype(given.dtype) != given).any():
        raise TypeError(
            f'a {value.dtype} with digits that microseconds cannot keep: .astype("{kind}8[us]") cuts them, '
            + ("str(...) keeps them" if kind == "M" else '.astype("i8") keeps them as a number')
        )
    return made


def _from_pandas(value: Any) -> dt.datetime | dt.timedelta:
    if value != value:  # NaT is not itself  # noqa: PLR0124
        raise TypeError("a NaT, which has no JSON form: None is what JSON has")
    if isinstance(value, dt.datetime):
        digits, made = value.nanosecond, value.to_pydatetime(warn=False)  # type: ignore[attr-defined]
    else:
        digits, made = value.nanoseconds, value.to_pytimedelta()
    if digits:
        raise TypeError(
            f'a pandas.{type(value).__name__} with nanoseconds: .floor("us") cuts them, .isoformat() keeps them'
        )
    return made  # type: ignore[no-any-return]
