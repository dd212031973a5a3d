"""Counts of blocks, told by instruction and by line of the source.

A branch arrives behind an ``end``, so that the ``end`` itself, which compilers' tables give to the statement before it,
ran as often as that statement came to its end, and not as often as it was jumped over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.analysis.listings.painted_source import LineCount

if TYPE_CHECKING:
    from judicia_notebook.experiments.monitoring.counts import Counts
    from judicia_notebook.wasm.dwarf.functions import DebugFunction
    from judicia_notebook.wasm.source_map import SourceMap


class Counted(NamedTuple):
    """An instruction that can run: the byte of the file where it begins, and how often it began."""

    at: int
    times: int


def instructions_of(counts: Counts, function: int) -> Iterator[Counted]:
    """The instructions of a function, without those behind an unconditional branch, which never run."""
    blocks = counts.blocks
    for block in blocks.of(function):
        if not blocks.reachable[block]:
            continue
        at, times, is_cut = blocks.start[block], int(counts.begun[block]), block in counts.cuts
        for place, instruction in enumerate(counts.instructions_of(block)):
            yield Counted(at, counts.times(block, place) if is_cut else times)
            at += len(instruction)


class Lines(NamedTuple):
    """The counts of lines by file and number, and how many instructions that ran are of none."""

    files: dict[str, dict[int, LineCount]]
    elsewhere: int


def count_lines(counts: Counts, places: SourceMap, is_shown: Callable[[str], bool] | None = None) -> Lines:
    """How often each line ran.

    With `is_shown`, what was inlined from a file that is not shown counts at the line that called it.
    """
    files: dict[str, dict[int, LineCount]] = {}
    most: dict[tuple[str, int, int], int] = {}  # of each copy of a line, by its file, line and function
    elsewhere = 0
    for function in counts.functions:
        until, line, column, home = 0, None, 0, 0
        for at, times in instructions_of(counts, function):
            offset = at - places.code_start
            if offset >= until:
                until = places.known_until(offset)
                file, number, column, home = _place(places, offset, function, is_shown)
                line = None
                if file and number:
                    line = files.setdefault(file, {}).setdefault(number, LineCount())
                    key = file, number, home
            if line is None:
                elsewhere += times
                continue
            line.instructions += 1
            line.ran += times
            line.covered += times > 0
            if not times:
                line.missed.add(column)
            most[key] = max(most.get(key, 0), times)
    for (file, number, _), times in most.items():
        line = files[file][number]
        line.count = None if counts.unknown else (line.count or 0) + times
    found = {file: {number: each for number, each in lines.items() if each.instructions}
             for file, lines in files.items()}  # fmt: skip
    return Lines({file: lines for file, lines in found.items() if lines}, elsewhere)


def _place(
    places: SourceMap, offset: int, function: int, is_shown: Callable[[str], bool] | None
) -> tuple[str, int, int, int]:
    """File, line and column of code, and a number for the copy of the function that it is in."""
    inner: DebugFunction | None = places.function_at(offset)
    for frame in places.frames(offset):
        if is_shown is None or is_shown(frame.file):
            return frame.file, frame.line, frame.column, id(inner) if inner is not None else function
        inner = inner.parent if inner is not None else None
    return "", 0, 0, 0
