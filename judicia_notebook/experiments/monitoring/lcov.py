"""Counts of lines, functions and branches as an LCOV tracefile.

The format is that of ``man geninfo``: a record a file, each number a line of text. Names of files and functions are
printable, so that none of them begins a line of its own.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.analysis.listings.lines import path_within, source_map
from judicia_notebook.analysis.replacing import replacing
from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.monitoring.by_place import count_lines
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.analysis.listings.painted_source import LineCount
    from judicia_notebook.experiments.monitoring.counts import Counts
    from judicia_notebook.wasm.source_map import SourceMap

_MOST_PATH = 1000


class _Function(NamedTuple):
    line: int
    name: str


class _Branch(NamedTuple):
    line: int
    block: int
    number: int
    taken: int | None  # None where nobody got to it


def write_lcov(
    path: str | os.PathLike[str],
    counts: Counts,
    branches: pd.DataFrame | None,
    sources: str | os.PathLike[str] | None,
) -> Path:
    """Carry out `Monitored.lcov`, whose docstring says more."""
    if counts.unknown:
        raise JudiciaError("It is not known where the guest stopped, so that there are no counts to be written.")
    places = source_map(counts.module.data)
    if not places:
        raise JudiciaError(
            "The module has no debug information, so that no line is known.",
            hint="Compilers write it with -g, as in  %%plugin define NAME --lang c --flags -g",
        )
    folder = Path(sources).expanduser() if sources is not None else None
    if folder is not None and not folder.is_dir():
        raise NotADirectoryError(f"sources is a folder, and {folder} is none")
    root = folder.resolve() if folder is not None else None
    lines = count_lines(counts, places).files
    functions, found = _functions(counts, places), _branches(branches)
    text: list[str] = []
    for file in sorted({*lines, *functions}):
        there = path_within(root, file) if root is not None else None
        name = printable(str(there) if there is not None else file, _MOST_PATH)
        text += _record(name, lines.get(file, {}), functions.get(file, Counter()), found.get(file, []))
    target = Path(path)
    with replacing(target) as part, part.open("x", encoding="utf-8", newline="\n") as tracefile:
        tracefile.writelines(f"{line}\n" for line in text)
    return target


def _functions(counts: Counts, places: SourceMap) -> dict[str, Counter[_Function]]:
    """The functions of each file, and how often they were called; those of one name and line together."""
    found: dict[str, Counter[_Function]] = defaultdict(Counter)
    for function in counts.functions:
        block = counts.blocks.of(function)
        first = counts.blocks.start[block.start]
        offset = places.code_at(first, function)
        outermost = places.frames(offset)[-1:] if offset is not None else ()
        for frame in outermost:
            if frame.file and frame.line:
                found[frame.file][_Function(frame.line, counts.names[function])] += int(counts.begun[block.start])
    return found


def _branches(frame: pd.DataFrame | None) -> dict[str, list[_Branch]]:
    """The branches of each file: taken and not, or each target of a table."""
    found: dict[str, list[_Branch]] = defaultdict(list)
    if frame is None:
        return found
    known = frame[frame["line"].notna() & frame["file"].notna()]
    numbers: Counter[int] = Counter()
    columns = known[["file", "line", "block", "kind", "taken", "not_taken"]]
    for file, line, block, kind, taken, not_taken in columns.itertuples(index=False):
        was_there = taken + not_taken > 0
        for times in (taken,) if kind == "br_table" else (taken, not_taken):
            found[file].append(_Branch(int(line), int(block), numbers[block], int(times) if was_there else None))
            numbers[block] += 1
    return found


def _record(
    name: str, lines: dict[int, LineCount], functions: Counter[_Function], branches: list[_Branch]
) -> Iterator[str]:
    yield "TN:"
    yield f"SF:{name}"
    for function in sorted(functions):
        yield f"FN:{function.line},{function.name}"
    for function in sorted(functions):
        yield f"FNDA:{functions[function]},{function.name}"
    yield f"FNF:{len(functions)}"
    yield f"FNH:{sum(times > 0 for times in functions.values())}"
    for branch in sorted(branches, key=lambda each: each[:3]):
        taken = "-" if branch.taken is None else branch.taken
        yield f"BRDA:{branch.line},{branch.block},{branch.number},{taken}"
    if branches:
        yield f"BRF:{len(branches)}"
        yield f"BRH:{sum(bool(branch.taken) for branch in branches)}"
    for number, line in sorted(lines.items()):
        yield f"DA:{number},{line.count}"
    yield f"LF:{len(lines)}"
    yield f"LH:{sum(bool(line.count) for line in lines.values())}"
    yield "end_of_record"
