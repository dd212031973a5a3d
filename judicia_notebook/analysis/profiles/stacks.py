"""The stacks of a call's samples, and their sums. Knows no way of showing them.

Time in the guest is the thread's CPU time inside WebAssembly, shared out equally among the samples. Time in a host
function is the wall time it took, measured and not sampled, below the stack that called it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.analysis.series import plural
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.units import format_count, format_time

if TYPE_CHECKING:
    import pandas as pd

HOST = "host"
UNNAMED = "an inlined function"
_MOST_DEPTH = 400  # of a stack with inlined functions


class Frame(NamedTuple):
    """A function: its name, its module (a plugin's name, or ``host``), and whether it was inlined into its caller."""

    name: str
    module: str
    is_inlined: bool = False


class SourceLine(NamedTuple):
    """A line of a source, the function that it is of and whether that was inlined there, and its text.

    The text is empty where it is not known.
    """

    file: str
    line: int
    function: str
    text: str
    is_inlined: bool = False


class Step(NamedTuple):
    """A function of a stack, an inlined one too, and the line that it is at, if that is known."""

    frame: Frame
    line: SourceLine | None = None


class Sample(NamedTuple):
    """A stack, outermost first, when it was seen, and the milliseconds it stands for.

    ``lines`` has for each frame the lines it is at: of a function that was inlined first, then where it was called.
    """

    at_ms: float
    stack: tuple[Frame, ...]
    ms: float
    lines: tuple[tuple[SourceLine, ...], ...] = ()

    @property
    def is_guest(self) -> bool:
        """Whether it was sampled; a host call was measured."""
        return not self.stack or self.stack[-1].module != HOST

    def steps(self) -> list[Step]:
        """The stack with inlined functions, outermost first; of a very deep one without them."""
        if not self.lines:
            return [Step(frame) for frame in self.stack]
        found = []
        for frame, chain in zip(self.stack, self.lines, strict=True):
            own = chain[-1] if chain and not chain[-1].is_inlined else None
            found.append(Step(frame, own))
            found += [
                Step(Frame(line.function or UNNAMED, frame.module, is_inlined=True), line)
                for line in reversed(chain)
                if line.is_inlined
            ]
        return found if len(found) <= _MOST_DEPTH else [step for step in found if not step.frame.is_inlined]


Lines = dict[tuple[str, int], float]
"""Milliseconds by file and line."""


def hottest(lines: Lines) -> tuple[str, int] | None:
    """The line that most of the time fell on; of equal ones the first of them."""
    return min(lines, key=lambda place: (-lines[place], place), default=None)


@dataclass(slots=True)
class Node:
    """A function as it was called from one stack, its callees, and the lines that it was at."""

    frame: Frame
    ms: float = 0.0
    samples: int = 0
    self_ms: float = 0.0
    children: dict[Frame, Node] = field(default_factory=dict)
    lines: Lines = field(default_factory=dict)

    def ordered(self) -> list[Node]:
        """Its callees, longest first."""
        return sorted(self.children.values(), key=lambda node: (-node.ms, node.frame))


@dataclass(frozen=True)
class Stacks:
    """The stacks of a function's calls, and their sums; `Profile` explains the attributes."""

    plugin: str
    function: str
    digest: str
    calls: int
    samples: tuple[Sample, ...]
    guest_ms: float
    host_ms: float
    interval_ms: float = 1.0
    error: str = ""
    metering: str = "full"

    @property
    def title(self) -> str:
        """``plugin.function``"""
        return printable(f"{self.plugin}.{self.function}", 160)

    @cached_property
    def guest_samples(self) -> int:
        """How many stacks were sampled in the guest."""
        return sum(sample.is_guest for sample in self.samples)

    def summary(self) -> str:
        """The profile's subject and sums, in one line."""
        parts = [
            self.title,
            f"{format_count(self.calls)} call{'s' if self.calls != 1 else ''}",
            f"{format_time(self.guest_ms / 1e3)} in the guest ({plural(self.guest_samples, 'sample')})",
            f"{format_time(self.host_ms / 1e3)} in host functions",
            *([f"metering {self.metering}"] if self.metering != "full" else []),
        ]
        return " · ".join([*parts, f"the last call ended: {self.error}"] if self.error else parts)

    @cached_property
    def root(self) -> Node:
        """All stacks as one tree; below it the functions that were called from outside."""
        root = Node(Frame(self.title, ""))
        for sample in self.samples:
            node, guest = root, int(sample.is_guest)
            node.ms += sample.ms
            node.samples += guest
            for frame, line in sample.steps():
                node = node.children.setdefault(frame, Node(frame))
                node.ms += sample.ms
                node.samples += guest
                if line is not None:
                    node.lines[line[:2]] = node.lines.get(line[:2], 0.0) + sample.ms
            node.self_ms += sample.ms
        return root

    @cached_property
    def lines_of(self) -> dict[Frame, Lines]:
        """Of each function the lines that it was at, with the time of it and of what it called."""
        found: dict[Frame, Lines] = {}
        for sample in self.samples:
            for frame, place in {(step.frame, step.line[:2]) for step in sample.steps() if step.line is not None}:
                lines = found.setdefault(frame, {})
                lines[place] = lines.get(place, 0.0) + sample.ms
        return found

    @property
    def functions(self) -> pd.DataFrame:
        """The functions, hottest first; one that was inlined is a row of its own.

        Returns
        -------
        DataFrame
            ``function``, ``module`` (the plugin's name, or ``host``), ``inlined``, ``file`` and ``line`` (that most of
            ``total_ms`` fell on; NA without debug information), ``self_ms`` (in it), ``total_ms`` (in it and in what it
            called; a function that calls itself is counted once), ``self_percent`` of all time, ``samples`` (stacks it
            was the innermost of; NA for host functions, which are measured).
        """
        import pandas as pd

        own: dict[Frame, float] = {}
        total: dict[Frame, float] = {}
        count: dict[Frame, int] = {}
        for sample in self.samples:
            stack = [step.frame for step in sample.steps()]
            for frame in set(stack):
                total[frame] = total.get(frame, 0.0) + sample.ms
            if stack:
                innermost = stack[-1]
                own[innermost] = own.get(innermost, 0.0) + sample.ms
                count[innermost] = count.get(innermost, 0) + 1
        frames = sorted(total, key=lambda frame: (-own.get(frame, 0.0), -total[frame], frame))
        everything = sum(own.values()) or 1.0
        counts = [None if frame.module == HOST else count.get(frame, 0) for frame in frames]
        places = [hottest(self.lines_of.get(frame, {})) or (None, None) for frame in frames]
        made = pd.DataFrame(
            {
                "function": pd.Series([frame.name for frame in frames], dtype="str"),
                "module": pd.Categorical([frame.module for frame in frames], categories=[self.plugin, HOST]),
                "inlined": pd.Series([frame.is_inlined for frame in frames], dtype="bool"),
                "file": pd.Series([file for file, _ in places], dtype="str"),
                "line": pd.array([line for _, line in places], dtype="Int64"),
                "self_ms": pd.Series([own.get(frame, 0.0) for frame in frames], dtype="float64"),
                "total_ms": pd.Series([total[frame] for frame in frames], dtype="float64"),
                "self_percent": pd.Series(
                    [own.get(frame, 0.0) / everything * 100 for frame in frames], dtype="float64"
                ),
                "samples": pd.array(counts, dtype="Int64"),
            }
        )
        return with_plugin_text(made)

    @property
    def lines(self) -> pd.DataFrame:
        """The lines of source that samples fell on, hottest first; of a module without debug information, none.

        A sample falls where the engine looks for a tick: on the first line of a loop, or of a function. So a line's
        time is that of the loop, or of the function outside of its loops, that begins there.

        Returns
        -------
        DataFrame
            ``file``, ``line``, ``text`` (of the line; NA where the source is not at hand), ``function`` (that the line
            is of), ``inlined`` (whether that was inlined there), ``self_ms``, ``total_ms`` (in it and what it called),
            ``self_percent`` of all time, ``samples``.
        """
        import pandas as pd

        own: dict[SourceLine, float] = {}
        total: dict[SourceLine, float] = {}
        count: dict[SourceLine, int] = {}
        for sample in self.samples:
            for line in {line for chain in sample.lines for line in chain}:
                total[line] = total.get(line, 0.0) + sample.ms
            if sample.is_guest and sample.lines and sample.lines[-1]:
                innermost = sample.lines[-1][0]
                own[innermost] = own.get(innermost, 0.0) + sample.ms
                count[innermost] = count.get(innermost, 0) + 1
        everything = sum(sample.ms for sample in self.samples) or 1.0
        found = sorted(total, key=lambda line: (-own.get(line, 0.0), -total[line], line))
        made = pd.DataFrame(
            {
                "file": pd.Series([line.file for line in found], dtype="str"),
                "line": pd.array([line.line for line in found], dtype="Int64"),
                "text": pd.Series([line.text or None for line in found], dtype="str"),
                "function": pd.Series([line.function or None for line in found], dtype="str"),
                "inlined": pd.Series([line.is_inlined for line in found], dtype="bool"),
                "self_ms": pd.Series([own.get(line, 0.0) for line in found], dtype="float64"),
                "total_ms": pd.Series([total[line] for line in found], dtype="float64"),
                "self_percent": pd.Series([own.get(line, 0.0) / everything * 100 for line in found], dtype="float64"),
                "samples": pd.array([count.get(line, 0) for line in found], dtype="Int64"),
            }
        )
        return with_plugin_text(made)


def walk(node: Node, depth: int = 0, before: float = 0.0) -> Iterator[tuple[Node, int, float]]:
    """Every node below this one with its depth and where it begins, in milliseconds, the longest of siblings first."""
    open_nodes: list[tuple[Sequence[Node], int, float]] = [(node.ordered(), depth, before)]
    while open_nodes:
        siblings, level, at = open_nodes.pop()
        for child in siblings:
            yield child, level, at
            open_nodes.append((child.ordered(), level + 1, at))
            at += child.ms
