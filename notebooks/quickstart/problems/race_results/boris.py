"""Wrong after 35 minutes: 2 147 483 648 microseconds are negative in 32 bits."""

import sys
from typing import TextIO


def int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def main(stdin: TextIO, stdout: TextIO) -> None:
    stdin.readline()
    times = [int32(int(word)) for word in stdin.readline().split()]
    for _, runner in sorted((time, number) for number, time in enumerate(times, start=1)):
        print(runner, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
