"""Wrong: the heights are read into 32-bit integers."""

import sys
from bisect import bisect_left
from typing import TextIO


def int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    heights = [int32(int(word)) for word in stdin.readline().split()]
    length_from = [0] * n
    tops: list[int] = []
    for place in range(n - 1, -1, -1):
        k = bisect_left(tops, -heights[place])
        tops[k : k + 1] = [-heights[place]]
        length_from[place] = k + 1
    starts: list[list[int]] = [[] for _ in range(len(tops) + 1)]
    for place, length in enumerate(length_from):
        starts[length].append(place)
    climb: list[int] = []
    here, height = -1, -(2**31) - 1
    for length in range(len(tops), 0, -1):
        fitting = [place for place in starts[length] if place > here and heights[place] > height]
        here = min(fitting, key=lambda place: (-heights[place], place))
        height = heights[here]
        climb.append(height)
    print(len(climb), file=stdout)
    print(*climb, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
