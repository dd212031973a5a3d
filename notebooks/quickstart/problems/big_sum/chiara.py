"""Right: adds in columns of nine digits, as one must where integers are short."""

import sys
from typing import TextIO

BASE = 10**9
COLUMNS = 6


def carry(columns: list[int]) -> int:
    """Bring each column into 0 .. BASE - 1; what is carried out of the last one is negative if the number is."""
    over = 0
    for place, column in enumerate(columns):
        over, columns[place] = divmod(column + over, BASE)
    return over


def main(stdin: TextIO, stdout: TextIO) -> None:
    columns = [0] * COLUMNS
    for entry in stdin.read().split()[1:]:
        sign = -1 if entry.startswith("-") else 1
        digits = entry.lstrip("-").zfill(9 * COLUMNS)
        for place in range(COLUMNS):
            end = len(digits) - 9 * place
            columns[place] += sign * int(digits[end - 9 : end])
    negative = carry(columns) < 0
    if negative:
        columns = [-column for column in columns]
        carry(columns)
    text = "".join(f"{column:09}" for column in reversed(columns)).lstrip("0") or "0"
    print(("-" if negative else "") + text, file=stdout)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
