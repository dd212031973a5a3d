"""Statements with an interval, each against calls whose truth is known: how often does the interval hold it?

`STATEMENTS` lists them. A statement draws a truth (so that coverage is averaged over the parameter), draws samples that
have it, and asks the product. Intervals that are made of counts cannot cover exactly 95 %; of these the coverage is
also computed exactly. `benchmarks/coverage.py` simulates all of them 2000 times, `test_coverage.py` some.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

import judicia_notebook as jn
from judicia_notebook.analysis.estimates import shares
from judicia_notebook.analysis.intervals import interval_ranks, median_interval

LEVEL = 0.95
Rng = np.random.Generator
Drawn = tuple[float, float, float] | None
"""The truth and the ends of its interval; None where the product states none."""


class Statement(NamedTuple):
    """One kind of interval.

    Attributes
    ----------
    name : str
        As docs/statistics.md has it.
    sizes : sequence of int
        Sizes of samples to simulate.
    draw : callable
        Gets a source of random numbers and a size.
    exact : callable, optional
        The coverage of a size, computed.
    """

    name: str
    sizes: Sequence[int]
    draw: Callable[[Rng, int], Drawn]
    exact: Callable[[int], float] | None = None


class Coverage(NamedTuple):
    """How many intervals held the truth, of how many that were stated, in how many sets."""

    held: int
    stated: int
    sets: int

    @property
    def share(self) -> float:
        return self.held / self.stated


def simulate(statement: Statement, size: int, sets: int, seed: int = 1) -> Coverage:
    """So many sets of one size."""
    rng = np.random.default_rng([seed, size])
    drawn = [statement.draw(rng, size) for _ in range(sets)]
    stated = [found for found in drawn if found is not None]
    return Coverage(sum(low <= truth <= high for truth, low, high in stated), len(stated), sets)


# --- medians and percentiles -----------------------------------------------------------------------------------------

# Shapes of times, as quantile functions: one mode, a long tail, two modes (a cache that is hit, or not).
SHAPES: dict[str, Callable[[Any], Any]] = {
    "lognormal": stats.lognorm(0.4).ppf,
    "exponential": stats.expon(1).ppf,
    "two modes": lambda u: np.where(np.asarray(u) < 0.7, 1 + np.asarray(u) / 7, 2 + np.asarray(u)),
}


def _shape(rng: Rng) -> Callable[[Any], Any]:
    return SHAPES[list(SHAPES)[rng.integers(len(SHAPES))]]


def median(rng: Rng, size: int) -> Drawn:
    """Of `Plugin.bench`, `jn.percentiles` and `jn.cold_warm`."""
    shape = _shape(rng)
    found = median_interval(shape(rng.random(size)).tolist())
    assert found.low is not None
    assert found.high is not None
    return float(shape(0.5)), found.low, found.high


def factor_by_rounds(rng: Rng, size: int) -> Drawn:
    """The median of the ratios of calls that took turns: a machine that slows down slows both calls of a round."""
    shape, factor, slow = _shape(rng), float(np.exp(rng.uniform(-1, 1))), np.exp(np.cumsum(rng.normal(0, 0.1, size)))
    first, second = slow * shape(rng.random(size)), slow * factor * shape(rng.random(size))
    found = median_interval((second / first).tolist())
    assert found.low is not None
    assert found.high is not None
    return factor, found.low, found.high


def percentile(percent: float, rng: Rng, size: int) -> Drawn:
    shape = _shape(rng)
    calls = calls_of(wall_ms=shape(rng.random(size)))
    row = jn.percentiles(calls, percentiles=[percent]).iloc[0]
    return float(shape(percent / 100)), row["low"], row["high"]


def exact_quantile(percent: float, size: int) -> float:
    """The chance that the quantile lies between the two numbers: that so many of all are below it."""
    ranks = interval_ranks(size, percent / 100)
    assert ranks is not None
    below = stats.binom(size, percent / 100)
    return float(below.cdf(ranks[1] - 1) - below.cdf(ranks[0] - 1))


# --- shares ----------------------------------------------------------------------------------------------------------


def calls_of(**columns: Any) -> pd.DataFrame:
    """Warm calls of one function that ended ok, unless a column says otherwise."""
    fixed = {"plugin": "p", "function": "f", "outcome": "ok", "instance_call": 2, "origin": "user"}
    return pd.DataFrame(fixed | columns)


def _success(rng: Rng, chances: Any, repeats: int) -> tuple[float, float]:
    inputs = np.repeat(np.arange(len(chances)), repeats)
    outcome = np.where(rng.random(len(inputs)) < np.repeat(chances, repeats), "ok", "quota_cpu")
    row = jn.success(calls_of(param_payload=inputs, outcome=outcome, limit_cpu_ms=50.0)).iloc[0]
    return row["low"], row["high"]


def share_of_equal_inputs(rng: Rng, size: int) -> Drawn:
    """Five inputs that all end ok with the same chance; the size is that of all calls."""
    chance = rng.random()
    return chance, *_success(rng, np.full(5, chance), size // 5)


def share_of_unlike_inputs(rng: Rng, size: int) -> Drawn:
    """Five inputs, each with a chance of its own."""
    chances = rng.random(5)
    return float(chances.mean()), *_success(rng, chances, size // 5)


GRID = (np.arange(200) + 0.5) / 200
"""Chances, evenly between 0 and 1."""


def exact_share(size: int) -> float:
    ends = np.array([shares.wilson(good, size, LEVEL)[1:] for good in range(size + 1)])
    holds = (ends[:, :1] <= GRID) & (ends[:, 1:] >= GRID)
    return float((stats.binom.pmf(np.arange(size + 1)[:, None], size, GRID) * holds).sum(axis=0).mean())


def difference_of_shares(rng: Rng, size: int) -> Drawn:
    chances = rng.choice(GRID, 2)
    a, b = (int(count) for count in rng.binomial(size, chances))
    _, low, high = shares.difference((a, size), (b, size), LEVEL)
    return float(chances[1] - chances[0]), low, high


def exact_difference(size: int) -> float:
    some = GRID[::4]
    chance = stats.binom.pmf(np.arange(size + 1)[:, None], size, some)
    truth = some[None, :] - some[:, None]
    covered = np.zeros_like(truth)
    for a in range(size + 1):
        for b in range(size + 1):
            _, low, high = shares.difference((a, size), (b, size), LEVEL)
            covered += np.outer(chance[a], chance[b]) * ((low <= truth) & (truth <= high))
    return float(covered.mean())


# --- comparisons -----------------------------------------------------------------------------------------------------


def _compared(a: Any, b: Any, group: Any = None) -> jn.Comparison:
    groups = {} if group is None else {"param_n": group}
    first, second = calls_of(wall_ms=a, **groups), calls_of(wall_ms=b, **groups)
    return jn.compare(first, second, "wall_ms", names=("a", "b"), resamples=1000)


def _scaled(rng: Rng, size: int) -> tuple[Any, Any, float, float]:
    """Two samples of one shape, the second as many times as large; that factor, and the shape's median."""
    shape, factor = _shape(rng), float(np.exp(rng.uniform(-1, 1)))
    return shape(rng.random(size)), factor * shape(rng.random(size)), factor, float(shape(0.5))


def ratio_of_medians(rng: Rng, size: int) -> Drawn:
    a, b, factor, _ = _scaled(rng, size)
    found = _compared(a, b).effect("wall_ms")
    return factor, found.ratio_low, found.ratio_high


def difference_of_medians(rng: Rng, size: int) -> Drawn:
    a, b, factor, middle = _scaled(rng, size)
    found = _compared(a, b).effect("wall_ms")
    return (factor - 1) * middle, found.difference_low, found.difference_high


def mean_ratio(rng: Rng, size: int) -> Drawn:
    """The geometric mean over four groups, each with a ratio and a scale of its own."""
    parts = [_scaled(rng, size) for _ in range(4)]
    a, b = (np.concatenate([part[side] * 10.0**place for place, part in enumerate(parts)]) for side in (0, 1))
    found = _compared(a, b, np.repeat(np.arange(4), size)).effect("wall_ms")
    return float(np.exp(np.mean(np.log([part[2] for part in parts])))), found.ratio_low, found.ratio_high


def share_of_pairs(rng: Rng, size: int) -> Drawn:
    """Two normal samples up to three standard deviations apart, the second up to ten times as wide or narrow."""
    apart, wide = rng.uniform(-3, 3), float(np.exp(rng.uniform(-np.log(10), np.log(10))))
    wider = max(wide, 1.0)
    found = _compared(100 + rng.normal(0, 1, size), 100 + rng.normal(-apart * wider, wide, size)).effect("wall_ms")
    return float(stats.norm.cdf(apart * wider / np.hypot(1, wide))), found.less_low, found.less_high


# --- growth ----------------------------------------------------------------------------------------------------------


def _growth(rng: Rng, size: int, exponent: float, *, fixed: float, linear: float, scatter: float) -> Drawn:
    """A law of which these parts are fixed and linear at the largest of so many sizes, and the rest is the power's."""
    sizes = np.geomspace(10, 10 ** rng.uniform(3.5, 6), size).round()
    part = sizes / sizes[-1]
    costs = fixed + linear * part + (1 - fixed - linear) * part**exponent
    fuel = 1e9 * costs * (1 + scatter * rng.standard_normal(size))
    row = jn.growth(calls_of(bytes_in=sizes.astype(int), fuel=fuel)).iloc[0]
    return None if not row["exponent_low"] > 0 else (exponent, row["exponent_low"], row["exponent_high"])


def _scatter(rng: Rng) -> float:
    return float(10 ** rng.uniform(-4, -1.3))  # to 5 %


def power_and_fixed(rng: Rng, size: int) -> Drawn:
    return _growth(rng, size, rng.uniform(0.3, 3), fixed=10 ** rng.uniform(-6, -2), linear=0, scatter=_scatter(rng))


def line(rng: Rng, size: int) -> Drawn:
    return _growth(rng, size, 1.0, fixed=10 ** rng.uniform(-6, -2), linear=0, scatter=_scatter(rng))


def power_fixed_and_linear(rng: Rng, size: int) -> Drawn:
    """The linear part is up to half of the cost at the largest size, and most of it at small ones."""
    parts = {"fixed": 10 ** rng.uniform(-6, -2), "linear": 10 ** rng.uniform(-3, np.log10(0.5))}
    return _growth(rng, size, rng.uniform(1.3, 3), **parts, scatter=_scatter(rng))


STATEMENTS = (
    Statement("median", (6, 10, 20, 30, 100), median, functools.partial(exact_quantile, 50)),
    Statement("factor, by rounds", (6, 10, 20, 30, 100), factor_by_rounds, functools.partial(exact_quantile, 50)),
    Statement("p25", (20, 100), functools.partial(percentile, 25), functools.partial(exact_quantile, 25)),
    Statement("p95", (100, 400), functools.partial(percentile, 95), functools.partial(exact_quantile, 95)),
    Statement("p99", (400, 1000), functools.partial(percentile, 99), functools.partial(exact_quantile, 99)),
    Statement("share, inputs alike", (5, 10, 20, 50), share_of_equal_inputs, exact_share),
    Statement("share, inputs unlike", (10, 20, 50), share_of_unlike_inputs),
    Statement("difference of shares", (5, 10, 20, 50), difference_of_shares, exact_difference),
    Statement("ratio of medians", (5, 10, 20, 30, 100), ratio_of_medians),
    Statement("difference of medians", (5, 10, 20, 30, 100), difference_of_medians),
    Statement("mean ratio of four groups", (5, 10, 20, 30), mean_ratio),
    Statement("share of pairs", (5, 10, 20, 30, 100), share_of_pairs),
    Statement("exponent, fixed and power", (6, 8, 12, 20, 50), power_and_fixed),
    Statement("exponent, a line", (6, 8, 12, 20, 50), line),
    Statement("exponent, fixed, linear and power", (6, 8, 12, 20, 50), power_fixed_and_linear),
)
