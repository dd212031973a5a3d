"""Race results.

The first line holds n, the number of runners (1 <= n <= 100 000); the second their times in microseconds (0 to 2 *
10^10), that of runner 1 first. Print the runners' numbers in the order in which they arrived, one a line; of those
who arrived in the same microsecond the smaller number goes first.
"""

from __future__ import annotations

from random import Random

from ...problem import Problem


def _race(*times: int) -> str:
    return f"{len(times)}\n{' '.join(map(str, times))}\n"


def _random_race(seed: int, count: int, fastest: int, slowest: int) -> str:
    random = Random(seed)
    return _race(*(random.randrange(fastest, slowest) for _ in range(count)))


PROBLEM = Problem(
    package=__name__,
    mode="tokens",
    small={
        "alone": _race(600),
        "in_order": _race(100, 200, 300, 400, 500),
        "backwards": _race(500, 400, 300, 200, 100),
        "dead_heat": _race(700, 700, 700, 700),
        "photo_finish": _race(910, 905, 910, 905, 900),
        "short_and_long": _race(99, 1000, 100, 9, 10_000),
        "an_hour": _race(3_600_000_000, 3_599_999_999, 1_200_000_000, 4_300_000_000),
        "school_sports": _random_race(seed=601, count=50, fastest=11, slowest=60),
        "relay": _random_race(seed=602, count=50, fastest=30_000_000, slowest=300_000_000),
    },
    big={"city_marathon": lambda: _random_race(seed=603, count=60_000, fastest=9_000_000_000, slowest=10_800_000_000)},
)
