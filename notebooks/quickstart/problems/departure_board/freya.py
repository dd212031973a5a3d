"""Wrong in a busy minute: compares line numbers as text, so 100 goes before 30, and 30 before 4."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    departures = sorted(stdin.readline().strip().split(";") for _ in range(n))
    print("TIME   LINE DESTINATION      PLATFORM", file=stdout)
    for time, line, destination, platform in departures:
        name = destination[:15] + "." if len(destination) > 16 else destination
        print(f"{time}  {line:>4} {name:<16} {platform:>8}", file=stdout)
    print(n, "departure" if n == 1 else "departures", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
