"""Nearly right: rounds the length to two digits after the point."""

import sys
from math import sqrt
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    stdin.readline()
    posts = sorted({complex(*map(int, line.split())) for line in stdin}, key=lambda z: (z.real, z.imag))
    hull: list[complex] = []
    for side in (posts, posts[::-1]):
        start = len(hull)
        for post in side:
            while len(hull) > start + 1:
                a, b = hull[-2:]
                if ((b - a).conjugate() * (post - a)).imag > 0:
                    break
                hull.pop()
            hull.append(post)
        hull.pop()
    doubled_area = length = 0.0
    for i, b in enumerate(hull):
        a = hull[i - 1]
        doubled_area += (a.conjugate() * b).imag
        length += sqrt((a - b).real ** 2 + (a - b).imag ** 2)
    print(f"{doubled_area / 2:.1f} {length:.2f}" if doubled_area else "no garden", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
