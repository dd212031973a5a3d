"""What the JSON gate must find, found slowly: with Python's own decoder and one regular expression for tokens.

It imports nothing of the package, so that a child process whose library is a sanitized one can use it, too.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, fields
from typing import Any

TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"|(?P<number>-?(?P<whole>\d+)(?:\.(?P<part>\d+))?(?:[eE][-+]?(?P<power>\d+))?)'
    r"|[\[\]{},:]|true|false|null|[ \t\r\n]+",
    re.DOTALL,
)
OK, DEPTH, VALUES, DIGITS, DUPLICATE, INTEGER, STOPPED, NO_MEMORY = range(8)
SEED = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)


@dataclass
class Shape:
    """Of a text that is JSON."""

    values: int = 1
    keys: int = 0
    depth: int = 0
    hard: int = 0
    doubtful: int = 0
    digits: int = 0
    duplicate: bool = False
    beyond: bool = False

    def verdict(self, max_depth: int, max_values: int, max_digits: int) -> int:
        """What the gate says of it."""
        if self.depth > max_depth:
            return DEPTH
        if self.values > max_values:
            return VALUES
        if self.digits > max_digits:
            return DIGITS
        return DUPLICATE if self.duplicate else INTEGER if self.beyond else OK


def shape_of(text: bytes) -> Shape:
    """Raises ValueError where `text` is no JSON, or none that has a value in Python."""
    shape = Shape()

    def take(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        shape.duplicate |= len(dict(pairs)) < len(pairs)
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    json.loads(text.decode(), object_pairs_hook=take, parse_constant=refuse, parse_int=len)
    at = level = 0
    decoded = text.decode()
    while at < len(decoded):
        token = TOKEN.match(decoded, at)
        assert token is not None, decoded[at:]
        at = token.end()
        mark = token.group()
        level += (mark in {"[", "{"}) - (mark in {"]", "}"})
        shape.depth = max(shape.depth, level)
        shape.values += mark in {"[", "{", ",", ":"}
        shape.keys += mark == ":"
        if token["number"]:
            _weigh(shape, token)
    return shape


def _weigh(shape: Shape, number: re.Match[str]) -> None:
    whole, part, power = number["whole"], number["part"], number["power"]
    shape.digits = max(shape.digits, *(len(digits or "") for digits in (whole, part, power)))
    if part is None and power is None:
        shape.beyond |= len(whole) > 30 or not -(1 << 63) <= int(number["number"]) < 1 << 64
        return
    digits = len(whole) + len(part or "")
    middle = (part or "").rstrip("0")
    tie = digits >= 16 and (not middle or middle[-1] == "5")
    shape.hard += (digits >= 150 and digits + (part is not None) >= 17) + (power is not None and len(power) >= 3)
    shape.doubtful += power is not None or (digits < 150 and (digits >= 20 or tie))


# --- texts -----------------------------------------------------------------------------------------------------------

PIECES = (
    "a", "b", "", "é", "\U0001f600", "a" * 15, "b" * 16, "a:b", "\n", '"', "\\", "/", "[", "9" * 20, "\u2028", "\0",
)  # fmt: skip
NUMBERS = (
    "0", "-1", "12345", "1.5", "-0.0", "1e5", "1E-300", "2e+22", "9007199254740993.0", "0.8444218515250481",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "99999999999999999999.5", "1" * 400, "1" * 401,
    "0." + "1" * 400, "0." + "1" * 401, "1e" + "0" * 399 + "1", "1e-" + "0" * 401 + "1",
    "-10000000000000000000", "10000000000000000000", "100000000000000000000", "-18446744073709551615",
    "1" * 148 + ".25", "1" * 149 + ".0", "4503599627370497.50", "1234567890123456.7", "12345678901234567.0e-3",
)  # fmt: skip
SPLINTERS = (b"", b'"', b"\\", b'\\"', b"[", b"}", b":", b",", b"e", b"9" * 30, b"\xff", b"\0", b"\\ud83d")


class Writer:
    """Writes JSON texts of every shape, from a source of choices such as `random.Random`."""

    def __init__(self, random_: random.Random) -> None:
        self.random = random_

    def text(self, depth: int) -> str:
        """Any value, with white space around."""
        kind = self.random.randrange(8 if depth else 5)
        if kind < 2:
            value = self.random.choice(NUMBERS)
        elif kind == 2:
            value = self.string("".join(self.random.choices(PIECES, k=self.random.randrange(4))))
        elif kind < 5:
            value = self.random.choice(["true", "false", "null", "[]", "{}", '""', "[{}]", "[[[]]]"])
        elif kind == 5:
            value = "[" + ",".join(self.text(depth - 1) for _ in range(self.random.randrange(6))) + "]"
        else:
            value = self.object(depth)
        return self.space() + value + self.space()

    def object(self, depth: int) -> str:
        """An object, of which one in four has a key twice."""
        many = self.random.choice([0, 1, 2, 3, 7, 8, 9, 10, 40])
        keys = [f"key{number}" if self.random.random() < 0.7 else "".join(PIECES[:number]) for number in range(many)]
        if keys and self.random.random() < 0.25:
            keys.append(self.random.choice(keys))
        else:
            keys = list(dict.fromkeys(keys))
        self.random.shuffle(keys)
        members = (
            self.space() + self.string(key) + self.space() + ":" + self.text(self.random.choice([0, depth - 1]))
            for key in keys
        )
        return "{" + ",".join(members) + self.space() + "}"

    def string(self, text: str) -> str:
        """A string, each character of it as itself or escaped in one of its ways."""
        return '"' + "".join(map(self.character, text)) + '"'

    def character(self, letter: str) -> str:
        """One character in one of its ways."""
        ways = [] if letter in '"\\' or ord(letter) < 32 else [letter] * 4
        if letter in '"\\/\n':
            ways.append("\\" + letter.replace("\n", "n"))
        units = letter.encode("utf-16-be")
        ways.append("".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2)))
        return self.random.choice(ways)

    def space(self) -> str:
        """White space, mostly none."""
        return self.random.choice(["", "", "", "", " ", "\r\n", "\t" * 9])

    def broken(self, text: bytes) -> bytes:
        """The text with some bytes changed, lost, put in or doubled."""
        data = bytearray(text)
        for _ in range(self.random.randrange(1, 5)):
            at = self.random.randrange(len(data) + 1)
            length = self.random.choice([0, 1, 1, 5, 70])
            data[at : at + length] = self.random.choice([*SPLINTERS, bytes(data[at : at + 70])])
        return bytes(data)


NAMES = tuple(field.name for field in fields(Shape) if field.name in {"values", "keys", "depth", "hard", "doubtful"})
