"""The lesson on measuring: what is saved in it, and that a run shows what its text says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.lessons import check_saved, said

NAME = "04-measuring.ipynb"


def test_what_is_saved_is_fit_to_be_read() -> None:
    check_saved(NAME)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("load", ["product_1 1.0.0", "product_2 1.0.0", "product_3 1.0.0"]),
        ("same", ["5   5"]),
        ("time-2", ["cold", "warm", "234 708 543", "metering full", "--metering none"]),
        ("none-3", ["metering none", "times the unmetered time"]),
        ("sweep", ["full", "none", "factor", "product_3"]),
        ("compare", ["95 % bootstrap interval", "payload=240"]),
        ("compare-none", ["95 % bootstrap interval", "payload=240"]),
        ("fuel", ["404794644", "496148282"]),
        ("kendall", ["quota_fuel", "kendall_3"]),
        ("crossing", ["cheapest"]),
        ("profile-2", ["kendall_2::merge", "memcpy", "dlmalloc"]),
        ("profile-3", ["kendall_3::merge"]),
        ("shares", ["allocator", "copying", "merge"]),
        ("again", ["product_1", "40.0"]),
        ("save", ["anonymous run", "plugin-3"]),
        ("kept", ["bench", "profile", "user", "none"]),
        ("paper", ["Wasmtime compiled guests", "canonical NaNs"]),
    ],
)
def test_each_step_shows_what_it_is_about(lesson: Any, saved: Any, cell: str, words: list[str]) -> None:
    for run in (lesson, saved):
        shown = said(run, cell)
        assert [word for word in words if word not in shown] == [], shown


def test_figures_and_flame_graphs_are_there_without_a_kernel(lesson: Any, saved: Any) -> None:
    for run in (lesson, saved):
        kinds = {
            cell.id: {kind for one in cell.outputs for kind in one.get("data", {})}
            for cell in run.cells
            if "outputs" in cell
        }
        assert [name for name in ("metered", "unmetered", "growth", "success") if "image/png" not in kinds[name]] == []
        assert [name for name in ("profile-2", "profile-3", "compare") if "text/html" not in kinds[name]] == []


def test_the_ranking_that_the_text_tells_of_has_turned_in_what_is_saved(saved: Any) -> None:
    """Times are the machine's own: the text is held to those that are saved beside it, and to no others."""
    shown = said(saved, "sweep")
    rows = re.findall(r"(product_\d) +([\d.]+) +([\d.]+)", shown)
    cpu = {name: (float(full), float(none)) for name, full, none in rows}
    assert cpu["product_2"][0] < cpu["product_3"][0]
    assert cpu["product_3"][1] < cpu["product_2"][1]
    ratio = r"payload=240  cpu_ms  10 .* ms +([\d.]+) +([\d.]+) +([\d.]+) "
    metered, unmetered = (re.search(ratio, said(saved, cell)) for cell in ("compare", "compare-none"))
    assert metered is not None
    assert unmetered is not None
    assert float(metered[2]) > 1  # no interval holds 1
    assert float(unmetered[3]) < 1


def test_what_the_text_says_of_costs_holds(folder: Path) -> None:
    """In fuel, which is the same on every machine."""
    with jn.Runtime() as rt:
        versions = [
            rt.load(folder / "measuring" / name / f"{name}.wasm") for name in ("kendall_1", "kendall_2", "kendall_3")
        ]
        fuel = {}
        for teams in (64, 128, 256, 512, 1024, 2048, 4096):
            ranking = list(range(teams, 0, -1))
            for version in versions:
                assert version.call("distance", ranking) == teams * (teams - 1) // 2
                assert version.last is not None
                fuel[version.name[-1], teams] = version.last.fuel or 0
    assert fuel["1", 64] < fuel["3", 64] * 1.1
    assert fuel["3", 128] < fuel["1", 128]
    assert fuel["3", 4096] < 10_000_000 < fuel["1", 2048]
