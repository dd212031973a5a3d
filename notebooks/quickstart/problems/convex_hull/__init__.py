"""The garden fence.

The first line holds n, the number of posts in a meadow (1 <= n <= 1000); each of the next n lines holds the integers
x and y of one post (at most 10^6 from zero). A rope is pulled tight around all of them. Print the area inside the
rope and the rope's length, or the words "no garden" if all posts stand on one line. Both numbers count as right with
an absolute error of 10^-4 or a relative error of 10^-10.
"""

from __future__ import annotations

from random import Random

from ...problem import Problem

Post = tuple[int, int]


def _meadow(*posts: Post) -> str:
    return "\n".join([str(len(posts)), *(f"{x} {y}" for x, y in posts)]) + "\n"


def _random_meadow(seed: int, count: int, reach: int) -> str:
    random = Random(seed)
    return _meadow(*((random.randrange(-reach, reach + 1), random.randrange(-reach, reach + 1)) for _ in range(count)))


PROBLEM = Problem(
    package=__name__,
    mode="float",
    absolute=1e-4,
    relative=1e-10,
    small={
        "one_post": _meadow((5, 5)),
        "a_hedge": _meadow((0, 0), (2, 4), (1, 2), (-3, -6)),
        "three_four_five": _meadow((0, 0), (4, 0), (0, 3)),
        "square_with_a_tree": _meadow((0, 0), (10, 0), (10, 10), (0, 10), (5, 5)),
        "posts_along_the_sides": _meadow((2, 0), (0, 0), (0, 2), (1, 0), (2, 2), (0, 1), (2, 1), (1, 2)),
        "same_x_any_order": _meadow((3, 1), (0, 2), (0, 7), (0, 0), (3, 9), (3, 4), (0, 5)),
        "a_post_twice": _meadow((1, 1), (4, 2), (1, 1), (2, 6), (4, 2)),
        "needle": _meadow((-1_000_000, -999_999), (1_000_000, 1_000_000), (0, 0)),
        "allotment": _random_meadow(seed=301, count=40, reach=9),
        "prairie": _random_meadow(seed=302, count=200, reach=1_000_000),
    },
    big={},
)
