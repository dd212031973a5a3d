"""Every kind of plot on frames of real calls: what it draws, and that it says what the frames say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import judicia_notebook as jn
from judicia_notebook.analysis import plots, series, style
from judicia_notebook.languages import compile_source
from judicia_notebook.records.record import WALL_PARTS
from judicia_notebook.units import format_time

# `each` loops once a byte of its request, `pairs` once a pair of bytes.
LOOPS = """
(data (i32.const 0) "null")
(func $loop (param $turns i32)
  (loop $again
    (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
    (br_if $again (i32.gt_s (local.get $turns) (i32.const 0)))))
(func (export "each") (param i32 i32) (result i64)
  (call $loop (local.get 1)) (call $reply (i32.const 0) (i32.const 4)))
(func (export "pairs") (param i32 i32) (result i64) (local $turns i32)
  (local.set $turns (local.get 1))
  (loop $again
    (call $loop (local.get 1))
    (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
    (br_if $again (i32.gt_s (local.get $turns) (i32.const 0))))
  (call $reply (i32.const 0) (i32.const 4)))
"""


@pytest.fixture
def rt() -> Iterator[jn.Runtime]:
    with jn.Runtime() as runtime:
        yield runtime


def axes_of(figure: Figure) -> Axes:
    figure.draw_without_rendering()
    [axes] = figure.axes
    return axes


def parts_of(figure: Figure) -> list[Axes]:
    """The axes inside of the figure's axes."""
    return [one for one in axes_of(figure).child_axes if isinstance(one, Axes)]


def rows_of(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def texts_of(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def table_of(axes: Axes) -> list[list[str]]:
    legend = axes.get_legend()
    assert legend is not None
    return [[cell.strip() for cell in text.get_text().split("  ") if cell.strip()] for text in legend.get_texts()]


def legend_of(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def lines_of(axes: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in axes.get_lines() if not str(line.get_label()).startswith("_")}


def marks_of(axes: Axes) -> np.ndarray[Any, Any]:
    """Where crosses stand: what was refused or failed."""
    found = [np.asarray(line.get_data(), float).T for line in axes.get_lines() if line.get_marker() == "X"]
    return np.concatenate(found) if found else np.empty((0, 2))


# --- breakdown -------------------------------------------------------------------------------------------------------


def test_a_breakdown_has_the_shares_of_all_parts_and_failed_calls_among_them(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen", grant=["wall_clock"])
    for number in range(5):
        specimen.call("echo", "x" * 1000 * number)
    specimen.call("call_host", {"service": "clock", "n": 200})
    assert specimen.attempt("spin", {"ms": 500}, quota={"cpu": "30ms"}).error is not None
    axes = axes_of(plots.breakdown(rt.calls))
    times = rt.calls.groupby("function", observed=True)[list(WALL_PARTS)].sum()
    times = times.loc[times.sum(axis=1).sort_values(ascending=False).index]
    assert rows_of(axes) == [f"specimen.{name}" for name in times.index]
    bars = [one for one in axes.containers if isinstance(one, BarContainer)]
    drawn = np.array([[bar.get_width() for bar in part] for part in bars]).T
    assert drawn == pytest.approx(times.to_numpy() / times.sum(axis=1).to_numpy()[:, None])
    assert drawn.sum(axis=1) == pytest.approx(1)
    assert legend_of(axes) == ["setup", "encode", "guest", "host", "decode"]
    assert f"1 call · {format_time(times.loc['spin'].sum() / 1e3)} each" in texts_of(axes)


# --- timeline --------------------------------------------------------------------------------------------------------


def boxes(collection: Any) -> np.ndarray[Any, Any]:
    """Left and right ends of the bars of one artist."""
    corners = np.array([path.vertices[:4] for path in collection.get_paths()])
    return np.stack([corners[:, :, 0].min(axis=1), corners[:, :, 0].max(axis=1)], axis=1)


def test_a_timeline_has_a_lane_a_thread_a_colour_a_plugin_and_a_cross_for_what_failed(rt: jn.Runtime) -> None:
    specimen, checker = rt.load("example:specimen", grant=["wall_clock"]), rt.load("example:checker")
    specimen.call("call_host", {"service": "clock", "n": 3, "every_ms": 5})
    checker.call("check", {"output": "1", "answer": "1"})
    specimen.call("call_host", {"service": "random", "n": 2, "every_ms": 5})
    specimen.attempt("trap")
    other = threading.Thread(target=specimen.call, args=("spin", {"ms": 5}), name="the other thread")
    other.start()
    other.join(60)
    axes = axes_of(plots.timeline(rt.calls, rt.host_calls))
    assert rows_of(axes) == ["MainThread", "the other thread"]
    assert legend_of(axes) == ["specimen", "checker", "host call", "host call refused or failed"]
    assert axes.get_title(loc="left") == "5 calls · 1 not ok · 2 host calls refused or failed"
    drawn = [one for one in axes.collections if isinstance(one, PolyCollection)]
    bars = {to_hex(np.asarray(one.get_facecolor())[0]): boxes(one) for one in drawn}
    began = rt.calls["started_ms"].to_numpy() / 1e3
    began = began - (began - rt.calls["queue_ms"].to_numpy() / 1e3).min()
    of_specimen = (rt.calls["plugin"] == "specimen").to_numpy()
    assert bars[style.LIGHT.series[1].colour][:, 0] == pytest.approx(began[of_specimen])
    longest = rt.calls["wall_ms"][of_specimen].max() / 1e3
    least = (began + rt.calls["wall_ms"].to_numpy() / 1e3).max() / 1000  # what can be seen
    assert np.ptp(bars[style.LIGHT.series[1].colour], axis=1).max() == pytest.approx(max(longest, least))
    allowed = rt.host_calls[rt.host_calls["decision"] == "allowed"]
    begins = pd.Series(began, rt.calls["call_id"]).reindex(allowed["call_id"]).to_numpy()
    assert bars[style.LIGHT.others.colour][:, 0] == pytest.approx(begins + allowed["at_ms"].to_numpy() / 1e3)
    assert len(bars[style.LIGHT.ink]) == 2
    assert len(marks_of(axes)) == 1


def test_a_timelines_lanes_may_be_any_column(rt: jn.Runtime) -> None:
    checker = rt.load("example:checker")
    for variant in ("A", "B"):
        with jn.label(variant=variant, size=3):
            checker.call("check", {"output": "1", "answer": "1"})
    assert rows_of(axes_of(plots.timeline(rt.calls, lanes="variant"))) == ["A", "B"]
    assert rows_of(axes_of(plots.timeline(rt.calls, lanes="function"))) == ["check"]
    with pytest.raises(ValueError, match="no column and no label 'varant'"):
        plots.timeline(rt.calls, lanes="varant")


# --- usage -----------------------------------------------------------------------------------------------------------


def test_usage_is_one_call_against_its_quotas_near_as_a_line_and_far_as_a_word(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen", quota={"memory": "4MiB", "cpu": "10s"})
    specimen.call("echo", 1)
    specimen.call("grow", {"bytes": 4 << 20, "step": 1 << 20, "keep_going": True})
    figure = plots.usage(rt.calls, rt.samples)
    memory, cpu = parts_of(figure)
    assert (memory.get_ylabel(), cpu.get_ylabel()[:8]) == ("memory, MiB", "CPU time")
    assert axes_of(figure).get_title(loc="left").startswith("specimen.grow · call 2 · ok after ")
    samples = rt.samples[rt.samples["call_id"] == 2]
    assert np.asarray(memory.get_lines()[0].get_ydata()) == pytest.approx(samples["memory_bytes"].to_numpy("f8"))
    assert np.asarray(cpu.get_lines()[0].get_ydata()) == pytest.approx(samples["cpu_ms"].to_numpy() / 1e3)
    assert texts_of(memory) == ["quota 4 MiB"]
    assert texts_of(cpu)[0].startswith("↑ quota 10 s, ")
    assert len(marks_of(memory)) >= 1
    assert memory.get_ylim()[1] >= 4 << 20


def test_usage_takes_a_calls_number_and_says_where_it_knows_nothing(rt: jn.Runtime) -> None:
    checker = rt.load("example:checker")
    with jn.label(variant="A"):
        checker.call("check", {"output": "1", "answer": "1"})
    checker.call("check", {"output": "1", "answer": "1"})
    first = axes_of(plots.usage(rt.calls, rt.samples, call_id=1))
    assert "checker.check · variant=A · call 1 · ok" in first.get_title(loc="left")
    unknown = axes_of(plots.usage(rt.calls, rt.samples, call_id=99))
    assert texts_of(unknown) == ["There are no samples of call 99."]
    running = axes_of(plots.usage(rt.calls.iloc[:0], rt.samples, call_id=1))
    assert "still running" in running.get_title(loc="left")


# --- memory ----------------------------------------------------------------------------------------------------------


def test_memory_follows_each_instance_from_call_to_call(rt: jn.Runtime) -> None:
    specimen, checker = rt.load("example:specimen", quota={"memory": "4MiB"}), rt.load("example:checker")
    for _ in range(6):
        specimen.attempt("grow", {"bytes": 1 << 20})
        checker.call("check", {"output": "1", "answer": "1"})
    axes = axes_of(plots.memory(rt.calls))
    mine = rt.calls[rt.calls["plugin"] == "specimen"]
    first = mine[mine["instance_id"] == mine["instance_id"].min()]
    line = lines_of(axes)[f"specimen #{first['instance_id'].iloc[0]}"]
    assert np.asarray(line.get_xdata()).tolist() == first["instance_call"].tolist()
    assert np.asarray(line.get_ydata()) == pytest.approx(first["memory_peak_bytes"].to_numpy("f8"))
    assert texts_of(axes) == ["quota 4 MiB"]
    assert table_of(axes)[0][0].startswith("checker #")
    assert table_of(axes)[0][1] == "6"
    failed = first[first["outcome"] != "ok"]
    assert marks_of(axes)[0].tolist() == [failed["instance_call"].iloc[0], failed["memory_peak_bytes"].iloc[0]]
    [only] = table_of(axes_of(plots.memory(rt.calls, instance_id=int(first["instance_id"].iloc[0]))))
    assert only[0].startswith("specimen #")


def test_of_fresh_instances_some_are_drawn_and_the_others_counted(rt: jn.Runtime) -> None:
    checker = rt.load("example:checker", instances="fresh")
    for _ in range(9):
        checker.call("check", {"output": "1", "answer": "1"})
    axes = axes_of(plots.memory(rt.calls))
    assert axes.get_title(loc="left") == "7 instances · not drawn: 2 other instances"


# --- cold and warm ---------------------------------------------------------------------------------------------------


def test_cold_calls_are_those_that_first_enter_an_instance(rt: jn.Runtime) -> None:
    checker = rt.load("example:checker")
    for _ in range(4):
        for _ in range(5):
            checker.call("check", {"output": "1", "answer": "1"})
        rt.reload("checker")
    axes = axes_of(plots.cold_warm(rt.calls))
    wall = rt.calls["wall_ms"] / 1e3
    cold, warm = wall[rt.calls["instance_call"] == 1].median(), wall[rt.calls["instance_call"] > 1].median()
    assert texts_of(axes) == [
        f"median {format_time(cold)} · 4 calls",
        f"median {format_time(warm)} · 16 calls",
    ]
    assert rows_of(axes) == ["checker.check"]
    assert legend_of(axes) == ["cold, an instance's first call", "warm"]


# --- capabilities ----------------------------------------------------------------------------------------------------


def test_host_calls_are_counted_by_capability_and_decision(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen", grant=["wall_clock"])
    specimen.call("call_host", {"service": "clock", "n": 7})
    specimen.call("call_host", {"service": "random", "n": 3})
    specimen.call("call_host", {"service": "log", "n": 2})
    axes = axes_of(plots.capabilities(rt.host_calls))
    assert rows_of(axes) == ["wall_clock", "random", "judicia:log write (needs none)"]
    assert texts_of(axes) == ["7", "3, 3 denied", "2"]
    assert legend_of(axes) == ["allowed", "denied"]
    rt.load("example:specimen", name="second", grant=["wall_clock"]).call("call_host", {"service": "clock"})
    assert rows_of(axes_of(plots.capabilities(rt.host_calls)))[0] == "specimen · wall_clock"
    assert "second · wall_clock" in rows_of(axes_of(plots.capabilities(rt.host_calls)))


# --- success ---------------------------------------------------------------------------------------------------------


def test_the_success_rate_is_drawn_against_the_quota_that_was_varied(rt: jn.Runtime) -> None:
    specimen = rt.load("example:specimen", instances="fresh")
    for mebibytes in (2, 4, 8):
        for grown in (1, 2, 5):
            specimen.attempt("grow", {"bytes": grown << 20}, quota={"memory": f"{mebibytes}MiB"})
    axes = axes_of(plots.success(rt.calls))
    assert axes.get_xlabel() == "memory quota, MiB"
    [line] = [line for line in axes.get_lines() if line.get_marker() == "o"]
    assert np.asarray(line.get_xdata()).tolist() == [2 << 20, 4 << 20, 8 << 20]
    assert np.asarray(line.get_ydata()) == pytest.approx([0, 2 / 3, 1])
    assert axes.get_title(loc="left") == "9 calls · not ok: 4 quota_memory · no band: inputs= is not said"
    assert axes_of(plots.success(rt.calls, quota="cpu")).get_xlabel() == "CPU quota, s"
    with pytest.raises(ValueError, match="Did you mean 'memory'"):
        plots.success(rt.calls, quota="memroy")


# --- growth ----------------------------------------------------------------------------------------------------------


def test_the_exponent_of_loops_over_bytes_and_over_pairs_of_bytes(rt: jn.Runtime) -> None:
    loops = rt.load(compile_source("wat", LOOPS), name="loops")
    for length in (10, 20, 50, 100, 200, 500, 1000):
        for function in ("each", "pairs"):
            loops.call(function, "x" * length)
    axes = axes_of(plots.growth(rt.calls))
    rows = {row[0]: row[1:] for row in table_of(axes)}
    assert {name: round(float(row[1]), 1) for name, row in rows.items()} == {"loops.each": 1.0, "loops.pairs": 2.0}
    low, high = (float(end) for end in rows["loops.pairs"][2].split("–"))
    assert low == pytest.approx(2, abs=0.05)
    assert high == pytest.approx(2, abs=0.05)
    assert low <= float(rows["loops.pairs"][1]) <= high
    assert axes.get_title(loc="left") == "13 calls · not drawn: 1 cold"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("input, bytes", "fuel")


def test_a_label_may_say_what_the_size_is_and_what_to_tell_apart(rt: jn.Runtime) -> None:
    loops = rt.load(compile_source("wat", LOOPS), name="loops")
    for variant, function in (("plain", "each"), ("square", "pairs")):
        for n in (10, 20, 50, 100, 200, 400):
            with jn.label(variant=variant, n=n):
                loops.call(function, "x" * n)
    axes = axes_of(plots.growth(rt.calls, size="n", by="variant"))
    assert axes.get_xlabel() == "n"
    assert {row[0]: round(float(row[2]), 1) for row in table_of(axes)} == {"plain": 1.0, "square": 2.0}
    with pytest.raises(ValueError, match="is not always one"):
        plots.growth(rt.calls, size="variant")
    curves = [row[0] for row in table_of(axes_of(plots.latency(rt.calls, by="variant")))]
    assert curves == ["plain", "square"]
    unlabelled = rt.calls.drop(columns=["label", "label_variant", "label_n"])
    with pytest.raises(ValueError, match="no column and no label 'variant'"):
        plots.latency(unlabelled, by="variant")


def test_a_series_has_one_colour_in_all_figures_of_a_run() -> None:
    """However many rows of it each figure draws."""
    few = pd.DataFrame({"which": ["a"] + ["b"] * 3})
    many = pd.DataFrame({"which": ["a"] * 5 + ["b"] * 3})
    for frame in (few, many):
        assert {one.name: one.number for one in series.split(frame, "which")} == {"a": 0, "b": 1}
    assert [one.name for one in series.split(few, "which")] == ["b", "a"]
