"""Medians with intervals that assume no distribution of the numbers.

Two of the numbers themselves bound the interval of a median. The count of n independent numbers that fall below the
median is binomial(n, 1/2), whatever their distribution. See Conover, Practical Nonparametric Statistics, 3rd edition
(1999), section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import exp, isnan, isqrt, lgamma, log
from statistics import median

LEVEL = 0.95
_MANY = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """The median of some numbers, and between which two of them the true one lies.

    Attributes
    ----------
    count : int
        How many numbers there were.
    median, least, most : float or None
        None where there was none.
    low, high : float or None
        The interval; None where there are too few numbers for one.
    """

    count: int
    median: float | None
    low: float | None
    high: float | None
    least: float | None
    most: float | None


def median_interval(numbers: Iterable[float], level: float = LEVEL) -> Estimate:
    """The median with its interval, which covers the true one with a probability of at least `level`.

    For 95 % that takes six numbers.

    Examples
    --------
    >>> median_interval([3, 1, 2, 5, 4, 6, 9, 7, 8])
    Estimate(count=9, median=5, low=2, high=8, least=1, most=9)
    """
    ordered = sorted(number for number in numbers if not isnan(number))
    if not ordered:
        return Estimate(0, None, None, None, None, None)
    rank = interval_rank(len(ordered), level)
    low, high = (None, None) if rank is None else (ordered[rank - 1], ordered[-rank])
    return Estimate(len(ordered), median(ordered), low, high, ordered[0], ordered[-1])


@lru_cache(maxsize=256)
def interval_rank(count: int, level: float = LEVEL) -> int | None:
    """Which number from either end bounds the interval, counted from 1; None where even the outermost do not.

    Examples
    --------
    >>> interval_rank(5), interval_rank(6), interval_rank(30)
    (None, 1, 10)
    """
    # With many, 2**-count is too small to begin with, and further out than twenty standard deviations there is nothing.
    rank = 0 if count < _MANY else count // 2 - 10 * isqrt(count)
    chance = 0.5**count if rank == 0 else exp(_log_comb(count, rank) - count * log(2))
    outside, allowed = chance, (1 - level) / 2
    while outside <= allowed and rank < count // 2:
        rank += 1
        chance *= (count - rank + 1) / rank
        outside += chance
    return rank or None


def _log_comb(count: int, chosen: int) -> float:
    return lgamma(count + 1) - lgamma(chosen + 1) - lgamma(count - chosen + 1)
