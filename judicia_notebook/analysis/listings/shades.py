"""Counts as shades: five at most, each with the counts that it stands for, so that words say what colours do.

Shades go by orders of magnitude, since one loop runs more often than all else together. Their colours are in
`page.css`: one hue that gets denser, on any ground, and hatching for what did not run.
"""

from __future__ import annotations

from bisect import bisect_left

from judicia_notebook.units import format_count

NOT_RUN = "not run"
MOST_SHADES = 5


class Shades:
    """The shades of counts from 1 up to the largest.

    Examples
    --------
    >>> shades = Shades(100_000)
    >>> [shades.level(count) for count in (0, 1, 10, 11, 100_000)]
    [0, 1, 1, 2, 5]
    >>> Shades(2).ranges()
    [(1, 1, 1), (2, 2, 2)]
    """

    def __init__(self, largest: int) -> None:
        most = max(largest, 1)
        self._ends = sorted({*(max(1, round(most ** (part / MOST_SHADES))) for part in range(1, MOST_SHADES)), most})

    def level(self, count: int | None) -> int:
        """The shade of a count, from 1; 0 of none."""
        return min(bisect_left(self._ends, count), len(self._ends) - 1) + 1 if count else 0

    def css_class(self, count: int | None) -> str:
        """The class of what ran so often: ``jc-heat1`` and on, or ``jc-missed``; none for what is not known."""
        if count is None:
            return ""
        return f"jc-heat{self.level(count)}" if count else "jc-missed"

    def ranges(self) -> list[tuple[int, int, int]]:
        """Each shade with the smallest and the largest count that it stands for."""
        starts = [1, *(end + 1 for end in self._ends)]
        return [(level, start, end) for level, (start, end) in enumerate(zip(starts, self._ends, strict=False), 1)]

    def legend(self) -> str:
        """What the shades mean, as HTML."""
        keys = "".join(
            f'<span class="jc-key jc-heat{level}">{format_count(start)}'
            f"{f' to {format_count(end)}' if end > start else ''}</span> "
            for level, start, end in self.ranges()
        )
        return f'<p>times: {keys}<span class="jc-key jc-missed">{NOT_RUN}</span></p>'


def shown_count(count: int | None) -> str:
    """A count in words: exact digits, ``not run`` for none at all, ``NA`` where it is not known."""
    if count is None:
        return "NA"
    return format_count(count) if count else NOT_RUN
