"""WebAssembly text as tokens and parentheses: enough to tell what a module declares, no more.

Knows the lexical grammar of the text format (strings with escapes, ``;;`` and nested ``(; ;)`` comments, identifiers,
annotations) and nothing of instructions, indices or types. Each node keeps its place in the source, so that others can
insert text without moving anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SPACE = re.compile(r"(?:[ \t\r\n]|;;[^\n]*)+")
_STRING = re.compile(r'"((?:[^"\\\n]|\\[^\n])*)"')
_QUOTED_IDENTIFIER = re.compile(r'[$@]"(?:[^"\\\n]|\\[^\n])*"')
_WORD = re.compile(r"""[^\s"();,\[\]{}]+""")
_COMMENT_EDGE = re.compile(r"\(;|;\)")
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F_]+)\}|([0-9a-fA-F]{2})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", '"': '"', "'": "'", "\\": "\\"}


class SyntaxProblem(Exception):
    """The text is not lexically WAT; the assembler says it better."""


class Unclosed(SyntaxProblem):
    """A parenthesis that is never closed.

    Attributes
    ----------
    start : int
        Its offset in the source.
    """

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


@dataclass(frozen=True, slots=True)
class Word:
    """A keyword, number or ``$identifier``."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class String:
    """A string literal; `text` is what stands between its quotes."""

    text: str
    start: int
    end: int

    @property
    def content(self) -> bytes:
        """The bytes it denotes."""
        return b"".join(_literal_parts(self.text))

    @property
    def name(self) -> str:
        """The bytes as text, for names of imports and exports."""
        return self.content.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Form:
    """A parenthesized list, with the offsets of its opening and past its closing parenthesis."""

    items: tuple[Word | String | Form, ...]
    start: int
    end: int

    @property
    def head(self) -> str:
        """Its first word, such as ``func``; empty if there is none."""
        first = self.items[0] if self.items else None
        return first.text if isinstance(first, Word) else ""

    @property
    def identifier(self) -> str:
        """The ``$name`` right after the head, or nothing."""
        second = self.items[1] if len(self.items) > 1 else None
        return second.text if isinstance(second, Word) and second.text.startswith("$") else ""

    @property
    def strings(self) -> tuple[String, ...]:
        return tuple(item for item in self.items if isinstance(item, String))

    def forms(self, head: str) -> Iterator[Form]:
        """The forms directly inside that begin with `head`."""
        return (item for item in self.items if isinstance(item, Form) and item.head == head)


def parse(source: str) -> tuple[tuple[Form, ...], tuple[str, ...]]:
    """The top-level forms of a text, and every ``$identifier`` in it, in order of first appearance.

    Raises
    ------
    Unclosed
        For the form that lacks its closing parenthesis.
    SyntaxProblem
        Anything else that cannot be read.
    """
    identifiers: dict[str, None] = {}
    stack: list[tuple[int, list[Word | String | Form]]] = [(0, [])]
    for token in _tokens(source):
        if not isinstance(token, Word) or token.text not in ("(", ")"):
            stack[-1][1].append(token)
            if isinstance(token, Word) and token.text.startswith("$"):
                identifiers[token.text] = None
        elif token.text == "(":
            stack.append((token.start, []))
        elif len(stack) == 1:
            raise SyntaxProblem("a closing parenthesis too many")
        else:
            start, items = stack.pop()
            stack[-1][1].append(Form(tuple(items), start, token.end))
    if len(stack) > 1:
        raise Unclosed(_outermost(stack[1:]))
    top = stack[0][1]
    if not all(isinstance(item, Form) for item in top):
        raise SyntaxProblem("words outside of parentheses")
    return tuple(item for item in top if isinstance(item, Form)), tuple(identifiers)


def _outermost(open_forms: list[tuple[int, list[Word | String | Form]]]) -> int:
    """Where the unclosed field starts: what follows it was swallowed, so the innermost says little."""
    start, items = open_forms[0]
    first = items[0] if items else None
    if isinstance(first, Word) and first.text == "module" and len(open_forms) > 1:
        return open_forms[1][0]
    return start


def _tokens(source: str) -> Iterator[Word | String]:
    position = 0
    while position < len(source):
        if space := _SPACE.match(source, position):
            position = space.end()
        elif source.startswith("(;", position):
            position = _after_block_comment(source, position)
        elif source[position] in "()":
            yield Word(source[position], position, position + 1)
            position += 1
        elif string := _STRING.match(source, position):
            yield String(string[1], position, string.end())
            position = string.end()
        elif word := _QUOTED_IDENTIFIER.match(source, position) or _WORD.match(source, position):
            yield Word(word[0], position, word.end())
            position = word.end()
        else:
            raise SyntaxProblem(f"an unexpected character at offset {position}")


def _after_block_comment(source: str, position: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(source, position):
        depth += 1 if edge[0] == "(;" else -1
        if depth == 0:
            return edge.end()
    raise SyntaxProblem("a block comment that does not end")


def _literal_parts(text: str) -> Iterator[bytes]:
    position = 0
    for escape in _ESCAPE.finditer(text):
        yield text[position : escape.start()].encode("utf-8", "surrogatepass")
        scalar, byte, plain = escape.groups()
        if byte:
            yield bytes.fromhex(byte)
        elif scalar:
            yield chr(min(int(scalar.replace("_", ""), 16), 0x10FFFF)).encode("utf-8", "surrogatepass")
        else:
            yield _PLAIN_ESCAPES.get(plain, plain).encode()
        position = escape.end()
    yield text[position:].encode("utf-8", "surrogatepass")
