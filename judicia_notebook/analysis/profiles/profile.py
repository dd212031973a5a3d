"""A profile: stacks, and every way of showing and keeping them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.profiles import firefox, speedscope
from judicia_notebook.analysis.profiles.flame_page import FlameGraph
from judicia_notebook.analysis.profiles.stacks import HOST, Stacks
from judicia_notebook.text import short_place
from judicia_notebook.units import format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from judicia_notebook.analysis.figures.layout import Title


@dataclass(frozen=True, repr=False)
class Profile(Stacks):
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
    metering : str
        What its code counted.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt:
    ...     profile = rt.load("example:specimen").profile("spin", {"ms": 50}, samples=10)
    >>> profile.functions["function"][0]
    'spin'
    """

    def flame_graph(self) -> FlameGraph:
        """The tree of calls as interactive HTML; it needs no network, and ``.save("x.html")`` makes a page of it."""
        return FlameGraph(self)

    def figure(
        self,
        ax: Axes | None = None,
        *,
        width: float | None = None,
        title: Title = True,
        table: bool = True,
        legend: bool | str = True,
    ) -> Any:
        """The tree of calls as a matplotlib figure, for paper.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure otherwise.
        width, title, table, legend
            The size, and what is written: see `jn.plots`.
        """
        from judicia_notebook.analysis.figures.layout import Layout
        from judicia_notebook.analysis.portable import without_tex
        from judicia_notebook.analysis.profiles.flame_figure import flame_figure

        with without_tex():
            return flame_figure(self, Layout(ax, width, title, table=table, legend=legend))

    def save(self, path: str | os.PathLike[str], form: str | None = None) -> Path:
        """Write it to a file. Returns the path.

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
        """The summary and the hottest functions with their lines, for a terminal."""
        frame = self.functions.head(most)
        rows = [
            f"{row.self_percent:6.1f} %  {format_time(row.self_ms / 1e3):>9}  {format_time(row.total_ms / 1e3):>9}"
            f"  {row.function}{_notes(row)}"
            for row in frame.itertuples(index=False)
        ]
        head = f"{'self':>8}  {'self':>9}  {'total':>9}  function"
        return "\n".join([self.summary(), *([head, *rows] if rows else ["No sample was taken."])])


def _notes(row: Any) -> str:
    """What stands behind a function's name: that it is the host's, its line, that it was inlined."""
    notes = [HOST] if row.module == HOST else []
    notes += [short_place(row.file, row.line)] if isinstance(row.file, str) else []
    notes += ["inlined"] if row.inlined else []
    return f"  ({', '.join(notes)})" if notes else ""


def _form_of(name: str) -> str:
    if name.endswith(".speedscope.json"):
        return "speedscope"
    for ending, form in ((".html", "html"), (".json", "firefox")):
        if name.endswith(ending):
            return form
    raise ValueError(f"{name}: say in its name what to write: .json, .speedscope.json or .html, or give form=...")
