"""Medians and other quantiles with intervals that assume no distribution of the numbers.

Two of the numbers themselves bound the interval of a quantile. The count of n independent numbers that fall below the
quantile of a share p is binomial(n, p), whatever their distribution. See Conover, Practical Nonparametric Statistics,
3rd edition (1999), section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import exp, isnan, lgamma, log, log1p, sqrt
from statistics import median

LEVEL = 0.95


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


def check_level(level: float) -> None:
    """Refuse what is no level of an interval.

    Raises
    ------
    ValueError
    """
    if not 0 < level < 1:
        raise ValueError(f"level is between 0 and 1, not {level!r}")


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


def interval_ranks(count: int, share: float, level: float = LEVEL) -> tuple[int, int] | None:
    """Which two of so many sorted numbers bound the interval of a quantile, counted from 1; None where none do.

    Examples
    --------
    >>> interval_ranks(100, 0.95), interval_ranks(71, 0.95)
    ((90, 100), None)
    """
    low, beyond = interval_rank(count, level, share), interval_rank(count, level, 1 - share)
    return None if low is None or beyond is None else (low, count + 1 - beyond)


@lru_cache(maxsize=256)
def interval_rank(count: int, level: float = LEVEL, share: float = 0.5) -> int | None:
    """Which number from the lower end bounds the interval of a quantile, counted from 1; None where not even the first.

    Of the median it is the same number from either end.

    Examples
    --------
    >>> interval_rank(5), interval_rank(6), interval_rank(30)
    (None, 1, 10)
    """
    # Further out than twenty standard deviations there is nothing, and further still a double is too small for it.
    rank = max(0, int(count * share - 20 * sqrt(count * share * (1 - share))))
    chance = exp(_log_comb(count, rank) + rank * log(share) + (count - rank) * log1p(-share))
    outside, allowed = chance, (1 - level) / 2
    while outside <= allowed and rank < count:
        rank += 1
        chance *= (count - rank + 1) / rank * share / (1 - share)
        outside += chance
    return rank or None


def _log_comb(count: int, chosen: int) -> float:
    return lgamma(count + 1) - lgamma(chosen + 1) - lgamma(count - chosen + 1)
