"""Metering as a choice of benches and sweeps, what names it afterwards, and what refuses to mix several."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import judicia_notebook as jn
from judicia_notebook.engine.settings import MODES, SETTINGS

GUEST = """(module (memory (export "memory") 1)
  (func (export "turns") (param i32) (result i32) (local i32)
    (loop (local.set 1 (i32.add (local.get 1) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 1) (local.get 0))))
    (local.get 1)))"""
PAGE = Path(__file__).parents[2] / "docs" / "metering.md"


@pytest.fixture
def guest(rt: jn.Runtime) -> jn.Plugin:
    return rt.load(GUEST, name="guest")


@pytest.fixture
def mixed(guest: jn.Plugin) -> pd.DataFrame:
    """Calls of one function, metered in two ways."""
    parts = [guest.bench("turns", numbers=(100,), repeats=6, metering=name).calls for name in ("full", "epochs")]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("metering", ["full", "epochs"])
def test_a_bench_is_metered_as_it_was_asked(guest: jn.Plugin, metering: str) -> None:
    found = guest.bench("turns", numbers=(100,), repeats=6, warmup=1, metering=metering)
    assert found.metering == metering
    assert f"metering {metering}" in str(found)
    assert set(guest.calls["metering"]) == {metering}
    assert (found.warm.fuel.median is None) == (metering == "epochs")
    assert guest.metering == "full"  # its own code stays as it was
    limited = {"fuel": 1_000_000}
    if metering == "full":
        assert guest.bench("turns", numbers=(1,), repeats=1, metering=metering, quota=limited).warm.failed == 0
        return
    with pytest.raises(jn.PolicyError, match="counts no fuel"):
        guest.bench("turns", numbers=(1,), repeats=1, metering=metering, quota=limited)


def test_a_bench_without_a_choice_has_the_plugins_own(rt: jn.Runtime) -> None:
    guest = rt.load(GUEST, name="guest", metering="epochs")
    assert guest.bench("turns", numbers=(1,), repeats=1).metering == "epochs"


def test_a_profile_is_metered_as_it_was_asked(guest: jn.Plugin) -> None:
    found = guest.profile("turns", numbers=(3_000_000,), samples=30, seconds=60, metering="epochs")
    assert found.metering == "epochs"
    assert "metering epochs" in found.summary()
    assert found.guest_samples >= 30
    assert found.functions["function"][0] == "turns"
    assert set(guest.calls["metering"]) == {"epochs"}
    assert guest.profile("turns", numbers=(3_000_000,), samples=5).metering == "full"
    with pytest.raises(jn.PolicyError, match="looks at ticks"):
        guest.profile("turns", numbers=(1,), metering="none")


def test_a_sweep_has_metering_as_an_axis(guest: jn.Plugin, tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    frame = jn.sweep(
        guest, "turns", numbers=[10, 20], metering=("full", "epochs"), repeats=2, progress=False, path=path
    )
    assert len(frame) == 8
    assert (frame["param_metering"] == frame["metering"]).all()
    assert frame["fuel"].isna().tolist() == (frame["metering"] == "epochs").tolist()
    engines = json.loads(path.read_text().splitlines()[0])["grid"]["engines"]
    assert {name: (told["fuel"], told["nan_canonicalization"]) for name, told in engines.items()} == {
        "full": (True, True),
        "epochs": (False, False),
    }
    with pytest.raises(jn.JudiciaError, match="engines"):
        jn.sweep(guest, "turns", numbers=[10, 20], repeats=2, progress=False, path=path)


def test_a_sweep_without_a_choice_has_each_plugins_own(rt: jn.Runtime, guest: jn.Plugin) -> None:
    epochs = rt.load(GUEST, name="epochs", metering="epochs")
    frame = jn.sweep({"a": guest, "b": epochs}, "turns", numbers=[10], repeats=1, progress=False)
    assert dict(zip(frame["param_plugin"], frame["metering"], strict=True)) == {"a": "full", "b": "epochs"}
    assert "param_metering" not in frame


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"metering": "x"}, ValueError, "metering is 'full'"),
        ({"metering": ()}, ValueError, "metering is empty"),
        ({"metering": ("full", "full")}, ValueError, "twice"),
        ({"metering": ("full", "epochs"), "quotas": {"fuel": 100}}, jn.PolicyError, "counts no fuel"),
    ],
)
def test_a_wrong_axis_is_found_before_the_first_call(
    guest: jn.Plugin, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        jn.sweep(guest, "turns", numbers=[10], repeats=1, progress=False, **options)


def test_a_run_names_the_engines_that_ran_it(rt: jn.Runtime, mixed: pd.DataFrame, tmp_path: Path) -> None:
    assert set(mixed["metering"]) == {"full", "epochs"}
    engines = jn.read_run(rt.save(tmp_path / "run.zip")).meta["engines"]
    assert set(engines) >= {"full", "epochs"}
    full = engines["full"]
    assert (full["fuel"], full["epochs"], full["nan_canonicalization"]) == (True, True, True)
    assert (full["optimization"], full["simd"]) == ("speed", "128 bits, relaxed SIMD off")
    assert "simd" in full["features"]
    assert full["memory_reservation_bytes"] >= 64 << 20


def test_the_versions_name_every_metering(capsys: pytest.CaptureFixture[str]) -> None:
    jn.show_versions()
    printed = capsys.readouterr().out
    assert all(f"metering {name}" in printed for name in SETTINGS)
    assert "optimized for speed" in printed


@pytest.mark.parametrize("draw", [jn.plots.latency, jn.plots.breakdown, jn.plots.cold_warm, jn.plots.growth])
def test_a_figure_of_costs_refuses_to_mix(mixed: pd.DataFrame, draw: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="metered in several ways"):
        draw(mixed)
    with pytest.raises(ValueError, match="metered in several ways"):
        draw(mixed, by="plugin")
    draw(mixed[mixed["metering"] == "full"])
    if draw is not jn.plots.growth:  # where no fuel is counted there is none to draw
        draw(mixed, by="metering")


def test_a_comparison_refuses_to_mix(mixed: pd.DataFrame) -> None:
    full, epochs = (mixed[mixed["metering"] == name] for name in ("full", "epochs"))
    sides: list[tuple[pd.DataFrame, pd.DataFrame, Any]] = [
        (mixed, mixed, ()),
        (full, epochs.assign(plugin="other"), None),
        (full, mixed, ()),
    ]
    for a, b, by in sides:
        with pytest.raises(ValueError, match="metered in several ways"):
            jn.compare(a, b, by=by)


def test_meterings_alone_can_be_compared(mixed: pd.DataFrame) -> None:
    full, epochs = (mixed[mixed["metering"] == name] for name in ("full", "epochs"))
    found = jn.compare(full, epochs)
    assert (found.a, found.b) == ("full", "epochs")
    assert {effect.group for effect in jn.compare(mixed, mixed, by="metering").effects} >= {"full", "epochs"}
    assert {effect.group for effect in jn.compare(mixed, mixed).effects} >= {"full, cold", "epochs, warm"}
    jn.compare(full.drop(columns="metering"), epochs.drop(columns="metering"))  # those of older files say nothing


def test_the_page_has_the_table_of_the_code() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    at = next(place for place, row in enumerate(rows) if row[0] == "metering")
    table = [dict(zip(rows[at], row, strict=True)) for row in rows[at + 1 : at + 1 + len(MODES)]]
    words = {True: "yes", False: "no"}
    expected = [{head: words.get(cell, cell) for head, cell in mode.row().items()} for mode in MODES]
    for row in expected:
        row["metering"] = f"`{row['metering']}`"
    assert table == expected
    assert {mode.settings.metering for mode in MODES} == set(SETTINGS)
    assert re.search(r"`MODES`", PAGE.read_text())
