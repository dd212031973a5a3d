"""What compilers and linkers say of a source, as rows: of `BuildError.diagnostics`, and of a build that went well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.text import printable, with_plugin_text

if TYPE_CHECKING:
    import pandas as pd


class Diagnostic(NamedTuple):
    """What a compiler or a linker said of a source, at one place. Its texts quote the source.

    Attributes
    ----------
    line, column : int or None
        Of the source, or of the cell with its first line, from 1; the column counts characters. None where the
        compiler named no place in the source.
    severity : str
        ``error`` or ``warning``.
    message : str
    note : str
        What the compiler added, or what the message usually means.
    code : str
        The source's line; of a long line the part round the column.
    mark : int
        The column in `code`, from 1; 0 where there is no place.
    """

    line: int | None
    column: int | None
    severity: str
    message: str
    note: str = ""
    code: str = ""
    mark: int = 0

    def lines(self) -> list[str]:
        """The place and the message, then the source's line with a mark below it, then the note. Printable."""
        where = f"line {self.line}, column {self.column}: " if self.line is not None else ""
        lines = [f"  {where}{self.severity}: {printable(self.message, 1000)}"]
        if self.mark:
            lines += [f"{self.line:>8} | {printable(self.code)}", f"{'':>8} | {'^':>{self.mark}}"]
        return [*lines, *([f"    note: {printable(self.note, 1000)}"] if self.note else [])]


def diagnostics_frame(rows: Iterable[Diagnostic]) -> pd.DataFrame:
    """Diagnostics as a frame, a row each.

    Returns
    -------
    DataFrame
        Columns ``line`` and ``column`` (Int64, NA where there is no place), ``severity``, ``message``, ``note`` (str).
    """
    import pandas as pd

    names = ("line", "column", "severity", "message", "note")
    told = [(row.line, row.column, row.severity, *(printable(text, 4000) for text in row[3:5])) for row in rows]
    frame = pd.DataFrame(told, columns=names).astype({"line": "Int64", "column": "Int64"})
    return with_plugin_text(frame)
