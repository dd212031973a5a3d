"""`Plugin.bench` and `jn.sweep` without metering: rounds that interleave, equal answers, and nothing left behind."""

from __future__ import annotations

import os
import signal
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest

import judicia_notebook as jn
from judicia_notebook.errors import JudiciaError, PolicyError, QuotaExceeded
from judicia_notebook.experiments.unmetered.answers import are_same
from judicia_notebook.experiments.unmetered.process import Child
from tests.support.guests import forwarder, load
from tests.support.processes import is_there, wait_until_gone
from tests.support.waiting import LONG_PATIENCE

WORK = """
  (func (export "work") (param $n i32) (result f64) (local $sum f64)
    (loop $on
      (local.set $sum (f64.add (local.get $sum) (f64.sqrt (f64.convert_i32_u (local.get $n)))))
      (br_if $on (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "spin") (loop $on (br $on)))
  (func (export "nan") (result f64) (f64.div (f64.const 0) (f64.const 0)))
  (func (export "nan_bits") (result i64) (i64.reinterpret_f64 (f64.div (f64.const 0) (f64.const 0))))
  (func (export "nan_bytes") (param i32 i32) (result i64)
    (f64.store (i32.const 1032) (f64.div (f64.const 0) (f64.const 0)))
    (f64.store (i32.const 1024) (f64.const 1.5))
    (call $reply (i32.const 1024) (i32.const 16)))
"""


@contextmanager
def children_seen() -> Iterator[set[int]]:
    """The numbers of all child processes that were started meanwhile, also of those that were gone in no time."""
    seen: set[int] = set()
    start = Child.__init__

    def started(child: Child) -> None:
        start(child)
        seen.add(child.pid)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Child, "__init__", started)
        yield seen


def test_a_bench_measures_with_and_without_metering_in_the_same_rounds(rt: jn.Runtime) -> None:
    plugin = load(rt, WORK)
    with children_seen() as seen:
        found = plugin.bench("work", numbers=(100_000,), repeats=6, warmup=1, metering="none")
    wait_until_gone(seen)
    assert found.metering == "none"
    assert found.metered is not None
    assert found.metered.metering == "full"
    for side, name in ((found.cold, "cold"), (found.warm, "warm")):
        assert [record.metering for record in side.records] == ["none"] * 6
        beside = getattr(found.metered, name).records
        both = sorted([*side.records, *beside], key=lambda record: record.started)
        turns = [record.metering for record in both]
        assert turns in (["full", "none", "none", "full"] * 3, ["none", "full", "full", "none"] * 3)
    assert found.factor is not None
    assert found.factor.count == 6
    pairs = zip(found.metered.warm.records, found.warm.records, strict=True)
    assert found.factor.median == statistics.median(full.guest_ms / none.guest_ms for full, none in pairs)
    assert f"Metering full takes {found.factor.median:.2f} times the unmetered time (95 % interval " in str(found)
    assert {record.fuel for record in found.warm.records} == {None}
    assert None not in {record.fuel for record in found.metered.warm.records}
    assert set(plugin.calls["metering"]) == {"full", "none"}


def test_answers_may_differ_in_the_bits_of_nans_and_in_nothing_more(rt: jn.Runtime) -> None:
    plugin = load(rt, WORK)
    plugin.bench("nan", numbers=(), repeats=1, metering="none")
    plugin.bench("nan_bytes", data=b"x", repeats=1, metering="none")
    with pytest.raises(JudiciaError, match=r"nan_bits answers otherwise under metering='(none|full)'"):
        plugin.bench("nan_bits", numbers=(), repeats=2, metering="none")
    with pytest.raises(JudiciaError, match="nan_bits answers otherwise"):
        jn.sweep(plugin, "nan_bits", numbers=[()], metering=("full", "none"), repeats=1, progress=False)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (struct.pack("<3d", 1, float("nan"), 2), struct.pack("<dQd", 1, 0xFFF8000000000001, 2), True),
        (b"abc" + struct.pack("<f", float("nan")), b"abc" + struct.pack("<I", 0xFFC00001), True),
        (struct.pack("<2d", 1, float("nan")), struct.pack("<2d", 1.5, float("nan")), False),
        (struct.pack("<d", float("nan")), struct.pack("<d", float("inf")), False),
        (b"abcd", b"abce", False),
        (b"", b"a", False),
        (1, 1.0, False),
        ((1, float("nan")), (1, float("nan")), True),
        ((1, float("nan")), (1,), False),
    ],
)
def test_what_counts_as_the_same_answer(one: object, other: object, same: bool) -> None:
    assert are_same(one, other) is same
    assert are_same(one, one)


def test_a_clock_makes_no_answers_differ(rt: jn.Runtime) -> None:
    plugin = load(rt, forwarder(now="clock.now"), grant=["wall_clock"])
    found = plugin.bench("now", {}, repeats=3, metering="none")
    assert found.cold.failed == found.warm.failed == 0
    assert found.factor is not None


def test_a_bench_of_a_guest_that_does_not_end_raises_its_limit(rt: jn.Runtime) -> None:
    with children_seen() as seen, pytest.raises(QuotaExceeded) as caught:
        load(rt, WORK).bench("spin", numbers=(), repeats=1, warmup=0, quota={"cpu": 0.05}, metering="none")
    assert caught.value.quota == "cpu"
    wait_until_gone(seen)


def test_what_cannot_be_measured_so_is_refused_before_the_first_call(rt: jn.Runtime, specimen: jn.Plugin) -> None:
    for measure in (
        lambda: specimen.bench("echo", 1, metering="none"),
        lambda: jn.sweep(specimen, "echo", [1], metering=("full", "none"), progress=False),
    ):
        with pytest.raises(PolicyError, match="specimen imports judicia:random"):
            measure()
    assert specimen.calls.empty
    with pytest.raises(PolicyError, match="cannot be stopped from within"):
        load(rt, WORK, metering="none")


def test_a_sweep_has_metering_as_an_axis_and_goes_on_after_what_is_killed(rt: jn.Runtime) -> None:
    with children_seen() as seen:
        frame = jn.sweep(
            {"plain": load(rt, WORK)}, "work", numbers=[(1000,), (2_000_000_000,)], quotas={"cpu": 0.1},
            metering=("full", "none"), repeats=3, warmup=0, progress=False,
        )  # fmt: skip
    wait_until_gone(seen)
    told = frame.groupby(["param_number_1", "param_metering"])["outcome"].agg(list).to_dict()
    assert told == {
        (1000, "full"): ["ok"] * 3,
        (1000, "none"): ["ok"] * 3,
        (2_000_000_000, "full"): ["quota_cpu"] * 3,
        (2_000_000_000, "none"): ["quota_cpu"] * 3,
    }
    assert (frame["param_metering"] == frame["metering"]).all()
    assert frame["fuel"].isna().tolist() == (
        (frame["metering"] == "none") | (frame["outcome"] == "quota_cpu")
    ).tolist()  # fmt: skip
    assert set(frame["origin"]) == {"sweep"}


def test_kept_instances_are_new_for_each_configuration(rt: jn.Runtime) -> None:
    counter = """
      (global $calls (mut i32) (i32.const 0))
      (func (export "count") (param i32) (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))
    """
    frame = jn.sweep(
        load(rt, counter), "count", numbers=[(1,), (2,)], metering=("full", "none"), repeats=3, warmup=1, instances=1,
        progress=False,
    )  # fmt: skip
    told = frame.groupby(["param_number_1", "param_metering"])["instance_call"].agg(list)
    assert told.tolist() == [[2, 3, 4]] * 4


def test_threads_of_a_sweep_have_children_of_their_own_and_leave_none(rt: jn.Runtime) -> None:
    plugin = load(rt, WORK)
    with ThreadPoolExecutor(2) as pool, children_seen() as seen:
        frame = jn.sweep(plugin, "work", numbers=[(1000,)], metering="none", repeats=20, progress=False, executor=pool)
    assert frame["outcome"].tolist() == ["ok"] * 20
    wait_until_gone(seen)


def test_many_killed_cells_leave_no_process_behind(rt: jn.Runtime) -> None:
    plugin = load(rt, WORK)
    with children_seen() as seen:
        frame = jn.sweep(
            plugin, "spin", numbers=[()], quotas={"cpu": 0.02}, metering="none", repeats=12, warmup=0, progress=False
        )
    assert frame["outcome"].tolist() == ["quota_cpu"] * 12
    assert frame["cpu_ms"].min() > 20
    assert len(seen) >= 12
    wait_until_gone(seen)


SWEEP = """
import judicia_notebook as jn
text = '(module (func (export "spin") (loop $on (br $on))))'
try:
    jn.sweep(text.encode(), "spin", numbers=[()], quotas={"cpu": 50}, metering="none", repeats=5, warmup=0,
             progress=False)
except KeyboardInterrupt as error:
    print(type(error).__name__, len(error.frame), flush=True)
"""


def test_ctrl_c_ends_a_sweep_and_its_child(rt: jn.Runtime) -> None:  # the cache is warm
    started = subprocess.Popen([sys.executable, "-c", SWEEP], stdout=subprocess.PIPE, text=True)
    with started:
        try:
            parent, until = psutil.Process(started.pid), time.monotonic() + LONG_PATIENCE
            found: list[psutil.Process] = []
            # It calls, or is about to. Much more it might not get within the ten seconds of wall time that a call has.
            while not any(child.cpu_times().user > 1.0 for child in found):
                assert time.monotonic() < until
                time.sleep(0.05)
                found = parent.children()
            os.kill(started.pid, signal.SIGINT)
            said, _ = started.communicate(timeout=60)
        finally:
            started.kill()
    assert said.split() == ["KeyboardInterrupt", "0"], "with its frame: it is the sweep's own"
    assert found
    wait_until_gone([child.pid for child in found])
    assert not is_there(started.pid)
