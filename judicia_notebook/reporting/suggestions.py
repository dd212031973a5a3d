"""Lines that the package suggests to type, each part quoted for the language that the line is in.

An error or a card says which line would change something. People paste it, and parts of it (a function's name, a path,
a scope) may be a guest's. So every such line is made here:

- A part is quoted so that the language's own reader gives it back as it is, as one argument.
- A part that cannot be quoted is not suggested: one that is not visible ASCII could look like something it is not, and
  a long one could hide its end. The line is empty then, and errors and cards leave it out.

The caller checks before whether a part, a scope for example, *means* anything.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any, Final

MOST_PART: Final = 200
MOST_LINE: Final = 400
"""Characters of a part and of a line. A card cuts what is longer, and half a line may mean something different."""

_SEEN = re.compile(r"[ -~]+")
_BARE = re.compile(r"[A-Za-z0-9_./:=@%+,~*-]+")
_PYTHON_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_quotable(part: str) -> bool:
    """Whether a text may stand in a suggested line at all.

    Examples
    --------
    >>> is_quotable('/x" y'), is_quotable("раypal"), is_quotable("x" + chr(10))
    (True, False, False)
    """
    return len(part) <= MOST_PART and _SEEN.fullmatch(part) is not None


def magic(*words: str, json_text: str = "", **options: Any) -> str:
    """A ``%plugin`` line: its words, its options, and JSON behind them as it stands. Empty if it cannot be written.

    Examples
    --------
    >>> magic("quota", "checker", host_calls=5)
    '%plugin quota checker --host-calls 5'
    >>> magic("call", "evil.f secret", json_text='{"a": 0}')
    '%plugin call "evil.f secret" {"a": 0}'
    >>> magic("call", "evil.f" + chr(0x202E))
    ''
    """
    given = [(f"--{name.replace('_', '-')}", str(value)) for name, value in options.items()]
    plain = [*words, *(value for _, value in given)]
    if not all(is_quotable(word) and not word.startswith("-") for word in plain):
        return ""
    if json_text and not is_quotable(json_text):
        return ""
    quoted = [*map(_magic_word, words), *(part for name, value in given for part in (name, _magic_word(value)))]
    return _short(" ".join(["%plugin", *quoted, *([json_text] if json_text else [])]))


def _magic_word(word: str) -> str:
    """A word as `judicia_notebook.notebook.line_parser` reads it."""
    if _BARE.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def python(function: str, *arguments: Any, **named: Any) -> str:
    """A call in Python; `function` is ours. Empty if an argument cannot be written.

    Examples
    --------
    >>> python("p.policy.grant", "read_database=users"), python("jn.Quota", cpu="1s", fuel=5)
    ('p.policy.grant("read_database=users")', 'jn.Quota(cpu="1s", fuel=5)')
    >>> print(python("p.raw", 'a") or b("'), python("p.raw", chr(13)) == "")
    p.raw('a") or b("') True
    """
    values = [_python_value(value) for value in (*arguments, *named.values())]
    if not all(values) or not all(map(_PYTHON_NAME.fullmatch, named)):
        return ""
    heads = [*[""] * len(arguments), *(f"{name}=" for name in named)]
    return _short(f"{function}({', '.join(head + value for head, value in zip(heads, values, strict=True))})")


def _python_value(value: Any) -> str:
    if not isinstance(value, str):
        return repr(value) if value is None or isinstance(value, bool | int | float) else ""
    if not is_quotable(value):
        return ""
    return json.dumps(value) if '"' not in value and "\\" not in value else repr(value)


def shell(*words: str) -> str:
    """Words for a shell. Empty if one of them cannot be written.

    Examples
    --------
    >>> shell("--grant", "register_routes=/x;id")
    "--grant 'register_routes=/x;id'"
    """
    return _short(shlex.join(words)) if all(map(is_quotable, words)) else ""


def hint(what: str, *lines: str) -> str:
    """A sentence and the lines that do it, each by itself; empty if one of them could not be written."""
    return what + "     or  ".join(lines) if lines and all(lines) else ""


def to_grant(plugin: str, grant: str) -> str:
    """The hint that allows a plugin something. `grant` has been checked: it is what `parse_grant` would make of it."""
    return hint("To allow it:    ", magic("grant", plugin, grant), python("p.policy.grant", grant))


def _short(line: str) -> str:
    return line if len(line) <= MOST_LINE else ""
