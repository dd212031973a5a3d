"""Right: merges halves, with the line ends of Windows."""

import sys
from heapq import merge
from typing import TextIO


def main(stdin: TextIO, stdout: TextIO) -> None:
    n = int(stdin.readline())
    finish = [(int(time), number) for number, time in enumerate(stdin.readline().split(), start=1)]
    halves = sorted(finish[: n // 2]), sorted(finish[n // 2 :])
    stdout.write("".join(f"{runner}\r\n" for _, runner in merge(*halves)))


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
