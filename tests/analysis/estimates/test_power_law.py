"""The fit of ``y = c + a * x ** k``: what it finds again, and how often its interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from judicia_notebook.analysis.estimates.power_law import fit

X = np.geomspace(10, 1e6, 12)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("fixed", [0.0, 1e4])
def test_an_exact_law_is_found_again(exponent: float, fixed: float) -> None:
    law = fit(X, fixed + 3 * X**exponent)
    assert law is not None
    assert (law.exponent, law.factor) == pytest.approx((exponent, 3), rel=1e-4)
    assert law.fixed == pytest.approx(fixed, rel=1e-3, abs=0.1)
    assert law.low <= law.exponent <= law.high
    assert law.high - law.low < 1e-3


def test_what_every_call_costs_does_not_make_the_exponent_smaller() -> None:
    y = 50_000 + 2 * X
    slope = np.polyfit(np.log(X), np.log(y), 1)[0]
    law = fit(X, y)
    assert law is not None
    assert slope < 0.5
    assert law.exponent == pytest.approx(1, abs=1e-3)


def test_about_nineteen_intervals_of_twenty_hold_the_truth() -> None:
    chosen = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        law = fit(X, (500 + 2 * X**1.2) * (1 + 0.05 * chosen.standard_normal(len(X))))
        assert law is not None
        held += law.low <= 1.2 <= law.high
    assert 88 <= held <= 100


def test_more_scatter_makes_the_interval_wider() -> None:
    chosen = np.random.default_rng(2)
    widths = []
    for scatter in (0.001, 0.01, 0.1):
        law = fit(X, (500 + 2 * X) * (1 + scatter * chosen.standard_normal(len(X))))
        assert law is not None
        widths.append(law.high - law.low)
    assert widths == sorted(widths)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X[:4], X[:4]),  # as many points as parameters, and one more
        (X, np.full(len(X), 7.0)),  # nothing grows
        (np.linspace(100, 110, 8), np.linspace(100, 110, 8)),  # sizes that hardly differ
        (X, 1 / X),  # it shrinks
    ],
)
def test_where_no_exponent_can_be_told_there_is_none(x: np.ndarray, y: np.ndarray) -> None:
    assert fit(x, y) is None
