"""The share of all pairs in which the second sample's number is the smaller one, with its interval.

- Its variance is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988). An interval made of that alone has no
  width where the samples do not overlap, and is far too narrow where they hardly do.
- So the share is taken for one of as many independent trials as have the same variance, with the interval of Jeffreys
  (Brown, Cai and DasGupta, Statistical Science 16, 2001). There are never more trials than numbers; where the samples
  do not overlap, as many as the smaller sample has numbers, for which the variance is largest (Birnbaum and Klose,
  Annals of Mathematical Statistics 28, 1957).
- Where neither sample varies, as fuel does not, nothing is uncertain, and the interval has no width.

Knows arrays, and nothing of calls.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.runs.bootstrap import FEWEST, Interval

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


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


def share_less_interval(a: Array, b: Array, level: float) -> Interval:
    """`share_less` with its interval."""
    import numpy as np
    from scipy import stats

    share = share_less(a, b)
    if min(len(a), len(b)) < FEWEST:
        return Interval(share, nan, nan)
    if np.ptp(a) == np.ptp(b) == 0:
        return Interval(share, share, share)
    variance = _placements(a, b).var(ddof=1) / len(a) + _placements(b, a).var(ddof=1) / len(b)
    trials = min(share * (1 - share) / variance, len(a) + len(b)) if variance > 0 else min(len(a), len(b))
    outside = (1 - level) / 2
    low, high = stats.beta.ppf([outside, 1 - outside], share * trials + 0.5, (1 - share) * trials + 0.5)
    return Interval(share, 0.0 if share == 0 else float(low), 1.0 if share == 1 else float(high))
