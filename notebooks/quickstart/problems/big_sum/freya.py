"""Nearly right: sets commas between thousands, and nobody asked for them."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    entries = stdin.read().split()[1:]
    print(f"{sum(map(int, entries)):,}", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
