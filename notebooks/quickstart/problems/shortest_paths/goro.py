"""Wrong on long trips: goes ten times over the list of buses and calls it done."""

import sys
from typing import TextIO

ROUNDS = 10


def main(stdin: TextIO, stdout: TextIO) -> None:
    n, m = map(int, stdin.readline().split())
    buses = []
    for _ in range(m):
        a, b, t = map(int, stdin.readline().split())
        buses.append((a, b, t))
    minutes = {1: 0}
    for _ in range(ROUNDS):
        for a, b, t in buses:
            if a in minutes and minutes[a] + t < minutes.get(b, 10**18):
                minutes[b] = minutes[a] + t
    print(*(minutes.get(stop, "NEVER") for stop in range(1, n + 1)), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
