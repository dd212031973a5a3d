"""`Plugin.profile`: calls looked at until there is enough to see."""

from __future__ import annotations

import contextlib

import pytest

import judicia_notebook as jn
from tests.support.guests import wat

TOKENS = "1 2 3 " * 87_500  # of each of two texts: 1 MB in all


def test_a_profile_of_checker_on_a_megabyte_names_its_hot_rust_functions(rt: jn.Runtime) -> None:
    checker = rt.load("example:checker")
    profile = checker.profile("check", {"output": TOKENS, "answer": TOKENS}, samples=200)
    hot = set(profile.functions.query("self_percent > 5")["function"])
    assert {"checker::judge", "checker::compare::same_text"} <= hot
    names = profile.functions["function"]
    assert names.str.contains("serde_json").any()
    assert not names.str.contains("::h[0-9a-f]{16}|_ZN", regex=True).any()
    assert "checker::compare::same_text" in profile.flame_graph().html()
    assert profile.digest == checker.digest


def test_short_calls_are_repeated_until_there_are_enough_samples(specimen: jn.Plugin) -> None:
    profile = specimen.profile("spin", {"ms": 1}, samples=40, seconds=60)
    assert profile.guest_samples >= 40
    assert 2 <= profile.calls == len(specimen.calls)
    assert set(specimen.calls["origin"]) == {"profile"}
    assert profile.functions["function"][0] == "spin"


def test_a_long_call_is_made_once(specimen: jn.Plugin) -> None:
    quota = {"cpu": "60s", "wall": "120s"}
    assert specimen.profile("spin", {"ms": 1000}, samples=20, quota=quota).calls == 1  # busy, it gets few of the ticks


def test_no_further_call_begins_after_the_given_time(specimen: jn.Plugin) -> None:
    assert specimen.profile("spin", {"ms": 5}, samples=10**9, seconds=0).calls == 1


def test_host_time_is_merged_under_the_stack_that_called(specimen: jn.Plugin) -> None:
    specimen.policy.grant("wall_clock")
    profile = specimen.profile("call_host", {"service": "clock", "n": 300}, samples=20)
    frame = profile.functions.set_index("function")
    row = frame.loc["judicia:clock now"]
    assert row["module"] == "host"
    assert frame.loc["call_host", "total_ms"] >= row["total_ms"] > 0
    assert profile.host_ms >= specimen.host_calls["wall_ms"].sum()  # measured around it
    assert profile.host_ms == pytest.approx(frame.query("module == 'host'")["self_ms"].sum())
    assert profile.host_ms == pytest.approx(specimen.calls["host_ms"].sum())


def test_time_in_host_functions_is_not_the_guests(specimen: jn.Plugin) -> None:
    specimen.policy.grant("wall_clock")
    profile = specimen.profile("call_host", {"service": "clock", "n": 2000}, seconds=0)
    assert specimen.last is not None
    # They are Python, and take most of this call's CPU time; the guest's share is between them.
    assert 0.03 < profile.guest_ms / specimen.last.cpu_ms < 0.6


def test_times_of_the_functions_add_up_to_the_profiles(specimen: jn.Plugin) -> None:
    profile = specimen.profile("log", {"n": 50}, samples=20)
    assert profile.functions["self_ms"].sum() == pytest.approx(profile.guest_ms + profile.host_ms)


def test_a_call_that_a_quota_ends_is_profiled_up_to_there(specimen: jn.Plugin) -> None:
    profile = specimen.profile("spin", {"ms": 5000}, quota={"cpu": "80ms"})
    assert profile.calls == 1
    assert "80 ms" in profile.error
    assert profile.functions["function"][0] == "spin"
    assert specimen.last is not None
    assert specimen.last.outcome == "quota_cpu"
    assert "ended" in profile.summary()


def test_a_first_call_that_fails_before_any_sample_raises(rt: jn.Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    # A tick may come even into a call as short as this one: nobody looks.
    monkeypatch.setattr(
        "judicia_notebook.experiments.profiler.GuestProfiler.watching", lambda *_: contextlib.nullcontext()
    )
    plugin = rt.load(wat('(func (export "trap") (param i32 i32) (result i64) unreachable)'), name="guest")
    with pytest.raises(jn.GuestTrap):
        plugin.profile("trap")


def test_what_cannot_be_called_cannot_be_profiled(specimen: jn.Plugin) -> None:
    with pytest.raises(jn.NoSuchFunction):
        specimen.profile("spn")
    specimen.unload()
    with pytest.raises(jn.PluginNotReady):
        specimen.profile("spin")


def test_a_fresh_instance_for_every_call_is_profiled_as_well(rt: jn.Runtime) -> None:
    plugin = rt.load("example:specimen", instances="fresh")
    profile = plugin.profile("spin", {"ms": 5}, samples=20, seconds=60)
    assert profile.guest_samples >= 20
    assert plugin.calls["instance_id"].nunique() == profile.calls


def test_host_calls_beyond_those_whose_stacks_are_kept_count_all_the_same(
    specimen: jn.Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    from judicia_notebook.engine import profiler

    monkeypatch.setattr(profiler, "MOST_HOST_SAMPLES", 10)
    profile = specimen.profile("log", {"n": 200}, seconds=0)
    assert sum(not sample.is_guest for sample in profile.samples) == 10
    assert profile.host_ms == pytest.approx(specimen.calls["host_ms"].sum())
