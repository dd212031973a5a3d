"""Right: fills the columns by hand."""

import sys
from typing import TextIO


def row(time: str, line: str, destination: str, platform: str) -> str:
    if len(destination) > 16:
        destination = destination[:15] + "."
    return time.ljust(7) + line.rjust(4) + " " + destination.ljust(17) + platform.rjust(8) + "\n"


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    board = []
    for _ in range(n):
        time, line, destination, platform = stdin.readline().strip().split(";")
        board.append((time, int(line), row(time, line, destination, platform)))
    board.sort()
    stdout.write(row("TIME", "LINE", "DESTINATION", "PLATFORM"))
    stdout.writelines(text for _, _, text in board)
    stdout.write("1 departure\n" if n == 1 else f"{n} departures\n")


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
