"""Wrong: the first runner is number 1, here it is number 0."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    times = [int(word) for word in stdin.readline().split()]
    for runner in sorted(range(n), key=lambda runner: times[runner]):
        print(runner, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
