"""Intervals of the difference between two samples, by the bootstrap: draw both again, and see how it varies.

- A median is drawn again without drawing the sample. Of n draws from a sorted sample, the m-th smallest is at the
  place of the m-th smallest of n uniform numbers, which is Beta(m, n - m + 1), so a million calls cost what ten do.
- SciPy draws the share of pairs in which b's number is less; for large samples its variance is known (DeLong,
  DeLong and Clarke-Pearson, Biometrics 44, 1988), and its interval is the normal one.
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
_MANY = 200  # from here on the normal interval of a share of pairs is as good


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


def share_less(a: Array, b: Array) -> float:
    """The share of all pairs in which b's number is less than a's; equal numbers count half.

    Examples
    --------
    >>> import numpy as np
    >>> share_less(np.array([1.0, 2.0, 3.0]), np.array([0.0, 3.0]))
    0.5833333333333334
    """
    return float(_placements(a, b).mean())


def _placements(a: Array, b: Array) -> Array:
    """For each of a's numbers, the share of b's that are less, and half of those that are equal."""
    import numpy as np

    ordered = np.sort(b)
    found: Array = (np.searchsorted(ordered, a) + np.searchsorted(ordered, a, "right")) / (2 * len(b))
    return found


def share_less_interval(a: Array, b: Array, level: float, resamples: int, rng: np.random.Generator) -> Interval:
    """`share_less` with its interval."""
    import numpy as np
    from scipy import stats

    share = share_less(a, b)
    if min(len(a), len(b)) < FEWEST:
        return Interval(share, float("nan"), float("nan"))
    if len(a) + len(b) > 2 * _MANY:
        variance = _placements(a, b).var(ddof=1) / len(a) + _placements(b, a).var(ddof=1) / len(b)
        half = float(stats.norm.ppf((1 + level) / 2) * np.sqrt(variance))
        return Interval(share, max(share - half, 0.0), min(share + half, 1.0))
    found = stats.bootstrap(
        (a, b),
        _shares_less,
        vectorized=True,
        n_resamples=resamples,
        batch=1000,
        confidence_level=level,
        method="percentile",
        random_state=rng,
    )
    return Interval(share, float(found.confidence_interval.low), float(found.confidence_interval.high))


def _shares_less(a: Array, b: Array, axis: int = -1) -> Array:
    """`share_less` of many pairs of samples at once, from the sums of their ranks (Mann and Whitney, 1947)."""
    import numpy as np
    from scipy import stats

    count_a, count_b = a.shape[axis], b.shape[axis]
    ranks = stats.rankdata(np.concatenate([a, b], axis=axis), axis=axis)
    sums = ranks[..., :count_a].sum(axis=axis)
    shares: Array = (sums - count_a * (count_a + 1) / 2) / (count_a * count_b)
    return shares
