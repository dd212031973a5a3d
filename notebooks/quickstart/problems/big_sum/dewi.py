"""Wrong: counts from 1 and stops before n, so the last entry is never read."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    total = 0
    for _ in range(1, n):
        total += int(stdin.readline())
    print(total, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
