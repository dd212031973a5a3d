"""Which line of a source each piece of a module's code came from: its DWARF, put together with its functions.

It knows the debug sections and where functions lie, and nothing of instructions, plugins or who shows what.

- An *offset* is that of DWARF: bytes from the start of the code section's content, the count of functions included.
  `SourceMap.code_start` more are bytes of the file, which is how engines and traps count.
- A debug section belongs to the file's author. What it says of code that is not in a function of the module, as linkers
  leave for functions they have thrown away, is left out; where two lines claim the same code, the first one has it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from judicia_notebook.wasm.binary_format import DEFAULT as SECTION_LIMITS
from judicia_notebook.wasm.compile_cost import function_bodies
from judicia_notebook.wasm.disassembly import code_start
from judicia_notebook.wasm.dwarf.functions import DebugFunction, FunctionReader, Unit
from judicia_notebook.wasm.dwarf.line_programs import LineProgram, read_programs
from judicia_notebook.wasm.dwarf.sections import DEFAULT, Budget, DwarfLimits, Sections
from judicia_notebook.wasm.info import ModuleInfo

_MOST_FRAMES = 64


class Place(NamedTuple):
    """A piece of code that came from one place of a source.

    Attributes
    ----------
    offset, end : int
        Bytes from the start of the code section's content; `end` is the first that is not of it.
    function : int
        The index of the module's function, imported ones counted.
    file : str
        Its path, as the compiler wrote it; below the folder it was compiled in where that is so. Printable.
    line, column : int
        From 1; 0 where the compiler made the code for no line, or no column.
    is_statement : bool
        Whether it is a good place to stop, such as the beginning of a statement.
    """

    offset: int
    end: int
    function: int
    file: str
    line: int
    column: int
    is_statement: bool


class SourceFrame(NamedTuple):
    """A function that is active at a piece of code, and the line it is at.

    Attributes
    ----------
    function : str
        As its author wrote it; empty where no debug information names it.
    is_inlined : bool
        Whether it has no code of its own here: the next frame's function has taken it in.
    """

    function: str
    file: str
    line: int
    column: int
    is_inlined: bool


@dataclass(frozen=True, slots=True, eq=False)
class SourceMap:
    """The places of a module's code.

    Attributes
    ----------
    places : sequence of Place
        In the order of the code, none overlapping another; code of no known place is in none.
    code_start : int
        The byte of the file at which offsets begin to count.
    files : tuple of str
        Each file that a place names, in the order of the code.
    units : tuple of str
        The files that were compiled, as opposed to what they include.
    """

    places: Sequence[Place]
    code_start: int
    files: tuple[str, ...]
    units: tuple[str, ...]
    _starts: Sequence[int]
    _inlined_from: Sequence[int]
    _inlined: Sequence[DebugFunction | None]
    _programs: dict[int, LineProgram]

    def __bool__(self) -> bool:
        return bool(self.places)

    def at(self, offset: int) -> Place | None:
        """The place that the code at an offset came from."""
        found = bisect_right(self._starts, offset) - 1
        return self.places[found] if found >= 0 and offset < self.places[found].end else None

    def code_at(self, at: int, function: int) -> int | None:
        """The offset of the first code with a line from a byte of the file on, within a function and a loop's head.

        A compiler gives the head of a loop no line of its own; it counts for the code that follows. None where there
        is none in this function: whoever names the byte may be wrong about what is there.
        """
        offset = at - self.code_start
        found = bisect_right(self._starts, offset) - 1
        if found < 0 or self.places[found].end <= offset:
            found += 1
        while found < len(self.places) and self.places[found].function == function:
            if self.places[found].line:
                return max(offset, self.places[found].offset)
            found += 1
        return None

    def has_code(self, start: int, end: int) -> bool:
        """Whether anything is known of the code between two offsets."""
        found = bisect_right(self._starts, end - 1) - 1
        return found >= 0 and self.places[found].end > start

    def known_until(self, offset: int) -> int:
        """The offset up to which the same place and the same functions hold as at this one."""
        ends = [
            starts[at]
            for starts in (self._starts, self._inlined_from)
            if (at := bisect_right(starts, offset)) < len(starts)
        ]
        place = self.at(offset)
        return min([*ends, *([place.end] if place is not None else [])], default=offset + 1)

    def function_at(self, offset: int) -> DebugFunction | None:
        """The innermost function at an offset, an inlined one if there is one."""
        found = bisect_right(self._inlined_from, offset) - 1
        return self._inlined[found] if found >= 0 else None

    def frames(self, offset: int) -> tuple[SourceFrame, ...]:
        """The functions that are active at an offset: the innermost first, then what it was inlined into.

        At most 64; empty where nothing is known.
        """
        place, function = self.at(offset), self.function_at(offset)
        if place is None and function is None:
            return ()
        file, line, column = (place.file, place.line, place.column) if place is not None else ("", 0, 0)
        frames: list[SourceFrame] = []
        while len(frames) < _MOST_FRAMES:
            inner = function is not None and function.parent is not None
            frames.append(SourceFrame(function.name if function is not None else "", file, line, column, inner))
            if function is None or function.parent is None:
                break
            file, line, column = self._file(function), function.call_line, function.call_column
            function = function.parent
        return tuple(frames)

    def _file(self, function: DebugFunction) -> str:
        program = self._programs.get(function.unit.lines) if function.unit.lines is not None else None
        return program.file(function.call_file, function.unit.folder) if program is not None else ""


def read_source_map(module: ModuleInfo, limits: DwarfLimits = DEFAULT) -> SourceMap:
    """Read the debug sections of a module; of one that has none, an empty map.

    Raises
    ------
    DebugInfoError
        They are damaged, or hold more than `limits` allow.
    InvalidModule, CompileLimit
        The code section is.
    """
    contents = _contents(module)
    if not contents:  # nothing of a large module is looked at in vain
        return SourceMap((), code_start(module), (), (), (), (), (), {})
    sections = Sections(contents, Budget(limits))
    bodies = _Bodies(module)
    programs = {}
    offset = 0
    for program in read_programs(sections):
        programs[offset] = program
        offset = program.end
    units = FunctionReader(sections)
    compiled_in = {unit.lines: unit.folder for unit in units.units}
    places = _places(bodies, programs, compiled_in)
    starts, functions = _innermost(bodies, units.functions)
    return SourceMap(
        places,
        bodies.code_start,
        tuple(dict.fromkeys(place.file for place in places if place.file)),
        tuple(dict.fromkeys(_unit_name(unit) for unit in units.units if unit.name)),
        [place.offset for place in places],
        starts,
        functions,
        programs,
    )


def _unit_name(unit: Unit) -> str:
    above = unit.folder.rstrip("/") + "/"
    return unit.name.removeprefix(above) if len(above) > 1 else unit.name


def _contents(module: ModuleInfo) -> dict[str, bytes]:
    """The debug sections by name; the first of each."""
    found: dict[str, bytes] = {}
    for each in module.custom_sections:
        if each.name.startswith(".debug_") and each.name not in found:
            found[each.name] = module.data[each.offset : each.offset + each.size]
    return found


class _Bodies:
    """Where the functions of a module lie, in offsets."""

    def __init__(self, module: ModuleInfo) -> None:
        self.code_start = code_start(module)
        found = list(function_bodies(module, SECTION_LIMITS))
        self.starts = [body.start - self.code_start for body in found]
        self.ends = [body.end - self.code_start for body in found]
        self.functions = [body.function for body in found]

    def find(self, offset: int) -> int | None:
        """The number of the body that has this offset."""
        at = bisect_right(self.starts, offset) - 1
        return at if at >= 0 and offset < self.ends[at] else None


def _places(bodies: _Bodies, programs: dict[int, LineProgram], compiled_in: dict[int | None, str]) -> list[Place]:
    found: list[Place] = []
    for offset, program in programs.items():
        folder = compiled_in.get(offset, "")
        for sequence in program.run():
            if bodies.find(sequence.lines[0].address) is None:
                continue  # of a function that the linker has thrown away
            ends = [*(line.address for line in sequence.lines[1:]), sequence.end]
            for line, end in zip(sequence.lines, ends, strict=True):
                body = bodies.find(line.address) if line.address < end else None
                if body is not None:
                    found.append(
                        Place(
                            line.address, min(end, bodies.ends[body]), bodies.functions[body],
                            program.file(line.file, folder), line.line, line.column, line.is_statement,
                        )
                    )  # fmt: skip
    found.sort(key=lambda place: place.offset)
    return list(_apart(found))


def _apart(places: Iterable[Place]) -> Iterable[Place]:
    """Those places, each from where the one before it ends."""
    reached = 0
    for place in places:
        if place.end <= reached:
            continue
        yield place if place.offset >= reached else place._replace(offset=reached)
        reached = place.end


def _innermost(bodies: _Bodies, functions: Iterable[DebugFunction]) -> tuple[list[int], list[DebugFunction | None]]:
    """The innermost function from each of these offsets on, up to the next."""
    homes: dict[DebugFunction, int] = {}  # the body that a function is of
    taken: set[int] = set()
    depths: dict[DebugFunction, int] = {}
    pieces: list[tuple[int, int, int, int, DebugFunction]] = []
    for function in functions:  # a parent comes before what is inlined into it
        if function.parent is None:
            body = bodies.find(function.ranges[0][0])
            if body is None or body in taken:
                continue  # thrown away by the linker, or told by several units
            taken.add(body)
            homes[function], depths[function] = body, 0
        elif function.parent in homes:
            homes[function], depths[function] = homes[function.parent], depths[function.parent] + 1
        else:
            continue
        start, end = bodies.starts[homes[function]], bodies.ends[homes[function]]
        pieces += [
            (max(low, start), depths[function], -min(high, end), len(pieces), function)
            for low, high in function.ranges
            if max(low, start) < min(high, end)
        ]
    pieces.sort()
    starts: list[int] = []
    innermost: list[DebugFunction | None] = []
    open_pieces: list[tuple[int, DebugFunction]] = []

    def mark(offset: int) -> None:
        starts.append(offset)
        innermost.append(open_pieces[-1][1] if open_pieces else None)

    for low, _, negated, _, function in pieces:
        while open_pieces and open_pieces[-1][0] <= low:
            end, _ = open_pieces.pop()
            mark(end)
        end = min(-negated, open_pieces[-1][0]) if open_pieces else -negated
        open_pieces.append((end, function))
        mark(low)
    while open_pieces:
        end, _ = open_pieces.pop()
        mark(end)
    return starts, innermost
