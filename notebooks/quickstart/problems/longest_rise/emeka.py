"""Right: a Fenwick tree over the heights, with the line ends of Windows."""

import sys
from typing import TextIO


class LongestAbove:
    """The longest climb seen so far among all heights above a given one."""

    def __init__(self, heights: list[int]) -> None:
        self.rank = {height: rank for rank, height in enumerate(sorted(set(heights), reverse=True), start=1)}
        self.tree = [0] * (len(self.rank) + 1)

    def find(self, height: int) -> int:
        longest, node = 0, self.rank[height] - 1
        while node:
            longest = max(longest, self.tree[node])
            node &= node - 1
        return longest

    def note(self, height: int, length: int) -> None:
        node = self.rank[height]
        while node < len(self.tree):
            self.tree[node] = max(self.tree[node], length)
            node += node & -node


def main(stdin: TextIO, stdout: TextIO) -> None:
    stdin.readline()
    heights = [int(word) for word in stdin.readline().split()]
    above = LongestAbove(heights)
    starts: dict[int, list[int]] = {}
    for place in reversed(range(len(heights))):
        length = above.find(heights[place]) + 1
        above.note(heights[place], length)
        starts.setdefault(length, []).append(place)
    climb: list[str] = []
    here = height = -1
    for length in range(len(starts), 0, -1):
        fitting = [place for place in starts[length] if place > here and heights[place] > height]
        here = min(fitting, key=lambda place: (-heights[place], place))
        height = heights[here]
        climb.append(str(height))
    stdout.write(f"{len(climb)}\r\n{' '.join(climb)}\r\n")


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
