"""Balloons: each first solve is told once, whatever happens in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.plugins.icpc import Run, feed
from tests.support.waiting import LONG_PATIENCE

GRANTS = ["subscribe_events=scoreboard.*", "send_notifications", "read_database", "write_database"]
SCOREBOARD = ["read_database", "write_database", "subscribe_events=submission.judged", "emit_event"]


@pytest.fixture
def balloons(rt: jn.Runtime) -> jn.Plugin:
    rt.host.events.set_limits(retry_delay=0)
    return rt.load("example:balloons", grant=GRANTS)


def solve(rt: jn.Runtime, problem: str, team: str, *, first: bool = True, minute: int = 12, **more: Any) -> None:
    """What the scoreboard says when a team solves a problem."""
    payload = {"team": team, "name": "", "problem": problem, "minute": minute, "first": first, **more}
    rt.host.events.emit("scoreboard.solved", payload)
    if first:
        rt.host.events.emit("scoreboard.first_solve", payload)
    rt.host.events.flush(LONG_PATIENCE)


def told(rt: jn.Runtime) -> list[str]:
    return [str(title) for title in rt.host.notifications.history["title"]]


def test_a_first_solve_is_a_notification(rt: jn.Runtime) -> None:
    rt.load("example:balloons", grant=GRANTS, config={"recipient": "floor", "colours": {"C": "red"}})
    solve(rt, "C", "lund", name="Lund University")
    (row,) = rt.host.notifications.history.itertuples()
    assert (row.source, row.recipient, row.title, row.urgency) == ("balloons", "floor", "First solve of C", "high")
    assert row.message == "Lund University is the first to solve C, in minute 12: a red balloon."
    assert row.metadata == {"team": "lund", "problem": "C", "minute": 12, "first": True, "colour": "red"}


def test_only_the_first_gets_one_unless_every_solve_shall(rt: jn.Runtime, balloons: jn.Plugin) -> None:
    solve(rt, "A", "lund")
    solve(rt, "A", "oslo", first=False)
    assert told(rt) == ["First solve of A"]
    rt.load("example:balloons", name=balloons.name, config={"every": True})
    solve(rt, "A", "graz", first=False)
    assert told(rt) == ["First solve of A", "Balloon for A"]


def test_the_same_solve_again_is_told_once_also_after_an_unload(rt: jn.Runtime, balloons: jn.Plugin) -> None:
    solve(rt, "A", "lund")
    solve(rt, "A", "lund")
    assert told(rt) == ["First solve of A"]
    balloons.unload()
    again = rt.load("example:balloons", grant=GRANTS)
    solve(rt, "A", "lund")
    assert told(rt) == ["First solve of A"]
    (row,) = rt.host.notifications.history.itertuples()
    kept = {"problem": "A", "team": "lund", "minute": 12, "first": True, "notification": row.notification_id}
    assert again.call("handed") == [kept]


def test_it_is_told_once_for_all_runtimes_on_one_data_folder(tmp_path: Path) -> None:
    for expected in (1, 0):
        with jn.Runtime(data_dir=tmp_path / "data") as rt:
            rt.load("example:balloons", grant=GRANTS)
            solve(rt, "A", "lund")
            assert len(told(rt)) == expected


def test_without_tables_it_remembers_while_it_is_loaded(rt: jn.Runtime, balloons: jn.Plugin) -> None:
    balloons.policy.revoke("read_database", "write_database")
    solve(rt, "A", "lund")
    solve(rt, "A", "lund")
    assert told(rt) == ["First solve of A"]
    assert [one["team"] for one in balloons.call("handed")] == ["lund"]
    rt.reload(balloons.name)
    solve(rt, "A", "lund")
    assert told(rt) == ["First solve of A"] * 2


def test_what_could_not_be_told_is_parked_and_told_later(rt: jn.Runtime, balloons: jn.Plugin) -> None:
    balloons.policy.revoke("send_notifications")
    solve(rt, "A", "lund")
    assert told(rt) == []
    (parked,) = rt.host.events.parked
    assert "send_notifications" in parked.error
    assert parked.event.payload["team"] == "lund"
    balloons.policy.grant("send_notifications")
    assert rt.host.events.replay() == 1
    rt.host.events.flush(LONG_PATIENCE)
    assert told(rt) == ["First solve of A"]


@pytest.mark.parametrize("payload", [None, [], {"team": "lund"}, {"team": 1, "problem": "A", "minute": 1}])
def test_an_event_that_says_nothing_is_parked_with_the_field(rt: jn.Runtime, balloons: jn.Plugin, payload: Any) -> None:
    rt.host.events.emit("scoreboard.first_solve", payload)
    rt.host.events.flush(LONG_PATIENCE)
    (parked,) = rt.host.events.parked
    assert "payload" in parked.error
    solve(rt, "B", "oslo")
    assert told(rt) == ["First solve of B"]
    assert balloons.calls["origin"].eq("event").any()


def test_markup_in_names_stays_text_of_one_line(rt: jn.Runtime, balloons: jn.Plugin) -> None:
    solve(rt, "<b>\r\nBcc: x", "<script>alert(1)</script>")
    (row,) = rt.host.notifications.history.itertuples()
    assert row.title == "First solve of <b>  Bcc: x"
    assert row.recipient == "balloons"


def test_a_frozen_solve_is_told_when_it_is_unfrozen(rt: jn.Runtime, balloons: jn.Plugin) -> None:
    board = rt.load("example:scoreboard", grant=SCOREBOARD)
    board.call("configure", {"freeze_minute": 60})
    feed(rt, [Run("1", "lund", "A", 10), Run("2", "oslo", "A", 11), Run("3", "oslo", "B", 61)])
    assert told(rt) == ["First solve of A"]
    board.call("unfreeze")
    rt.host.events.flush(LONG_PATIENCE)
    assert told(rt) == ["First solve of A", "First solve of B"]
    assert [(one["problem"], one["team"], one["first"]) for one in balloons.call("handed")] == [
        ("A", "lund", True),
        ("B", "oslo", True),
    ]


def test_a_team_that_turns_out_to_be_the_first_keeps_its_one_balloon(rt: jn.Runtime) -> None:
    balloons = rt.load("example:balloons", grant=GRANTS, config={"every": True})
    board = rt.load("example:scoreboard", grant=SCOREBOARD)
    board.call("configure", {"freeze_minute": 60})
    feed(rt, [Run("1", "lund", "A", 61, "wrong_answer"), Run("2", "oslo", "A", 62)])
    for team, titles in (("oslo", ["Balloon for A"]), ("lund", ["Balloon for A", "First solve of A"])):
        board.call("unfreeze", {"team": team})
        rt.host.events.flush(LONG_PATIENCE)
        assert told(rt) == titles
    message = rt.host.notifications.history.iloc[-1]["message"]
    assert message == "oslo is the first to solve A, in minute 62: it has its balloon already."
    solve(rt, "A", "oslo", first=False, minute=62)  # the same again
    assert [(one["team"], one["first"]) for one in balloons.call("handed")] == [("oslo", True)]
    assert len(told(rt)) == 2


def test_without_tables_too_the_first_keeps_its_one_balloon(rt: jn.Runtime) -> None:
    balloons = rt.load("example:balloons", grant=GRANTS[:2], config={"every": True})
    solve(rt, "A", "oslo", first=False)
    rt.host.events.emit("scoreboard.first_solve", {"team": "oslo", "problem": "A", "minute": 12, "first": True})
    rt.host.events.flush(LONG_PATIENCE)
    assert told(rt) == ["Balloon for A", "First solve of A"]
    assert [(one["team"], one["first"]) for one in balloons.call("handed")] == [("oslo", True)]


def test_a_problem_is_called_by_its_label(rt: jn.Runtime) -> None:
    rt.load("example:balloons", grant=GRANTS, config={"colours": {"C": "red"}})
    solve(rt, "asteroids", "lund", label="C")
    (row,) = rt.host.notifications.history.itertuples()
    assert (row.title, row.metadata["problem"], row.metadata["colour"]) == ("First solve of C", "asteroids", "red")
