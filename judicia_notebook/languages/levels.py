"""The options of a compile: how much a compiler optimizes, in the words of clang, and what else it is told."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-Oz")


def parse_level(level: str) -> str:
    """The digit or letter of a level.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> parse_level("-O2"), parse_level("z")
    ('2', 'z')
    """
    if not isinstance(level, str):
        raise ValueError(f"a level is text such as '-O2', not {level!r}")
    if (short := level.removeprefix("-O")) not in {known[-1] for known in LEVELS}:
        raise ValueError(f"there is no level {level!r}; there is {', '.join(LEVELS)}")
    return short


def parse_flags(flags: str | Iterable[str]) -> tuple[str, ...]:
    """A compiler's options, apart; as text they are written as for a shell.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> parse_flags("-DN=3 '-DTEXT=a b'")
    ('-DN=3', '-DTEXT=a b')
    """
    if isinstance(flags, str):
        try:
            words = tuple(shlex.split(flags))
        except ValueError as error:
            raise ValueError(f"the flags {flags!r} cannot be told apart: {error}") from None
    else:
        try:
            words = tuple(flags)
        except TypeError:
            raise ValueError(f"flags are text, or several texts; {flags!r} is none") from None
    for word in words:
        if not isinstance(word, str):
            raise ValueError(f"flags are text, or several texts; {word!r} is none")
        if "\0" in word or not word.isprintable():
            raise ValueError(f"the flag {word!r} has a character that no option has")
    return words
