"""Nearly right: fills columns by counting bytes, as C does, and an accented letter has two."""

import sys
from typing import TextIO


def padded(text: str, width: int) -> str:
    return text + " " * (width - len(text.encode()))


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    departures = []
    for _ in range(n):
        time, line, destination, platform = stdin.readline().strip().split(";")
        departures.append((time, int(line), destination, int(platform)))
    print("TIME   LINE DESTINATION      PLATFORM", file=stdout)
    for time, number, destination, track in sorted(departures, key=lambda departure: departure[:2]):
        name = destination[:15] + "." if len(destination) > 16 else destination
        print("%-5s  %4d %s %8d" % (time, number, padded(name, 16), track), file=stdout)  # noqa: UP031
    print(n, "departure" if n == 1 else "departures", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
