"""Wrong in a dead heat: turns the order of the slowest first around, and with it the order of those who tie."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    times = [int(word) for word in stdin.readline().split()]
    slowest_first = sorted(range(n), key=lambda runner: -times[runner])
    for runner in reversed(slowest_first):
        print(runner + 1, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
