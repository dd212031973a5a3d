"""The fit of ``y = c + a * x ** k``, with an interval of k.

- For a given k, c and a are a linear problem. So the sum of squares is a function of k alone, and a search along k
  finds its minimum: it needs no start values, and always converges.
- Residuals are relative, ``(y - fit) / y``, so that small inputs count as much as large ones.
- The interval holds every k whose sum of squares exceeds the least by no more than the F distribution allows (the
  profile interval; Bates and Watts, Nonlinear Regression Analysis and Its Applications, 1988, chapter 6).
- The interval supposes that points scatter independently around the curve. Fuel does not scatter. Where the curve is
  not of this form, the interval only says how well a single exponent describes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LEAST_SIZES = 5  # two more than there are parameters: with fewer the interval would mean nothing
STEEPEST = 8.0
_STEPS = 161
_EXACT = 1e-20  # a sum of squares that is only rounding
# Two-sided 95 % of Student's t for 1 to 10 degrees of freedom; beyond, an expansion is exact enough (below).
_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
_Z = 1.959963984540054


class PowerLaw(NamedTuple):
    """``fixed + factor * x ** exponent``; `low` and `high` are the 95 % interval of the exponent."""

    fixed: float
    factor: float
    exponent: float
    low: float
    high: float

    def __call__(self, x: Array) -> Array:
        return self.fixed + self.factor * x**self.exponent


def fit(x: Array, y: Array) -> PowerLaw | None:
    """Fit distinct positive `x` and positive `y`; None for too few points, or where y does not depend on x.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 10.0, 100.0, 1000.0, 10_000.0])
    >>> law = fit(x, 7 + 2 * x**1.5)
    >>> round(law.fixed, 3), round(law.factor, 3), round(law.exponent, 3)
    (7.0, 2.0, 1.5)
    """
    import numpy as np

    if len(x) < LEAST_SIZES or x.max() / x.min() < 2 or np.ptp(y) <= 1e-9 * y.max():
        return None
    scaled = x / x.max()  # x ** k stays a number a double can hold, whatever k

    def squares(k: float) -> float:
        return _linear(scaled, y, k)[2]

    ks = np.linspace(0, STEEPEST, _STEPS)[1:]
    along = np.array([squares(k) for k in ks])
    best = int(along.argmin())
    k = _least(squares, ks[max(best - 1, 0)], ks[min(best + 1, len(ks) - 1)])
    fixed, factor, least = _linear(scaled, y, k)
    if factor <= 0:
        return None
    free = len(x) - 3
    allowed = max(least, _EXACT) * (1 + students_t(free) ** 2 / free)
    low = _crossing(squares, allowed, k, 0.0)
    high = _crossing(squares, allowed, k, STEEPEST)
    return PowerLaw(fixed, float(factor / x.max() ** k), float(k), low, high)


def _linear(x: Array, y: Array, k: float) -> tuple[float, float, float]:
    """The best ``c >= 0`` and ``a >= 0`` for one k, and the sum of squared relative residuals."""
    import numpy as np

    one, power = 1 / y, x**k / y
    oo, op, pp, o, p = one @ one, one @ power, power @ power, one.sum(), power.sum()
    found = oo * pp - op * op
    c = (o * pp - p * op) / found if found > 1e-14 * oo * pp else -1.0
    a = (p * oo - o * op) / found if c >= 0 else -1.0
    if c < 0 or a < 0:  # the best lies on an edge: c or a is 0
        edges = [(0.0, p / pp), (o / oo, 0.0)]
        c, a = min(edges, key=lambda edge: float(np.sum((1 - edge[0] * one - edge[1] * power) ** 2)))
    return float(c), float(a), float(np.sum((1 - c * one - a * power) ** 2))


def _least(squares: Any, low: float, high: float) -> float:
    """The minimum between two places (golden section)."""
    ratio = 0.6180339887498949
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = squares(left), squares(right)
    for _ in range(60):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = squares(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = squares(right)
    return (low + high) / 2


def _crossing(squares: Any, allowed: float, inside: float, end: float) -> float:
    """The place where the sum of squares first exceeds the allowed sum, on the way from the best k to an end."""
    import numpy as np

    outside = None
    for k in np.linspace(inside, end, 400)[1:]:
        if squares(k) > allowed:
            outside = float(k)
            break
        inside = float(k)
    if outside is None:
        return end
    for _ in range(50):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if squares(middle) <= allowed else (inside, middle)
    return inside


def students_t(free: int) -> float:
    """Two-sided 95 % of Student's t (Abramowitz and Stegun 26.7.5 beyond ten degrees of freedom).

    Examples
    --------
    >>> [round(students_t(free), 3) for free in (1, 10, 11, 30)]
    [12.706, 2.228, 2.201, 2.042]
    """
    if free <= len(_T):
        return _T[free - 1]
    z = _Z
    terms = (
        (z**3 + z) / (4 * free),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3),
    )
    return z + sum(terms)
