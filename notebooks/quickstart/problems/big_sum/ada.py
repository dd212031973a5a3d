"""Right: a running total."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    total = 0
    for _ in range(int(stdin.readline())):
        total += int(stdin.readline())
    print(total, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
