"""The share of pairs: against counting, and its interval at the ends and in the middle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from judicia_notebook.analysis.runs.pairs import share_less, share_less_interval


def test_the_share_of_pairs_is_what_counting_them_gives() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 6, 40).astype(float), rng.integers(0, 5, 25).astype(float)
    counted = sum((right < left) + (right == left) / 2 for left in a for right in b) / (40 * 25)
    assert share_less(a, b) == pytest.approx(counted)
    assert share_less_interval(a, b, 0.95).value == pytest.approx(counted)
    assert stats.mannwhitneyu(a, b).statistic / (40 * 25) == pytest.approx(counted)


def test_the_interval_of_large_samples_is_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(0, 1, 700), rng.normal(-0.4, 1.5, 80)
    drawn = [share_less(rng.choice(a, len(a)), rng.choice(b, len(b))) for _ in range(4000)]
    found = share_less_interval(a, b, 0.95)
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.01)


def test_samples_that_do_not_overlap_have_an_interval_with_a_width() -> None:
    found = share_less_interval(np.arange(10.0, 20), np.arange(10.0), 0.95)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(stats.beta.ppf(0.025, 10.5, 0.5))
    turned = share_less_interval(np.arange(10.0), np.arange(10.0, 20), 0.95)
    assert (turned.low, turned.high) == pytest.approx((0, 1 - found.low))


def test_where_nothing_varies_nothing_is_uncertain() -> None:
    assert share_less_interval(np.full(9, 5.0), np.full(9, 4.0), 0.95) == (1, 1, 1)
    assert share_less_interval(np.full(9, 5.0), np.full(9, 5.0), 0.95) == (0.5, 0.5, 0.5)


def test_too_few_numbers_have_no_interval() -> None:
    found = share_less_interval(np.arange(4.0), np.arange(50.0), 0.95)
    assert np.isnan([found.low, found.high]).all()
    assert not np.isnan(found.value)
