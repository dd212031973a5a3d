"""Rust's symbols as their authors wrote them, for backtraces.

Two manglings: the legacy one (``_ZN...E``), which most compilers in use emit, and v0 (``_R...``, RFC 2603), which newer
compilers may emit. A symbol comes from the guest and may be built to cost a lot: back references make it a graph, and a
short symbol can stand for a text without end. So reading is bounded in depth, steps and length. A text beyond these
bounds, or not quite a symbol, is shown as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_MOST_TEXT = 1000
_MOST_STEPS = 2000
_MOST_DEPTH = 60

_LEGACY = re.compile(r"_?_ZN((?:\d+[^\d].*?)+)E(?:[.@].*)?")
_HASH = re.compile(r"h[0-9a-f]{16}")
_ESCAPE = re.compile(r"\$(?:(LT|GT|RF|BP|LP|RP|C|SP)|u([0-9a-f]{1,6}))\$|\.\.")
_NAMED_ESCAPES = {"LT": "<", "GT": ">", "RF": "&", "BP": "*", "LP": "(", "RP": ")", "C": ",", "SP": "@"}

_BASIC_TYPES: Final = {
    "a": "i8", "b": "bool", "c": "char", "d": "f64", "e": "str", "f": "f32", "h": "u8", "i": "isize", "j": "usize",
    "l": "i32", "m": "u32", "n": "i128", "o": "u128", "p": "_", "s": "i16", "t": "u16", "u": "()", "v": "...",
    "x": "i64", "y": "u64", "z": "!",
}  # fmt: skip
_SIGNED, _UNSIGNED = frozenset("asxlni"), frozenset("hjmoty")
_DIGITS = {digit: value for value, digit in enumerate("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")}


def demangle(symbol: str) -> str:
    """A Rust symbol as its author wrote it, without the compiler's hashes; any other text unchanged.

    Examples
    --------
    >>> demangle("_ZN7checker5parse17h0123456789abcdefE"), demangle("_RNvCs1234_7checker5parse")
    ('checker::parse', 'checker::parse')
    """
    if symbol.startswith("_R") and len(symbol) <= _MOST_TEXT and symbol.isascii():
        try:
            return _V0(symbol[2:]).read() or symbol
        except (_NotASymbol, IndexError, UnicodeError, ValueError):
            return symbol
    return _legacy(symbol) or symbol


def _legacy(symbol: str) -> str:
    match = _LEGACY.fullmatch(symbol[:_MOST_TEXT])
    if match is None:
        return ""
    parts, rest = [], match.group(1)
    while rest and (number := re.match(r"\d+", rest)):
        start = number.end()
        length = int(number.group()[:4])
        parts.append(rest[start : start + length])
        rest = rest[start + length :]
    if parts and _HASH.fullmatch(parts[-1]):
        parts.pop()
    return "::".join(_ESCAPE.sub(_unescape, part.removeprefix("_") if part[:2] == "_$" else part) for part in parts)


def _unescape(match: re.Match[str]) -> str:
    named, code = match.groups()
    if named:
        return _NAMED_ESCAPES[named]
    if not code:
        return "::"
    number = int(code, 16)
    return chr(number) if number < 0xD800 or 0xDFFF < number <= 0x10FFFF else match.group()


class _NotASymbol(Exception):
    """Not a v0 symbol, or a symbol that stands for more than a person would read."""


class _V0:
    """A reader of what follows ``_R``; each method reads one rule of the RFC's grammar and gives its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.depth = self.steps = 0
        self.bound = 0  # lifetimes that are named where we are

    def read(self) -> str:
        if self.peek().isdigit():
            raise _NotASymbol  # a version of the mangling that is not the first
        path = self.path(value=True)
        if self.peek() not in {"", ".", "$"}:
            self.path(value=True)  # the crate it was made for
        if self.peek() not in {"", ".", "$"}:
            raise _NotASymbol
        return path

    # characters and numbers

    def peek(self) -> str:
        return self.text[self.pos : self.pos + 1]

    def next(self) -> str:
        self.pos += 1
        return self.text[self.pos - 1]

    def eat(self, character: str) -> bool:
        found = self.peek() == character
        self.pos += found
        return found

    def base62(self) -> int:
        if self.eat("_"):
            return 0
        value = 0
        while (character := self.next()) != "_":
            value = value * 62 + _DIGITS.get(character, 1 << 64)
            if value >> 64:
                raise _NotASymbol
        return value + 1

    def optional(self, tag: str) -> int:
        """A number after `tag`, one more than it says; 0 where there is none."""
        return self.base62() + 1 if self.eat(tag) else 0

    def decimal(self) -> int:
        start = self.pos
        if self.eat("0"):
            return 0
        while self.peek().isdigit():
            self.pos += 1
        return int(self.text[start : self.pos][:5])  # ValueError where there is none

    # names

    def name(self) -> str:
        """An identifier without its disambiguator."""
        puny = self.eat("u")
        length = self.decimal()
        self.eat("_")
        found = self.text[self.pos : self.pos + length]
        if len(found) != length:
            raise _NotASymbol
        self.pos += length
        if not puny:
            return found
        plain, underscore, coded = found.rpartition("_")  # what Python separates by a hyphen
        return (f"{plain}-{coded}" if underscore else coded).encode().decode("punycode")

    def again(self, rule: Callable[[], str]) -> str:
        """The text that an earlier place stands for."""
        tag = self.pos - 1
        place = self.base62()
        if place >= tag:
            raise _NotASymbol
        after, self.pos = self.pos, place
        found = rule()
        self.pos = after
        return found

    def within(self, rule: Callable[[str], str]) -> str:
        """Read a rule that holds others: here depth, steps and length are bounded."""
        self.steps += 1
        self.depth += 1
        if self.steps > _MOST_STEPS or self.depth > _MOST_DEPTH:
            raise _NotASymbol
        found = rule(self.next())
        if len(found) > _MOST_TEXT:
            raise _NotASymbol
        self.depth -= 1
        return found

    # paths

    def path(self, *, value: bool = False) -> str:
        return self.within(lambda tag: self._path(tag, value=value))

    def _path(self, tag: str, *, value: bool) -> str:
        if tag == "C":
            self.optional("s")
            return self.name()
        if tag == "N":
            return self._nested(value=value)
        if tag in "MX":
            self.optional("s")
            self.path()
            kind = self.type()
            return f"<{kind}>" if tag == "M" else f"<{kind} as {self.path()}>"
        if tag == "Y":
            return f"<{self.type()} as {self.path()}>"
        if tag == "I":
            base = self.path(value=value)
            return f"{base}{'::' if value else ''}<{', '.join(self.until_end(self.generic))}>"
        if tag == "B":
            return self.again(lambda: self.path(value=value))
        raise _NotASymbol

    def _nested(self, *, value: bool) -> str:
        space = self.next()
        base = self.path(value=value)
        number = self.optional("s")
        name = self.name()
        if space.isupper():
            kind = {"C": "closure", "S": "shim"}.get(space, space)
            return f"{base}::{{{kind}{':' if name else ''}{name}#{number}}}"
        if not space.islower():
            raise _NotASymbol
        return f"{base}::{name}" if name else base

    def generic(self) -> str:
        if self.eat("L"):
            return self.lifetime(self.base62())
        return self.const() if self.eat("K") else self.type()

    def until_end(self, rule: Callable[[], str]) -> list[str]:
        found = []
        while not self.eat("E"):
            found.append(rule())
        return found

    # types

    def type(self) -> str:
        return self.within(self._type)

    def _type(self, tag: str) -> str:
        if tag in _BASIC_TYPES:
            return _BASIC_TYPES[tag]
        if tag in "RQPO":
            return self._pointer(tag)
        if tag in "AST":
            return self._sequence(tag)
        if tag == "F":
            return self.bind(self._function)
        if tag == "D":
            return self._dynamic()
        if tag == "B":
            return self.again(self.type)
        self.pos -= 1
        return self.path()

    def _pointer(self, tag: str) -> str:
        if tag in "PO":
            return f"*{'const' if tag == 'P' else 'mut'} {self.type()}"
        number = self.base62() if self.eat("L") else 0
        lifetime = f"{self.lifetime(number)} " if number else ""
        return f"&{lifetime}{'mut ' if tag == 'Q' else ''}{self.type()}"

    def _sequence(self, tag: str) -> str:
        if tag == "A":
            return f"[{self.type()}; {self.const()}]"
        if tag == "S":
            return f"[{self.type()}]"
        parts = self.until_end(self.type)
        return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"

    def _dynamic(self) -> str:
        bounds = self.bind(lambda: " + ".join(self.until_end(self._bound)))
        if not self.eat("L"):
            raise _NotASymbol
        number = self.base62()
        return f"dyn {bounds}" + (f" + {self.lifetime(number)}" if number else "")

    def _function(self) -> str:
        before = "unsafe " if self.eat("U") else ""
        if self.eat("K"):
            before += 'extern "C" ' if self.eat("C") else f'extern "{self.name().replace("_", "-")}" '
        parameters = ", ".join(self.until_end(self.type))
        result = self.type()
        return f"{before}fn({parameters})" + (f" -> {result}" if result != "()" else "")

    def _bound(self) -> str:
        trait = self.path()
        named = []
        while self.eat("p"):
            named.append(f"{self.name()} = {self.type()}")
        if not named:
            return trait
        return f"{trait[:-1]}, {', '.join(named)}>" if trait.endswith(">") else f"{trait}<{', '.join(named)}>"

    def bind(self, rule: Callable[[], str]) -> str:
        """Read something that may name lifetimes of its own first."""
        count = self.optional("G")
        if count > 100:
            raise _NotASymbol
        self.bound += count
        names = ", ".join(self.lifetime(number) for number in range(count, 0, -1))
        found = rule()
        self.bound -= count
        return f"for<{names}> {found}" if count else found

    def lifetime(self, number: int) -> str:
        if number == 0:
            return "'_"
        depth = self.bound - number
        if depth < 0:
            raise _NotASymbol
        return f"'{chr(ord('a') + depth)}" if depth < 26 else f"'z{depth - 25}"

    # constants

    def const(self) -> str:
        return self.within(self._const)

    def _const(self, tag: str) -> str:
        if tag == "p":
            return "_"
        if tag == "B":
            return self.again(self.const)
        minus = "-" if tag in _SIGNED and self.eat("n") else ""
        end = self.text.index("_", self.pos)
        digits, self.pos = self.text[self.pos : end], end + 1
        number = int(digits or "0", 16)
        if tag in _SIGNED or tag in _UNSIGNED:
            return f"{minus}{number if number >> 64 == 0 else hex(number)}"
        if tag == "b" and number < 2:
            return "true" if number else "false"
        if tag == "c":
            return repr(chr(number))
        raise _NotASymbol
