"""Wrong on long walks: looks forty heights ahead and no farther."""

import sys
from typing import TextIO

AHEAD = 40


def main(stdin: TextIO, stdout: TextIO) -> None:
    _, *heights = map(int, stdin.read().split())
    n = len(heights)
    length = [1] * n
    after = [n] * n
    for place in range(n - 1, -1, -1):
        for later in range(place + 1, min(n, place + AHEAD)):
            if heights[later] > heights[place]:
                gain = length[later] + 1 - length[place]
                if gain > 0 or (gain == 0 and heights[later] > heights[after[place]]):
                    length[place] = length[later] + 1
                    after[place] = later
    place = min(range(n), key=lambda start: (-length[start], -heights[start]))
    print(length[place], file=stdout)
    while place < n:
        print(heights[place], file=stdout)
        place = after[place]


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
