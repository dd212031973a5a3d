"""Right: Graham's scan around the lowest post, with the line ends of Windows."""

import sys
from functools import cmp_to_key
from math import sqrt
from typing import TextIO

Post = tuple[int, int]


def turn(a: Post, b: Post, c: Post) -> int:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def distance2(a: Post, b: Post) -> int:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


def main(stdin: TextIO, stdout: TextIO) -> None:
    stdin.readline()
    posts = {(int(x), int(y)) for x, y in map(str.split, stdin)}
    lowest = min(posts, key=lambda post: (post[1], post[0]))

    def around(a: Post, b: Post) -> int:
        return turn(lowest, b, a) or distance2(lowest, a) - distance2(lowest, b)

    hull = [lowest]
    for post in sorted(posts - {lowest}, key=cmp_to_key(around)):
        while len(hull) > 1 and turn(hull[-2], hull[-1], post) <= 0:
            hull.pop()
        hull.append(post)
    if len(hull) < 3:
        print("no garden", file=stdout, end="\r\n")
        return
    doubled_area = 0
    length = 0.0
    for i, (x, y) in enumerate(hull):
        doubled_area += hull[i - 1][0] * y - hull[i - 1][1] * x
        length += sqrt(distance2(hull[i - 1], (x, y)))
    print(f"{doubled_area / 2:.3f} {length:.10f}", file=stdout, end="\r\n")


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
