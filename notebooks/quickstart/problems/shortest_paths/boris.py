"""Wrong: minutes are 32-bit integers, and two billion of them wrap around."""

import sys
from heapq import heappop, heappush
from typing import TextIO


def int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


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
        if stop in minutes:
            continue
        minutes[stop] = now
        for to, t in buses[stop]:
            heappush(heap, (int32(now + t), to))
    print(*(minutes.get(stop, "NEVER") for stop in range(1, n + 1)), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
