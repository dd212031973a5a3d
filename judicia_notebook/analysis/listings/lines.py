"""What each line of a source became: its instructions, their bytes, and after a profile the time sampled there.

Every instruction of the module is in exactly one row, so that the columns sum up to the module's code; what came from
no line that is known has NA there.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.wasm.compile_cost import Body
from judicia_notebook.wasm.disassembly import body_instructions
from judicia_notebook.wasm.info import ModuleInfo
from judicia_notebook.wasm.instructions import read_instructions
from judicia_notebook.wasm.kept_maps import kept_source_map
from judicia_notebook.wasm.sections import read_module
from judicia_notebook.wasm.source_map import Place, SourceMap
from judicia_notebook.wasm.wat_text import WatText

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.analysis.profiles.stacks import Stacks

MOST_TEXT = 400
"""Characters of a line of source."""
MOST_FILE = 8 << 20
"""Bytes of a file of sources."""

Texts = Callable[[str], str | None]
"""The text of a file by its name; None where it is not at hand."""


class LineKey(NamedTuple):
    """A line of a file and the function it is of; the file is empty and the line 0 where they are not known."""

    file: str
    line: int
    function: str


@dataclass(slots=True)
class Piece:
    """Code of one line that stands together: its bytes of the file, and the function of the module it is in.

    `inlined` tells pieces apart that different functions were inlined for.
    """

    function: int
    start: int
    end: int
    instructions: int = 0
    inlined: object = None


@dataclass(slots=True)
class LineCost:
    """All code of a line."""

    pieces: list[Piece] = field(default_factory=list)

    @property
    def instructions(self) -> int:
        return sum(piece.instructions for piece in self.pieces)

    @property
    def bytes(self) -> int:
        return sum(piece.end - piece.start for piece in self.pieces)

    @property
    def copies(self) -> int:
        """How many functions of the module have code of it."""
        return len({piece.function for piece in self.pieces})


@dataclass(frozen=True, slots=True)
class LineCosts:
    """A module's code by line of source.

    Attributes
    ----------
    costs : dict of LineKey to LineCost
        In the order of files and lines; what has no line comes last.
    """

    module: ModuleInfo
    wat: WatText
    map: SourceMap
    costs: dict[LineKey, LineCost]


@functools.lru_cache(maxsize=2)
def source_map(wasm: bytes) -> SourceMap:
    """The lines of a module's code; the last two are kept, since a large one takes seconds.

    Raises
    ------
    DebugInfoError, InvalidModule
    """
    return kept_source_map(read_module(wasm), hashlib.sha256(wasm).hexdigest())


@functools.lru_cache(maxsize=2)
def line_costs(wasm: bytes) -> LineCosts:
    """Read a module's code and its debug information.

    Raises
    ------
    DebugInfoError
        It is damaged.
    InvalidModule
    """
    module = read_module(wasm)
    found, wat = source_map(wasm), WatText(module)
    costs: dict[LineKey, LineCost] = {}
    for body in wat.bodies:
        if not found.has_code(body.start - found.code_start, body.end - found.code_start):
            key, piece = _whole(module, wat, body)
            costs.setdefault(key, LineCost()).pieces.append(piece)
            continue
        for key, piece in _pieces(module, found, wat, body):
            cost = costs.setdefault(key, LineCost())
            last = cost.pieces[-1] if cost.pieces else None
            if last is not None and last.end == piece.start and last.inlined is piece.inlined:
                last.end, last.instructions = piece.end, last.instructions + piece.instructions
            else:
                cost.pieces.append(piece)
    ordered = sorted(costs.items(), key=lambda item: (_file_order(found, item[0].file), item[0]))
    return LineCosts(module, wat, found, dict(ordered))


def _file_order(found: SourceMap, file: str) -> tuple[bool, bool, str]:
    """What was compiled before what it includes; what is of no file last."""
    return not file, file not in found.units, file


def _whole(module: ModuleInfo, wat: WatText, body: Body) -> tuple[LineKey, Piece]:
    """A function of which no line is known: counted at once, which takes a tenth of the time."""
    counted = read_instructions(module.data[body.code : body.end])
    count = counted.counts.total() if counted is not None else sum(1 for _ in body_instructions(module, body))
    key = LineKey("", 0, printable(wat.name(body.function), MOST_TEXT))
    return key, Piece(body.function, body.code, body.end, count)


def _pieces(module: ModuleInfo, found: SourceMap, wat: WatText, body: Body) -> Iterator[tuple[LineKey, Piece]]:
    """Each instruction of a function with the line it came from."""
    name = wat.name(body.function)
    place: Place | None = None
    key = LineKey("", 0, printable(name, MOST_TEXT))
    unknown = key
    until = 0
    inlined = None
    for instruction in body_instructions(module, body):
        offset = instruction.offset - found.code_start
        if offset >= until:
            place, inlined = found.at(offset), found.function_at(offset)
            until = found.known_until(offset)
            key = unknown
            if place is not None and place.line and place.file:
                key = LineKey(place.file, place.line, inlined.name if inlined and inlined.name else unknown.function)
        yield key, Piece(body.function, instruction.offset, instruction.end, 1, inlined)


def line_texts(texts: Texts) -> Callable[[str, int], str]:
    """Looks up lines of files: the text of one, printable; empty where there is none."""
    files: dict[str, Sequence[str]] = {}

    def text(file: str, line: int) -> str:
        if file not in files:
            files[file] = (texts(file) or "").split("\n")
        lines = files[file]
        return source_text(lines[line - 1]) if 0 < line <= len(lines) else ""

    return text


def source_text(line: str) -> str:
    """A line of source, to be shown."""
    return printable(line.rstrip("\r").expandtabs(4), MOST_TEXT)


def path_within(root: Path, file: str) -> Path | None:
    """A file in a folder, whatever path a module names: never one outside of it. `root` is resolved."""
    parts = [part for part in Path(file).parts if part not in {"/", "."}]
    if ".." in parts:
        return None
    for start in range(len(parts)):  # a compiler writes down a path of the machine that it ran on
        path = root.joinpath(*parts[start:])
        try:
            if path.is_file() and root in path.resolve().parents and path.stat().st_size <= MOST_FILE:
                return path
        except (OSError, ValueError):
            return None
    return None


def folder_texts(folder: Path) -> Texts:
    """The texts of files that lie in a folder: nothing outside of it is read."""
    root = folder.resolve()

    def text(file: str) -> str | None:
        path = path_within(root, file)
        try:
            return path.read_text("utf-8", "replace") if path is not None else None
        except OSError:
            return None

    return text


def source_lines(wasm: bytes, texts: Texts, profile: Stacks | None = None) -> pd.DataFrame:
    """The frame of `Plugin.source_lines`, whose docstring says more.

    Raises
    ------
    DebugInfoError, InvalidModule
    """
    import pandas as pd

    costs = line_costs(wasm).costs
    text = line_texts(texts)
    keys = list(costs)
    columns: dict[str, Any] = {
        "file": pd.Series([key.file or None for key in keys], dtype="str"),
        "line": pd.array([key.line or None for key in keys], dtype="Int64"),
        "text": pd.Series([text(key.file, key.line) or None for key in keys], dtype="str"),
        "function": pd.Series([key.function or None for key in keys], dtype="str"),
        "instructions": pd.array([costs[key].instructions for key in keys], dtype="Int64"),
        "bytes": pd.array([costs[key].bytes for key in keys], dtype="Int64"),
        "copies": pd.array([costs[key].copies for key in keys], dtype="Int64"),
    }
    if profile is not None:
        sampled = sampled_lines(profile)
        columns["samples"] = pd.array([sampled.get(key[:2], (0, 0.0))[0] for key in keys], dtype="Int64")
        columns["self_ms"] = pd.Series([sampled.get(key[:2], (0, 0.0))[1] for key in keys], dtype="float64")
        for name in ("samples", "self_ms"):  # of code of no line nothing was sampled that one could know
            columns[name] = pd.Series(columns[name]).where([bool(key.line) for key in keys])
    return with_plugin_text(pd.DataFrame(columns))


def sampled_lines(
    profile: Stacks, shown: Callable[[str], bool] | None = None
) -> dict[tuple[str, int], tuple[int, float]]:
    """How many samples fell on a line, and the milliseconds they stand for.

    With `shown`, a sample in a function that was inlined from a file which is not shown counts where that was called.
    """
    found: dict[tuple[str, int], tuple[int, float]] = {}
    for sample in profile.samples:
        if sample.is_guest and sample.lines and sample.lines[-1]:
            chain = sample.lines[-1]
            key = next((line[:2] for line in chain if shown is not None and shown(line.file)), chain[0][:2])
            count, ms = found.get(key, (0, 0.0))
            found[key] = count + 1, ms + sample.ms
    return found
