"""WebAssembly text with how often each instruction ran, folded by function."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.analysis.listings.page import code, element, escaped, folded, write_page
from judicia_notebook.analysis.listings.shades import Shades, shown_count
from judicia_notebook.analysis.listings.wat import MOST_FUNCTIONS, MOST_HTML, MOST_LINES, Wat
from judicia_notebook.analysis.series import plural
from judicia_notebook.text import printable
from judicia_notebook.units import format_count
from judicia_notebook.wasm.compile_cost import Body

if TYPE_CHECKING:
    import pandas as pd

_NEVER = "dead"  # behind an unconditional branch


class FunctionCounts(NamedTuple):
    """How often a function was called, the instructions that ran in it, those that did at least once, and all."""

    calls: int
    ran: int
    covered: int
    instructions: int


class PaintedWat(Wat):
    """The text of a module, or of a function, with exact counts. `Monitored.wat` makes it.

    A notebook shows it folded by function, those first in which most ran; it needs no script and stays in the saved
    notebook. `str` of it is the same as text.

    Parameters
    ----------
    name : str
        Of the plugin.
    wasm : bytes
    function : str, int or None
        As `Wat` takes it.
    counts : mapping of int to FunctionCounts
    times : callable
        For a function's index, how often the instruction at a byte of the file ran; those missing can never run.
    note : str
        A sentence that stands above it.
    is_known : bool
        False where it is not known where the guest stopped.

    Raises
    ------
    NoSuchFunction
    """

    def __init__(
        self,
        name: str,
        wasm: bytes,
        function: str | int | None,
        counts: Mapping[int, FunctionCounts],
        times: Callable[[int], Mapping[int, int | None]],
        note: str = "",
        *,
        is_known: bool = True,
    ) -> None:
        super().__init__(name, wasm, function)
        self._counts = counts
        self._times = times
        self._note = note
        self._is_known = is_known
        self._bodies = tuple(sorted(self._bodies, key=lambda body: -counts[body.function].ran))
        # An instruction ran as often as all of its function did, at most; no text is decoded before it is shown.
        self._shades = Shades(max((self._most(body) for body in self._bodies[:MOST_FUNCTIONS]), default=0))

    def _most(self, body: Body) -> int:
        if not self._counts[body.function].ran:
            return 0
        return max((each or 0 for each in self._times(body.function).values()), default=0)

    @property
    def functions(self) -> pd.DataFrame:
        """The functions that have code.

        Returns
        -------
        DataFrame
            As that of `Plugin.wat`, with ``calls``, ``instructions_run`` and ``instructions_covered``; NA where it is
            not known where the guest stopped. Those first in which most ran.
        """
        import pandas as pd

        frame = super().functions
        rows = [self._counts[body.function] for body in self._bodies]
        for column, values in (
            ("calls", [row.calls for row in rows]),
            ("instructions_run", [row.ran for row in rows]),
            ("instructions_covered", [row.covered for row in rows]),
        ):
            frame[column] = pd.array(values if self._is_known else [None] * len(rows), dtype="Int64")
        return frame

    def _ran(self, body: Body) -> str:
        """What ran of a function, in words."""
        row = self._counts[body.function]
        if not self._is_known:
            return "counts are not known"
        if not row.ran:
            return "not run"
        share = f"{format_count(row.covered)} of {plural(row.instructions, 'instruction')} ran"
        return f"{plural(row.calls, 'call')}, {share}, {format_count(row.ran)} in all"

    def _about(self) -> str:
        rows = [self._counts[body.function] for body in self._bodies]
        ran = f"{sum(row.ran > 0 for row in rows)} of {plural(len(rows), 'function')} ran"
        return ran if self._is_known else "counts are not known"

    def __repr__(self) -> str:
        return f"<PaintedWat {printable(self._name, 80)}: {self._about()}>"

    # As text ------------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        """The functions' text, line by line, with their counts on the left."""
        yield f"{printable(self._name, 80)}: how often each instruction ran. {self._about()}"
        if self._note:
            yield printable(self._note, 1000)
        for body in self._bodies:
            yield ""
            yield f";; {printable(self._text.name(body.function), 160)}: {self._ran(body)}"
            for said, _, text, _ in self._painted(body):
                yield f"{said:>14} {text}".rstrip()

    def _painted(self, body: Body) -> Iterator[tuple[str, str, str, int | None]]:
        """Of each line of a function its count in words, the class of its shade, its text, and where it is."""
        times = self._times(body.function)
        for line in self._text.function(body):
            if line.at is None:
                yield "", "", line.text, None
            elif line.at not in times:
                yield _NEVER, "", line.text, line.at
            else:
                count = times[line.at]
                yield shown_count(count), self._shades.css_class(count), line.text, line.at

    # IPython asks the first class that has either of the two, which would be this one's `__repr__`.
    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        super()._repr_pretty_(printer, cycle)

    # As HTML ------------------------------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        parts, left = [], MOST_HTML
        if self._note:
            parts.append(f"<p>{escaped(self._note, 1000)}</p>")
        parts.append(self._shades.legend())
        for body in self._bodies[:MOST_FUNCTIONS]:
            shown = self._function_html(body) if left > 0 else f"<div>{self._head(body, None)}</div>"
            left -= len(shown)
            parts.append(shown)
        without = len(self._bodies) - MOST_FUNCTIONS
        if left <= 0 or without > 0:
            more = f"{plural(without, 'more function')} of which less ran: not shown. " if without > 0 else ""
            parts.append(f"<p>{more}.wat(NAME) shows one function.</p>")
        return element(self._name, f"how often each instruction ran. {self._about()}", "".join(parts))

    def _head(self, body: Body, count: int | None) -> str:  # noqa: ARG002  # what ran says how many there are
        text = self._text
        return (
            f"{escaped(text.name(body.function), 160)} "
            f'<span class="jc-size">{escaped(text.module.functions[body.function], 160)} · {self._ran(body)}</span>'
        )

    def _function_html(self, body: Body) -> str:
        lines = [*islice(self._painted(body), MOST_LINES + 1)]
        shown = "".join(
            f'<span class="jc-row {shade}">{said:>12} {f"{at:#8x}" if at is not None else " " * 8} '
            f"{escaped(text[2:], 1000)}\n</span>"
            for said, shade, text, at in lines[:MOST_LINES]
        )
        more = ["…"] if len(lines) > MOST_LINES else []
        return folded(
            self._head(body, None), code([shown, *more], self._text.name(body.function)), is_open=not self._is_whole
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as an HTML page of its own. Returns the path."""
        return write_page(path, f"{self._name}: how often each instruction ran", self._repr_html_())
