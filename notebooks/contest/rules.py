"""The standings of an ICPC contest, from the verdicts that submissions deserve. Shares no code with any plugin."""

from __future__ import annotations

from collections.abc import Iterable

from .simulation import Submission

PENALTY = 20


def standings(submissions: Iterable[Submission]) -> list[tuple[int, str, int, int]]:
    """Rank, team, problems solved and time, for each team that submitted; the best first."""
    wrong: dict[tuple[str, str], int] = {}
    solved: dict[str, dict[str, tuple[int, int]]] = {}
    for one in sorted(submissions, key=lambda one: (one.time_ms, one.id)):
        done, key = solved.setdefault(one.team, {}), (one.team, one.problem)
        if one.problem in done:
            continue
        if one.deserves == "accepted":
            done[one.problem] = (one.minute + PENALTY * wrong.get(key, 0), one.minute)
        else:
            wrong[key] = wrong.get(key, 0) + 1
    merit = {
        team: (-len(done), sum(cost for cost, _ in done.values()), max((last for _, last in done.values()), default=-1))
        for team, done in solved.items()
    }
    order = sorted(merit.values())
    best_first = sorted(merit, key=lambda team: (merit[team], team))
    return [(order.index(merit[team]) + 1, team, -merit[team][0], merit[team][1]) for team in best_first]
