"""Intervals of shares and of the difference of two: score intervals, from SciPy.

Wilson's score interval keeps its coverage near 0 and 1 and for few trials, where the interval of the normal
approximation has no width (E. B. Wilson, 1927; Brown, Cai and DasGupta, Statistical Science 16, 2001).
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, floor, hypot
from typing import NamedTuple

_ROUNDING = 1e-9


class Share(NamedTuple):
    """A share, and the interval of the true one."""

    value: float
    low: float
    high: float


def wilson(good: float, number: int, level: float) -> Share:
    """The score interval of a share of so many independent trials.

    A count between two whole numbers, such as a mean over inputs, has the low end of the lower and the high end of the
    upper one.

    Examples
    --------
    >>> [round(end, 4) for end in wilson(0, 10, 0.95)]
    [0.0, 0.0, 0.2775]
    """
    low, _ = _score(floor(good + _ROUNDING), number, level)
    _, high = _score(ceil(good - _ROUNDING), number, level)
    return Share(good / number, low, high)


@lru_cache(maxsize=1024)
def _score(good: int, number: int, level: float) -> tuple[float, float]:
    from scipy import stats

    found = stats.binomtest(good, number).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


def difference(a: tuple[int, int], b: tuple[int, int], level: float) -> Share:
    """The share of b less that of a, each of good ones and all, with Newcombe's interval.

    It is made of two score intervals (R. G. Newcombe, Statistics in Medicine 17, 1998, method 10).

    Examples
    --------
    >>> [round(end, 4) for end in difference((48, 80), (56, 70), 0.95)]
    [0.2, 0.0524, 0.3339]
    """
    of_a, of_b = (wilson(good, number, level) for good, number in (a, b))
    value = of_b.value - of_a.value
    low = value - hypot(of_b.value - of_b.low, of_a.high - of_a.value)
    high = value + hypot(of_b.high - of_b.value, of_a.value - of_a.low)
    return Share(value, low, high)
