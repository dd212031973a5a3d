"""A module as WebAssembly text, to read: folded by function in a notebook, the whole text as `str`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from judicia_notebook.analysis.listings.page import code, element, escaped, folded
from judicia_notebook.analysis.series import plural
from judicia_notebook.errors import NoSuchFunction
from judicia_notebook.text import did_you_mean, printable, with_plugin_text
from judicia_notebook.units import format_count, format_size
from judicia_notebook.wasm.compile_cost import Body
from judicia_notebook.wasm.disassembly import body_instructions
from judicia_notebook.wasm.sections import read_module
from judicia_notebook.wasm.wat_text import WatText

if TYPE_CHECKING:
    import pandas as pd

MOST_HTML = 1_500_000
"""Characters of the functions' text in a notebook; of functions beyond that, only their heads are shown."""
MOST_FUNCTIONS, MOST_LINES, MOST_DATA = 1500, 5000, 64
_MOST_PRINTED = 200  # lines, in a terminal


class Wat:
    """The text of a module, or of one of its functions. `Plugin.wat` makes them.

    A notebook shows it folded by function; `str` of it is the text, which an assembler turns into the same code.

    Parameters
    ----------
    name : str
        Of the plugin.
    wasm : bytes
    function : str or int, optional
        Only this one, by its export's name, its own name or its number.

    Raises
    ------
    NoSuchFunction
    """

    def __init__(self, name: str, wasm: bytes, function: str | int | None = None) -> None:
        self._name = name
        self._text = WatText(read_module(wasm))
        self._bodies = self._text.bodies if function is None else (self._find(function),)
        self._is_whole = function is None

    def _find(self, wanted: str | int) -> Body:
        text, names = self._text, {}
        for body in text.bodies:
            known = {text.name(body.function), *text.exported.get(body.function, ()), body.function}
            if wanted in known and not isinstance(wanted, bool):
                return body
            names[body.function] = text.name(body.function)
        close = did_you_mean(str(wanted), islice(names.values(), 10_000))
        raise NoSuchFunction(f"{self._name} has no code of a function {printable(str(wanted), 80)!r}.{close}")

    def lines(self) -> Iterator[str]:
        """The text, line by line."""
        if self._is_whole:
            yield from self._text.text()
        else:
            for line in self._text.function(self._bodies[0]):
                yield line.text

    def __str__(self) -> str:
        return "\n".join(self.lines())

    @property
    def functions(self) -> pd.DataFrame:
        """The functions that have code.

        Returns
        -------
        DataFrame
            ``index`` (in the module), ``function`` (its name), ``export`` (NA where it has none), ``instructions``,
            ``bytes`` (with its locals).
        """
        import pandas as pd

        text = self._text
        exports = [", ".join(text.exported.get(body.function, ())) or None for body in self._bodies]
        counts = [sum(1 for _ in body_instructions(text.module, body)) for body in self._bodies]
        frame = pd.DataFrame(
            {
                "index": pd.array([body.function for body in self._bodies], dtype="Int64"),
                "function": pd.Series([printable(text.name(body.function)) for body in self._bodies], dtype="str"),
                "export": pd.Series([name and printable(name) for name in exports], dtype="str"),
                "instructions": pd.array(counts, dtype="Int64"),
                "bytes": pd.array([body.end - body.start for body in self._bodies], dtype="Int64"),
            }
        )
        return with_plugin_text(frame)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the text to a file. Returns the path."""
        target = Path(path)
        with target.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in self.lines())
        return target

    def __repr__(self) -> str:
        return f"<Wat of {printable(self._name, 80)}: {self._about()}>"

    def _about(self) -> str:
        size = sum(body.end - body.start for body in self._bodies)
        return f"{plural(len(self._bodies), 'function')}, {format_size(size)} of code"

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        text = repr(self)
        if not cycle:
            lines = [*islice(self.lines(), _MOST_PRINTED + 1)]
            more = ["… more: print(str(...)), or .save(PATH)"] if len(lines) > _MOST_PRINTED else []
            shown = [" " * (len(line) - len(line.lstrip())) + printable(line.lstrip(), 1000) for line in lines]
            text = "\n".join([*shown[:_MOST_PRINTED], *more])
        printer.text(text)  # type: ignore[attr-defined]

    def _repr_html_(self) -> str:
        parts, left = [], MOST_HTML
        if self._is_whole:
            parts.append(self._folded_lines("types, imports, memories, exports", self._text.declarations()))
        for body in self._bodies[:MOST_FUNCTIONS]:
            shown = self._function_html(body) if left > 0 else f"<div>{self._head(body, None)}</div>"
            left -= len(shown)
            parts.append(shown)
        without = len(self._bodies) - MOST_FUNCTIONS
        if left <= 0 or without > 0:
            more = f"{format_count(without)} more functions are not shown. " if without > 0 else ""
            parts.append(f"<p>{more}p.wat(NAME) shows one function, p.wat().save(PATH) writes all of them.</p>")
        if self._is_whole:
            parts.append(self._folded_lines("elements and data", self._text.contents(MOST_DATA)))
        return element(self._name, f"as WebAssembly text: {self._about()}", "".join(parts))

    def _folded_lines(self, what: str, found: Iterator[str]) -> str:
        lines = [*islice(found, MOST_LINES + 1)]
        if not lines:
            return ""
        more = ["…"] if len(lines) > MOST_LINES else []
        return folded(escaped(what), code([*(escaped(line[2:], 1000) for line in lines[:MOST_LINES]), *more], what))

    def _head(self, body: Body, count: int | None) -> str:
        text = self._text
        counted = f"{format_count(count)} instructions, " if count is not None else ""
        exports = text.exported.get(body.function, ())
        exported = f" · exported as {', '.join(exports)}" if exports and exports != (text.name(body.function),) else ""
        kind = str(text.module.functions[body.function])
        return (
            f"{escaped(text.name(body.function), 160)} "
            f'<span class="jc-size">{escaped(kind, 160)} · {counted}{body.end - body.start} B{escaped(exported)}</span>'
        )

    def _function_html(self, body: Body) -> str:
        lines = [*islice(self._text.function(body), MOST_LINES + 1)]
        # Its last `end` is an instruction, too, and the parenthesis stands for it.
        count = 1 + sum(line.at is not None for line in lines) if len(lines) <= MOST_LINES else None
        shown = [_with_place(line.text, line.at) for line in lines[:MOST_LINES]]
        more = ["…"] if len(lines) > MOST_LINES else []
        return folded(
            self._head(body, count), code([*shown, *more], self._text.name(body.function)), is_open=not self._is_whole
        )


def _with_place(text: str, at: int | None) -> str:
    """A line with the byte of the file that it is at: traps and backtraces of engines name it."""
    where = f'<span class="jc-where">{at:#8x}</span>' if at is not None else " " * 8
    return f"{where} {escaped(text[2:], 1000)}"
