"""What a compiler's message usually means to the author of a plugin, where the compiler cannot know it.

A compiler knows its language and nothing of plugins: of a forgotten ``#include "judicia.h"`` it says four other things.
Each entry of `ADVICE` is such a case. The advice comes before the compiler's own notes, or stands instead of them.
"""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from judicia_notebook.languages import linker
from judicia_notebook.languages.linker import SDK_LINE, WASI_FLAG
from judicia_notebook.records.diagnostics import Diagnostic


class Advice(NamedTuple):
    """A case: a pattern of the message, one of the source's line, and what to say.

    Attributes
    ----------
    without : str
        A pattern that the source does not have anywhere; empty where that says nothing.
    instead : bool
        Whether the compiler's notes are left out.
    """

    message: str
    note: str
    line: str = ""
    without: str = ""
    instead: bool = False


_C = (
    Advice("", f"{SDK_LINE} declares it.", line=r"\bJUDICIA_[A-Z]+|\bjn_\w+", without=r'#\s*include\s*["<]judicia\.h'),
    Advice(
        r"'(?:const )?char ?(?:\*|\[\d*\]).*'jn_text'|'jn_text'.*'(?:const )?char ?(?:\*|\[\d*\])|to 'jn_text'",
        'jn_text_of("...") makes a jn_text of a string, jn_format("...", ...) of several parts.',
        instead=True,
    ),
    Advice(
        "exceptions disabled", 'jn_fail("code", "...") ends a call with an error; there is no library for exceptions.'
    ),
)
ADVICE: dict[str, tuple[Advice, ...]] = {
    "c": _C,
    "cpp": _C,
    "zig": (
        Advice(
            r"^judicia\.zig, .*expected 2 argument", "A function that is exported takes one struct, the request.",
            instead=True,
        ),
    ),
    "rust": (
        Advice(
            r"Output == Result<_, Fail>",
            "A function that is exported returns Result<T, Fail>: Ok(value), or Err(fail!(...)).",
            instead=True,
        ),
        Advice(r"serde::de::Deserialize", "#[derive(serde::Deserialize)] reads a type from JSON.", instead=True),
        Advice(r"serde::(?:ser::)?Serialize", "#[derive(serde::Serialize)] writes a type as JSON.", instead=True),
        Advice(
            r"undeclared crate|unresolved import",
            "A cell has the standard library, judicia_guest, serde and serde_json, and no other crates.",
        ),
    ),
}  # fmt: skip

_UNDECLARED = re.compile(
    r"(?:undeclared (?:library )?(?:function|identifier)|implicit(?:ly)? declar\w+ (?:of |library )?function) '(\w+)'"
)
_NO_HEADER = re.compile(r"'([\w./+-]+)' file not found")
_C_NOISE = re.compile(r"; ISO C99 and later do not support implicit .*| is invalid in C99$")


def advised(rows: list[Diagnostic], language: str, text: str, flags: tuple[str, ...]) -> list[Diagnostic]:
    """The rows with advice; each piece of advice is given once, and to an error before a warning."""
    given: set[str] = set()
    told = list(rows)
    for number in sorted(range(len(rows)), key=lambda number: rows[number].severity != "error"):
        told[number] = _advised(rows[number], language, text, flags, given)
    return told


def _advised(row: Diagnostic, language: str, text: str, flags: tuple[str, ...], given: set[str]) -> Diagnostic:
    if language in {"c", "cpp"}:
        row = row._replace(message=_C_NOISE.sub("", row.message))
    note, instead = _find(row, language, text, flags)
    if not note or note in given:
        return row
    given.add(note)
    return row._replace(note=note if instead or not row.note else f"{note} {row.note}")


def _find(row: Diagnostic, language: str, text: str, flags: tuple[str, ...]) -> tuple[str, bool]:
    if language in {"c", "cpp"} and WASI_FLAG not in flags:
        if header := _NO_HEADER.search(row.message):
            return _header(header[1], row.code, language), False
        if (name := _UNDECLARED.search(row.message)) and linker.belongs_to_a_library(name[1]):
            return linker.meaning(name[1]), False
    for advice in ADVICE.get(language, ()):
        if (
            re.search(advice.message, row.message)
            and re.search(advice.line, row.code)
            and not (advice.without and re.search(advice.without, text))
        ):
            return advice.note, advice.instead
    return "", False


def _header(name: str, code: str, language: str) -> str:
    """What brings a header that is not found."""
    if difflib.get_close_matches(name, ["judicia.h"], cutoff=0.7):
        return 'The SDK\'s header is "judicia.h".'
    if f"<{name}>" in code:
        library = "C++" if language == "cpp" and not name.endswith(".h") else "C"
        return f"It belongs to the {library} library, which is not linked: --flags {WASI_FLAG} links it."
    return "A cell is compiled in a folder of its own: there is no other file beside it."
