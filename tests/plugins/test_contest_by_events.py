"""A contest that runs by events alone: submissions to the checker, its judgements to the scoreboard.

Then one grant at a time is taken away: what it was for stops, and says so; everything else goes on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

import judicia_notebook as jn
from tests.plugins.icpc import PATIENT, Run, model, table
from tests.support.waiting import LONG_PATIENCE

CHECKER = ("subscribe_events=submission.received", "emit_event=submission.judged")
SCOREBOARD = ("subscribe_events=submission.judged", "read_database", "write_database", "emit_event")


@dataclass(frozen=True)
class Contest:
    """A runtime with both plugins, and what they were sent."""

    rt: jn.Runtime
    checker: jn.Plugin
    scoreboard: jn.Plugin

    def submit(self, runs: list[Run]) -> None:
        """Emit submissions whose output is right where the run is to be accepted; wait for quiet."""
        for run in runs:
            output = "42 7\n" if run.verdict == "accepted" else "42 8\n"
            submission = {key: value for key, value in run.event().items() if key != "verdict"}
            self.rt.host.events.emit(
                "submission.received", submission | {"check": {"output": output, "answer": "42 7"}}
            )
        self.rt.host.events.flush(LONG_PATIENCE)

    def board(self) -> list[tuple[object, ...]]:
        return table(self.scoreboard.call("standings"))

    def emitted(self, kind: str) -> int:
        return int((self.rt.host.events.history["type"] == kind).sum())

    def counts(self, plugin: str) -> dict[str, int]:
        """What became of the deliveries to a plugin."""
        subscribers = self.rt.host.events.subscribers.set_index("subscriber")
        return {name: int(subscribers.loc[plugin, name]) for name in ("delivered", "parked", "withheld")}

    def denials(self) -> set[str]:
        """What the audit says was denied, and to whom."""
        audit = self.rt.audit
        denied = audit[audit["what"] == "denied"]
        return {f"{row.plugin}: {row.detail}" for row in denied.itertuples()}

    def parked(self) -> set[str]:
        return {f"{one.subscriber}: {one.error}" for one in self.rt.host.events.parked}


@pytest.fixture
def contest(rt: jn.Runtime) -> Contest:
    rt.host.events.set_limits(retry_delay=0, attempts=2)
    return Contest(
        rt,
        rt.load("example:checker", grant=CHECKER, quota=PATIENT),
        rt.load("example:scoreboard", grant=SCOREBOARD, quota=PATIENT),
    )


def submissions(count: int) -> list[Run]:
    """Submissions of 40 teams to 12 problems in five hours; a third of them is right."""
    drawn = random.Random(count)
    return [
        Run(
            f"s{number:04}",
            f"team-{drawn.randrange(40):02}",
            drawn.choice("ABCDEFGHIJKL"),
            number * 300 // count,
            drawn.choice(["accepted", "wrong_answer", "wrong_answer"]),
        )
        for number in range(count)
    ]


def test_a_thousand_submissions_end_in_the_models_standings_by_events_alone(contest: Contest) -> None:
    runs = submissions(1000)
    contest.submit(runs)
    calls = contest.rt.calls
    assert contest.board() == model(runs)
    assert contest.counts("checker") == contest.counts("scoreboard") == {"delivered": 1000, "parked": 0, "withheld": 0}
    assert contest.emitted("submission.judged") == 1000
    assert contest.denials() == set()

    assert set(calls["origin"]) == {"event"}
    assert set(calls["outcome"]) == {"ok"}
    judging, keeping = (calls[calls["plugin"] == name] for name in ("checker", "scoreboard"))
    assert len(judging) == len(keeping) == 1000
    assert set(keeping["parent_call_id"]) == set(judging["call_id"])

    solved = {(run.team, run.problem) for run in runs if run.verdict == "accepted"}
    assert contest.emitted("scoreboard.solved") == len(solved)
    assert contest.emitted("scoreboard.first_solve") == len({problem for _, problem in solved})


def test_the_freeze_holds_for_what_comes_by_events(contest: Contest) -> None:
    runs = submissions(100)
    contest.scoreboard.call("configure", {"freeze_minute": 240})
    contest.submit(runs)
    assert contest.board() == model(runs, freeze=240) != model(runs)
    contest.scoreboard.call("unfreeze")
    assert contest.board() == model(runs)


def test_a_submission_that_cannot_be_judged_is_parked_and_the_others_are_judged(contest: Contest) -> None:
    contest.rt.host.events.emit("submission.received", {"id": 1, "check": {"output": "1"}})
    runs = submissions(10)
    contest.submit(runs)
    assert contest.parked() == {"checker: GuestError: checker.on_event failed: bad_request: missing field `answer`"}
    assert contest.board() == model(runs)


def test_what_the_checker_does_not_know_it_passes_on(contest: Contest) -> None:
    payload = {"id": 7, "team": {"name": "ü"}, "lab": [1, None], "verdict": "forged", "score": 1e9}
    contest.rt.host.events.emit(
        "submission.received", payload | {"check": {"output": "", "answer": "1", "max_score": 5}}
    )
    contest.rt.host.events.flush(LONG_PATIENCE)
    judged = contest.rt.host.events.history.iloc[-1]
    assert (judged["type"], judged["source"]) == ("submission.judged", "checker")
    assert judged["payload"] == payload | {"verdict": "wrong_answer", "score": 0}


# --- one grant at a time ---------------------------------------------------------------------------------------------

NEEDS = "GuestError: {0}.on_event failed: capability_denied: {1} needs the capability {2}"
COUNT = 30


@dataclass(frozen=True)
class Loss:
    """What is to be seen when a plugin lacks a grant.

    The counts of each plugin are those of deliveries that were handled, parked and withheld.
    """

    plugin: str
    grant: str
    checker: tuple[int, int, int] = (COUNT, 0, 0)
    scoreboard: tuple[int, int, int] = (COUNT, 0, 0)
    judged: int = COUNT
    error: str = ""
    denied: str = ""
    standings: str = "whole"  # or empty, or refused
    announced: bool = False


LOSSES = [
    Loss(
        *("checker", "subscribe_events=submission.received"),
        checker=(0, 0, COUNT),
        scoreboard=(0, 0, 0),
        judged=0,
        denied="checker: subscribe_events=submission.received for on_event",
        standings="empty",
    ),
    Loss(
        *("checker", "emit_event=submission.judged"),
        checker=(0, COUNT, 0),
        scoreboard=(0, 0, 0),
        judged=0,
        error=NEEDS.format("checker", "judicia:events emit", "emit_event"),
        denied="checker: emit_event for judicia:events emit",
        standings="empty",
    ),
    Loss(
        *("scoreboard", "subscribe_events=submission.judged"),
        scoreboard=(0, 0, COUNT),
        denied="scoreboard: subscribe_events=submission.judged for on_event",
        standings="empty",
    ),
    Loss(
        *("scoreboard", "write_database"),
        scoreboard=(0, COUNT, 0),
        error=NEEDS.format("scoreboard", "judicia:database execute", "write_database"),
        denied="scoreboard: write_database for judicia:database execute",
        standings="empty",
    ),
    Loss(
        *("scoreboard", "read_database"),
        denied="scoreboard: read_database for judicia:database query",
        standings="refused",
    ),
    Loss(
        *("scoreboard", "emit_event"),
        denied="scoreboard: emit_event for judicia:events emit",
    ),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{loss.plugin}-{loss.grant.partition('=')[0]}")
def test_without_one_grant_what_it_was_for_stops_readably_and_the_rest_goes_on(contest: Contest, loss: Loss) -> None:
    runs = submissions(COUNT)
    plugin = contest.rt.plugin(loss.plugin)
    plugin.policy.revoke(loss.grant)
    contest.submit(runs)

    # What stopped, and what did not.
    assert tuple(contest.counts("checker").values()) == loss.checker
    assert tuple(contest.counts("scoreboard").values()) == loss.scoreboard
    assert contest.emitted("submission.judged") == loss.judged
    assert contest.emitted("scoreboard.solved") == 0
    if loss.standings == "refused":
        with pytest.raises(jn.GuestError, match="judicia:database query needs the capability read_database"):
            contest.board()
    else:
        assert contest.board() == (model(runs) if loss.standings == "whole" else [])
    assert contest.checker.call("check", {"output": "1", "answer": "1"})["verdict"] == "accepted"

    # Where it is said.
    assert contest.parked() == ({f"{loss.plugin}: {one}" for one in [loss.error]} if loss.error else set())
    assert contest.denials() == {loss.denied}
    host_calls = contest.rt.host_calls
    refused = host_calls[host_calls["decision"] == "denied"]
    if "on_event" not in loss.denied:
        assert set(refused["plugin"]) == {loss.plugin}
        assert set(refused["capability"]) == {loss.grant.partition("=")[0]}

    # Given back, it goes on where it stopped; what was withheld has to be sent again.
    plugin.policy.grant(loss.grant)
    replayed = contest.rt.host.events.replay()
    contest.rt.host.events.flush(LONG_PATIENCE)
    assert replayed == (COUNT if loss.error else 0)
    if "on_event" in loss.denied:
        contest.submit(runs)
    assert contest.board() == model(runs)
    contest.scoreboard.call("unfreeze")
    assert contest.emitted("scoreboard.solved") == len(
        {(run.team, run.problem) for run in runs if run.verdict == "accepted"}
    )
    assert contest.parked() == set()
