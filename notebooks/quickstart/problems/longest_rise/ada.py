"""Right: keeps the heights that lie on some longest climb, then takes the highest of each level."""

import sys
from bisect import bisect_left
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    heights = [int(word) for word in stdin.readline().split()]
    levels = []  # of each place: the longest climb that ends there
    ends: list[int] = []
    for height in heights:
        level = bisect_left(ends, height)
        ends[level : level + 1] = [height]
        levels.append(level)
    useful: list[list[int]] = [[] for _ in ends]
    highest_above = [-1] * len(ends) + [10**13]  # the highest useful height of a level, seen from the right
    for place in range(n - 1, -1, -1):
        level = levels[place]
        if heights[place] < highest_above[level + 1]:
            highest_above[level] = max(highest_above[level], heights[place])
            useful[level].append(place)
    climb: list[int] = []
    here, height = -1, -1
    for candidates in useful:
        fitting = [place for place in candidates if place > here and heights[place] > height]
        here = min(fitting, key=lambda place: (-heights[place], place))
        height = heights[here]
        climb.append(height)
    print(f"{len(climb)}\n{' '.join(map(str, climb))}", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
