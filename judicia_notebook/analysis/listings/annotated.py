"""Sources side by side with what became of each line: bytes, instructions, and after a profile the time spent there."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.analysis.listings.lines import (
    LineCost,
    LineKey,
    Piece,
    Texts,
    line_costs,
    sampled_lines,
    source_text,
)
from judicia_notebook.analysis.listings.page import code, element, escaped, folded, write_page
from judicia_notebook.text import printable
from judicia_notebook.units import format_count, format_time
from judicia_notebook.wasm.binary_format import DEFAULT
from judicia_notebook.wasm.disassembly import InstructionCursor

if TYPE_CHECKING:
    from judicia_notebook.analysis.profiles.stacks import Stacks

MOST_LINES, MOST_FILES = 5000, 8
MOST_INSTRUCTIONS = 20_000
"""Instructions that are shown, of all lines together."""
MOST_OF_A_LINE = 300
_MOST_ELSEWHERE = 40  # files without a text


class Line(NamedTuple):
    """A line of a source, what it costs, and its instructions, a text each."""

    number: int
    text: str
    cost: LineCost
    samples: int
    ms: float
    instructions: list[str]


class File(NamedTuple):
    """A file of sources."""

    name: str
    lines: list[Line]

    @property
    def bytes(self) -> int:
        return sum(line.cost.bytes for line in self.lines)

    @property
    def instructions(self) -> int:
        return sum(line.cost.instructions for line in self.lines)


class Annotated:
    """A plugin's sources, each line with its code. `Plugin.annotated` makes them.

    A notebook shows a table whose lines unfold; `str` of it is the same as text. What was inlined from a file whose
    text is not at hand, such as a standard library's, stands at the line that called it.

    Parameters
    ----------
    name : str
        Of the plugin.
    wasm : bytes
    texts : callable
        The text of a file by its name, or None.
    profile : Stacks, optional
        Where the time went.

    Raises
    ------
    DebugInfoError, InvalidModule
    """

    def __init__(self, name: str, wasm: bytes, texts: Texts, profile: Stacks | None = None) -> None:
        self._name = name
        self._costs = line_costs(wasm)
        self._has_times = profile is not None
        self._left = MOST_INSTRUCTIONS
        files = [key.file for key in self._costs.costs if key.file]
        known = {file: text for file in dict.fromkeys(files) if (text := texts(file)) is not None}
        shown = dict(islice(known.items(), MOST_FILES))
        times = sampled_lines(profile, shown.__contains__) if profile is not None else {}
        by_file: dict[str, dict[int, LineCost]] = {file: {} for file in shown}
        for key, cost in self._costs.costs.items():
            for piece in cost.pieces:
                file, number = self._shown_at(key, piece, shown)
                by_file.setdefault(file, {}).setdefault(number, LineCost()).pieces.append(piece)
        self.files = [File(file, list(self._lines(file, text, by_file[file], times))) for file, text in shown.items()]
        self._elsewhere = [  # a file, its instructions, their bytes
            (file, sum(cost.instructions for cost in costs.values()), sum(cost.bytes for cost in costs.values()))
            for file, costs in by_file.items()
            if file not in shown
        ]

    def _shown_at(self, key: LineKey, piece: Piece, shown: Container[str]) -> tuple[str, int]:
        """The line that a piece is shown at: its own, or where it was inlined if its file is not shown."""
        if key.file in shown or not key.file:
            return key.file, key.line
        frames = self._costs.map.frames(piece.start - self._costs.map.code_start)
        return next(((frame.file, frame.line) for frame in frames if frame.file in shown), (key.file, key.line))

    def _lines(
        self, file: str, text: str, costs: dict[int, LineCost], times: dict[tuple[str, int], tuple[int, float]]
    ) -> Iterator[Line]:
        for number, line in enumerate(islice(text.split("\n"), MOST_LINES), 1):
            cost = costs.get(number, LineCost())
            samples, ms = times.get((file, number), (0, 0.0))
            yield Line(number, source_text(line), cost, samples, ms, list(self._instructions(cost)))

    def _instructions(self, cost: LineCost) -> Iterator[str]:
        """The instructions of a line, below the name of the function that has them."""
        shown, before = 0, -1
        for piece in sorted(cost.pieces, key=lambda piece: piece.start):
            if shown >= MOST_OF_A_LINE or self._left <= 0:
                yield "…"
                return
            if piece.function != before:
                before = piece.function
                yield f";; in {printable(self._costs.wat.name(piece.function), 160)}"
            elif shown:
                yield ";; and"
            for text in self._written(piece):
                yield text
                shown, self._left = shown + 1, self._left - 1

    def _written(self, piece: Piece) -> Iterator[str]:
        cursor = InstructionCursor(self._costs.module.data, DEFAULT)
        cursor.pos, cursor.end = piece.start, piece.end
        while cursor.pos < cursor.end:
            instruction = cursor.instruction()
            yield f"{instruction.offset:#8x}  {printable(self._costs.wat.operands.write(instruction), 300)}"

    def _about(self) -> str:
        if not self._costs.map:
            return "no debug information, so that no line is known"
        known = sum(file.instructions for file in self.files)
        whole = known + sum(count for _, count, _ in self._elsewhere)
        return f"{format_count(known)} of {format_count(whole)} instructions came from the lines below"

    def __repr__(self) -> str:
        names = ", ".join(printable(file.name, 80) for file in self.files[:3])
        return f"<Annotated {printable(self._name, 80)}: {names or 'no source'}; {self._about()}>"

    # As text ------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        lines = [f"{printable(self._name, 80)}: {self._about()}"]
        for file in self.files:
            times = f"{'samples':>8} {'self':>9} " if self._has_times else ""
            lines += ["", printable(file.name, 200), f"{times}{'bytes':>6} {'instr.':>6}  line"]
            for line in file.lines:
                spent = f"{line.samples or '':>8} {_time(line.ms):>9} " if self._has_times else ""
                cost = f"{line.cost.bytes or '':>6} {line.cost.instructions or '':>6}"
                lines.append(f"{spent}{cost}  {line.number:>4}  {line.text}".rstrip())
                lines += [f"{' ' * (len(spent) + 21)}{text}" for text in line.instructions]
        if self._elsewhere:
            lines += ["", "Code of no line, or of files that are not at hand:"]
            lines += [f"{size:>6} {count:>6}  {_named(name)}" for name, count, size in self._most_elsewhere()]
        return "\n".join(lines)

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(repr(self) if cycle else str(self))  # type: ignore[attr-defined]

    def _most_elsewhere(self) -> list[tuple[str, int, int]]:
        found = sorted(self._elsewhere, key=lambda each: -each[2])
        rest = found[_MOST_ELSEWHERE:]
        more = [(f"{len(rest)} more files", sum(row[1] for row in rest), sum(row[2] for row in rest))] if rest else []
        return found[:_MOST_ELSEWHERE] + more

    # As HTML ------------------------------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        parts = [self._table(file) for file in self.files]
        if self._elsewhere:
            rows = "".join(
                f'<tr><td>{format_count(size)}</td><td>{format_count(count)}</td><td class="jc-source">'
                f"{escaped(_named(name))}</td></tr>"
                for name, count, size in self._most_elsewhere()
            )
            head = "".join(f'<th scope="col">{name}</th>' for name in ("bytes", "instructions"))
            head += '<th scope="col" class="jc-source">of</th>'
            table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            summary = "Code of no line, or of files that are not at hand"
            parts.append(folded(summary, f'<div class="jc-scroll" tabindex="0">{table}</div>'))
        return element(self._name, self._about(), "".join(parts))

    def _table(self, file: File) -> str:
        most = max((line.cost.bytes for line in file.lines), default=0) or 1
        longest = max((line.ms for line in file.lines), default=0.0) or 1.0
        heads = ["line", *(["samples", "self"] if self._has_times else []), "bytes", "instructions"]
        head = "".join(f'<th scope="col">{name}</th>' for name in heads)
        rows = "".join(self._row(line, most, longest) for line in file.lines)
        return (
            f'<div class="jc-scroll" tabindex="0" role="region" aria-label="{escaped(file.name)}"><table>'
            f'<thead><tr>{head}<th scope="col" class="jc-source">{escaped(file.name)}</th></tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )

    def _row(self, line: Line, most: int, longest: float) -> str:
        cells = [f'<th scope="row" class="jc-line">{line.number}</th>']
        if self._has_times:
            cells += [f"<td>{line.samples or ''}</td>", _bar(_time(line.ms), line.ms / longest)]
        cells.append(_bar(str(line.cost.bytes or ""), line.cost.bytes / most))
        cells.append(f"<td>{line.cost.instructions or ''}</td>")
        text = f"<code>{escaped(line.text)}</code>"
        if line.instructions:
            text = folded(text, code([escaped(each) for each in line.instructions], f"code of line {line.number}"))
        return f'<tr>{"".join(cells)}<td class="jc-source">{text}</td></tr>'

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as an HTML page of its own. Returns the path."""
        return write_page(path, f"{self._name}: what each line costs", self._repr_html_())


def _named(file: str) -> str:
    return file or "no line"


def _time(ms: float) -> str:
    return format_time(ms / 1e3) if ms else ""


def _bar(text: str, share: float) -> str:
    """A cell whose colour says how much of the most it is."""
    return f'<td class="jc-bar" style="background-size: {max(0.0, min(share, 1.0)) * 100:.0f}% 1.5em">{text}</td>'
