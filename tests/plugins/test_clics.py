"""Contests in the format of the CLICS Contest API: what the scoreboard makes of them, against a judge of its own."""

from __future__ import annotations

import copy
import itertools
import random
from pathlib import Path
from typing import Any

import pytest

import judicia_notebook as jn
from tests.plugins.clics import TYPES, Judge, milliseconds, random_contest, rejudged
from tests.plugins.icpc import PATIENT, table
from tests.support.waiting import LONG_PATIENCE

GRANTS = ["read_database", "write_database", "subscribe_events=submission.judged", "emit_event", "register_routes"]
BALLOONS = ["subscribe_events=scoreboard.*", "send_notifications", "read_database", "write_database"]


@pytest.fixture
def board(rt: jn.Runtime) -> jn.Plugin:
    rt.host.events.set_limits(retry_delay=0)
    return rt.load("example:scoreboard", grant=GRANTS, quota=PATIENT)


def first_solves(rt: jn.Runtime) -> list[tuple[str, str]]:
    """Problem and team of the first solves that were announced."""
    history = rt.host.events.history
    payloads = history[history["type"] == "scoreboard.first_solve"]["payload"]
    return [(payload["problem"], payload["team"]) for payload in payloads]


def agree(board: jn.Plugin, judge: Judge) -> None:
    """The scoreboard and the judge say the same, to the public and to the jury."""
    for view, public in (("public", True), ("jury", False)):
        standings = board.call("standings", {"view": view})
        assert table(standings) == judge.board(public=public)
        assert {one["problem"]: one["first"] for one in standings["problems"]} == judge.firsts(public=public)


# --- two contests, worked out by hand --------------------------------------------------------------------------------

# Two hours, the last half hour frozen, 20 minutes a wrong run. Problem `b` is the first column.
#   lund (1)   b: WA at 10, AC at 30            30 + 20      = 50
#              a: CE at 40, AC at 44:59.999     44           = 44    together 2 solved, 94
#   oslo (2)   b: AC at 30, submitted as run 4, after lund's run 3 of the same millisecond: not the first
#              a: judged WA at first, rejudged to AC: 20     = 20    together 2 solved, 50
#   graz (3)   a: AC before the start and at 2:00:00: neither counts; b: WA at 95, frozen
#   wien (4)   submitted nothing
#   staff (5)  is hidden, and its group is for wien's neighbour bern (6): neither is on the board
BY_HAND: dict[str, Any] = {
    "contest": {"id": "x", "name": "Hand", "duration": "2:00:00", "scoreboard_freeze_duration": "0:30:00.000",
                "scoreboard_type": "pass-fail", "penalty_time": 20, "start_time": "2026-01-01T09:00:00Z"},
    "judgement-types": TYPES,
    "problems": [{"id": "a", "label": "B", "ordinal": 2}, {"id": "b", "label": "A", "ordinal": 1}],
    "groups": [{"id": "g", "name": "g"}, {"id": "h", "name": "h", "hidden": True}],
    "teams": [
        {"id": "1", "name": "lund", "display_name": "Lund University", "group_ids": ["g"]},
        {"id": "2", "name": "oslo", "group_ids": ["g"]},
        {"id": "3", "name": "graz", "group_ids": []},
        {"id": "4", "name": "wien", "group_ids": ["g"]},
        {"id": "5", "name": "staff", "group_ids": ["g"], "hidden": True},
        {"id": "6", "name": "bern", "group_ids": ["g", "h"]},
    ],
    "submissions": [
        {"id": "1", "team_id": "1", "problem_id": "b", "contest_time": "0:10:00.000"},
        {"id": "3", "team_id": "1", "problem_id": "b", "contest_time": "0:30:00.500"},
        {"id": "10", "team_id": "1", "problem_id": "a", "contest_time": "0:40:00.000"},
        {"id": "11", "team_id": "1", "problem_id": "a", "contest_time": "0:44:59.999"},
        {"id": "4", "team_id": "2", "problem_id": "b", "contest_time": "0:30:00.500"},
        # Two hours ahead of UTC: minute 20.
        {"id": "2", "team_id": "2", "problem_id": "a", "time": "2026-01-01T11:20:00+02"},
        {"id": "5", "team_id": "3", "problem_id": "a", "contest_time": "-0:00:00.001"},
        {"id": "6", "team_id": "3", "problem_id": "a", "contest_time": "2:00:00"},
        {"id": "7", "team_id": "3", "problem_id": "b", "contest_time": "1:35:00.000"},
        {"id": "8", "team_id": "5", "problem_id": "b", "contest_time": "0:01:00.000"},
        {"id": "9", "team_id": "6", "problem_id": "b", "contest_time": "0:02:00.000"},
    ],
    "judgements": [
        {"id": f"j{place}", "submission_id": submission, "judgement_type_id": verdict, "start_contest_time": began}
        for place, (submission, verdict, began) in enumerate([
            ("1", "WA", "0:10:01"), ("3", "AC", "0:30:01"), ("10", "CE", "0:40:01"), ("11", "AC", "0:45:01"),
            ("4", "AC", "0:30:01"), ("2", "AC", "1:10:00"), ("2", "WA", "0:20:01"), ("5", "AC", "0:00:01"),
            ("6", "AC", "2:00:01"), ("7", "WA", "1:35:01"), ("8", "AC", "0:01:01"), ("9", "AC", "0:02:01"),
        ])
    ],
}  # fmt: skip

# One hour, no freeze, and verdicts that only their names explain: there are no judgement types.
#   p1   x: JE at 1 (pending: it may still be the first), RTE at 2, APE at 3: 3 + 20; y: nothing
#   p2   x: AC at 9; y: CE at 10, not judged at 11, AC at 12
BY_NAME: dict[str, Any] = {
    "contest": {"id": "y", "name": "Names", "duration": "1:00:00", "scoreboard_type": "pass-fail",
                "penalty_time": "0:20:00"},
    "problems": [{"id": "x", "label": "X", "ordinal": 0}, {"id": "y", "label": "Y", "ordinal": 1}],
    "teams": [{"id": "p1", "name": "one"}, {"id": "p2", "name": "two"}],
    "submissions": [
        {"id": str(place), "team_id": team, "problem_id": problem, "contest_time": f"0:{minute:02}:59.999"}
        for place, (team, problem, minute) in enumerate([
            ("p1", "x", 1), ("p1", "x", 2), ("p1", "x", 3), ("p2", "x", 9),
            ("p2", "y", 10), ("p2", "y", 11), ("p2", "y", 12),
        ])
    ],
    "judgements": [
        {"id": str(place), "submission_id": str(place), "judgement_type_id": verdict, "start_contest_time": "0:30:00"}
        for place, verdict in enumerate(["JE", "RTE", "APE", "AC", "CE", None, "AC"])
    ],
}  # fmt: skip


def test_a_contest_worked_out_by_hand(rt: jn.Runtime, board: jn.Plugin) -> None:
    assert board.call("import_contest", BY_HAND) == {"submissions": 11, "pending": 0, "changed": 11, "announced": 6}
    standings = board.call("standings")
    assert table(standings) == [
        (1, "2", 2, 50, "1/30 1/20"),
        (2, "1", 2, 94, "2/30 1/44"),
        (3, "3", 0, 0, "? "),
        (3, "4", 0, 0, " "),
    ]
    assert [row["name"] for row in standings["rows"]] == ["oslo", "Lund University", "graz", "wien"]
    columns = [(one["problem"], one["label"], one["first"]) for one in standings["problems"]]
    assert columns == [("b", "A", "1"), ("a", "B", "2")]
    assert standings["ignored"] == 4
    assert table(board.call("standings", {"view": "jury"}))[2] == (3, "3", 0, 0, "1/-- ")
    settings = board.call("configure")
    assert [settings[name] for name in ("contest", "duration_minutes", "freeze_minute")] == ["Hand", 120, 90]
    page = board.call("on_http_request", {"method": "GET", "path": "/scoreboard/"})["body"]
    assert '<th scope="col"><bdi>A</bdi><th scope="col"><bdi>B</bdi>' in page
    board.call("import_contest", {"state": {"thawed": "2026-01-01T12:00:00Z"}})
    assert table(board.call("standings")) == table(board.call("standings", {"view": "jury"}))


def test_verdicts_are_known_by_name_where_there_are_no_types(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("import_contest", BY_NAME)
    standings = board.call("standings")
    assert table(standings) == [(1, "p2", 2, 9 + 12, "1/9 1/12"), (2, "p1", 1, 23, "2/3 ")]
    assert [one["first"] for one in standings["problems"]] == [None, None]
    finished = [{"id": "5", "submission_id": "5", "judgement_type_id": "WA", "start_contest_time": "0:30:00"}]
    again = [{"id": "new", "submission_id": "0", "judgement_type_id": "WA", "start_contest_time": "0:50:00"}]
    board.call("import_contest", {"judgements": finished})
    assert first_solves(rt) == [("y", "p2")]
    board.call("import_contest", {"judgements": again})
    assert first_solves(rt) == [("y", "p2"), ("x", "p1")]
    assert table(board.call("standings")) == [(1, "p2", 2, 9 + 12 + 20, "1/9 2/12"), (2, "p1", 1, 43, "3/3 ")]


# --- hundreds of runs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_hundreds_of_runs_through_freeze_unfreeze_and_rejudging(rt: jn.Runtime, board: jn.Plugin, seed: int) -> None:
    balloons = rt.load("example:balloons", grant=BALLOONS, quota=PATIENT)
    drawn = random.Random(seed)
    judge = Judge(random_contest(seed))
    assert len(judge.package["submissions"]) >= 300
    answer = board.call("import_contest", judge.package)
    assert (answer["submissions"], answer["changed"]) == (300, 300)
    agree(board, judge)
    told = {pair for pair in judge.firsts().items() if pair[1]}
    order = drawn.sample(sorted(judge.teams), len(judge.teams))
    for place, team in enumerate(order):
        if place == 4:  # in the middle of it
            judge.package = rejudged(judge.package, seed)
            board.call("import_contest", judge.package)
        else:
            problem = drawn.choice(judge.problems)
            board.call("unfreeze", {"team": team, "problem": problem})
            judge.unfrozen.add((team, problem))
            told |= {pair for pair in judge.firsts().items() if pair[1]}
            board.call("unfreeze", {"team": team})
            judge.unfrozen.add((team, None))
        agree(board, judge)
        told |= {pair for pair in judge.firsts().items() if pair[1]}
        assert sorted(first_solves(rt)) == sorted(told)
    board.call("unfreeze")
    judge.unfrozen.add((None, None))
    agree(board, judge)
    assert judge.board() == judge.board(public=False)
    told |= {pair for pair in judge.firsts().items() if pair[1]}
    rt.host.events.flush(LONG_PATIENCE)
    assert sorted(first_solves(rt)) == sorted(told)
    assert sorted((one["problem"], one["team"]) for one in balloons.call("handed")) == sorted(told)
    assert len(rt.host.notifications.history) == len(told)
    assert not rt.host.events.parked


def test_every_order_of_unfreezing_ends_in_the_same_board(rt: jn.Runtime, board: jn.Plugin) -> None:
    judge = Judge(random_contest(seed=11, runs=80, teams=4))
    for order in itertools.permutations(sorted(judge.teams)):
        board.call("reset", {"settings": True})
        before = len(first_solves(rt))
        board.call("import_contest", judge.package)
        judge.unfrozen.clear()
        told = {pair for pair in judge.firsts().items() if pair[1]}
        for team in order:
            board.call("unfreeze", {"team": team})
            judge.unfrozen.add((team, None))
            assert table(board.call("standings")) == judge.board()
            told |= {pair for pair in judge.firsts().items() if pair[1]}
            assert sorted(first_solves(rt)[before:]) == sorted(told)
        assert judge.board() == judge.board(public=False)


@pytest.mark.parametrize("seed", [21, 22])
def test_the_same_contest_by_events_in_any_order(rt: jn.Runtime, board: jn.Plugin, seed: int) -> None:
    judge = Judge(random_contest(seed))
    board.call(
        "import_contest",
        {name: judge.package[name] for name in judge.package if name not in ("submissions", "judgements")},
    )
    events = [
        {
            "id": one["id"], "team": one["team_id"], "problem": one["problem_id"],
            "time_ms": milliseconds(one["contest_time"]), "verdict": judge.verdict(one["id"]) or "pending",
        }
        for one in judge.package["submissions"]
    ]  # fmt: skip
    # Each waits for its judgement before it gets one; both come in any order, and with one revision.
    events += [event | {"verdict": "pending"} for event in events]
    random.Random(seed).shuffle(events)
    for event in events:
        rt.host.events.emit("submission.judged", event)
    rt.host.events.flush(LONG_PATIENCE)
    assert not rt.host.events.parked
    agree(board, judge)
    board.call("unfreeze")
    judge.unfrozen.add((None, None))
    agree(board, judge)


# --- what is handed over in parts, again, or wrong -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_it_can_come_in_parts_and_again(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    url = f"sqlite:///{tmp_path / 'tables'}" if kind == "sqlite" else str(request.getfixturevalue("postgresql"))
    judge = Judge(random_contest(seed=31))
    with jn.Runtime(tmp_path / "data", database=url) as rt:
        board = rt.load("example:scoreboard", grant=GRANTS, quota=PATIENT)
        parts = [("contest", "judgement-types", "problems"), ("teams", "groups"), ("submissions",), ("judgements",)]
        for names in parts:
            board.call("import_contest", {name: judge.package[name] for name in names})
        agree(board, judge)
        count = len(first_solves(rt))
        assert board.call("import_contest", judge.package) | {"submissions": 0, "pending": 0} == {
            "submissions": 0, "pending": 0, "changed": 0, "announced": 0,
        }  # fmt: skip
        rt.reload("scoreboard")
        agree(board, judge)
        assert len(first_solves(rt)) == count


def test_a_judgement_is_handed_over_again_when_it_is_finished(board: jn.Plugin) -> None:
    package = copy.deepcopy(BY_HAND)
    package["judgements"].insert(0, package["judgements"][0] | {"judgement_type_id": None})
    board.call("import_contest", package)
    assert table(board.call("standings"))[1] == (2, "1", 2, 94, "2/30 1/44")
    package["judgements"].append(package["judgements"][0] | {"judgement_type_id": None})
    board.call("import_contest", package)
    assert table(board.call("standings"))[1] == (2, "1", 2, 74, "1/30 1/44")


def test_a_rejudging_that_is_not_in_force_changes_nothing(board: jn.Plugin) -> None:
    package = copy.deepcopy(BY_HAND)
    for word in ("current", "valid"):
        late = {
            "id": word,
            "submission_id": "3",
            "judgement_type_id": "WA",
            "start_contest_time": "1:59:00",
            word: False,
        }
        package["judgements"].append(late)
    board.call("import_contest", package)
    assert table(board.call("standings"))[1] == (2, "1", 2, 94, "2/30 1/44")


def change(name: str, place: int | None, **changes: Any) -> dict[str, Any]:
    """`BY_HAND` with some properties of one object exchanged."""
    package = copy.deepcopy(BY_HAND)
    target = package[name] if place is None else package[name][place]
    target.update(changes)
    return package


@pytest.mark.parametrize(
    ("package", "says"),
    [
        (change("judgements", 2, judgement_type_id="XX"), "judgement `j2`: `XX` is not among the `judgement_types`"),
        (
            {
                name: part
                for name, part in change("judgements", 2, judgement_type_id="XX").items()
                if "types" not in name
            },
            "judgement `j2`: no setting names the verdict `XX`. Add it to what `configure` says of `solving_verdicts`",
        ),
        (
            change("judgements", 0, submission_id="99"),
            "submission `99` is not known; hand `submissions` over",
        ),
        (change("judgements", 0, start_contest_time="soon"), "judgement `j0`: `start_contest_time` is `soon`"),
        (
            change("submissions", 0, contest_time="ten"),
            "submission `1`: `contest_time` is `ten`, which is no time",
        ),
        (change("submissions", 0, contest_time=None), "submission `1`: missing field `contest_time`"),
        (change("contest", None, start_time=None), "submission `2`: `time` says nothing without the `start_time`"),
        (
            change("contest", None, duration="1:59:30"),
            "`duration` is `1:59:30`; this scoreboard counts in",
        ),
        (change("contest", None, scoreboard_type="score"), "`scoreboard_type` is `score`"),
        (change("contest", None, penalty_time=-1), "`penalty_time` is -1"),
        (BY_HAND | {"teams": [{"id": "1", "name": "a", "hidden": True}]}, "none of 1 teams is to be on the board"),
        ({"groups": [{"id": "h", "hidden": True}]}, "hand `teams` over with them"),
        ({"team": []}, "unknown field `team`"),
        (change("judgement-types", 1, solved="no"), "invalid type"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name_and_nothing_is_kept(
    board: jn.Plugin, package: dict[str, Any], says: str
) -> None:
    settings = board.call("configure")
    with pytest.raises(jn.GuestError) as caught:
        board.call("import_contest", package)
    assert caught.value.code == "bad_request"
    assert says in caught.value.message
    assert board.call("submissions") == []
    assert board.call("configure") == settings
