"""A profile: the stacks that a call was found in, and what they add up to.

Time in the guest is the thread's CPU time inside WebAssembly, shared out equally among the samples. Time in a host
function is the wall time it took, measured and not sampled, below the stack that called it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis.figures.series import plural
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.units import format_count, format_time

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from judicia_notebook.analysis.profiles.flame_page import FlameGraph

HOST = "host"


class Frame(NamedTuple):
    """A function: its name, and whose it is: a plugin's, or ``host``."""

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
    """A function as it was called from one stack, and what it called."""

    frame: Frame
    ms: float = 0.0
    samples: int = 0
    self_ms: float = 0.0
    children: dict[Frame, Node] = field(default_factory=dict)

    def ordered(self) -> list[Node]:
        """What it called, longest first."""
        return sorted(self.children.values(), key=lambda node: (-node.ms, node.frame))


@dataclass(frozen=True)
class Profile:
    """Where the time of a function's calls went. `Plugin.profile` makes them.

    Attributes
    ----------
    plugin, function, digest : str
    calls : int
        How often it was called.
    samples : tuple of Sample
        In the order they were taken.
    guest_ms : float
        CPU time inside WebAssembly, of all calls; judicia_alloc and judicia_free are in it.
    host_ms : float
        Wall time in host functions, of all calls.
    interval_ms : float
        Between two samples.
    error : str
        What ended the last call, if it did not return; empty otherwise.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt:
    ...     profile = rt.load("example:specimen").profile("spin", {"ms": 50}, samples=10)
    >>> profile.functions["function"][0]
    'spin'
    """

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
        """What it is a profile of, in one line."""
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

    def flame_graph(self) -> FlameGraph:
        """The tree of calls as interactive HTML; it needs no network, and ``.save("x.html")`` makes a page of it."""
        from judicia_notebook.analysis.profiles.flame_page import FlameGraph

        return FlameGraph(self)

    def figure(self, ax: Axes | None = None) -> Any:
        """The tree of calls as a matplotlib figure, for paper.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure otherwise.
        """
        from judicia_notebook.analysis.profiles.flame_figure import flame_figure

        return flame_figure(self, ax)

    def save(self, path: str | os.PathLike[str], form: str | None = None) -> Path:
        """Write it to a file; where that is.

        Parameters
        ----------
        path : path
        form : str, optional
            ``"firefox"`` (for profiler.firefox.com, which keeps it on your machine), ``"speedscope"`` or ``"html"``;
            by default what the name says: ``.speedscope.json``, ``.html``, or any other ``.json`` for Firefox.

        Raises
        ------
        ValueError
            The name says nothing, or there is no such form.
        """
        from judicia_notebook.analysis.profiles import firefox, speedscope

        target = Path(path)
        form = form or _form_of(target.name)
        if form == "firefox":
            data = firefox.encode(self)
        elif form == "speedscope":
            data = speedscope.encode(self)
        elif form == "html":
            data = self.flame_graph().page().encode()
        else:
            raise ValueError(f"a profile is saved as firefox, speedscope or html, not {form!r}")
        target.write_bytes(data)
        return target

    def __repr__(self) -> str:
        return f"<Profile {self.summary()}>"

    def _repr_html_(self) -> str:
        return self.flame_graph().html()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self) if cycle else self.text())

    def text(self, most: int = 12) -> str:
        """The summary and the hottest functions, for a terminal."""
        frame = self.functions.head(most)
        rows = [
            f"{percent:6.1f} %  {format_time(own / 1e3):>9}  {format_time(total / 1e3):>9}  {name}"
            + (f"  ({HOST})" if module == HOST else "")
            for name, module, own, total, percent in frame[
                ["function", "module", "self_ms", "total_ms", "self_percent"]
            ].itertuples(index=False)
        ]
        head = f"{'self':>8}  {'self':>9}  {'total':>9}  function"
        return "\n".join([self.summary(), *([head, *rows] if rows else ["No sample was taken."])])


def walk(node: Node, depth: int = 0, before: float = 0.0) -> Iterator[tuple[Node, int, float]]:
    """Every node below this one with its depth and where it begins, in milliseconds, the longest of siblings first."""
    open_nodes: list[tuple[Sequence[Node], int, float]] = [(node.ordered(), depth, before)]
    while open_nodes:
        siblings, level, at = open_nodes.pop()
        for child in siblings:
            yield child, level, at
            open_nodes.append((child.ordered(), level + 1, at))
            at += child.ms


def _form_of(name: str) -> str:
    if name.endswith(".speedscope.json"):
        return "speedscope"
    for ending, form in ((".html", "html"), (".json", "firefox")):
        if name.endswith(ending):
            return form
    raise ValueError(f"{name}: say in its name what to write: .json, .speedscope.json or .html, or give form=...")
