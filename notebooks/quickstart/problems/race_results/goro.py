"""Wrong where times differ in length: sorts them as text."""

import sys
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    stdin.readline()
    finish = sorted((time, number) for number, time in enumerate(stdin.readline().split(), start=1))
    for _, runner in finish:
        print(runner, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
