"""Exact counts painted onto the source, or onto the WebAssembly text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from judicia_notebook.analysis.listings.lines import source_map
from judicia_notebook.analysis.listings.painted_source import MOST_FILES, PaintedFile, PaintedSource
from judicia_notebook.analysis.listings.painted_wat import FunctionCounts, PaintedWat
from judicia_notebook.errors import DebugInfoError, JudiciaError
from judicia_notebook.experiments.monitoring.by_place import count_lines, instructions_of
from judicia_notebook.runtime.line_sources import texts_of
from judicia_notebook.text import did_you_mean, printable

if TYPE_CHECKING:
    from judicia_notebook.experiments.monitoring.counts import Counts

NO_LINES = (
    "no debug information, so that no line is known; this is its WebAssembly text. Compilers write lines with -g, "
    "as in  %%plugin define NAME --lang c --flags -g"
)


def paint_source(
    name: str, counts: Counts, file: str | None, sources: str | os.PathLike[str] | None
) -> PaintedSource | PaintedWat:
    """Carry out `Monitored.source`, whose docstring says more."""
    texts = texts_of(counts.rewritten.original.digest, sources)
    try:
        places = source_map(counts.module.data)
    except DebugInfoError as error:
        note = f"its debug information cannot be read ({printable(error.message)}); this is its WebAssembly text"
        return paint_wat(name, counts, None, note)
    if not places:
        return paint_wat(name, counts, None, NO_LINES)
    files = list(dict.fromkeys([*(each for each in places.units if each in places.files), *places.files]))
    wanted = _chosen(files, file) if file is not None else files
    found = {each: texts(each) for each in wanted}
    known = [each for each in wanted if found[each] is not None] or wanted
    shown = frozenset(known[:MOST_FILES])
    lines = count_lines(counts, places, shown.__contains__ if file is None else None)
    elsewhere = lines.elsewhere if file is None else 0
    painted = [PaintedFile(each, found[each], lines.files.get(each, {})) for each in known[:MOST_FILES]]
    return PaintedSource(name, painted, elsewhere)


def _chosen(files: list[str], wanted: str) -> list[str]:
    """The files of this name, or whose path ends with it."""
    found = [each for each in files if each == wanted] or [each for each in files if each.endswith(f"/{wanted}")]
    if not found:
        close = did_you_mean(wanted[:200], files)
        raise JudiciaError(f"no code is of a file {printable(wanted, 80)!r}.{close}")
    return found


def paint_wat(name: str, counts: Counts, function: str | int | None, note: str = "") -> PaintedWat:
    """Carry out `Monitored.wat`, whose docstring says more."""
    blocks, alone = counts.blocks, counts.by_function(counts.ran)
    rows = {}
    for index in counts.functions:
        own = blocks.of(index)
        sizes = sum(blocks.instructions[block] for block in own if blocks.reachable[block])
        reached = sum(int(counts.reached[block]) for block in own)
        rows[index] = FunctionCounts(int(counts.begun[own.start]), int(alone[index]), reached, sizes)

    def times(index: int) -> dict[int, int | None]:
        if counts.unknown:
            return {each.at: None for each in instructions_of(counts, index)}
        return {each.at: each.times for each in instructions_of(counts, index)}

    return PaintedWat(name, counts.module.data, function, rows, times, note, is_known=not counts.unknown)
