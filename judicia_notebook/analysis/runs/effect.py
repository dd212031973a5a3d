"""The difference between two sides of a comparison, in one column and one group of calls: plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan


@dataclass(frozen=True, slots=True)
class Effect:
    """The difference between the sides, in one column and one group of calls. NaN where there is none to tell.

    Attributes
    ----------
    group : str
        The values that these calls have in common; ``all`` for the geometric mean over all groups.
    column : str
        Such as ``wall_ms``.
    count_a, count_b : int
        How many calls of either side ended ok and have a number there.
    median_a, median_b : float
    ratio, ratio_low, ratio_high : float
        Of b's median to a's, and its interval.
    difference, difference_low, difference_high : float
        b's median less a's.
    less, less_low, less_high : float
        The share of all pairs in which b's call has the smaller number; equal numbers count half. 0.5 is no
        difference, 1 is always (the A of Vargha and Delaney, 2000).
    """

    group: str
    column: str
    count_a: int
    count_b: int
    median_a: float
    median_b: float
    ratio: float
    ratio_low: float
    ratio_high: float
    difference: float = nan
    difference_low: float = nan
    difference_high: float = nan
    less: float = nan
    less_low: float = nan
    less_high: float = nan
