"""Wrong: adds as floating point, which has 53 bits for the digits."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    total = 0.0
    for entry in stdin.read().split()[1:]:
        total += float(entry)
    print(int(total), file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
