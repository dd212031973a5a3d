"""A stable sort of the runners keeps the smaller number first."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n, *times = map(int, stdin.read().split())
    arrived = sorted(range(n), key=times.__getitem__)
    stdout.writelines(f"{runner + 1}\n" for runner in arrived)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
