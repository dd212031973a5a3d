"""The lecture demo: what is saved in it, and that each of its walls stands in a run without anybody at the mouse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.lessons import cell_of, check_saved, said

NAME = "02-live.ipynb"


def test_what_is_saved_is_fit_to_be_read() -> None:
    check_saved(NAME)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("panel", ["wall_clock", "random", "Memory", "CPU time"]),
        ("charts", ["Charts of specimen"]),
        ("asking", ["specimen.call_host in the background"]),
        ("deny", ["'failed': ", "capability_denied"]),
        ("denied", ["allowed", "denied"]),
        ("cpu", ["QuotaExceeded", "of 800 ms CPU and was stopped"]),
        ("raise", ["'iterations': "]),
        ("memory", ["ok", "quota_memory"]),
        ("cancel", ["Cancelled"]),
        ("strict", ["CapabilityDenied", "wall_clock"]),
        ("audit", ["revoke", "denied", "grant", "on_denied"]),
        ("alive", ["'still': 'here'"]),
    ],
)
def test_each_wall_stands(lesson: Any, saved: Any, cell: str, words: list[str]) -> None:
    shown = said(lesson, cell)
    assert [word for word in words if word not in shown] == [], shown
    assert [word for word in words if word not in said(saved, cell)] == []


def test_the_panel_and_the_charts_can_be_read_without_a_kernel(lesson: Any) -> None:
    for name in ("panel", "charts", "asking"):
        outputs = cell_of(lesson, name).outputs
        (data,) = [output.data for output in outputs if "text/html" in output.get("data", {})]  # the snapshot
        assert "<table" in data["text/html"]
        assert "<script" not in data["text/html"]
