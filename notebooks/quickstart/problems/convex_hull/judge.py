"""Andrew's monotone chain. The area is exact; only the roots of the length are rounded."""

import sys
from math import fsum, sqrt
from typing import TextIO

Post = tuple[int, int]


def chain(posts: list[Post]) -> list[Post]:
    """One side of the hull, without its last post."""
    side: list[Post] = []
    for x, y in posts:
        while len(side) > 1:
            (ax, ay), (bx, by) = side[-2:]
            if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                break
            side.pop()
        side.append((x, y))
    return side[:-1]


def main(stdin: TextIO, stdout: TextIO) -> None:
    _, *numbers = map(int, stdin.read().split())
    posts = sorted(set(zip(numbers[::2], numbers[1::2], strict=True)))
    hull = chain(posts) + chain(posts[::-1])
    edges = list(zip(hull, hull[1:] + hull[:1], strict=True))
    area = sum(ax * by - ay * bx for (ax, ay), (bx, by) in edges) / 2
    length = fsum(sqrt((ax - bx) ** 2 + (ay - by) ** 2) for (ax, ay), (bx, by) in edges)
    print(f"{area:.1f} {length:.9f}" if area else "no garden", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
