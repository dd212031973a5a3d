"""Format specifications count characters, not bytes."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    departures = [line.rstrip("\n").split(";") for line in stdin.readlines()[1:]]
    departures.sort(key=lambda departure: (departure[0], int(departure[1])))
    print(f"{'TIME':5}  {'LINE':>4} {'DESTINATION':16} {'PLATFORM':>8}", file=stdout)
    for time, line, destination, platform in departures:
        name = destination if len(destination) <= 16 else destination[:15] + "."
        print(f"{time:5}  {line:>4} {name:16} {platform:>8}", file=stdout)
    print(f"{len(departures)} departure{'s' if len(departures) != 1 else ''}", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
