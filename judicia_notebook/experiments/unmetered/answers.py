"""Whether a function answers the same with and without metering: equal values, apart from the bits of NaNs.

Metered code has one pattern of bits for every NaN, unmetered code has the processor's. Of numbers that is a NaN here
and a NaN there; in bytes a NaN may stand at any place, in 4 bytes or in 8.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from judicia_notebook.errors import JudiciaError

_FLOATS = (np.dtype("<f4"), np.dtype("<f8"))


def are_same(one: Any, other: Any) -> bool:
    """Whether two values of a call are equal apart from the bits of NaNs.

    Examples
    --------
    >>> are_same(float("nan"), float("nan")), are_same((1, 2.0), (1, 2.5)), are_same({"a": [1]}, {"a": [1]})
    (True, False, True)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(are_same, one, other))
    if isinstance(one, float):
        return bool(one == other or (one != one and other != other))  # noqa: PLR0124  # a NaN alone is not itself
    if isinstance(one, bytes):
        return one == other or _differ_in_nans(one, other)
    return bool(one == other)


def _differ_in_nans(one: bytes, other: bytes) -> bool:
    """Whether each byte that differs is a part of a NaN in both, of one width and alignment."""
    if len(one) != len(other):
        return False
    first, second = np.frombuffer(one, np.uint8), np.frombuffer(other, np.uint8)
    where = np.flatnonzero(first != second)
    return any(_lie_in_nans(first, second, where, kind, offset) for kind in _FLOATS for offset in range(kind.itemsize))


def _lie_in_nans(first: Any, second: Any, where: Any, kind: Any, offset: int) -> bool:
    """Whether the words at these places are NaNs in both, and in one of them the NaN of metered code.

    Any NaN would be too much: the upper half of an infinity of 8 bytes is a NaN of 4.
    """
    width = kind.itemsize
    starts = np.unique((where - offset) // width) * width + offset
    if starts[0] < 0 or starts[-1] + width > first.size:
        return False
    places = starts[:, None] + np.arange(width)
    one, other = (np.ascontiguousarray(data[places]).view(kind) for data in (first, second))
    canonical = np.array(np.nan, kind).tobytes()
    is_canonical = [[word.tobytes() == canonical for word in words.ravel()] for words in (one, other)]
    both = bool(np.isnan(one).all() and np.isnan(other).all())
    return both and all(map(any, zip(*is_canonical, strict=True)))


class Comparison:
    """The answers of one call in new instances, with and without metering, as they come.

    A function that does not answer the same each time, with either metering, is not compared.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._first: dict[str, Any] = {}
        self._varies = False

    def add(self, metering: str, value: Any) -> None:
        """Note an answer of a call that ended well."""
        if metering not in self._first:
            self._first[metering] = value
        elif not are_same(self._first[metering], value):
            self._varies = True

    def check(self) -> None:
        """Refuse measurements of a function that answers otherwise without metering.

        Raises
        ------
        JudiciaError
        """
        if self._varies or len(self._first) < 2:
            return
        (metering, value), (other, different) = self._first.items()
        if not are_same(value, different):
            raise JudiciaError(
                f"{self._where} answers otherwise under metering={other!r} than under {metering!r}, and each time the "
                "same: its times are not those of one computation.",
                hint="Bits of a NaN may differ; does it count with them, or answer them as whole numbers?",
            )
