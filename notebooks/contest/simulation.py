"""Teams that solve problems as teams do: the easy ones first, at about the same time, and some never.

- Every team has a skill, every problem a difficulty. Both decide how long a team thinks and how likely its next program
  is right. After each wrong one it may leave the problem for later.
- What a program printed is simulated too, so that the checker has something to judge: the answer as it should be, or
  with one number changed.
- The same seed gives the same contest on every machine.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

MINUTES = 300
FREEZE = 240
PROBLEMS = "ABCDEFGHIJKL"
MARKUP = "<img src=x onerror=alert(1)>"
SQL = "Robert'); DROP TABLE scoreboard_runs;--"

_ADJECTIVES = ("Amortized", "Bipartite", "Convex", "Dynamic", "Eager", "Greedy", "Lazy", "Planar", "Sorted", "Stable")
_NOUNS = ("Badgers", "Cranes", "Herons", "Lynxes", "Magpies", "Otters", "Ravens", "Stoats", "Voles")


@dataclass(frozen=True)
class Submission:
    """What one team sent in, and the verdict it deserves."""

    id: str
    team: str
    problem: str
    time_ms: int
    output: str = field(repr=False)
    answer: str = field(repr=False)
    deserves: Literal["accepted", "wrong_answer"]

    @property
    def minute(self) -> int:
        """The whole minutes since the contest began."""
        return self.time_ms // 60_000

    @property
    def event(self) -> dict[str, Any]:
        """The payload of `submission.received`: whose it is, and what the checker needs. No verdict."""
        said = {"id": self.id, "team": self.team, "problem": self.problem, "time_ms": self.time_ms}
        return said | {"check": {"output": self.output, "answer": self.answer}}


def names(count: int = 80) -> list[str]:
    """What the teams are called. Two of them try something."""
    ordinary = [f"{adjective} {noun}" for noun in _NOUNS for adjective in _ADJECTIVES]
    return [*ordinary[: count - 2], MARKUP, SQL]


def contest(seed: int = 2049, teams: int = 80) -> list[Submission]:
    """All submissions of a contest in their order; at most 92 teams."""
    drawn = random.Random(seed)
    difficulty = {problem: -1.4 + 0.45 * place + drawn.gauss(0, 0.2) for place, problem in enumerate(PROBLEMS)}
    answers = {problem: _answer(drawn, 10 * 3 ** (place / 3)) for place, problem in enumerate(PROBLEMS)}
    tries = [
        (time_ms, team, problem, right)
        for team in names(teams)
        for time_ms, problem, right in _team(drawn, drawn.gauss(0.4, 0.8), difficulty)
    ]
    return [
        Submission(
            f"s{number:04}",
            team,
            problem,
            time_ms,
            answers[problem] if right else _wrong(drawn, answers[problem]),
            answers[problem],
            "accepted" if right else "wrong_answer",
        )
        for number, (time_ms, team, problem, right) in enumerate(sorted(tries))
    ]


def _team(drawn: random.Random, skill: float, difficulty: dict[str, float]) -> Iterator[tuple[int, str, bool]]:
    """One team's five hours: when it submitted what, and whether that was right."""
    minute = drawn.uniform(1, 6)
    waiting = sorted(difficulty, key=lambda problem: difficulty[problem] + drawn.gauss(0, 0.4))
    while waiting:
        problem = waiting.pop(0)
        gap = difficulty[problem] - skill
        minute += drawn.lognormvariate(2.5 + 0.25 * gap, 0.5)
        for attempt in range(12):
            if minute >= MINUTES:
                return
            right = drawn.random() < 1 / (1 + math.exp(1.0 + 1.1 * gap - 0.12 * attempt))
            yield int(minute * 60_000), problem, right
            if right:
                break
            minute += drawn.expovariate(1 / 4) + 0.5
            if waiting and drawn.random() < 0.25:
                waiting.insert(min(2, len(waiting)), problem)
                break


def _answer(drawn: random.Random, count: float) -> str:
    return "\n".join(str(drawn.randrange(10**6)) for _ in range(round(count)))


def _wrong(drawn: random.Random, answer: str) -> str:
    """The answer with one number that is off by one."""
    numbers = answer.split("\n")
    place = drawn.randrange(len(numbers))
    numbers[place] = str(int(numbers[place]) + 1)
    return "\n".join(numbers)
