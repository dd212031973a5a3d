"""The scoreboard: the ICPC's rules, and that nothing but the runs decides what stands on it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import judicia_notebook as jn
from tests.plugins.icpc import PATIENT, Run, emit, feed, model, solves, table
from tests.support.effort import fuzz
from tests.support.waiting import LONG_PATIENCE

GRANTS = ["read_database", "write_database", "subscribe_events=submission.judged", "emit_event", "register_routes"]


def load(rt: jn.Runtime) -> jn.Plugin:
    rt.host.events.set_limits(retry_delay=0)
    return rt.load("example:scoreboard", grant=GRANTS, quota=PATIENT)


@pytest.fixture
def board(rt: jn.Runtime) -> jn.Plugin:
    return load(rt)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tables'}"
    return str(request.getfixturevalue("postgresql"))


# --- the rules -------------------------------------------------------------------------------------------------------

# One team of the rules' own kind of example. A is never solved, so its wrong run costs nothing:
# B 150 + 20 for one wrong run, C 160, together 330.
ALONE = [
    Run("1", "lund", "A", 100, "wrong_answer"),
    Run("2", "lund", "B", 140, "time_limit"),
    Run("3", "lund", "B", 150),
    Run("4", "lund", "C", 160),
]

# Four teams, two problems; penalties by hand:
#   graz   A at 10 (clean), B at 90 (one wrong before)     10 + 90 + 20 = 120, last accepted at 90
#   lund   A at 20 (clean), B at 80 (one wrong before)     20 + 80 + 20 = 120, last accepted at 80: before graz
#   oslo   A at 80 (one wrong), B at 20 (clean)            80 + 20 + 20 = 120, last accepted at 80: equal to lund
#   bern   A at 5: one problem, whatever the time
#   wien   only wrong runs, and one that did not compile
#   brno   only one that did not compile: nothing counts
FOUR_AND_TWO = [
    Run("1", "graz", "A", 10),
    Run("2", "graz", "B", 30, "wrong_answer"),
    Run("3", "graz", "B", 90),
    Run("4", "graz", "B", 91, "wrong_answer"),  # solved already
    Run("5", "lund", "A", 20),
    Run("6", "lund", "B", 79, "run_time_error"),
    Run("7", "lund", "B", 79, "compile_error"),
    Run("8", "lund", "B", 80),
    Run("9", "oslo", "A", 1, "wrong_answer"),
    Run("10", "oslo", "A", 80),
    Run("11", "oslo", "B", 20),
    Run("12", "oslo", "B", 21),  # solved already
    Run("13", "bern", "A", 5),
    Run("14", "wien", "A", 3, "wrong_answer"),
    Run("15", "wien", "A", 4, "wrong_answer"),
    Run("16", "wien", "A", 5, "compile_error"),
    Run("17", "brno", "B", 6, "compile_error"),
]
RANKED = [
    (1, "lund", 2, 120, "1/20 2/80"),
    (1, "oslo", 2, 120, "2/80 1/20"),
    (3, "graz", 2, 120, "1/10 2/90"),
    (4, "bern", 1, 5, "1/5 "),
    (5, "brno", 0, 0, " "),
    (5, "wien", 0, 0, "2/-- "),
]


@pytest.mark.parametrize("runs", [ALONE, FOUR_AND_TWO], ids=["alone", "four_and_two"])
def test_penalties_and_ranks_are_those_worked_out_by_hand(tmp_path: Path, url: str, runs: list[Run]) -> None:
    expected = [(1, "lund", 2, 330, "1/-- 2/150 1/160")] if runs is ALONE else RANKED
    with jn.Runtime(tmp_path / "data", database=url) as rt:
        board = load(rt)
        feed(rt, runs)
        assert table(board.call("standings")) == expected
        assert not rt.host.events.parked
    assert model(runs) == expected


def test_a_penalty_can_be_another_and_hold_for_what_does_not_compile(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, FOUR_AND_TWO)
    board.call("configure", {"penalty_minutes": 5, "free_verdicts": []})
    # lund has two runs before B's accepted one now, oslo and graz one each.
    assert table(board.call("standings"))[:3] == [
        (1, "oslo", 2, 105, "2/80 1/20"),
        (2, "graz", 2, 105, "1/10 2/90"),
        (3, "lund", 2, 110, "1/20 3/80"),
    ]


def test_the_clock_starts_at_the_start_and_late_runs_do_not_count(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(
        rt,
        [Run("1", "lund", "A", 99), Run("2", "lund", "B", 100), Run("3", "lund", "C", 399), Run("4", "lund", "D", 400)],
    )
    board.call("configure", {"start_ms": 100 * 60_000, "duration_minutes": 300})
    standings = board.call("standings")
    assert table(standings) == [(1, "lund", 2, 299, "1/0 1/299")]
    assert standings["ignored"] == 2


def test_who_is_listed_is_on_the_board_by_name(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, [Run("1", "7", "A", 5), Run("2", "9", "A", 6), Run("3", "7", "Z", 7)])
    board.call("configure", {"teams": ["7", "8"], "problems": ["B", "A"], "names": {"7": "Lund University"}})
    standings = board.call("standings")
    assert table(standings) == [(1, "7", 1, 5, " 1/5"), (2, "8", 0, 0, " ")]
    assert [row["name"] for row in standings["rows"]] == ["Lund University", "8"]
    assert [(one["problem"], one["solved"], one["first"]) for one in standings["problems"]] == [
        ("B", 0, None),
        ("A", 1, "7"),
    ]


# --- the freeze ------------------------------------------------------------------------------------------------------

# Frozen from minute 60. lund has A before it and tries B after it; graz solves A only after it.
FROZEN = [
    Run("1", "lund", "A", 59),
    Run("2", "lund", "A", 61, "wrong_answer"),
    Run("3", "lund", "B", 60, "wrong_answer"),
    Run("4", "graz", "A", 10, "wrong_answer"),
    Run("5", "graz", "A", 70),
    Run("6", "graz", "B", 75),
]
TO_THE_PUBLIC = [(1, "lund", 1, 59, "1/59 ?"), (2, "graz", 0, 0, "? ?")]
TO_THE_JURY = [(1, "graz", 2, 70 + 20 + 75, "2/70 1/75"), (2, "lund", 1, 59, "1/59 1/--")]


def test_a_freeze_hides_runs_from_the_public_until_they_are_unfrozen(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("configure", {"freeze_minute": 60})
    feed(rt, FROZEN)
    assert table(board.call("standings")) == table(board.call("standings", {"view": "public"})) == TO_THE_PUBLIC
    assert table(board.call("standings", {"view": "jury"})) == TO_THE_JURY
    assert board.call("standings")["frozen"]
    board.call("unfreeze", {"team": "graz", "problem": "A"})
    partly = [(1, "lund", 1, 59, "1/59 ?"), (2, "graz", 1, 90, "2/70 ?")]
    assert table(board.call("standings")) == partly
    board.call("unfreeze")
    assert table(board.call("standings")) == TO_THE_JURY
    assert not board.call("standings")["frozen"]


def test_what_is_frozen_is_announced_when_it_is_unfrozen(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("configure", {"freeze_minute": 60})
    feed(rt, FROZEN)
    assert solves(rt) == [("solved", "A", "lund"), ("first_solve", "A", "lund")]
    assert board.call("unfreeze", {"problem": "B"}) == {"announced": 2}
    assert board.call("unfreeze") == {"announced": 1}
    assert board.call("unfreeze") == {"announced": 0}
    assert solves(rt)[2:] == [("solved", "B", "graz"), ("first_solve", "B", "graz"), ("solved", "A", "graz")]


# --- the order of runs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["{}", "s{}", "2026-11-{}", "run {} of team x"])
def test_runs_of_one_time_are_in_the_order_of_their_numbers(rt: jn.Runtime, board: jn.Plugin, name: str) -> None:
    runs = [(100, "t3", "B", "AC"), (9, "t1", "A", "WA"), (10, "t1", "A", "AC"), (99, "t2", "B", "AC")]
    emit(rt, *[(name.format(number), team, problem, 1, verdict) for number, team, problem, verdict in runs])
    standings = board.call("standings")
    assert [(row["team"], row["penalty_minutes"]) for row in standings["rows"]] == [("t2", 1), ("t3", 1), ("t1", 21)]
    assert [problem["first"] for problem in standings["problems"]] == ["t1", "t2"]
    listed = [one["submission"] for one in board.call("submissions", {"limit": 3})]
    assert listed == [name.format(number) for number in (9, 10, 99)]


def test_whole_numbers_may_be_negative_or_large_and_come_before_names(rt: jn.Runtime, board: jn.Plugin) -> None:
    ids = [2**64 - 1, "a", -3, 0, -10, 2**63, "7"]
    emit(rt, *[(one, "t", "A", 1, "WA") for one in ids])
    listed = [one["submission"] for one in board.call("submissions")]
    assert listed == ["-10", "-3", "0", "7", str(2**63), str(2**64 - 1), "a"]


# --- first solves in the freeze --------------------------------------------------------------------------------------


def test_no_first_solve_while_an_earlier_run_is_pending_to_the_public(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("configure", {"freeze_minute": 240})
    emit(rt, (0, "zeta", "A", 250, "accepted"), (1, "alpha", "A", 260, "accepted"))
    board.call("unfreeze", {"team": "alpha"})
    assert board.call("standings")["problems"][0]["first"] is None
    assert solves(rt) == [("solved", "A", "alpha")]
    assert board.call("standings", {"view": "jury"})["problems"][0]["first"] == "zeta"
    board.call("unfreeze", {"team": "zeta"})
    assert board.call("standings")["problems"][0]["first"] == "zeta"
    assert solves(rt) == [("solved", "A", "alpha"), ("solved", "A", "zeta"), ("first_solve", "A", "zeta")]


def test_a_first_solve_is_told_when_the_run_before_it_turns_out_wrong(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("configure", {"freeze_minute": 240})
    emit(rt, (0, "zeta", "A", 250, "wrong_answer"), (1, "alpha", "A", 260, "accepted"))
    board.call("unfreeze", {"team": "alpha"})
    board.call("unfreeze", {"team": "zeta", "problem": "A"})
    assert solves(rt) == [("solved", "A", "alpha"), ("first_solve", "A", "alpha")]


def test_a_freeze_that_is_taken_away_tells_what_it_hid(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("configure", {"freeze_minute": 240})
    emit(rt, (0, "zeta", "A", 250, "accepted"))
    assert solves(rt) == []
    board.call("configure", {"freeze_minute": None})
    assert solves(rt) == [("solved", "A", "zeta"), ("first_solve", "A", "zeta")]


def test_a_rejudgement_gives_the_first_solve_to_another_team(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, [Run("1", "lund", "A", 10), Run("2", "oslo", "A", 20)])
    feed(rt, [Run("1", "lund", "A", 10, "WA", revision=1)])
    assert board.call("standings")["problems"][0]["first"] == "oslo"
    assert solves(rt)[-1] == ("first_solve", "A", "oslo")


# --- judgements as they come -----------------------------------------------------------------------------------------

VERDICTS = st.sampled_from(["accepted", "accepted", "wrong_answer", "time_limit", "compile_error"])


@st.composite
def contests(draw: st.DrawFn) -> tuple[list[Run], list[Run], int | None]:
    """Judgements of a contest; the same as they are delivered, in any order and some twice; and a freeze."""
    judgements = []
    for number in range(draw(st.integers(0, 10))):
        team, problem = draw(st.sampled_from("abc")), draw(st.sampled_from("XY"))
        minute = draw(st.integers(0, 5))
        verdicts = draw(st.lists(VERDICTS, min_size=1, max_size=3))
        judgements += [Run(str(number), team, problem, minute, one, at) for at, one in enumerate(verdicts)]
    again = draw(st.lists(st.sampled_from(judgements), max_size=4)) if judgements else []
    return judgements, draw(st.permutations(judgements + again)), draw(st.none() | st.integers(0, 5))


@pytest.mark.soak
def test_order_repetition_and_rejudgement_end_in_the_models_board(rt: jn.Runtime, board: jn.Plugin) -> None:
    @given(contest=contests(), reload=st.booleans())
    @fuzz(40, suppress_health_check=[HealthCheck.too_slow])
    def holds(contest: tuple[list[Run], list[Run], int | None], reload: bool) -> None:
        judgements, delivered, freeze = contest
        board.call("reset", {"settings": True})
        board.call("configure", {"freeze_minute": freeze})
        half = len(delivered) // 2
        feed(rt, delivered[:half])
        if reload:  # another instance, with nothing in its memory
            rt.reload("scoreboard")
        feed(rt, delivered[half:])
        assert [one.error for one in rt.host.events.parked] == []
        assert table(board.call("standings", {"view": "jury"})) == model(judgements)
        assert table(board.call("standings")) == model(judgements, freeze=freeze)
        assert len(board.call("submissions")) == len({run.id for run in judgements})

    holds()


def test_what_a_rejudgement_takes_away_is_gone_whenever_it_arrives(rt: jn.Runtime, board: jn.Plugin) -> None:
    first, second = Run("1", "lund", "A", 10), Run("1", "lund", "A", 10, "wrong_answer", revision=1)
    feed(rt, [second, first])
    assert table(board.call("standings")) == [(1, "lund", 0, 0, "1/--")]
    feed(rt, [Run("1", "lund", "A", 10, revision=2)])
    assert table(board.call("standings")) == [(1, "lund", 1, 10, "1/10")]


def test_two_judgements_of_one_revision_are_a_conflict_that_is_seen(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, [Run("1", "lund", "A", 10), Run("1", "lund", "A", 10, "wrong_answer")])
    (parked,) = rt.host.events.parked
    assert parked.subscriber == "scoreboard"
    assert "conflict: submission `1` was judged otherwise before" in parked.error
    (kept,) = board.call("submissions")
    assert (kept["verdict"], kept["disputed"]) == ("accepted", 1)
    feed(rt, [Run("1", "lund", "A", 10, "wrong_answer", revision=1)])
    (kept,) = board.call("submissions")
    assert (kept["verdict"], kept["disputed"]) == ("wrong_answer", 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"team": ""}, "a name of 1 to 200 bytes"),
        ({"problem": ["A"]}, "a name of 1 to 200 bytes"),
        ({"time_ms": "now"}, "expected i64"),
        ({"verdict": None}, "a name of 1 to 200 bytes"),
    ],
)
def test_an_event_that_says_nothing_useful_is_parked_and_the_next_one_counts(
    rt: jn.Runtime, board: jn.Plugin, change: dict[str, Any], says: str
) -> None:
    rt.host.events.emit("submission.judged", Run("1", "lund", "A", 10).event() | change)
    feed(rt, [Run("2", "lund", "A", 20)])
    (parked,) = rt.host.events.parked
    assert "bad_request: payload: " in parked.error
    assert says in parked.error
    assert table(board.call("standings")) == [(1, "lund", 1, 20, "1/20")]


def test_numbers_are_names_too(rt: jn.Runtime, board: jn.Plugin) -> None:
    rt.host.events.emit(
        "submission.judged", Run("1", "lund", "A", 10).event() | {"id": 1, "team": 2**64 - 1, "more": []}
    )
    feed(rt, [Run("1", str(2**64 - 1), "A", 10)])
    assert not rt.host.events.parked
    assert table(board.call("standings")) == [(1, str(2**64 - 1), 1, 10, "1/10")]


# --- announcements ---------------------------------------------------------------------------------------------------


def test_each_solve_is_announced_once_and_the_first_of_a_problem_as_such(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(
        rt, [Run("1", "lund", "A", 10), Run("2", "graz", "A", 20), Run("3", "graz", "A", 30), Run("1", "lund", "A", 10)]
    )
    expected = [("solved", "A", "lund"), ("first_solve", "A", "lund"), ("solved", "A", "graz")]
    assert solves(rt) == expected
    rt.reload("scoreboard")
    feed(rt, [Run("2", "graz", "A", 20), Run("4", "oslo", "A", 5)])  # the second arrives late, and is the first
    assert solves(rt) == [*expected, ("solved", "A", "oslo"), ("first_solve", "A", "oslo")]
    last = rt.host.events.history.iloc[-1]
    assert last["source"] == "scoreboard"
    place = {"team": "oslo", "name": "oslo", "problem": "A", "submission": "4"}
    assert last["payload"] == place | {"time_ms": 330_000, "minute": 5, "first": True}


def test_a_solve_that_could_not_be_announced_is_announced_when_its_event_is_replayed(
    rt: jn.Runtime, board: jn.Plugin
) -> None:
    rt.host.events.set_limits(emit_rate=0)
    feed(rt, [Run("1", "lund", "A", 10)])
    (parked,) = rt.host.events.parked
    assert "quota_exceeded" in parked.error
    assert table(board.call("standings")) == [(1, "lund", 1, 10, "1/10")]
    rt.host.events.set_limits(emit_rate=5000)
    rt.host.events.replay()
    rt.host.events.flush(LONG_PATIENCE)
    assert solves(rt) == [("solved", "A", "lund"), ("first_solve", "A", "lund")]
    assert not rt.host.events.parked


# --- what it keeps ---------------------------------------------------------------------------------------------------


def test_it_goes_on_after_an_unload_and_in_another_runtime(tmp_path: Path, url: str) -> None:
    runs = FOUR_AND_TWO.copy()
    random.Random(1).shuffle(runs)
    with jn.Runtime(tmp_path / "data", database=url) as rt:
        board = load(rt)
        board.call("configure", {"freeze_minute": 60})
        feed(rt, runs[:6])
        rt.unload("scoreboard")
        board = load(rt)
        feed(rt, runs[6:12])
        before = board.call("standings", {"view": "jury"})
        assert table(before) == model(runs[:12])
        announced = solves(rt)
    with jn.Runtime(tmp_path / "data", database=url) as rt:
        board = load(rt)
        assert board.call("standings", {"view": "jury"}) == before
        feed(rt, runs)
        assert table(board.call("standings")) == model(runs, freeze=60) != RANKED
        board.call("unfreeze")
        assert table(board.call("standings")) == RANKED
        announced += solves(rt)
    solved = sorted(team + problem for what, problem, team in announced if what == "solved")
    assert solved == ["bernA", "grazA", "grazB", "lundA", "lundB", "osloA", "osloB"]


def test_a_reset_forgets_runs_and_keeps_settings_unless_told_otherwise(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.call("configure", {"penalty_minutes": 7})
    feed(rt, ALONE)
    assert board.call("reset") == {"submissions": 4}
    assert board.call("standings")["rows"] == board.call("submissions") == []
    assert board.call("configure")["penalty_minutes"] == 7
    feed(rt, ALONE)
    assert table(board.call("standings")) == [(1, "lund", 2, 317, "1/-- 2/150 1/160")]
    assert len(solves(rt)) == 8  # announced anew
    assert board.call("reset", {"settings": True}) == {"submissions": 4}
    assert board.call("configure")["penalty_minutes"] == 20


def test_submissions_are_listed_by_time_for_a_team_and_a_problem(rt: jn.Runtime, board: jn.Plugin) -> None:
    feed(rt, reversed(FOUR_AND_TWO))
    ids = [one["submission"] for one in board.call("submissions", {"team": "lund", "problem": "B"})]
    assert ids == ["6", "7", "8"]
    assert [one["submission"] for one in board.call("submissions", {"limit": 2})] == ["9", "14"]
    assert len(board.call("submissions")) == len(FOUR_AND_TWO)


def test_more_runs_than_one_page_are_all_counted(rt: jn.Runtime, board: jn.Plugin) -> None:
    board.policy.revoke("emit_event")
    runs = [Run(f"{number:05}", f"t{number % 50}", "A", number // 50, "wrong_answer") for number in range(2100)]
    feed(rt, runs)
    assert table(board.call("standings")) == model(runs)


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "payload", "says"),
    [
        ("standings", {"view": "everybody"}, "field `view`"),
        ("standings", {"look": "jury"}, "unknown field `look`"),
        ("configure", {"freeze": 60}, "unknown field `freeze`"),
        ("configure", {"freeze_minute": "60"}, "field `freeze_minute`"),
        ("configure", {"penalty_minutes": -20}, "field `penalty_minutes`"),
        ("configure", {"teams": ["a", "a"]}, "field `teams`: `a` is there twice"),
        ("unfreeze", {"team": ""}, "field `team`"),
        ("submissions", {"limit": -1}, "field `limit`"),
        ("reset", {"all": True}, "unknown field `all`"),
    ],
)
def test_a_wrong_field_is_refused_by_name(
    rt: jn.Runtime, board: jn.Plugin, function: str, payload: Any, says: str
) -> None:
    feed(rt, ALONE)
    with pytest.raises(jn.GuestError) as caught:
        board.call(function, payload)
    assert caught.value.code == "bad_request"
    assert says in caught.value.message
    assert table(board.call("standings")) == [(1, "lund", 2, 330, "1/-- 2/150 1/160")]


def test_it_imports_its_tables_its_events_and_nothing_else(board: jn.Plugin) -> None:
    assert {f"{one.module} {one.name}" for one in board.imports} == {
        "judicia:database execute",
        "judicia:database query",
        "judicia:events emit",
        "judicia:host fail",
        "judicia:log write",
    }
    assert board.manifest.plugin_type == "contest"
    assert set(board.manifest.functions) == set(board.functions)
    assert set(board.requested) == set()
