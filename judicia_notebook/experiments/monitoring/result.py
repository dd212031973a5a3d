"""What a user gets of a monitoring: a frame for each monitor, and the plugin's module for what draws on it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judicia_notebook.errors import JudiciaError, describe, stays_in_process
from judicia_notebook.experiments.monitors import monitor_names
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from judicia_notebook.analysis.figures.layout import Title
    from judicia_notebook.analysis.listings.painted_source import PaintedSource
    from judicia_notebook.analysis.listings.painted_wat import PaintedWat
    from judicia_notebook.experiments.monitoring.counts import Counts
    from judicia_notebook.experiments.monitoring.divergence import Divergence
    from judicia_notebook.experiments.monitoring.monitor import Monitor
    from judicia_notebook.experiments.monitoring.tally import Tally
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.runtime.outcome import Outcome


@stays_in_process("Its frames can be.")
class Monitored:
    """What was counted: an attribute for each monitor, which is a frame. `Plugin.monitor` makes it.

    In a ``with`` block each access has the counts up to then.

    Attributes
    ----------
    what : tuple of str
        The monitors, with what stood behind their names.
    outcome : Outcome or None
        Of `Plugin.monitor`: how the call ended. One that failed is counted up to there.
    """

    def __init__(self, what: tuple[str, ...], tallies: dict[str, Tally]) -> None:
        self.what = what
        self.outcome: Outcome | None = None
        self._tallies = tallies

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins, by name. Of several, the first column of each frame is ``plugin``."""
        return tuple(self._tallies)

    @property
    def calls(self) -> int:
        """How many calls were counted."""
        return sum(each.calls for each in self._tallies.values())

    @property
    def value(self) -> Any:
        """What the call of `Plugin.monitor` gave; None where it failed, and in a block."""
        return None if self.outcome is None else self.outcome.value

    @property
    def error(self) -> JudiciaError | None:
        """What ended the call of `Plugin.monitor`; None where it ended well, and in a block."""
        return None if self.outcome is None else self.outcome.error

    @property
    def record(self) -> CallRecord | None:
        """The row of the call of `Plugin.monitor`; None in a block."""
        return None if self.outcome is None else self.outcome.record

    # Frames -------------------------------------------------------------------------------------------------

    @property
    def monitors(self) -> dict[str, Monitor]:
        """The monitors by their names, each of which is an attribute."""
        return {name: monitor for each in self._tallies.values() for name, monitor in each.plan.monitors.items()}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in monitor_names():
            raise AttributeError(f"a result of a monitor has no {printable(name, 80)!r}")
        if name not in self.monitors:
            raise AttributeError(f"{name} was not monitored. To have it:  p.monitor(..., what={(*self.what, name)!r})")
        return self.frame(name)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.monitors]

    def frame(self, name: str) -> pd.DataFrame:
        """The frame of a monitor, which is an attribute of the same name, too.

        Raises
        ------
        JudiciaError
            It was not asked for.
        """
        import pandas as pd

        if name not in self.monitors:
            raise JudiciaError(f"{printable(name, 80)} was not monitored, but {', '.join(self.monitors)}.")
        parts = []
        for plugin in self._tallies:
            part = self._frame_of(plugin, name)
            if len(self._tallies) > 1:
                part.insert(0, "plugin", pd.Series([plugin] * len(part), dtype="str"))
            parts.append(part)
        if len(parts) == 1:
            return parts[0]
        made = with_plugin_text(pd.concat(parts, ignore_index=True))
        made.attrs |= _attrs(dict(zip(self._tallies, parts, strict=True)))
        return made

    def frames(self, plugin: str | None = None) -> dict[str, pd.DataFrame]:
        """The frames of all monitors, by their names: of one look at the counters, so that they fit together.

        Parameters
        ----------
        plugin : str, optional
            Of several.

        Raises
        ------
        JudiciaError
            There is no such plugin, or there are several.
        """
        tally = self._tally(plugin)
        counts, states = tally.look(tally.plan.monitors)
        return {name: monitor.frame(counts, states[name]) for name, monitor in tally.plan.monitors.items()}

    def _frame_of(self, plugin: str, name: str) -> pd.DataFrame:
        tally = self._tallies[plugin]
        counts, states = tally.look([name])
        return tally.plan.monitors[name].frame(counts, states[name])

    def cost_by(self, weights: Mapping[str, float], plugin: str | None = None) -> pd.DataFrame:
        """The frame of the monitor ``cost`` with weights of your own.

        Parameters
        ----------
        weights : mapping of str to number
            By opcode: a copy of `judicia_notebook.experiments.monitors.cost.default_weights` that was edited.
        plugin : str, optional
            Of several.

        Raises
        ------
        JudiciaError
            Blocks were not counted.
        ValueError
            An opcode that ran has no weight.
        """
        from judicia_notebook.experiments.monitors.cost import cost_frame

        return cost_frame(self._blocks(plugin, "cost"), weights)

    def counts(self, plugin: str | None = None) -> Counts:
        """The counts by block, with the plugin's module: for what shows code.

        Parameters
        ----------
        plugin : str, optional
            Of several.

        Raises
        ------
        JudiciaError
            There is no such plugin, or there are several.
        """
        return self._tally(plugin).counts()

    def _tally(self, plugin: str | None) -> Tally:
        name = plugin or (self.plugins[0] if len(self.plugins) == 1 else "")
        if name not in self._tallies:
            raise JudiciaError(f"which plugin? Monitored are {', '.join(self.plugins)}.")
        return self._tallies[name]

    def _blocks(self, plugin: str | None, monitor: str) -> Counts:
        """The counts by block; `monitor` is what one may ask for to have them."""
        counts = self.counts(plugin)
        if not counts.has_blocks:
            raise JudiciaError(f'{", ".join(self.monitors)} counts no blocks: what="{monitor}" does.')
        return counts

    def _name(self, plugin: str | None) -> str:
        return plugin or self.plugins[0]

    # Painted ------------------------------------------------------------------------------------------------

    def source(
        self,
        file: str | None = None,
        *,
        sources: str | os.PathLike[str] | None = None,
        plugin: str | None = None,
    ) -> PaintedSource | PaintedWat:
        """The source with how often each line ran, and which parts of it did not.

        Lines come from the module's debug information (``-g``). Without it this says so, and is `wat`.

        Parameters
        ----------
        file : str, optional
            Only this one: its name, or the end of its path. By default all whose text is at hand, up to eight; what was
            inlined from other files is counted at the line that called it.
        sources : path, optional
            A folder to look for the texts of files in, as for `Plugin.annotated`.
        plugin : str, optional
            Of several.

        Returns
        -------
        PaintedSource
            ``str`` of it is text, ``.by_line`` a frame, ``.save("x.html")`` makes a page.

        Raises
        ------
        JudiciaError
            Blocks were not counted; no code is of that file.
        """
        from judicia_notebook.experiments.monitoring.painting import paint_source

        return paint_source(self._name(plugin), self._blocks(plugin, "coverage"), file, sources)

    def wat(self, function: str | int | None = None, *, plugin: str | None = None) -> PaintedWat:
        """The WebAssembly text with how often each instruction ran, folded by function, those first in which most ran.

        Parameters
        ----------
        function : str or int, optional
            Only this one, as for `Plugin.wat`.
        plugin : str, optional
            Of several.

        Returns
        -------
        PaintedWat
            ``str`` of it is text, ``.functions`` a frame, ``.save("x.html")`` makes a page.

        Raises
        ------
        JudiciaError
            Blocks were not counted.
        NoSuchFunction
        """
        from judicia_notebook.experiments.monitoring.painting import paint_wat

        return paint_wat(self._name(plugin), self._blocks(plugin, "coverage"), function)

    def lcov(
        self, path: str | os.PathLike[str], *, sources: str | os.PathLike[str] | None = None, plugin: str | None = None
    ) -> Path:
        """Write the counts of lines and functions as an LCOV tracefile, which ``genhtml`` and editors read.

        Branches are in it where ``branches`` was monitored. It is written beside the path and renamed, so that nobody
        reads half of it.

        Parameters
        ----------
        path : path
            Such as ``"coverage.info"``; what is there is replaced.
        sources : path, optional
            The folder of the sources: files that lie in it are named by their paths there. Others are named as the
            compiler did.
        plugin : str, optional
            Of several.

        Returns
        -------
        Path

        Raises
        ------
        JudiciaError
            Blocks were not counted; the module has no debug information; it is not known where the guest stopped.
        DebugInfoError
            The debug information is damaged.
        NotADirectoryError, OSError
        """
        from judicia_notebook.experiments.monitoring.lcov import write_lcov

        counts = self._blocks(plugin, "coverage")
        branches = self._frame_of(self._name(plugin), "branches") if "branches" in self.monitors else None
        return write_lcov(path, counts, branches, sources)

    def figure(
        self,
        kind: str,
        ax: Axes | None = None,
        *,
        plugin: str | None = None,
        width: float | None = None,
        title: Title = True,
        table: bool = True,
        legend: bool | str = True,
    ) -> Any:
        """A monitor's counts as a matplotlib figure.

        Parameters
        ----------
        kind : str
            ``"memory"``: accesses by page; ``"edges"``: a graph of calls; ``"opcodes"``: the instructions that ran.
        ax : matplotlib Axes, optional
            Where to draw; a new figure otherwise.
        plugin : str, optional
            Of several.
        width, title, table, legend
            The size, and what is written: see `jn.plots`.

        Raises
        ------
        JudiciaError
            It was not monitored.
        ValueError
            There is no such figure.
        """
        from judicia_notebook.experiments.monitoring.figures import draw

        def frame(name: str) -> pd.DataFrame:
            if name not in self.monitors:
                raise JudiciaError(f'{name} was not monitored: what="{name}" does, {", ".join(self.monitors)} do not.')
            self.counts(plugin)
            return self._frame_of(self._name(plugin), name)

        return draw(kind, frame, ax=ax, width=width, title=title, table=table, legend=legend)

    # Comparing ----------------------------------------------------------------------------------------------

    def diff(self, other: Monitored, *, plugin: str | None = None) -> pd.DataFrame:
        """Where the counts differ from those of another result with the same monitors: a row for each number that does.

        Of the same module everything is compared. Of two modules, such as version A and B, what has names: functions,
        edges, opcodes, accesses and costs, by the functions' names. Where a count is not known, so is the difference:
        NA.

        Where one result is of several plugins, each plugin that is in both is compared with itself. What one of them
        alone counted is no difference, and is left out.

        Parameters
        ----------
        other : Monitored
        plugin : str, optional
            Of several, only this one. A result of one plugin is compared with it, whatever its name.

        Returns
        -------
        DataFrame
            ``monitor``, ``function``, ``where``, ``number`` (the column of the monitor's frame), ``count``, ``other``,
            ``difference`` (``other - count``); the largest differences first. Of several plugins ``plugin`` comes
            before them.

        Raises
        ------
        JudiciaError
            They have no plugin, or no monitor, in common that can be compared.
        """
        from judicia_notebook.experiments.monitoring.difference import diff

        return diff(self, other, plugin)

    def divergence(self, other: Monitored) -> Divergence | None:
        """The first block at which two paths of the same module part; None where they are the same to their ends.

        Raises
        ------
        JudiciaError
            Without ``what="path"`` in both; of two modules; they are the same as far as both were kept.
        """
        from judicia_notebook.experiments.monitoring.divergence import divergence

        return divergence(self, other)

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each plugin's module."""
        return {name: each.plan.rewritten.original.digest for name, each in self._tallies.items()}

    def text(self, most: int = 8) -> str:
        """The summary, and the functions in which most ran, for a terminal."""
        lines = [repr(self)[1:-1]]
        if self.error is not None:
            lines.append(f"  {describe(self.error)[0]}")
        if "coverage" in self.monitors:
            coverage = self.frame("coverage")
            covered, whole = coverage["instructions_covered"].sum(), coverage["instructions"].sum()
            blocks = f"{coverage['covered'].sum()} of {len(coverage)} blocks"
            lines.append(f"  covered: {covered} of {whole} instructions, {blocks}")
        if "functions" in self.monitors:
            functions = self.frame("functions").sort_values("self_instructions", ascending=False).head(most)
            lines.append(f"{'calls':>12}  {'instructions':>14}  {'alone':>14}  function")
            lines += [
                f"{calls!s:>12}  {whole!s:>14}  {alone!s:>14}  {name}"
                for name, calls, whole, alone in functions[
                    ["function", "calls", "instructions", "self_instructions"]
                ].itertuples(index=False)
                if str(calls) != "0"
            ]
        frames = [name for name in self.monitors if name not in {"coverage", "functions"}]
        lines += [f"  .{name}: {format_count(len(self.frame(name)))} rows" for name in frames]
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self) if cycle else self.text())

    def __repr__(self) -> str:
        calls = f"{format_count(self.calls)} call{'s' if self.calls != 1 else ''}"
        failed = f", {type(self.error).__name__}" if self.error is not None else ""
        return f"<Monitored {', '.join(self.plugins)}: {', '.join(self.monitors)} of {calls}{failed}>"


def _attrs(frames: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """What frames of several plugins say of themselves: numbers are added up, all else is told by plugin."""
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for frame in frames.values() for key in frame.attrs):
        each = {plugin: frame.attrs[key] for plugin, frame in frames.items() if key in frame.attrs}
        found[key] = sum(each.values()) if all(isinstance(value, int) for value in each.values()) else each
    return found
