"""Right: wraps the gift, from post to post."""

import sys
from math import sqrt
from typing import TextIO

Post = tuple[int, int]


def turn(a: Post, b: Post, c: Post) -> int:
    """Positive if c lies to the left of the way from a to b."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def distance2(a: Post, b: Post) -> int:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


def main(stdin: TextIO, stdout: TextIO) -> None:
    posts = {(int(x), int(y)) for x, y in (stdin.readline().split() for _ in range(int(stdin.readline())))}
    start = here = min(posts)
    doubled_area = 0
    length = 0.0
    while True:
        there = here
        for post in posts:
            side = turn(here, there, post)
            if there == here or side < 0 or (side == 0 and distance2(here, post) > distance2(here, there)):
                there = post
        doubled_area += here[0] * there[1] - here[1] * there[0]
        length += sqrt(distance2(here, there))
        here = there
        if here == start:
            break
    if doubled_area:
        print(f"{doubled_area / 2:.8f} {length:.8f}", file=stdout)
    else:
        print("no garden", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
