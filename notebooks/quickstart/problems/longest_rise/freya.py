"""Nearly right: finds the lowest of the longest climbs, and the highest was asked for."""

import sys
from bisect import bisect_left
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    _, *heights = map(int, stdin.read().split())
    ends: list[int] = []
    end_places: list[int] = []
    before: list[int] = []
    for place, height in enumerate(heights):
        k = bisect_left(ends, height)
        ends[k : k + 1] = [height]
        end_places[k : k + 1] = [place]
        before.append(end_places[k - 1] if k else -1)
    climb = []
    place = end_places[-1]
    while place >= 0:
        climb.append(heights[place])
        place = before[place]
    print(len(climb), file=stdout)
    print(*reversed(climb), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
