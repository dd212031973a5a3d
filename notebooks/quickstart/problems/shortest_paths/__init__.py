"""Night buses.

A city has n stops and m night buses (1 <= n <= 5000, 0 <= m <= 20 000). The first line holds n and m; each of the
next m lines holds a, b and t: a bus goes from stop a to stop b, in this direction only, and takes t minutes (0 <= t
<= 10^9).

You stand at stop 1. Print on one line, for each stop from 1 to n, the least number of minutes to get there, or NEVER.
"""

from __future__ import annotations

from random import Random

from ...problem import Problem

Bus = tuple[int, int, int]


def _city(stops: int, *buses: Bus) -> str:
    lines = [f"{stops} {len(buses)}", *(f"{a} {b} {t}" for a, b, t in buses)]
    return "\n".join(lines) + "\n"


def _random_city(seed: int, stops: int, buses: int) -> str:
    random = Random(seed)

    def bus() -> Bus:
        return random.randrange(1, stops + 1), random.randrange(1, stops + 1), random.randrange(1, 1000)

    return _city(stops, *(bus() for _ in range(buses)))


PROBLEM = Problem(
    package=__name__,
    mode="tokens",
    small={
        "one_stop": _city(1),
        "no_bus": _city(3),
        "two_routes": _city(3, (1, 3, 10), (1, 2, 4), (2, 3, 5)),
        "express_and_local": _city(2, (1, 2, 30), (1, 2, 12), (1, 2, 45)),
        "one_way": _city(4, (1, 2, 3), (3, 2, 1), (2, 4, 7), (4, 1, 1)),
        "round_trip": _city(4, (1, 2, 1), (2, 3, 1), (3, 4, 1), (4, 1, 1), (3, 1, 0)),
        "far_away": _city(4, (1, 2, 10**9), (2, 3, 10**9), (3, 4, 10**9)),
        "listed_backwards": _city(16, *((stop, stop + 1, stop) for stop in range(15, 0, -1))),
        "suburb": _random_city(seed=201, stops=30, buses=70),
    },
    big={"metropolis": lambda: _random_city(seed=202, stops=5000, buses=20_000)},
)
