"""Intervals of ratios and differences of medians, by the bootstrap: draw both samples again, and see how they vary.

- A median is drawn again without drawing the sample. Of n draws from a sorted sample, the m-th smallest is at the
  place of the m-th smallest of n uniform numbers, which is Beta(m, n - m + 1), so a million calls cost what ten do.
- Intervals are those of percentiles (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

Knows arrays, and nothing of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FEWEST = 5
"""How many numbers either side needs for an interval."""


class Interval(NamedTuple):
    """An estimate, and the bounds of the true value; NaN where it has none."""

    value: float
    low: float
    high: float


def drawn_medians(values: Array, resamples: int, rng: np.random.Generator) -> Array:
    """The medians of so many samples drawn from this one, each as large as it, with replacement."""
    import numpy as np

    ordered = np.sort(values)
    count = len(ordered)
    middle = (count + 1) // 2
    lower = rng.beta(middle, count - middle + 1, resamples)
    if count % 2:
        return _at(ordered, lower)
    upper = lower + (1 - lower) * rng.beta(1, count - middle, resamples)
    medians: Array = (_at(ordered, lower) + _at(ordered, upper)) / 2
    return medians


def _at(ordered: Array, places: Array) -> Array:
    import numpy as np

    found: Array = ordered[np.minimum((places * len(ordered)).astype(np.intp), len(ordered) - 1)]
    return found


def percentiles(value: float, drawn: Array, level: float) -> Interval:
    """The interval that holds the middle part of the drawn values."""
    import numpy as np

    if not len(drawn) or np.isnan(drawn).any():
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
