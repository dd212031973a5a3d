"""The contest lesson: what is saved in it, and that a run of it finds the same contest and loses nothing."""

from __future__ import annotations

import base64
import html
import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lessons import NOTEBOOKS, cell_of, check_saved, said

NAME = "03-contest.ipynb"


@pytest.fixture
def contest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The lesson's own modules, as its folder has them."""
    monkeypatch.syspath_prepend(NOTEBOOKS)
    yield importlib.import_module("contest")
    for name in [name for name in sys.modules if name.partition(".")[0] == "contest"]:
        del sys.modules[name]


def test_what_is_saved_is_fit_to_be_read() -> None:
    check_saved(NAME)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("load", ["subscribe_events=submission.received", "send_notifications"]),
        ("contest", ["2334 submissions", "Robert'); DROP TABLE"]),
        ("first", ["First solve of J", "submission.judged", "807"]),
        ("revoke", ["955", "807", "148"]),
        ("parked", ["148", "capability_denied", "write_database"]),
        ("denials", ["write_database", "148"]),
        ("others", ["withheld", "kept at last", "emit_event=submission.judged"]),
        ("grant", ["148 deliveries again", "grant"]),
        ("rest", ["(1, 'Planar Otters', 10, 685)", "(1, 'Greedy Stoats', 11, 1139)"]),
        ("balloons", ["First solve of A"]),
        ("cost", ["checker", "2334", "2482", "576"]),
        ("growth", ["a wrong run: 49,", "at last"]),
        ("touched", ["submission.judged", "scoreboard_runs", "send_notifications"]),
        ("topics", ["@platform", "scoreboard.first_solve", "12"]),
        ("names", ["(8, "]),
        ("serve", ["http://127.0.0.1:"]),
        ("headers", ["sandbox allow-scripts", "nosniff", "no-referrer"]),
        ("route", ["503"]),
    ],
)
def test_each_claim_stands_in_a_run_and_as_saved(lesson: Any, saved: Any, cell: str, words: list[str]) -> None:
    for each in (lesson, saved):
        shown = said(each, cell)
        assert [word for word in words if word not in shown] == [], shown


@pytest.mark.parametrize("cell", ["figure-standings", "figure-cost", "figure-fuel"])
def test_the_figures_are_pictures_with_a_ground_of_their_own(lesson: Any, saved: Any, cell: str) -> None:
    for each in (lesson, saved):
        (output,) = cell_of(each, cell).outputs
        picture = base64.b64decode(output.data["image/png"])
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 5_000


def test_the_board_is_in_the_lesson_as_a_page_that_runs_nothing(lesson: Any, saved: Any) -> None:
    for each in (lesson, saved):
        (output,) = cell_of(each, "fetch").outputs
        frame = output.data["text/html"]
        assert frame.startswith("<div><iframe sandbox srcdoc=")
        assert "Judicia Autumn Cup" in frame
        assert "onerror=alert" in frame
        assert "<img" not in html.unescape(frame)


def test_the_simulated_contest_is_the_same_each_time_and_another_with_another_seed(contest: Any) -> None:
    simulation = importlib.import_module("contest.simulation")
    first, again, other = (simulation.contest(seed) for seed in (2049, 2049, 1))
    assert first == again != other
    assert [one.id for one in first] == sorted(one.id for one in first)
    assert all(0 <= one.minute < simulation.MINUTES for one in first)
    assert all((one.output == one.answer) == (one.deserves == "accepted") for one in first)
    assert all("verdict" not in one.event for one in first)


def test_the_plain_rules_count_as_the_icpc_does(contest: Any) -> None:
    submission = importlib.import_module("contest.simulation").Submission
    runs = [("lund", "A", 5, 0), ("lund", "A", 10, 1), ("lund", "A", 11, 0), ("graz", "A", 30, 1), ("oslo", "B", 1, 0)]
    submissions = [
        submission(f"s{number}", team, problem, minute * 60_000, "", "", "accepted" if right else "wrong_answer")
        for number, (team, problem, minute, right) in enumerate(runs)
    ]
    rules = importlib.import_module("contest.rules")
    assert rules.standings(submissions) == [(1, "lund", 1, 30), (2, "graz", 1, 30), (3, "oslo", 0, 0)]
