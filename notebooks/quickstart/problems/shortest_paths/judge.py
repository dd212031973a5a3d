"""Dijkstra's algorithm with a heap."""

import sys
from heapq import heappop, heappush
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n, m = map(int, stdin.readline().split())
    buses: list[list[tuple[int, int]]] = [[] for _ in range(n + 1)]
    for _ in range(m):
        a, b, t = map(int, stdin.readline().split())
        buses[a].append((b, t))
    minutes: dict[int, int] = {}
    heap = [(0, 1)]
    while heap:
        now, stop = heappop(heap)
        if stop not in minutes:
            minutes[stop] = now
            for to, t in buses[stop]:
                heappush(heap, (now + t, to))
    print(*(minutes.get(stop, "NEVER") for stop in range(1, n + 1)), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
