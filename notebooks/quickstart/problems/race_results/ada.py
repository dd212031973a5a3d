"""Right: a heap of times and numbers."""

import sys
from heapq import heapify, heappop
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    finish = list(zip(map(int, stdin.readline().split()), range(1, n + 1), strict=True))
    heapify(finish)
    while finish:
        _, runner = heappop(finish)
        stdout.write(f"{runner}\n")


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
