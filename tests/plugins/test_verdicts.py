"""Verdicts: ours, those of the CLICS Contest API, and those that a setting names."""

from __future__ import annotations

from typing import Any

import pytest

import judicia_notebook as jn
from tests.plugins.icpc import PATIENT, emit, solves, table
from tests.support.waiting import LONG_PATIENCE

GRANTS = ["read_database", "write_database", "subscribe_events=submission.judged", "emit_event"]


@pytest.fixture
def board(rt: jn.Runtime) -> jn.Plugin:
    rt.host.events.set_limits(retry_delay=0)
    return rt.load("example:scoreboard", grant=GRANTS, quota=PATIENT)


def test_verdicts_of_the_contest_api_mean_what_they_say(rt: jn.Runtime, board: jn.Plugin) -> None:
    emit(rt, *[(number, "t", "A", number, one) for number, one in enumerate(["JE", "pending", "AC", "accepted"])])
    row = board.call("standings")["rows"][0]
    assert (row["cells"][0]["shown"], row["penalty_minutes"]) == ("1/2", 2)
    assert not rt.host.events.parked


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        *[(one, "1/9") for one in ("accepted", "AC", "APE")],
        *[
            (one, "2/9")
            for one in ("wrong_answer", "WA", "TLE", "RTE", "MLE", "OLE", "PE", "NO", "SV", "RE", "memory_limit")
        ],
        *[(one, "1/9") for one in ("compile_error", "CE", "CTL", "SE")],
        *[(one, "1/9") for one in ("pending", "JE", "CS", "judging")],
    ],
)
def test_a_known_verdict_is_not_scored_by_chance(rt: jn.Runtime, board: jn.Plugin, verdict: str, shown: str) -> None:
    emit(rt, (1, "t", "A", 1, verdict), (2, "t", "A", 9, "accepted"))
    solves_itself = verdict in ("accepted", "AC", "APE")
    assert board.call("standings")["rows"][0]["cells"][0]["shown"] == ("1/1" if solves_itself else shown)


def test_an_unknown_verdict_is_refused_and_counts_once_a_setting_names_it(rt: jn.Runtime, board: jn.Plugin) -> None:
    emit(rt, (1, "t", "A", 1, "BAD"), (2, "t", "A", 9, "OK"))
    says = [one.error for one in rt.host.events.parked]
    assert "bad_request: submission `1`: no setting names the verdict `BAD`" in says[0]
    assert '{"costly_verdicts": ["BAD"]}' in says[0]
    assert board.call("submissions") == []
    board.call("configure", {"costly_verdicts": ["BAD"], "solving_verdicts": ["OK"]})
    assert rt.host.events.replay() == 2
    rt.host.events.flush(LONG_PATIENCE)
    assert table(board.call("standings")) == [(1, "t", 1, 29, "2/9")]
    assert solves(rt) == [("solved", "A", "t"), ("first_solve", "A", "t")]


def test_what_a_verdict_means_can_be_changed_and_is_announced(rt: jn.Runtime, board: jn.Plugin) -> None:
    emit(rt, (1, "t", "A", 1, "compile_error"), (2, "t", "A", 9, "presentation_error"))
    assert table(board.call("standings")) == [(1, "t", 0, 0, "1/--")]
    settings = board.call(
        "configure", {"solving_verdicts": ["presentation_error"], "costly_verdicts": ["compile_error"]}
    )
    assert "presentation_error" not in settings["costly_verdicts"]
    assert "compile_error" not in settings["free_verdicts"]
    assert {"accepted", "AC"} <= set(settings["solving_verdicts"])
    assert table(board.call("standings")) == [(1, "t", 1, 29, "2/9")]
    assert solves(rt) == [("solved", "A", "t"), ("first_solve", "A", "t")]
    assert board.call("configure", settings) == settings


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"solving_verdicts": ["wrong_answer"]}, "field `solving_verdicts`: `wrong_answer` is a rejection"),
        ({"pending_verdicts": ["accepted"]}, "field `pending_verdicts`: `accepted` is what solves a problem"),
        ({"free_verdicts": ["pending"]}, "field `free_verdicts`: `pending` is a run without a judgement"),
        ({"free_verdicts": ["X"], "costly_verdicts": ["X"]}, "`X` is among the `costly_verdicts`, too"),
        ({"free_verdicts": "CE"}, "field `free_verdicts`"),
    ],
)
def test_a_verdict_that_would_mean_two_things_is_refused(board: jn.Plugin, settings: dict[str, Any], says: str) -> None:
    before = board.call("configure")
    with pytest.raises(jn.GuestError) as caught:
        board.call("configure", settings)
    assert says in caught.value.message
    assert board.call("configure") == before


def test_a_judgement_takes_the_place_of_a_pending_one_in_any_order(rt: jn.Runtime, board: jn.Plugin) -> None:
    emit(rt, (1, "a", "A", 1, "pending"), (2, "b", "A", 2, "AC"))
    assert board.call("standings")["problems"][0]["first"] is None
    assert solves(rt) == [("solved", "A", "b")]
    emit(rt, (1, "a", "A", 1, "WA"), (1, "a", "A", 1, "pending"))
    assert board.call("standings")["problems"][0]["first"] == "b"
    assert solves(rt) == [("solved", "A", "b"), ("first_solve", "A", "b")]
    assert not rt.host.events.parked
