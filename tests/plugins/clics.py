"""Contests as the CLICS Contest API describes them, and a judge of them in plain Python, written from the rules.

- `Judge` knows nothing of the scoreboard: it reads endpoints, keeps what was unfrozen, and answers what a board says.
- `random_contest` draws a contest whose times often collide, with verdicts of every kind, rejudgings, hidden teams and
  runs before the start and after the end.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import Any

TYPES = [
    {"id": "AC", "name": "Accepted", "penalty": False, "solved": True},
    {"id": "WA", "name": "Wrong Answer", "penalty": True, "solved": False},
    {"id": "TLE", "name": "Time Limit Exceeded", "penalty": True, "solved": False},
    {"id": "CE", "name": "Compiler Error", "penalty": False, "solved": False},
    {"id": "SE", "name": "Submission Error", "penalty": False, "solved": False},
    # A judge's own: what they are is said by `solved` and `penalty` alone.
    {"id": "OK", "name": "Correct, slowly", "penalty": False, "solved": True},
    {"id": "SLEEP", "name": "Slept too long", "penalty": True, "solved": False},
    {"id": "PE", "name": "Presentation Error, let pass", "penalty": False, "solved": True},
]
MINUTE = 60_000


def reltime(ms: int) -> str:
    """As the API writes a relative time.

    >>> reltime(4_925_034), reltime(-600_500)
    ('1:22:05.034', '-0:10:00.500')
    """
    seconds, fraction = divmod(abs(ms), 1000)
    return f"{'-' if ms < 0 else ''}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:03}"


def milliseconds(text: str) -> int:
    """What `reltime` was told."""
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    hours, minutes, seconds = text.split(":")
    whole, _, fraction = seconds.partition(".")
    return sign * ((int(hours) * 60 + int(minutes)) * MINUTE + int(whole) * 1000 + int(fraction.ljust(3, "0") or 0))


@dataclass
class Judge:
    """The rules of the ICPC, on the endpoints of one contest."""

    package: dict[str, Any]
    unfrozen: set[tuple[str | None, str | None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        contest = self.package["contest"]
        self.duration = milliseconds(contest["duration"])
        self.freeze = self.duration - milliseconds(contest.get("scoreboard_freeze_duration") or "0:00:00")
        self.types = {one["id"]: one for one in self.package["judgement-types"]}
        groups = {group["id"] for group in self.package["groups"] if group.get("hidden")}
        self.teams = {
            team["id"]: team.get("display_name") or team["name"]
            for team in self.package["teams"]
            if not team.get("hidden") and not groups & set(team["group_ids"])
        }
        self.problems = [one["id"] for one in sorted(self.package["problems"], key=lambda one: int(one["ordinal"]))]

    def verdict(self, submission: str) -> str | None:
        """The verdict in force; nothing while there is none."""
        judgements = [one for one in self.package["judgements"] if one["submission_id"] == submission]
        finished = [one for one in judgements if one.get("current", True) and one["judgement_type_id"] is not None]
        latest = max(finished, key=lambda one: milliseconds(one["start_contest_time"]), default=None)
        return None if latest is None else str(latest["judgement_type_id"])

    def seen(self, *, public: bool) -> list[tuple[str, str, int, str | None]]:
        """Team, problem, time and verdict of the runs that count, in their order; None: pending to this viewer."""
        runs = []
        for one in self.package["submissions"]:
            team, problem, time = one["team_id"], one["problem_id"], milliseconds(one["contest_time"])
            if team in self.teams and 0 <= time < self.duration:
                open_to = {(team, problem), (team, None), (None, problem), (None, None)}
                hidden = public and time >= self.freeze and not open_to & self.unfrozen
                runs.append((time, int(one["id"]), team, problem, None if hidden else self.verdict(one["id"])))
        return [
            (team, problem, time, verdict) for time, _, team, problem, verdict in sorted(runs, key=lambda run: run[:2])
        ]

    def firsts(self, *, public: bool = True) -> dict[str, str | None]:
        """The first to solve each problem, unless a run before it is still pending."""
        firsts: dict[str, str | None] = dict.fromkeys(self.problems)
        decided = set()
        for team, problem, _, verdict in self.seen(public=public):
            if problem in decided:
                continue
            if verdict is None:
                decided.add(problem)  # it may be this one, so nobody is the first yet
            elif self.types[verdict]["solved"]:
                firsts[problem] = team
                decided.add(problem)
        return firsts

    def board(self, *, public: bool = True) -> list[tuple[Any, ...]]:
        """Rank, team, solved, penalty and cells of each row, as `tests.plugins.icpc.table` has them."""
        penalty = int(self.package["contest"]["penalty_time"])
        tries: dict[tuple[str, str], list[tuple[int, str | None]]] = {}
        for team, problem, time, verdict in self.seen(public=public):
            tries.setdefault((team, problem), []).append((time // MINUTE, verdict))
        scored = []
        for team, name in self.teams.items():
            solved, cost, last, cells = 0, 0, -1, []
            for problem in self.problems:
                wrong, pending, cell = 0, 0, ""
                for minute, verdict in tries.get((team, problem), []):
                    if verdict is None:
                        pending += 1
                    elif self.types[verdict]["solved"]:
                        solved, cost, last = solved + 1, cost + minute + penalty * wrong, max(last, minute)
                        cell = f"{wrong + 1}/{minute}"
                        break
                    elif self.types[verdict]["penalty"]:
                        wrong += 1
                cells.append(cell or ("?" if pending else f"{wrong}/--" if wrong else ""))
            scored.append(((-solved, cost, last), name, team, " ".join(cells)))
        scored.sort()
        merits = [one[0] for one in scored]
        return [(merits.index(merit) + 1, team, -merit[0], merit[1], cells) for merit, _, team, cells in scored]


def random_contest(seed: int, runs: int = 300, teams: int = 12) -> dict[str, Any]:
    """The endpoints of a contest of five hours, the last one frozen."""
    drawn = random.Random(seed)
    problems = [{"id": f"p{number}", "label": chr(64 + number), "ordinal": number} for number in range(1, 6)]
    drawn.shuffle(problems)
    package: dict[str, Any] = {
        "contest": {
            "id": "c", "name": "short", "formal_name": f"Contest {seed}", "start_time": "2026-03-01T10:00:00+01:00",
            "duration": "5:00:00", "scoreboard_freeze_duration": "1:00:00.000", "scoreboard_type": "pass-fail",
            "penalty_time": drawn.choice([20, 10, 0]),
        },
        "judgement-types": TYPES,
        "problems": problems,
        "groups": [{"id": "g", "name": "all"}, {"id": "staff", "name": "staff", "hidden": True}],
        "teams": [
            {"id": str(number), "name": f"Team {number:02}", "group_ids": ["g"], "hidden": None}
            for number in range(1, teams + 1)
        ],
        "submissions": [],
        "judgements": [],
    }  # fmt: skip
    package["teams"] += [
        {"id": "90", "name": "hidden", "group_ids": ["g"], "hidden": True},
        {"id": "91", "name": "staff", "group_ids": ["g", "staff"]},
    ]
    for number in range(1, runs + 1):
        # Often in the same millisecond as another one, often around the freeze and the end.
        time = drawn.choice(
            [drawn.randrange(-5, 305) * MINUTE, drawn.randrange(235, 245) * MINUTE, drawn.randrange(18_000_000)]
        )
        package["submissions"].append(
            {
                "id": str(number),
                "team_id": drawn.choice(package["teams"])["id"],
                "problem_id": drawn.choice(problems)["id"],
                "contest_time": reltime(time),
                "time": None,
                "language_id": "cpp",
            }
        )
        judge(package, drawn, str(number), time)
    drawn.shuffle(package["submissions"])
    drawn.shuffle(package["judgements"])
    return package


def judge(package: dict[str, Any], drawn: random.Random, submission: str, time: int) -> None:
    """Gives a submission its judgements: none, one that runs, one, or a few of which the last is in force."""
    for place in range(drawn.choice([0, 1, 1, 1, 1, 1, 1, 2, 3])):
        unfinished = drawn.random() < 0.05
        package["judgements"].append(
            {
                "id": f"j{len(package['judgements'])}",
                "submission_id": submission,
                "judgement_type_id": None if unfinished else drawn.choice([*[one["id"] for one in TYPES], "WA", "WA"]),
                "start_contest_time": reltime(time + 1000 + 10_000 * place),
            }
        )


def rejudged(package: dict[str, Any], seed: int, count: int = 40) -> dict[str, Any]:
    """The contest with some of its submissions judged once more."""
    drawn = random.Random(seed)
    package = copy.deepcopy(package)
    for one in drawn.sample(package["submissions"], count):
        for judgement in package["judgements"]:
            if judgement["submission_id"] == one["id"] and drawn.random() < 0.5:
                judgement["current"] = False
        judge(package, drawn, one["id"], milliseconds(one["contest_time"]) + 7_200_000)
    return package
