"""The longest climb.

A hiker wrote down n heights in millimetres (1 <= n <= 20 000, each from 0 to 10^12): n on the first line, the heights
on the second. Strike out as few as possible so that each of those left is higher than the one before it. Print how
many are left and, on the next line, those heights; where there is a choice, take the higher first height, then the
higher second one, and so on.
"""

from __future__ import annotations

from random import Random

from ...problem import Problem


def _walk(*heights: int) -> str:
    return f"{len(heights)}\n{' '.join(map(str, heights))}\n"


def _random_walk(seed: int, count: int, reach: int, slope: int = 0) -> str:
    random = Random(seed)
    return _walk(*(slope * step + random.randrange(reach) for step in range(count)))


PROBLEM = Problem(
    package=__name__,
    mode="tokens",
    small={
        "one_height": _walk(1200),
        "always_up": _walk(100, 200, 300, 400),
        "always_down": _walk(900, 700, 400, 100),
        "plateau": _walk(5, 5, 5, 5, 5),
        "a_choice": _walk(3, 1, 4, 2, 5),
        "steps_and_rests": _walk(1, 2, 2, 3, 3, 3, 4, 1, 5, 5),
        "himalaya": _walk(8_848_860, 2_147_483_647, 2_147_483_648, 4_294_967_297, 10**12),
        "rocky": _random_walk(seed=401, count=40, reach=100),
        "moor": _random_walk(seed=402, count=40, reach=12),
    },
    big={"ridge": lambda: _random_walk(seed=403, count=20_000, reach=4000, slope=1)},
)
