"""Sources with how often each line ran, and which parts of it did not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from judicia_notebook.analysis.listings.lines import MOST_TEXT, source_text
from judicia_notebook.analysis.listings.page import element, escaped, folded, write_page
from judicia_notebook.analysis.listings.shades import Shades, shown_count
from judicia_notebook.analysis.series import plural
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.units import format_count

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES, MOST_FILES = 5000, 8
MOST_HTML = 3_000_000
"""Characters of all files in a notebook."""
_MORE = ".source(FILE) shows one file, str(...) is all as text."
_MOST_PRINTED = 400  # lines, in a terminal
_MOST_COLUMNS = 6  # of parts that did not run


@dataclass(slots=True)
class LineCount:
    """What ran of a line.

    Attributes
    ----------
    count : int or None
        How often; None where it is not known.
    instructions, covered, ran : int
        The line's instructions, those of them that ran at least once, and how many ran in all.
    missed : set of int
        The columns of the source that those are of that did not run.
    """

    count: int | None = 0
    instructions: int = 0
    covered: int = 0
    ran: int = 0
    missed: set[int] = field(default_factory=set)


class PaintedFile(NamedTuple):
    """A file with its counts; `text` is None where it is not at hand."""

    name: str
    text: str | None
    counts: Mapping[int, LineCount]

    def lines(self) -> Iterator[tuple[int, str, LineCount | None]]:
        """Number, text and count of each line; without a text of those that have code."""
        texts = self.text.split("\n") if self.text is not None else []
        for number, line in enumerate(texts[:MOST_LINES], 1):
            yield number, source_text(line), self.counts.get(number)
        # A text that is older than the module, or not at hand, has fewer lines than the code is of.
        for number in sorted(each for each in self.counts if each > len(texts))[: max(MOST_LINES - len(texts), 0)]:
            yield number, "", self.counts[number]

    @property
    def is_cut(self) -> bool:
        """Whether it has more lines than are shown."""
        known = self.text.count("\n") + 1 if self.text is not None else 0
        return known + sum(number > known for number in self.counts) > MOST_LINES

    def about(self) -> str:
        """How much of it ran."""
        known = [each for each in self.counts.values() if each.count is not None]
        if len(known) < len(self.counts):
            return f"{plural(len(self.counts), 'line')} with code; counts are not known"
        return f"{sum(each.count != 0 for each in known)} of {plural(len(known), 'line')} with code ran"


class PaintedSource:
    """Sources with exact counts beside their lines. `Monitored.source` makes them.

    A notebook shows a table a file, which needs no script and stays in the saved notebook; `str` of it is the same as
    text. A line's count is that of its instruction that ran most often; where a function was inlined into several
    places, or is in the module more than once, those are added up.

    Parameters
    ----------
    name : str
        Of the plugin.
    files : sequence of PaintedFile
    elsewhere : int
        Instructions that ran and are of no line shown.
    """

    def __init__(self, name: str, files: Sequence[PaintedFile], elsewhere: int = 0) -> None:
        self._name = name
        self.files = files
        self._elsewhere = elsewhere
        self._shades = Shades(max((each.count or 0 for file in files for each in file.counts.values()), default=0))

    @property
    def by_line(self) -> pd.DataFrame:
        """The lines that have code.

        Returns
        -------
        DataFrame
            ``file``, ``line``, ``text`` (NA where it is not at hand), ``count``, ``instructions``,
            ``instructions_covered``, ``instructions_run``.
        """
        import pandas as pd

        rows = []
        for file in self.files:
            texts = file.text.split("\n") if file.text is not None else []
            for number, count in sorted(file.counts.items()):
                text = source_text(texts[number - 1]) if 0 < number <= len(texts) else None
                rows.append((file.name, number, text, count))
        known = [row[3] if row[3].count is not None else None for row in rows]
        frame = pd.DataFrame(
            {
                "file": pd.Series([row[0] for row in rows], dtype="str"),
                "line": pd.array([row[1] for row in rows], dtype="Int64"),
                "text": pd.Series([row[2] for row in rows], dtype="str"),
                "count": pd.array([each and each.count for each in known], dtype="Int64"),
                "instructions": pd.array([row[3].instructions for row in rows], dtype="Int64"),
                "instructions_covered": pd.array([each and each.covered for each in known], dtype="Int64"),
                "instructions_run": pd.array([each and each.ran for each in known], dtype="Int64"),
            }
        )
        return with_plugin_text(frame)

    def _about(self) -> str:
        more = f"; {plural(self._elsewhere, 'instruction')} ran that are of no line below" if self._elsewhere else ""
        return f"{'; '.join(f'{printable(file.name, 80)}: {file.about()}' for file in self.files[:3])}{more}"

    def __repr__(self) -> str:
        return f"<PaintedSource {printable(self._name, 80)}: {self._about()}>"

    # As text ------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return "\n".join(self._text())

    def _text(self) -> Iterator[str]:
        yield f"{printable(self._name, 80)}: {self._about()}"
        for file in self.files:
            yield ""
            yield printable(file.name, 200)
            yield f"{'count':>14} {'line':>5}"
            for number, text, count in file.lines():
                said = shown_count(count.count) if count is not None else ""
                line = f"{said:>14} {number:>5}  {text}"
                missed = _missed(count) if count is not None else ""
                yield f"{line}   <- not run: {missed}" if missed else line.rstrip()
            if file.is_cut:
                yield "…"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        if cycle:
            printer.text(repr(self))
            return
        lines = [*islice(self._text(), _MOST_PRINTED + 1)]
        more = ["… more: print(str(...)), or .save(PATH)"] if len(lines) > _MOST_PRINTED else []
        printer.text("\n".join([*lines[:_MOST_PRINTED], *more]))

    # As HTML ------------------------------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        parts, left = [self._shades.legend()], MOST_HTML
        for place, file in enumerate(self.files):
            summary = f'{escaped(file.name)} <span class="jc-size">{escaped(file.about())}</span>'
            parts.append(folded(summary, self._table(file, left), is_open=place == 0))
            left -= len(parts[-1])
        return element(self._name, f"how often each line ran. {self._about()}", "".join(parts))

    def _table(self, file: PaintedFile, left: int) -> str:
        rows, is_cut = [], file.is_cut
        for number, text, count in file.lines():
            rows.append(self._row(number, text, count))
            left -= len(rows[-1])
            if left <= 0:
                is_cut = True
                break
        more = f"<p>More lines are not shown. {_MORE}</p>" if is_cut else ""
        return (
            f'<div class="jc-scroll" tabindex="0" role="region" aria-label="{escaped(file.name)}">'
            '<table class="jc-painted"><thead><tr><th scope="col">line</th><th scope="col">times</th>'
            '<th scope="col" class="jc-source">source</th></tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div>{more}"
        )

    def _row(self, number: int, text: str, count: LineCount | None) -> str:
        shade = missed = said = ""
        if count is not None:
            said, missed, shade = shown_count(count.count), _missed(count), self._shades.css_class(count.count)
            shade += " jc-part" if missed else ""
        note = f'<em class="jc-note"> not run: {escaped(missed)}</em>' if missed else ""
        return (
            f'<tr class="{shade}"><th scope="row" class="jc-line">{number}</th><td class="jc-count">{said}</td>'
            f'<td class="jc-source"><code>{escaped(text, MOST_TEXT)}</code>{note}</td></tr>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as an HTML page of its own. Returns the path."""
        return write_page(path, f"{self._name}: how often each line ran", self._repr_html_())


def _missed(count: LineCount) -> str:
    """Which part of a line that ran did not, in words; empty where all of it did, or none."""
    if not count.count or count.covered >= count.instructions:
        return ""
    columns = sorted(count.missed - {0})
    where = ""
    if columns:
        shown = ", ".join(map(str, columns[:_MOST_COLUMNS])) + (", …" if len(columns) > _MOST_COLUMNS else "")
        where = f": column{'s' if len(columns) > 1 else ''} {shown}"
    return f"{format_count(count.instructions - count.covered)} of {plural(count.instructions, 'instruction')}{where}"
