"""Right: a radix sort, with all numbers on one line."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n, *times = map(int, stdin.read().split())
    order = list(range(n))
    for shift in (0, 12, 24):
        buckets: list[list[int]] = [[] for _ in range(4096)]
        for runner in order:
            buckets[times[runner] >> shift & 4095].append(runner)
        order = [runner for bucket in buckets for runner in bucket]
    print(*(runner + 1 for runner in order), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
