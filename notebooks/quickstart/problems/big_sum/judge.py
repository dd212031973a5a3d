"""Python's integers do not overflow."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    _, *entries = map(int, stdin.read().split())
    print(sum(entries), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
