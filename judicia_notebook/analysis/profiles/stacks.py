"""The stacks of a call's samples, and their sums. Knows no way of showing them.

Time in the guest is the thread's CPU time inside WebAssembly, shared out equally among the samples. Time in a host
function is the wall time it took, measured and not sampled, below the stack that called it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.analysis.figures.series import plural
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.units import format_count, format_time

if TYPE_CHECKING:
    import pandas as pd

HOST = "host"


class Frame(NamedTuple):
    """A function: its name, and its module: a plugin's name, or ``host``."""

    name: str
    module: str


class Sample(NamedTuple):
    """A stack, outermost first, when it was seen, and the milliseconds it stands for."""

    at_ms: float
    stack: tuple[Frame, ...]
    ms: float

    @property
    def is_guest(self) -> bool:
        """Whether it was sampled; a host call was measured."""
        return not self.stack or self.stack[-1].module != HOST


@dataclass(slots=True)
class Node:
    """A function as it was called from one stack, and its callees."""

    frame: Frame
    ms: float = 0.0
    samples: int = 0
    self_ms: float = 0.0
    children: dict[Frame, Node] = field(default_factory=dict)

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
            for frame in sample.stack:
                node = node.children.setdefault(frame, Node(frame))
                node.ms += sample.ms
                node.samples += guest
            node.self_ms += sample.ms
        return root

    @property
    def functions(self) -> pd.DataFrame:
        """The functions, hottest first.

        Returns
        -------
        DataFrame
            ``function``, ``module`` (the plugin's name, or ``host``), ``self_ms`` (in it), ``total_ms`` (in it and in
            what it called; a function that calls itself is counted once), ``self_percent`` of all time, ``samples``
            (stacks it was the innermost of; NA for host functions, which are measured).
        """
        import pandas as pd

        own: dict[Frame, float] = {}
        total: dict[Frame, float] = {}
        count: dict[Frame, int] = {}
        for sample in self.samples:
            for frame in set(sample.stack):
                total[frame] = total.get(frame, 0.0) + sample.ms
            if sample.stack:
                innermost = sample.stack[-1]
                own[innermost] = own.get(innermost, 0.0) + sample.ms
                count[innermost] = count.get(innermost, 0) + 1
        frames = sorted(total, key=lambda frame: (-own.get(frame, 0.0), -total[frame], frame))
        everything = sum(own.values()) or 1.0
        counts = [None if frame.module == HOST else count.get(frame, 0) for frame in frames]
        made = pd.DataFrame(
            {
                "function": pd.Series([frame.name for frame in frames], dtype="str"),
                "module": pd.Categorical([frame.module for frame in frames], categories=[self.plugin, HOST]),
                "self_ms": pd.Series([own.get(frame, 0.0) for frame in frames], dtype="float64"),
                "total_ms": pd.Series([total[frame] for frame in frames], dtype="float64"),
                "self_percent": pd.Series(
                    [own.get(frame, 0.0) / everything * 100 for frame in frames], dtype="float64"
                ),
                "samples": pd.array(counts, dtype="Int64"),
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
