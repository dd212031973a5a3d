"""A source as a reader of its words sees it: without comments and strings, and where a name is used first.

It knows the comments and strings that C, C++, Zig and Rust share. It is no parser: what it says places a message, or
decides what is safe to decide either way.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import islice

_NO_CODE = re.compile(
    r"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\\n])*\"|'(?:\\[^\n]{1,10}?|[^'\\\n])'|^[ \t]*\\\\[^\n]*",
    re.DOTALL | re.MULTILINE,
)
_NOT_BLANK = re.compile(r"[^\n]")
_MOST_USES = 1000
_NEAR = 1000  # characters before and after a use that are looked at
_MARKED = re.compile(r"\s*(?:pub\s+)?(?:unsafe\s+)?(?:extern|fn|export)\b")
_TYPE_BEFORE = re.compile(r"\s*(?!(?:return|else|throw|case|goto|co_\w+)\b)[A-Za-z_][\w\s*&:<>,]*[\s*&]")
_TO_SEMICOLON = re.compile(r"\s*\([^;{}]*\)[^;{}()]*;")


class SourceCode:
    r"""A source without its comments and strings.

    Examples
    --------
    >>> source = SourceCode("namespace geo { int area(int); } // area(2)\nint f() { return geo::area(2); }")
    >>> source.first_use("geo::area(int)")
    (2, 23)
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def code(self) -> str:
        """The source with comments and strings blanked out; each other character keeps its place."""
        return _NO_CODE.sub(lambda found: _NOT_BLANK.sub(" ", found[0]), self.text)

    def first_use(self, name: str) -> tuple[int, int] | None:
        """The line and the column, from 1, where a name is used first, of a call rather than of a declaration.

        Parameters
        ----------
        name : str
            As a linker says it: ``area``, or of C++ ``geo::area(int)``.
        """
        word = _last_word(name)
        if not word:
            return None
        found = re.finditer(rf"(?<!\w){word}(?!\w)", self.code)
        uses = [use.span() for use in islice(found, _MOST_USES)]
        others = [use for use in uses if not self._is_declared(*use)]
        calls = [use for use in others if self.code[use[1] : use[1] + _NEAR].lstrip()[:1] == "("]
        where = next(iter(calls or others or uses), None)
        if where is None:
            return None
        return self.text.count("\n", 0, where[0]) + 1, where[0] - self.text.rfind("\n", 0, where[0])

    def _is_declared(self, start: int, end: int) -> bool:
        """Whether a name stands in a declaration: after ``extern`` or ``fn``, or after a type and up to a semicolon."""
        line = self.code.rfind("\n", 0, start) + 1
        statement = re.split(r"[;{}]", self.code[max(line, start - _NEAR) : start])[-1]
        if _MARKED.match(statement):
            return True
        ends = _TO_SEMICOLON.match(self.code[end : end + _NEAR])
        return ends is not None and _TYPE_BEFORE.fullmatch(statement) is not None


def _last_word(name: str) -> str:
    """What a source writes of a name; empty where that is not the name, as of ``vtable for Shape``."""
    plain = name.partition("(")[0]
    while (shorter := re.sub(r"<[^<>]*>", "", plain)) != plain:
        plain = shorter
    found = re.fullmatch(r"(?:[\w~ ()]+::)*([A-Za-z_]\w*)", plain.strip())
    return found[1] if found else ""
