"""Which calls are pooled: by every statement the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.analysis import plots
from judicia_notebook.analysis.estimates import selection
from judicia_notebook.analysis.statistics import summarize


@pytest.fixture
def rt() -> Iterator[jn.Runtime]:
    with jn.Runtime() as runtime:
        yield runtime


def mixed() -> pd.DataFrame:
    """20 warm calls of 1 ms; and of 1 s one that is cold, three to warm up, four profiled, two that failed."""
    parts = [(20, 2, "user", "ok", 1.0), (1, 1, "user", "ok", 1e3), (3, 3, "warmup", "ok", 1e3),
             (4, 4, "profile", "ok", 1e3), (2, 5, "user", "trap", 1e3)]  # fmt: skip
    rows = [
        {"instance_call": turn, "origin": origin, "outcome": outcome, "wall_ms": ms, "fuel": int(ms)}
        for number, turn, origin, outcome, ms in parts
        for _ in range(number)
    ]
    calls = pd.DataFrame(rows).assign(plugin="p", function="f", denied=0, cpu_ms=1.0, memory_peak_bytes=1)
    return calls.assign(call_id=range(1, len(calls) + 1), bytes_in=100, limit_memory_bytes=1 << 20)


LEFT_OUT = {"trap": 2, "to warm up": 3, "profiled": 4, "cold": 1}


@pytest.mark.parametrize("estimate", [jn.percentiles, jn.growth], ids=lambda estimate: str(estimate.__name__))
def test_only_warm_calls_are_pooled_and_the_others_counted(estimate: Callable[..., Any]) -> None:
    found = estimate(mixed())
    assert found["calls"].tolist() == [20] * len(found)
    assert found.attrs["left_out"] == LEFT_OUT


def test_cold_and_warm_are_apart_and_nothing_else_is_in_either() -> None:
    found = jn.cold_warm(mixed()).set_index("state")
    assert found["calls"].to_dict() == {"cold": 1, "warm": 20}
    assert found["median"].to_dict() == {"cold": 1e3, "warm": 1.0}
    assert found.attrs["left_out"] == {reason: number for reason, number in LEFT_OUT.items() if reason != "cold"}


def test_figures_say_what_they_leave_out() -> None:
    def title(figure: Any) -> str:
        return " · ".join(figure.axes[0].get_title(loc="left").splitlines())  # a long one has several

    assert title(plots.latency(mixed())) == "20 calls · not drawn: 2 trap, 4 profiled, 3 to warm up, 1 cold"
    assert title(plots.growth(mixed())) == "20 calls · not drawn: 2 trap, 4 profiled, 3 to warm up, 1 cold"
    assert title(plots.cold_warm(mixed())) == "21 calls · not drawn: 2 trap, 4 profiled, 3 to warm up"


def test_the_table_of_functions_counts_all_and_measures_those() -> None:
    row = summarize(mixed()).loc[("p", "f")]
    assert (row["calls"], row["failed"], row["measured"]) == (30, 2, 20)
    assert (row["wall_ms_median"], row["wall_ms_p95"], row["fuel_median"]) == (1.0, 1.0, 1.0)


def test_a_function_without_a_good_call_has_no_median() -> None:
    calls = mixed()
    row = summarize(calls[calls["outcome"] == "trap"]).loc[("p", "f")]
    assert (row["calls"], row["measured"]) == (2, 0)
    assert pd.isna(row["wall_ms_median"])


def test_a_comparison_compares_those_and_says_so() -> None:
    twice = mixed().assign(wall_ms=lambda calls: calls["wall_ms"] * 2)
    found = jn.compare(mixed(), twice, "wall_ms", names=("old", "new"))
    effect = found.effect("wall_ms")
    assert (effect.count_a, effect.count_b, effect.ratio) == (20, 20, 2.0)
    assert found.remarks[:3] == (
        "4 profiled, 3 to warm up of old are left out.",
        "4 profiled, 3 to warm up of new are left out.",
        "1 cold call of old left out: there are warm ones like it.",
    )


def test_where_all_calls_are_cold_they_stay() -> None:
    fresh, kept = mixed().assign(instance_call=1), mixed()
    found = jn.percentiles(fresh)
    assert (found["cold"].tolist(), found["calls"].tolist()) == ([True] * 3, [21] * 3)
    compared = jn.compare(fresh, kept, "wall_ms", names=("fresh", "kept"))
    assert (compared.effect("wall_ms").count_a, compared.effect("wall_ms").count_b) == (21, 20)
    assert "In 1 group all calls of fresh are cold, and those of kept warm." in compared.remarks


def test_a_frame_that_tells_neither_origin_nor_turn_is_taken_as_it_is() -> None:
    plain = mixed().drop(columns=["origin", "instance_call"])
    assert jn.percentiles(plain)["calls"].tolist() == [28] * 3
    assert not selection.is_warm(plain).any()


def test_a_bench_leaves_rows_from_which_its_numbers_come_again(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen")
    bench = specimen.bench("echo", [1], repeats=8, warmup=3)
    specimen.profile("echo", [1], samples=1)
    found = jn.cold_warm(rt.calls).set_index("state")
    assert found["calls"].to_dict() == {"cold": 8, "warm": 8}
    assert found.loc["warm", "median"] == bench.warm.wall_ms.median
    assert (found.loc["warm", "low"], found.loc["warm", "high"]) == (bench.warm.wall_ms.low, bench.warm.wall_ms.high)
    assert found.loc["cold", "median"] == bench.cold.wall_ms.median
    assert found.attrs["left_out"]["to warm up"] == 6


@pytest.mark.parametrize("estimate", [jn.percentiles, jn.growth, jn.cold_warm, jn.success])
def test_calls_that_were_metered_in_several_ways_are_not_pooled(estimate: Callable[..., Any]) -> None:
    both = pd.concat([mixed().assign(metering="full"), mixed().assign(metering="none")])
    with pytest.raises(ValueError, match="metered in several ways"):
        estimate(both)
    assert set(estimate(both, by="metering")["series"]) == {"full", "none"}


def test_a_summary_does_not_pool_meterings() -> None:
    calls = mixed().assign(metering="full")
    both = pd.concat([calls, calls.assign(metering="none", wall_ms=calls["wall_ms"] * 100)], ignore_index=True)
    found = summarize(both)
    assert found.loc[("p", "f", "none"), "wall_ms_median"] == 100 * found.loc[("p", "f", "full"), "wall_ms_median"]
    assert found.loc[("p", "f", "full"), "wall_ms_median"] == summarize(calls).loc[("p", "f"), "wall_ms_median"]
