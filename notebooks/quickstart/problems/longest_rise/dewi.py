"""Wrong on level ground: keeps heights that are not higher than the one before, only not lower."""

import sys
from bisect import bisect_right
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    _, *heights = map(int, stdin.read().split())
    tops: list[int] = []
    places: list[list[int]] = []
    for place in range(len(heights) - 1, -1, -1):
        k = bisect_right(tops, -heights[place])
        if k == len(tops):
            tops.append(0)
            places.append([])
        tops[k] = -heights[place]
        places[k].append(place)
    climb: list[int] = []
    here = height = -1
    for starts in reversed(places):
        fitting = [place for place in starts if place > here and heights[place] >= height]
        here = min(fitting, key=lambda place: (-heights[place], place))
        height = heights[here]
        climb.append(height)
    print(len(climb), file=stdout)
    print(*climb, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
