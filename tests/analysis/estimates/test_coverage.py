"""Some of what `benchmarks/coverage.py` simulates, and what docs/statistics.md says of all of it."""

from __future__ import annotations

import re
import runpy
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from judicia_notebook.analysis.estimates import shares
from judicia_notebook.analysis.intervals import interval_ranks
from tests.analysis.estimates.simulations import STATEMENTS, Coverage, Statement, simulate

ROOT = Path(__file__).parents[3]
SETS = 50
ROW = re.compile(r"^\| (?P<name>[^|]+?) \| (?P<size>\d+) \| (?P<held>[\d.]+) % \| (?:(?P<exact>[\d.]+) %)? *\| "
                 r"(?P<stated>[\d.]+) % \|$", re.MULTILINE)  # fmt: skip


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "coverage.py"))


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_an_interval_holds_the_truth_about_as_often_as_it_says(statement: Statement) -> None:
    size = next(size for size in statement.sizes if size >= 20)
    found = simulate(statement, size, SETS)
    assert found.stated >= 0.9 * SETS
    expected = statement.exact(size) if statement.exact else 0.95
    room = 4 * sqrt(expected * (1 - expected) / found.stated)
    assert found.share >= expected - room
    if statement.exact:
        assert found.share <= expected + room
        assert expected >= 0.945


def test_the_page_has_every_statement_and_none_covers_too_little(benchmark: dict[str, Any]) -> None:
    rows = list(ROW.finditer((ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")))
    told = {(row["name"], int(row["size"])): row for row in rows}
    assert list(told) == [(statement.name, size) for statement in STATEMENTS for size in statement.sizes]
    for statement in STATEMENTS:
        for size in statement.sizes:
            row = told[statement.name, size]
            exact = statement.exact(size) if statement.exact else None
            assert (row["exact"] is None) == (exact is None)
            assert exact is None or float(row["exact"]) == pytest.approx(100 * exact, abs=0.051)
            assert benchmark["is_fine"](Coverage(round(float(row["held"]) * 10), 1000, 1000), size, exact)


def test_the_benchmark_tells_an_interval_that_covers_too_little(benchmark: dict[str, Any]) -> None:
    is_fine = benchmark["is_fine"]
    assert is_fine(Coverage(1880, 2000, 2000), 20, None)
    assert not is_fine(Coverage(1860, 2000, 2000), 20, None)
    assert is_fine(Coverage(1860, 2000, 2000), 19, None)
    assert not is_fine(Coverage(1860, 2000, 2000), 20, 0.95)
    assert not is_fine(Coverage(1999, 2000, 2000), 20, 0.95)


@pytest.mark.parametrize("percent", [1, 5, 25, 50, 95, 99.9])
@pytest.mark.parametrize("count", [1, 6, 20, 71, 72, 100, 999, 1000, 1001, 100_000])
def test_the_ranks_of_a_quantile_are_the_closest_that_leave_so_little_outside(count: int, percent: float) -> None:
    below = stats.binom(count, percent / 100)
    ranks = interval_ranks(count, percent / 100)
    possible = below.cdf(0) <= 0.025 and below.sf(count - 1) <= 0.025
    assert (ranks is not None) == possible
    if ranks is not None:
        low, high = ranks
        assert below.cdf(low - 1) <= 0.025 < below.cdf(low)
        assert below.sf(high - 1) <= 0.025 < below.sf(high - 2)


def test_the_interval_of_a_share_is_wilsons() -> None:
    """Brown, Cai and DasGupta (2001) and Newcombe (1998), method 3."""
    assert [round(end, 4) for end in shares.wilson(81, 263, 0.95)] == [0.308, 0.2553, 0.3662]
    assert [round(end, 4) for end in shares.wilson(0, 20, 0.95)] == [0.0, 0.0, 0.1611]
    between = shares.wilson(2.5, 10, 0.95)
    assert between == (0.25, shares.wilson(2, 10, 0.95).low, shares.wilson(3, 10, 0.95).high)
