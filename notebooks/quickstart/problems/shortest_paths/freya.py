"""Nearly right: the word is NEVER, and this program whispers it."""

import sys
from heapq import heappop, heappush
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n, *numbers = (int(word) for word in stdin.read().split())
    buses: list[list[tuple[int, int]]] = [[] for _ in range(n + 1)]
    for a, b, t in zip(numbers[1::3], numbers[2::3], numbers[3::3], strict=True):
        buses[a].append((b, t))
    unknown = 10**18
    minutes = [unknown] * (n + 1)
    minutes[1] = 0
    heap = [(0, 1)]
    while heap:
        now, stop = heappop(heap)
        if now == minutes[stop]:
            for to, t in buses[stop]:
                if now + t < minutes[to]:
                    minutes[to] = now + t
                    heappush(heap, (now + t, to))
    print(*("never" if reached == unknown else reached for reached in minutes[1:]), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
