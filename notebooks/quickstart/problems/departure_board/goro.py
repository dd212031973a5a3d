"""Wrong with long names: never cuts them."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    rows = [stdin.readline().strip().split(";") for _ in range(n)]
    rows.sort(key=lambda row: row[0].replace(":", "") + row[1].zfill(4))
    row_format = "{:<5}  {:>4} {:<16} {:>8}"
    print(row_format.format("TIME", "LINE", "DESTINATION", "PLATFORM"), file=stdout)
    for row in rows:
        print(row_format.format(*row), file=stdout)
    print(f"{n} departure" + "s" * (n != 1), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
