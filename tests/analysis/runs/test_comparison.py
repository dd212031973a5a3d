"""Two sets of calls compared: what is compared with what, the numbers, and what is said about them."""

from __future__ import annotations

import importlib.util
import io
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

import judicia_notebook as jn
from judicia_notebook.analysis.runs import comparison
from judicia_notebook.errors import JudiciaError
from judicia_notebook.notebook.object_cards import comparison_card, saved_run_card


def calls(wall_ms: Any, **others: Any) -> pd.DataFrame:
    made = {"plugin": "checker", "function": "check", "outcome": "ok", "wall_ms": np.asarray(wall_ms, "f8"), **others}
    return pd.DataFrame(made).astype({"plugin": "category", "function": "category", "outcome": "category"})


def noise(count: int, middle: float, seed: int) -> Any:
    return np.random.default_rng(seed).lognormal(log(middle), 0.2, count)


def halves(repeats: int = 10) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two plugins' rows of a sweep over three inputs and two quotas; the second takes 0.5, 0.6, 0.7 of the first."""
    factors = {"1024": 0.5, "64": 0.6, "256": 0.7}
    rows = [
        {"param_plugin": plugin, "param_payload": size, "param_quota": f"fuel {fuel}", "param_quota_fuel": fuel,
         "param_grants": "", "repeat": repeat, "outcome": "ok",
         "fuel": int(size) * 1000 * (1 if plugin == "old" else factors[size])}
        for plugin in ("old", "new") for size in factors for fuel in (10**6, 10**9) for repeat in range(repeats)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame[frame["param_plugin"] == "old"], frame[frame["param_plugin"] == "new"]


# The numbers -----------------------------------------------------------------------------------------------------


def test_ratio_and_difference_are_of_the_medians() -> None:
    a, b = noise(31, 10, 1), noise(40, 5, 2)
    found = jn.compare(calls(a), calls(b), ["wall_ms"]).effect("wall_ms")
    assert (found.count_a, found.count_b) == (31, 40)
    assert (found.median_a, found.median_b) == (median(a), median(b))
    assert found.ratio == pytest.approx(median(b) / median(a))
    assert found.difference == pytest.approx(median(b) - median(a))
    assert found.less == pytest.approx(stats.mannwhitneyu(a, b).statistic / (31 * 40))


def test_intervals_are_those_of_scipy() -> None:
    a, b = noise(60, 10, 1), noise(45, 9, 2)
    found = jn.compare(calls(a), calls(b)).effect("wall_ms")

    def interval(statistic: Any) -> tuple[float, float]:
        drawn = stats.bootstrap((a, b), statistic, vectorized=True, n_resamples=9999, batch=1000, method="percentile",
                                random_state=np.random.default_rng(8))  # fmt: skip
        return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)

    def ratio(first: Any, second: Any, axis: int) -> Any:
        return np.median(second, axis=axis) / np.median(first, axis=axis)

    def difference(first: Any, second: Any, axis: int) -> Any:
        return np.median(second, axis=axis) - np.median(first, axis=axis)

    def less(first: Any, second: Any, axis: int) -> Any:
        return stats.mannwhitneyu(first, second, axis=axis, method="asymptotic").statistic / (60 * 45)

    assert (found.ratio_low, found.ratio_high) == pytest.approx(interval(ratio), rel=0.02)
    assert (found.difference_low, found.difference_high) == pytest.approx(interval(difference), abs=0.15)
    assert (found.less_low, found.less_high) == pytest.approx(interval(less), abs=0.01)


def test_intervals_hold_what_is_true_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(200):
        a, b = rng.lognormal(0, 0.3, 30), rng.lognormal(log(0.8), 0.3, 30)
        found = jn.compare(calls(a), calls(b), resamples=400).effect("wall_ms")
        held += found.ratio_low <= 0.8 <= found.ratio_high
    assert 180 <= held <= 199  # 95 % of 200 and four of its standard deviations to either side


def test_numbers_that_do_not_vary_have_intervals_without_a_width() -> None:
    a, b = (calls(np.full(9, fuel), fuel=fuel) for fuel in (200, 50))
    found = jn.compare(a, b, ["fuel"]).effect("fuel")
    assert (found.ratio, found.ratio_low, found.ratio_high) == pytest.approx((0.25, 0.25, 0.25))
    assert (found.difference_low, found.difference_high) == (-150, -150)
    assert (found.less, found.less_low, found.less_high) == (1, 1, 1)


def test_over_all_groups_it_is_the_geometric_mean_of_the_ratios() -> None:
    old, new = halves()
    found = jn.compare(old, new)
    over_all = found.effect("fuel")
    assert over_all.group == "all"
    assert over_all.ratio == pytest.approx((0.5 * 0.6 * 0.7) ** (1 / 3))
    assert over_all.ratio_low == pytest.approx(over_all.ratio)
    assert (over_all.count_a, over_all.count_b) == (60, 60)
    assert jn.compare(new, old).effect("fuel").ratio == pytest.approx(1 / over_all.ratio)


def test_the_interval_over_all_groups_is_narrower_than_those_of_the_groups() -> None:
    sides = [
        pd.concat([calls(noise(20, middle * factor, seed + group), function=f"f{group}")
                   for group, middle in enumerate((1, 10, 100, 1000))])
        for seed, factor in ((0, 1.0), (50, 0.7))
    ]  # fmt: skip
    found = jn.compare(*sides)
    *groups, over_all = (log(one.ratio_high / one.ratio_low) for one in found.effects)
    assert len(groups) == 4
    assert over_all < 0.75 * min(groups)
    mean = exp(np.mean([log(one.ratio) for one in found.effects[:4]]))
    assert found.effect("wall_ms").ratio == pytest.approx(mean)


def test_the_same_seed_gives_the_same_intervals() -> None:
    sides = calls(noise(20, 10, 1)), calls(noise(20, 9, 2))
    assert jn.compare(*sides) == jn.compare(*sides)
    assert jn.compare(*sides, seed=1) != jn.compare(*sides)


def test_a_higher_level_gives_wider_intervals() -> None:
    sides = calls(noise(40, 10, 1)), calls(noise(40, 9, 2))
    narrow, wide = (jn.compare(*sides, level=level).effect("wall_ms") for level in (0.8, 0.99))
    assert wide.ratio_low < narrow.ratio_low < narrow.ratio_high < wide.ratio_high


def test_a_median_of_nothing_has_a_difference_and_no_ratio() -> None:
    found = jn.compare(calls(np.ones(9), host_ms=0.0), calls(np.ones(9), host_ms=2.0), ["host_ms"])
    effect = found.effect("host_ms")
    assert np.isnan([effect.ratio, effect.ratio_low, effect.ratio_high]).all()
    assert (effect.difference, effect.difference_low, effect.less) == (2, 2, 0)
    assert "—" in str(found)
    assert found.plot().axes[0].texts[0].get_text() == "There is no ratio to draw."


def test_fewer_than_five_calls_have_no_interval_and_it_is_said() -> None:
    found = jn.compare(calls(noise(4, 10, 1)), calls(noise(40, 9, 2)))
    effect = found.effect("wall_ms")
    assert effect.ratio > 0
    assert np.isnan([effect.ratio_low, effect.difference_low, effect.less_low]).all()
    assert "Without an interval, for fewer than 5 calls on a side: 1 group." in found.remarks


def test_a_million_calls_a_side_are_compared() -> None:
    million = calls(noise(1_000_000, 10, 1))
    found = jn.compare(million, million.assign(wall_ms=million["wall_ms"] * 1.01)).effect("wall_ms")
    assert found.ratio == pytest.approx(1.01)
    assert 1.008 < found.ratio_low < 1.01 < found.ratio_high < 1.012


# What is compared with what --------------------------------------------------------------------------------------


def test_parts_of_a_sweep_are_compared_by_what_they_have_in_common_and_named_by_what_they_have_not() -> None:
    old, new = halves()
    found = jn.compare(old, new)
    assert (found.a, found.b) == ("old", "new")
    groups = [f"payload={size}, quota=fuel {fuel}" for size in (1024, 64, 256) for fuel in (10**6, 10**9)]
    assert [effect.group for effect in found.effects] == [*groups, "all"]
    assert [effect.ratio for effect in found.effects][:6] == pytest.approx([0.5, 0.5, 0.6, 0.6, 0.7, 0.7])


def test_values_of_other_dtypes_and_values_that_are_lists_are_matched_too() -> None:
    a = calls([1.0] * 12, param_n=[1234567, 1234568] * 6, param_rows=[[1], [1, 2], [1]] * 4)
    b = calls([2.0] * 12, param_n=np.array([1234567.0, 1234568.0] * 6), param_rows=[[1], [1, 2], [1]] * 4)
    groups = {effect.group for effect in jn.compare(a, b).effects}
    assert groups == {f"n={n}, rows={rows}" for n in (1234567, 1234568) for rows in ("[1]", "[1, 2]")} | {"all"}


def test_columns_that_say_the_same_on_each_side_but_not_on_both_make_groups() -> None:
    a = calls([1.0] * 10, param_n=[1, 2] * 5, param_m=[1, 2] * 5)
    b = calls([1.0] * 10, param_n=[1, 2] * 5, param_m=[2, 1] * 5)
    with pytest.raises(ValueError, match="no group has calls of both sides"):
        jn.compare(a, b)


def test_sides_that_differ_in_more_than_one_way_are_told() -> None:
    a = calls(np.ones(6), param_plugin="old", param_payload="small")
    b = calls(np.ones(6), param_plugin="new", param_payload="large")
    found = jn.compare(a, b)
    assert (found.a, found.b) == ("old", "new")
    assert found.remarks == ("The sides have no value in common of param_plugin, param_payload.",)


def test_rows_are_matched_in_whatever_order_they_come() -> None:
    old, new = halves()
    shuffled = jn.compare(old, new.sample(frac=1, random_state=3).reset_index(drop=True))
    assert [effect.ratio for effect in shuffled.effects] == [effect.ratio for effect in jn.compare(old, new).effects]


def test_groups_of_one_side_only_are_left_out_and_counted() -> None:
    old, new = halves()
    found = jn.compare(old, new[new["param_payload"] != "64"])
    assert len(found.effects) == 5
    assert "2 groups have calls of old only." in found.remarks


def test_calls_are_compared_function_by_function() -> None:
    sides = [pd.concat([calls(noise(9, middle, 1)), calls(noise(9, middle, 2), function="lint")]) for middle in (4, 2)]
    found = jn.compare(*sides)
    assert [effect.group for effect in found.effects] == ["check", "lint", "all"]
    assert (found.a, found.b) == ("a", "b")


def test_plugins_functions_and_labels_that_vary_name_the_groups_together() -> None:
    names = {
        "plugin": ["p", "p", "p", "q"] * 3,
        "function": ["f", "g", "g", "f"] * 3,
        "label_n": [None, 1, 2, None] * 3,
    }
    found = jn.compare(calls(np.ones(12), **names), calls(np.ones(12), **names))
    assert [effect.group for effect in found.effects] == ["p.f", "p.g · n=1", "p.g · n=2", "q.f", "all"]


def test_a_label_names_the_groups_where_it_is_asked_for() -> None:
    sides = [
        pd.concat([calls(np.full(6, size * slow), label_size=size, label_slow=slow) for size in (1, 2)])
        for slow in (2, 3)
    ]
    found = jn.compare(*sides, by="size")
    ratios = [(one.group, one.ratio) for one in found.effects]
    assert ratios == [("size=1", 1.5), ("size=2", 1.5), ("all", pytest.approx(1.5))]
    with pytest.raises(ValueError, match="no column and no label 'siez'"):
        jn.compare(*sides, by="siez")


def test_all_can_be_compared_with_all_and_named_by_hand() -> None:
    old, new = halves()
    assert jn.compare(old, new, by=()).a == "old"
    found = jn.compare(old, new, "fuel", by=(), names=("before", "after"))
    [effect] = found.effects
    assert (effect.count_a, effect.group, found.b) == (60, "all", "after")
    assert repr(found) == "<Comparison after against before: fuel ×0.7>"


def test_two_halves_of_a_real_sweep_cost_the_same_fuel() -> None:
    frame = jn.sweep({"one": "example:specimen", "two": "example:specimen"}, "echo", [[1], [1, 2, 3]], repeats=6,
                     warmup=0, progress=False)  # fmt: skip
    one, two = (frame[frame["param_plugin"] == name] for name in ("one", "two"))
    found = jn.compare(one, two)
    assert (found.a, found.b) == ("one", "two")
    fuel = found.summary.query("column == 'fuel' and group != 'all'")
    assert fuel["ratio"].tolist() == [1, 1]
    assert fuel["less"].tolist() == [0.5, 0.5]
    assert {"wall_ms", "cpu_ms", "fuel", "memory_peak_bytes"} == set(found.summary["column"])


def test_runs_are_compared_and_their_circumstances_too(tmp_path: Path) -> None:
    with jn.Runtime() as rt:
        specimen = rt.load("example:specimen")
        for _ in range(6):
            specimen.call("echo", [1])
        first = jn.read_run(rt.save(tmp_path / "first.zip"))
        for _ in range(6):
            specimen.call("echo", [1])
        second = jn.read_run(rt.save(tmp_path / "second.zip"))
    found = jn.compare(first, second, ["fuel"])
    assert (found.effect("fuel").count_a, found.effect("fuel").count_b) == (5, 11)
    assert found.remarks == tuple(f"1 cold call of {name} left out: there are warm ones like it." for name in "ab")
    second.meta["machine"]["processors"] = -1
    assert jn.compare(first, second).remarks[2:] == ("The runs differ in their machine: processors.",)


# What is said ----------------------------------------------------------------------------------------------------


def test_calls_that_did_not_end_ok_are_left_out_and_the_difference_is_told() -> None:
    """The shares 56 of 70 and 48 of 80 are Newcombe's (1998): +20 points, from +5.2 to +33.4."""
    a = calls(noise(80, 10, 1), outcome=["ok"] * 48 + ["trap"] * 12 + ["quota_cpu"] * 20)
    b = calls(noise(70, 10, 2), outcome=["ok"] * 56 + ["trap"] * 14)
    found = jn.compare(a, b)
    assert (found.effect("wall_ms").count_a, found.effect("wall_ms").count_b) == (48, 56)
    assert found.effect("wall_ms").median_a == median(a["wall_ms"][:48])
    assert found.remarks == (
        "32 of 80 calls of a did not end ok (20 quota_cpu, 12 trap) and are left out.",
        "14 of 70 calls of b did not end ok (14 trap) and are left out.",
        "The share of calls that ended ok is 60.0 % of a and 80.0 % of b: +20.0 points (95 %: +5.2 to +33.4).",
    )


def test_a_comparison_is_a_table_as_text_and_as_html() -> None:
    old, new = halves()
    found = jn.compare(old, new[new["param_payload"] != "64"])
    lines = str(found).splitlines()
    assert lines[0] == "new against old · medians · ratio with its 95 % bootstrap interval"
    assert lines[1].split() == ["group", "column", "calls", "old", "new", "ratio", "from", "to", "new", "less", "in"]
    assert " ".join(lines[2].split()) == (
        "payload=1024, quota=fuel 1000000 fuel 10 1 024 000 512 000 0.5 0.5 0.5 100 %"
    )
    assert lines[-1] == "2 groups have calls of old only."
    card = comparison_card(found)
    assert card.text().splitlines()[0] == lines[0]
    assert "<th" in card.html()
    assert "1 024 000" in card.html()


def test_a_table_of_many_groups_is_cut_and_the_mean_stays() -> None:
    sides = [calls(np.repeat(np.arange(1.0, 101), 2) * slow, param_n=np.repeat(np.arange(100), 2)) for slow in (1, 2)]
    found = jn.compare(*sides)
    assert len(found.summary) == 101
    assert len(found.grid()[1]) == 24
    assert found.grid()[1][-1][0] == "all"
    assert "77 more groups are in .summary." in str(found)


def test_the_summary_has_its_dtypes_whatever_is_in_it() -> None:
    old, new = halves()
    full = jn.compare(old, new).summary
    empty = jn.compare(old, new, columns=[]).summary
    assert empty.empty
    assert full.dtypes.to_dict() == empty.dtypes.to_dict()
    assert str(full["count_a"].dtype) == "int64"


def test_what_cannot_be_compared_is_refused_with_the_reason() -> None:
    old, new = halves()
    with pytest.raises(ValueError, match="nothing can be compared: b has no calls"):
        jn.compare(old, new[:0])
    with pytest.raises(ValueError, match="no group has calls of both sides"):
        jn.compare(calls([1]), calls([2], plugin="other"), by="plugin")
    with pytest.raises(ValueError, match=r"no column of numbers 'feul'. Did you mean 'fuel'\?"):
        jn.compare(old, new, ["feul"])
    with pytest.raises(ValueError, match="no column of numbers 'outcome'"):
        jn.compare(old, new, ["outcome"])
    with pytest.raises(ValueError, match="level is between 0 and 1"):
        jn.compare(old, new, level=95)
    with pytest.raises(ValueError, match="nothing was compared of 'feul'"):
        jn.compare(old, new).effect("feul")
    with pytest.raises(ValueError, match="nothing was compared of '1024'"):
        jn.compare(old, new).effect("fuel", "1024")


def test_without_scipy_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(JudiciaError) as caught:
        jn.compare(*halves())
    assert caught.value.hint == "python -m pip install 'judicia-notebook[stats]'"


def test_a_run_is_shown_with_what_it_was_measured_with(tmp_path: Path) -> None:
    with jn.Runtime() as rt:
        rt.load("example:specimen").call("echo", [1])
        run = jn.read_run(rt.save(tmp_path / "run.zip"))
    text = saved_run_card(run).text()
    assert text.startswith(f"run {run.meta['run_id']} · 20")
    assert "1 calls, " in text
    assert "specimen" in text
    assert run.meta["packages"]["pandas"] in text
    run.meta.clear()  # type: ignore[attr-defined]  # as a file may have none of it
    assert "1 calls, " in saved_run_card(run).text()


# The figure ------------------------------------------------------------------------------------------------------


def drawn(figure: Figure) -> Any:
    figure.savefig(io.BytesIO())
    [axes] = figure.axes
    return axes


def test_the_figure_has_a_mark_at_each_ratio_and_a_line_along_its_interval() -> None:
    sides = [calls(noise(30, middle, seed), cpu_ms=noise(30, middle, seed + 9)) for middle, seed in ((10, 1), (6, 2))]
    found = jn.compare(*sides)
    axes = drawn(found.plot())
    marks = [line for line in axes.get_lines() if line.get_marker() in {"o", "s"}]
    assert [line.get_xdata()[0] for line in marks] == [effect.ratio for effect in found.effects]
    assert len({line.get_color() for line in marks}) == 2
    ends = [sorted(point[0] for point in lines.get_segments()[0]) for lines in axes.collections]
    assert ends == [[effect.ratio_low, effect.ratio_high] for effect in found.effects]
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "median of b / median of a (left of 1: b takes less)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["wall time", "CPU time"]
    assert 1 in axes.get_xticks()


def test_the_figure_takes_axes_a_column_and_a_dark_ground() -> None:
    old, new = halves()
    with matplotlib.style.context("dark_background"):
        dark = jn.compare(old, new.assign(wall_ms=1.0), ["fuel"]).plot(column="fuel")
    light = Figure()
    axes = light.add_subplot()
    assert jn.compare(old, new).plot(axes) is axes
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "all"
    assert drawn(dark).get_title(loc="left").startswith("new against old · 95 %")
    assert dark.get_facecolor()[:3] == (0, 0, 0)
    with pytest.raises(ValueError, match="'wall_ms' was not compared"):
        jn.compare(old, new).plot(column="wall_ms")


@pytest.mark.parametrize("factor", [1.0, 1.0005, 0.001, 300.0, 1e-9])
def test_ratios_near_and_far_can_be_drawn(factor: float) -> None:
    axes = drawn(jn.compare(calls(np.arange(1.0, 9)), calls(np.arange(1.0, 9) * factor)).plot())
    low, high = axes.get_xlim()
    assert low < min(1, factor) <= max(1, factor) < high
    assert len(axes.get_xticks()) < 20


def test_of_very_many_groups_some_are_drawn_and_the_rest_counted() -> None:
    sides = [calls(np.repeat(np.arange(1.0, 101), 5) * slow, param_n=np.repeat(np.arange(100), 5)) for slow in (1, 2)]
    axes = drawn(jn.compare(*sides, resamples=50).plot())
    assert len(axes.get_yticks()) == 30
    assert axes.get_title(loc="left").endswith("71 more groups are not drawn")


def test_names_from_plugins_are_no_tex_and_no_html() -> None:
    hostile = "$\\frac{<b>x"
    sides = [calls(np.ones(6) * slow, plugin=[hostile, "y"] * 3) for slow in (1, 2)]
    found = jn.compare(*sides, names=(hostile, "$x^$"))
    drawn(found.plot())
    assert "<b>" not in comparison_card(found).html()


def test_everything_that_is_compared_by_default_is_a_column_of_calls() -> None:
    with jn.Runtime() as rt:
        assert set(comparison.MEASURES) <= set(rt.calls.columns)


# --- whatever has calls ----------------------------------------------------------------------------------------------


def test_whatever_has_calls_is_compared(rt: jn.Runtime) -> None:
    first, second = (rt.load("example:specimen", name=name) for name in ("first", "second"))
    with rt.measure() as some:
        for plugin in (first, second):
            for _ in range(6):
                plugin.call("echo", [1])
    assert repr(jn.compare(first, second, "fuel")) == "<Comparison second against first: fuel ×1>"
    assert jn.compare(rt, some, "fuel").effect("fuel").count_b == 12 - 2  # without the first call of each


def test_benches_are_compared_side_by_side(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen")
    short, long = (specimen.bench("echo", [1] * length, repeats=6) for length in (1, 2000))
    found = jn.compare(short, long, ["bytes_in", "wall_ms"], names=("short", "long"))
    assert [effect.group for effect in found.effects if effect.column == "bytes_in"] == ["cold", "warm", "all"]
    assert found.effect("bytes_in", "warm").ratio == pytest.approx(4001 / 3)
    assert found.effect("bytes_in", "cold").count_a == 6
    cold_and_warm = jn.compare(short.cold, short.warm, "wall_ms", names=("cold", "warm"))
    assert cold_and_warm.effect("wall_ms").median_a == short.cold.wall_ms.median
    assert cold_and_warm.effect("wall_ms").median_b == short.warm.wall_ms.median


def test_the_calls_of_a_bench_are_their_rows(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen")
    bench = specimen.bench("echo", [1], repeats=3, warmup=0)
    rows = rt.calls
    for name, side in bench.sides:
        same = rows[rows["call_id"].isin([record.call_id for record in side.records])].reset_index(drop=True)
        made = side.calls
        assert made.dtypes.astype(str).to_dict() == rows.dtypes.astype(str).to_dict()
        for column in rows.columns:
            if column != "started":  # of which a record has microseconds
                assert made[column].astype("object").equals(same[column].astype("object")), column
        assert set(bench.calls.loc[bench.calls["side"] == name, "call_id"]) == set(made["call_id"])
    assert bench.calls["side"].tolist() == ["cold"] * 3 + ["warm"] * 3
