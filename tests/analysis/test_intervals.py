"""The interval of a median: exact ranks, and what it covers in many repetitions."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest

from judicia_notebook.analysis.intervals import Estimate, interval_rank, median_interval


@pytest.mark.parametrize("count", [6, 7, 20, 30, 101, 1500])
def test_the_rank_is_the_largest_whose_interval_still_covers_95_percent(count: int) -> None:
    def coverage(rank: int) -> float:
        outside = sum(math.comb(count, k) for k in range(rank))
        return float(1 - 2 * (outside / 2**count))

    rank = interval_rank(count)
    assert rank is not None
    assert coverage(rank) >= 0.95 > coverage(rank + 1)


@pytest.mark.parametrize("skewed", [False, True])
def test_it_covers_the_true_median_as_often_as_it_says_whatever_the_numbers_are_like(skewed: bool) -> None:
    rng = random.Random(7)
    true = 1.0 if skewed else 0.5
    covered = 0
    for _ in range(4000):
        found = median_interval(rng.lognormvariate(0, 2) if skewed else rng.random() for _ in range(25))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= true <= found.high
    assert 0.95 <= covered / 4000 < 0.975  # ranks are whole, so it is a little more


def test_few_numbers_have_a_median_and_no_interval() -> None:
    assert median_interval([]) == Estimate(0, None, None, None, None, None)
    assert median_interval([4.0]) == Estimate(1, 4.0, None, None, 4.0, 4.0)
    assert median_interval(range(5)).low is None
    assert median_interval(range(6)) == Estimate(6, 2.5, 0, 5, 0, 5)


def test_what_is_not_known_does_not_count() -> None:
    assert median_interval([math.nan, 2.0, 1.0, math.nan, 3.0]).count == 3


def test_large_counts_neither_overflow_nor_take_long() -> None:
    numbers = [float(n) for n in range(20_000)]
    found = median_interval(numbers)
    assert found.median == median(numbers)
    assert found.low is not None
    assert found.high is not None
    half = 1.96 * math.sqrt(20_000) / 2
    assert found.high - found.low == pytest.approx(2 * half, rel=0.02)
    assert interval_rank(1_000_000) == 499_020  # half of them less 1.96 standard deviations
