"""Errors of a file that cannot become a plugin, and of debug information that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from judicia_notebook.errors.base import JudiciaError, with_facts
from judicia_notebook.records.diagnostics import Diagnostic, diagnostics_frame
from judicia_notebook.reporting import colours
from judicia_notebook.text import printable

if TYPE_CHECKING:
    import pandas as pd

# An assembler draws the place in the source below what is wrong. Any other line after the first would pass for a hint.
_PICTURE = re.compile(r"\n(?=[ \d]*(?:\||-->)|\Z)")
_SHOWN_ROWS = 5


class LoadError(JudiciaError):
    """A file that cannot become a plugin. Nothing of it was run.

    Attributes
    ----------
    source : str
        The file, in short.
    recognized : tuple of str
        What the module looks like, and what to do with it; empty where nothing is known of it.
    unchanged : str
        The name of the plugin that was loaded before and stays as it was; empty where there is none.
    """

    recognized: tuple[str, ...] = ()
    unchanged: str = ""

    def __init__(self, message: str, *, source: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.source = source

    def _rendered_lines(self) -> list[str]:
        return [colours.severity(line) for line in super()._rendered_lines()]

    def _sentences(self) -> list[str]:
        stays = [f"  {printable(self.unchanged, 160)} stays as it was loaded before."] if self.unchanged else []
        return [*self._refusal(), *stays]

    def _refusal(self) -> list[str]:
        """Why the file cannot become a plugin, and what was found in it."""
        first, *rest = [printable(line, 1000) for line in _PICTURE.split(self.message)]
        return [with_facts(f"{self._prefix()}{first}", self._looks_like()), *rest]

    def _prefix(self) -> str:
        return f"{printable(self.source)}: " if self.source else ""

    def _looks_like(self) -> list[str]:
        """The sentence on what the module is, if that is known."""
        return [f"It looks like {'; and like '.join(self.recognized)}."] if self.recognized else []


class InvalidModule(LoadError):
    """Not a WebAssembly module, truncated, malformed or too large."""


class ManifestError(LoadError):
    """The manifest is not what `judicia_notebook.wasm.manifest` describes; the message names the field."""


class AbiMismatch(LoadError):
    """The exports do not fit the ABI the file was loaded with."""


class BuildError(LoadError):
    """A source that became no module: its compiler or linker refused it, took too long, or is not here.

    Attributes
    ----------
    rows : tuple of Diagnostic
        What the compiler said; empty where it said nothing.
    """

    def __init__(
        self, message: str, *, rows: Iterable[Diagnostic] = (), source: str = "", hint: str = "", unchanged: str = ""
    ) -> None:
        super().__init__(message, source=source, hint=hint)
        self.rows = tuple(rows)
        self.unchanged = unchanged

    @property
    def diagnostics(self) -> pd.DataFrame:
        """What the compiler said, a row each: ``line``, ``column``, ``severity``, ``message``, ``note``."""
        return diagnostics_frame(self.rows)

    @property
    def first_rows(self) -> tuple[Diagnostic, ...]:
        """The rows to show first: the errors, or the warnings where there is no error."""
        return tuple(row for row in self.rows if row.severity == "error") or self.rows

    def _refusal(self) -> list[str]:
        """What happened, and of the compiler's rows the first."""
        rows = self.first_rows[:_SHOWN_ROWS]
        lines = [line for row in rows for line in row.lines()]
        more = len(self.rows) - len(rows)
        tail = [f"  {more} more in error.diagnostics"] if more else []
        return [f"{self._prefix()}{printable(self.message, 1000)}", *lines, *tail]


class RewriteError(LoadError):
    """A module that counters cannot be written into: what it holds is not known, or there is no room for them.

    Attributes
    ----------
    function : int or None
        The index of the function it is about; None where it is about none.
    offset : int or None
        The byte of the file where the instruction stands.
    """

    def __init__(
        self,
        message: str,
        *,
        function: int | None = None,
        offset: int | None = None,
        source: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, source=source, hint=hint)
        self.function = function
        self.offset = offset


class CompileError(LoadError):
    """The engine refused the module."""


class CompileLimit(CompileError):
    """Compiling the module would cost more than is allowed."""


class DebugInfoError(JudiciaError):
    """The debug information (DWARF) in a module is damaged, or more than is read; the message names the section."""
