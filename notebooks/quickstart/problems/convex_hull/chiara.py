"""Right: quickhull; prints both numbers in scientific notation, each on its line."""

import sys
from math import fsum, sqrt
from typing import TextIO

Post = tuple[int, int]


def left_of(a: Post, b: Post, c: Post) -> int:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def beyond(a: Post, b: Post, posts: list[Post]) -> list[Post]:
    """The hull from a to b, without b, around the posts to the right of the way."""
    outside = [post for post in posts if left_of(a, b, post) < 0]
    if not outside:
        return [a]
    farthest = min(outside, key=lambda post: (left_of(a, b, post), post))
    return beyond(a, farthest, outside) + beyond(farthest, b, outside)


def main(stdin: TextIO, stdout: TextIO) -> None:
    rows = [line.split() for line in stdin.read().splitlines()[1:]]
    posts = [(int(x), int(y)) for x, y in rows]
    west, east = min(posts), max(posts)
    hull = beyond(west, east, posts) + beyond(east, west, posts)
    if len(hull) < 3:
        print("no", "garden", sep="\n", file=stdout)
        return
    edges = list(zip(hull, hull[1:] + hull[:1], strict=True))
    area = sum(ax * by - ay * bx for (ax, ay), (bx, by) in edges) / 2
    length = fsum(sqrt((ax - bx) ** 2 + (ay - by) ** 2) for (ax, ay), (bx, by) in edges)
    print(f"{area:.11e}", f"{length:.11e}", sep="\n", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
