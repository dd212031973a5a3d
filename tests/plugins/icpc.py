"""ICPC scoring once more, in plain Python: what the scoreboard is held against, and how runs reach it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import judicia_notebook as jn
from tests.support.waiting import LONG_PATIENCE

PATIENT = {"wall": "2min"}
"""Each statement waits for the disk, which may be busy with much else."""


@dataclass(frozen=True)
class Run:
    """One judgement of one submission."""

    id: str
    team: str
    problem: str
    minute: int
    verdict: str = "accepted"
    revision: int = 0

    def event(self) -> dict[str, Any]:
        """As `submission.judged` says it; half of a minute has gone by, which must make no difference."""
        said = {"id": self.id, "team": self.team, "problem": self.problem, "verdict": self.verdict}
        return said | {"time_ms": self.minute * 60_000 + 30_000, "revision": self.revision}


def feed(rt: jn.Runtime, runs: Iterable[Run]) -> None:
    """Emit the judgements, and wait until everybody has heard."""
    for run in runs:
        rt.host.events.emit("submission.judged", run.event())
    rt.host.events.flush(LONG_PATIENCE)


def emit(rt: jn.Runtime, *runs: tuple[Any, str, str, int, str]) -> None:
    """Judgements with ids, and times in whole minutes, as another system may give them."""
    for number, team, problem, minute, verdict in runs:
        judged = {"id": number, "team": team, "problem": problem, "time_ms": minute * 60_000, "verdict": verdict}
        rt.host.events.emit("submission.judged", judged)
    rt.host.events.flush(LONG_PATIENCE)


def solves(rt: jn.Runtime) -> list[tuple[str, str, str]]:
    """What was announced, in its order: what, problem and team."""
    announced = [event for event in rt.host.events.history.itertuples() if event.type.startswith("scoreboard.")]
    return [
        (event.type.removeprefix("scoreboard."), event.payload["problem"], event.payload["team"]) for event in announced
    ]


def table(standings: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What a board says of the teams: rank, team, solved, penalty, and what its cells show."""
    return [
        (
            row["rank"],
            row["team"],
            row["solved"],
            row["penalty_minutes"],
            " ".join(cell["shown"] for cell in row["cells"]),
        )
        for row in standings["rows"]
    ]


def model(
    judgements: Iterable[Run],
    *,
    freeze: int | None = None,
    penalty: int = 20,
    free: tuple[str, ...] = ("compile_error",),
) -> list[tuple[Any, ...]]:
    """The board of these judgements, as `table` has it; with a freeze, as the public sees it."""
    latest: dict[str, Run] = {}
    for one in judgements:
        if one.id not in latest or one.revision > latest[one.id].revision:
            latest[one.id] = one
    runs = sorted(latest.values(), key=lambda run: (run.minute, run.id))
    problems = sorted({run.problem for run in runs})
    scored = []
    for team in sorted({run.team for run in runs}):
        solved, cost, last, shown = 0, 0, -1, []
        for problem in problems:
            wrong, text, hidden = 0, "", False
            for run in (run for run in runs if (run.team, run.problem) == (team, problem)):
                if freeze is not None and run.minute >= freeze:
                    hidden = True
                elif run.verdict == "accepted":
                    text = f"{wrong + 1}/{run.minute}"
                    solved, cost, last = solved + 1, cost + run.minute + penalty * wrong, max(last, run.minute)
                    break
                elif run.verdict not in free:
                    wrong += 1
            shown.append(text or ("?" if hidden else f"{wrong}/--" if wrong else ""))
        scored.append(((-solved, cost, last), team, " ".join(shown)))
    scored.sort()
    merits = [merit for merit, _, _ in scored]
    return [(merits.index(merit) + 1, team, -merit[0], merit[1], shown) for merit, team, shown in scored]
