"""Right: ends its line as Windows does, which does not matter where words are compared."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    stdin.readline()
    print(sum(int(line) for line in stdin), file=stdout, end="\r\n")


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
