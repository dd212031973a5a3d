"""The fit of ``y = c + d * x + a * x ** k``, with an interval of k, and a test of whether y is of that form at all.

- c is a fixed cost and d * x a cost that is linear in the size, such as reading the input. Both are costs: c, d and a
  are not negative. Left out of the model, either of them bends the exponent, and the interval misses the true one.
- Where a straight line ``c + d * x`` is not refuted (F test at 1 %), nothing tells d * x from a * x ** k, and every k
  would fit with an a of 0. Then d is left out, and k tells how close to a line the points are.
- For a given k the coefficients are a linear problem with bounds (SciPy's ``nnls``). So the sum of squares is a
  function of k alone, and a search along k finds its minimum: it needs no start values.
- Residuals are relative, ``(y - fit) / y``, so that small inputs count as much as large ones.
- The interval reaches from the least to the largest k whose sum of squares exceeds the minimum by no more than the
  F distribution allows (the profile interval; Bates and Watts, Nonlinear Regression Analysis and Its Applications,
  1988, chapter 6). It supposes that points scatter independently around the curve.
- Where the form is wrong, neighbouring residuals have the same sign. The statistic of Durbin and Watson (Biometrika 38,
  1951) measures that, with the beta distribution that has its mean and variance. Below 1 % the form is rejected, and
  there is no interval: the exponent then only describes these sizes, `misfit` says how well.

Knows arrays, and nothing of calls.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Squares = Callable[[float], float]

LEVEL = 0.95
LEAST_SIZES = 5  # two more than the parameters of a curve without a linear term: fewer leave nothing for an interval
STEEPEST = 8.0
_STEP = 0.1  # of the exponents that the search begins with
_EXACT = 1e-20  # a sum of squares that is only rounding
_REFUTED = 0.01


class PowerLaw(NamedTuple):
    """``fixed + linear * x + factor * x ** exponent``.

    Attributes
    ----------
    fixed, linear, factor : float
        Not negative. `linear` is 0 where the model has no linear term.
    exponent, low, high : float
        k and its interval of the level, which is NaN where the form is rejected.
    terms : str
        The model: ``c + d n + a n^k``, or ``c + a n^k``.
    misfit : float
        The largest relative residual.
    rejected : bool
        Whether the points do not have this form.
    """

    fixed: float
    linear: float
    factor: float
    exponent: float
    low: float
    high: float
    terms: str
    misfit: float
    rejected: bool

    def __call__(self, x: Array) -> Array:
        return self.fixed + self.linear * x + self.factor * x**self.exponent


class _Model:
    """One form, for some points: coefficients and sum of squares for each exponent."""

    def __init__(self, x: Array, y: Array, *, linear: bool) -> None:
        self.scaled = x / x.max()  # x ** k stays a number a double can hold, whatever k
        self.weight = 1 / y
        self.linear = linear
        self.free = len(x) - (4 if linear else 3)

    def columns(self, k: float) -> Array:
        import numpy as np

        powers = [0.0, 1.0, k] if self.linear else [0.0, k]
        return np.stack([self.scaled**power * self.weight for power in powers], axis=1)

    def solve(self, k: float) -> tuple[Array, Array]:
        """The coefficients and the residuals."""
        import numpy as np
        from scipy.optimize import nnls

        columns = self.columns(k)
        lengths = np.sqrt((columns**2).sum(axis=0))  # columns of one length: the solver has a tolerance
        found, _ = nnls(columns / lengths, np.ones(len(columns)))
        coefficients = found / lengths
        return coefficients, 1 - columns @ coefficients

    def squares(self, k: float) -> float:
        _, residuals = self.solve(k)
        return float(residuals @ residuals)


def fit(x: Array, y: Array, *, linear: bool = True, level: float = LEVEL) -> PowerLaw | None:
    """Fit distinct rising positive `x` and positive `y`; None for too few points, or where y does not grow with x.

    Parameters
    ----------
    linear : bool
        Whether there may be a cost that is linear in x beside the power.
    level : float
        Of the interval.

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
    model = _Model(x, y, linear=linear)
    k, least, along = _best(model)
    if linear and _is_a_line(model, least):
        model = _Model(x, y, linear=False)
        k, least, along = _best(model)
    coefficients, residuals = model.solve(k)
    if coefficients[-1] <= 0:
        return None
    rejected = least > _EXACT and _neighbours_alike(model, k, coefficients, residuals) < _REFUTED
    low, high = (nan, nan) if rejected else _interval(model, k, least, along, level)
    scale = x.max()
    return PowerLaw(
        fixed=float(coefficients[0]),
        linear=float(coefficients[1] / scale) if model.linear else 0.0,
        factor=float(coefficients[-1] / scale**k),
        exponent=k,
        low=low,
        high=high,
        terms="c + d n + a n^k" if model.linear else "c + a n^k",
        misfit=float(np.abs(residuals).max()),
        rejected=bool(rejected),
    )


def _best(model: _Model) -> tuple[float, float, list[tuple[float, float]]]:
    """The exponent with the least sum of squares, that sum, and the sums along the whole range."""
    import numpy as np
    from scipy.optimize import minimize_scalar

    ks = np.arange(_STEP, STEEPEST + _STEP / 2, _STEP)
    along = [(float(k), model.squares(k)) for k in ks]
    first = min(along, key=lambda pair: pair[1])
    bounds = (max(first[0] - _STEP, _STEP), min(first[0] + _STEP, STEEPEST))
    found = minimize_scalar(model.squares, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    k, least = min(first, (float(found.x), float(found.fun)), key=lambda pair: pair[1])
    return k, least, along


def _is_a_line(model: _Model, least: float) -> bool:
    """Whether ``c + d * x`` alone describes the points: two parameters fewer."""
    from scipy import stats

    line = model.squares(1.0)
    if line <= _EXACT:
        return True
    excess = (line - least) / 2 / (max(least, _EXACT) / model.free)
    return bool(excess < stats.f.isf(_REFUTED, 2, model.free))


def _interval(
    model: _Model, k: float, least: float, along: list[tuple[float, float]], level: float
) -> tuple[float, float]:
    """The outermost exponents that the F distribution allows."""
    from scipy import stats
    from scipy.optimize import brentq

    allowed = max(least, _EXACT) * (1 + stats.f.ppf(level, 1, model.free) / model.free)

    def over(exponent: float) -> float:
        return model.squares(exponent) - float(allowed)

    inside = [k, *(exponent for exponent, squares in along if squares <= allowed)]
    ends = []
    for end, border in ((min(inside), -inf), (max(inside), inf)):
        beyond = [exponent for exponent, _ in along if (exponent < end if border < 0 else exponent > end)]
        outside = (max(beyond) if border < 0 else min(beyond)) if beyond else end
        crossed = over(outside) > 0 >= over(end)
        ends.append(float(brentq(over, *sorted((end, outside)))) if crossed else end)
    return ends[0], ends[1]


def _neighbours_alike(model: _Model, k: float, coefficients: Array, residuals: Array) -> float:
    """The chance that residuals of points around the right curve are as like their neighbours as these."""
    import numpy as np
    from scipy import stats

    columns = model.columns(k)
    slope = columns[:, -1] * np.log(model.scaled)  # along k
    kept = [column for column, size in zip(columns.T, coefficients, strict=True) if size > 0]
    basis, _ = np.linalg.qr(np.stack([*kept, slope], axis=1))
    count = len(residuals)
    free = count - basis.shape[1]
    if free < 2:
        return 1.0
    steps = np.diff(np.eye(count), axis=0)
    away = np.eye(count) - basis @ basis.T
    spread = away @ steps.T @ steps @ away
    mean = np.trace(spread) / free
    variance = 2 * (np.sum(spread * spread.T) - np.trace(spread) * mean) / (free * (free + 2))
    statistic = float(np.sum(np.diff(residuals) ** 2) / (residuals @ residuals))
    # A beta distribution between the least and the largest value that the statistic can have.
    values = np.sort(np.linalg.eigvalsh(spread))[-free:]
    low, width = values[0], values[-1] - values[0]
    if width <= 0 or variance <= 0:
        return 1.0
    at = (mean - low) / width
    both = at * (1 - at) / (variance / width**2) - 1
    return float(stats.beta.cdf((statistic - low) / width, at * both, (1 - at) * both))
