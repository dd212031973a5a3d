"""Nearly right: calculates in single precision, which holds seven digits."""

import struct
import sys
from math import sqrt
from typing import TextIO

Post = tuple[int, int]


def float32(value: float) -> float:
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def half(posts: list[Post]) -> list[Post]:
    hull: list[Post] = []
    for post in posts:
        while len(hull) > 1 and not left_turn(hull[-2], hull[-1], post):
            hull.pop()
        hull.append(post)
    return hull


def left_turn(a: Post, b: Post, c: Post) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) > (b[1] - a[1]) * (c[0] - a[0])


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    posts = sorted({(int(x), int(y)) for x, y in (stdin.readline().split() for _ in range(n))})
    lower, upper = half(posts), half(posts[::-1])
    if len(lower) < 3 and len(upper) < 3:
        print("no garden", file=stdout)
        return
    hull = lower[:-1] + upper[:-1]
    area = length = 0.0
    for (ax, ay), (bx, by) in zip(hull, hull[1:] + hull[:1], strict=True):
        area = float32(area + float32(float32(ax * by) - float32(ay * bx)))
        length = float32(length + float32(sqrt(float32((ax - bx) ** 2 + (ay - by) ** 2))))
    print(f"{area / 2:.6f} {length:.6f}", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
