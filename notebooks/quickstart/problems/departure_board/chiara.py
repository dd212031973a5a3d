"""Nearly right: sets the columns with tabs."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    rows = [line.strip().split(";") for line in stdin][1:]
    rows.sort(key=lambda row: (row[0], int(row[1])))
    print("TIME", "LINE", "DESTINATION", "PLATFORM", sep="\t", file=stdout)
    for time, line, destination, platform in rows:
        name = destination[:15] + "." if len(destination) > 16 else destination
        print(time, line, name, platform, sep="\t", file=stdout)
    print(f"{len(rows)} departures" if len(rows) != 1 else "1 departure", file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
