"""Right: prints every stop on a line of its own, and the words are the same."""

import sys
from heapq import heapify, heappop, heappush
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n, _ = map(int, stdin.readline().split())
    buses: dict[int, list[tuple[int, int]]] = {stop: [] for stop in range(1, n + 1)}
    for line in stdin:
        a, b, t = map(int, line.split())
        buses[a].append((t, b))
    arrival = {1: 0}
    heap = list(buses[1])
    heapify(heap)
    while heap:
        minutes, stop = heappop(heap)
        if stop not in arrival:
            arrival[stop] = minutes
            for t, to in buses[stop]:
                heappush(heap, (minutes + t, to))
    for stop in range(1, n + 1):
        print(arrival.get(stop, "NEVER"), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
