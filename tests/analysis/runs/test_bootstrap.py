"""The intervals, against SciPy, against enumeration, and against what is true."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import stats

from judicia_notebook.analysis.runs import bootstrap


@pytest.mark.parametrize("count", [5, 9, 31])
def test_medians_of_an_odd_number_are_drawn_as_often_as_binomials_say(count: int) -> None:
    """A median is at most the k-th number when more than half of the draws are among the k smallest."""
    drawn = bootstrap.drawn_medians(np.arange(count)[::-1], 200_000, np.random.default_rng(5))
    for place in range(count):
        expected = stats.binom.sf(count // 2, count, (place + 1) / count)
        assert (drawn <= place).mean() == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("numbers", [(1.0, 2.0), (8.0, 1.0, 2.0, 4.0)])
def test_medians_of_an_even_number_are_drawn_as_often_as_all_samples_say(numbers: tuple[float, ...]) -> None:
    samples = list(itertools.product(numbers, repeat=len(numbers)))
    expected = Counter(float(np.median(sample)) for sample in samples)
    drawn = Counter(bootstrap.drawn_medians(np.array(numbers), 200_000, np.random.default_rng(5)).tolist())
    assert drawn.keys() == expected.keys()
    for value, times in expected.items():
        assert drawn[value] / 200_000 == pytest.approx(times / len(samples), abs=0.005)


def test_the_interval_of_a_ratio_of_medians_is_that_of_scipy() -> None:
    rng = np.random.default_rng(11)
    a, b = rng.lognormal(0, 0.4, 80), rng.lognormal(0.2, 0.4, 61)

    def ratio(first: Any, second: Any, axis: int) -> Any:
        return np.median(second, axis=axis) / np.median(first, axis=axis)

    expected = stats.bootstrap((a, b), ratio, vectorized=True, n_resamples=20_000, batch=1000, method="percentile",
                               random_state=np.random.default_rng(1)).confidence_interval  # fmt: skip
    drawn_a, drawn_b = (bootstrap.drawn_medians(side, 20_000, rng) for side in (a, b))
    found = bootstrap.percentiles(1.0, drawn_b / drawn_a, 0.95)
    assert found.low == pytest.approx(expected.low, rel=0.01)
    assert found.high == pytest.approx(expected.high, rel=0.01)
