"""Wrong: adds as a 32-bit integer does, which wraps around past 2 147 483 647."""

import sys
from typing import TextIO


def int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def main(stdin: TextIO, stdout: TextIO) -> None:
    total = 0
    for _ in range(int(stdin.readline())):
        total = int32(total + int32(int(stdin.readline())))
    print(total, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
