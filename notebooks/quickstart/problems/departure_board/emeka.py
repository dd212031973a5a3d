"""Nearly right: the line ends of Windows, which count for once."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    stdin.readline()
    departures = sorted((line.strip().split(";") for line in stdin), key=lambda row: (row[0], int(row[1])))
    print("TIME   LINE DESTINATION      PLATFORM", file=stdout, end="\r\n")
    for time, line, destination, platform in departures:
        if len(destination) > 16:
            destination = destination[:15] + "."
        print(f"{time}  {line:>4} {destination:<16} {platform:>8}", file=stdout, end="\r\n")
    word = "departure" if len(departures) == 1 else "departures"
    print(len(departures), word, file=stdout, end="\r\n")


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
