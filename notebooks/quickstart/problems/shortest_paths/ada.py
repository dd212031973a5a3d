"""Right: the Bellman-Ford algorithm with a queue of the stops that improved."""

import sys
from collections import deque
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n, m = map(int, stdin.readline().split())
    buses: list[list[tuple[int, int]]] = [[] for _ in range(n + 1)]
    for _ in range(m):
        a, b, t = map(int, stdin.readline().split())
        buses[a].append((b, t))
    minutes = {1: 0}
    improved = deque([1])
    waiting = {1}
    while improved:
        stop = improved.popleft()
        waiting.remove(stop)
        for to, t in buses[stop]:
            if to not in minutes or minutes[stop] + t < minutes[to]:
                minutes[to] = minutes[stop] + t
                if to not in waiting:
                    waiting.add(to)
                    improved.append(to)
    print(" ".join(str(minutes.get(stop, "NEVER")) for stop in range(1, n + 1)), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
