"""Nearly right: no newline after the last line."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    departures = sorted(
        (time, int(line), destination, platform)
        for time, line, destination, platform in (stdin.readline().strip().split(";") for _ in range(n))
    )
    board = ["TIME   LINE DESTINATION      PLATFORM"]
    for time, line, destination, platform in departures:
        name = destination[:15] + "." if len(destination) > 16 else destination
        board.append(f"{time}  {line:4} {name:<16} {platform:>8}")
    board.append("1 departure" if n == 1 else f"{n} departures")
    stdout.write("\n".join(board))


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
