"""A magic's line: its words, and where in it JSON begins and ends.

Knows quoting and JSON, and of a command only which of its options take a value. Nothing on a line is ever evaluated.

- Words are divided by spaces. Quotes, single or double, keep spaces; a backslash counts only before a space or a
  quote, so that a path of Windows stays as it is.
- The payload of a call is found by decoding JSON from where it begins, so its own spaces, dashes and quotes mean
  nothing to the rest of the line, and options may stand on either side of it.
- A WASI command's arguments are the plain words anywhere, and all words behind ``--``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

_WORD_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|\\([\s"\'])|([^\s"\'\\]+|\\)', re.DOTALL)
_BARE_WORD = re.compile(r"\S+")
_OPTION = re.compile(r"--?[A-Za-z]")
_NUMBER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|nan)")
_JSON_WORDS = ("true", "false", "null")


class LineError(ValueError):
    """The line cannot be read; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A word without its quotes, and its place on the line."""

    text: str
    start: int
    end: int

    @property
    def is_option(self) -> bool:
        """Whether it looks like ``-v`` or ``--name``; ``-1`` does not."""
        return bool(_OPTION.match(self.text))


@dataclass(slots=True)
class CallLine:
    """The parts of a ``%plugin call`` line.

    Attributes
    ----------
    words : list of str
        Options with their values and the target, for an argument parser.
    payload : Any
        The decoded JSON, if `given` is ``"json"``; the name of a variable, if it is ``"variable"``.
    raw : list of int or float, or None
        The numbers after ``--raw``.
    """

    words: list[str] = field(default_factory=list)
    given: str = ""
    payload: Any = None
    raw: list[int | float] | None = None


@dataclass(frozen=True, slots=True)
class RunLine:
    """The parts of a ``%plugin run`` line.

    Attributes
    ----------
    words : list of str
        Options with their values and the plugin's name, for an argument parser.
    args : list of str
        The command's arguments.
    divided : bool
        Whether a ``--`` stands on it.
    """

    words: list[str]
    args: list[str]
    divided: bool = False


def without_semicolon(line: str) -> str:
    """The line without a last ``;``, by which people tell IPython not to show a value.

    Examples
    --------
    >>> without_semicolon("plot latency; ")
    'plot latency'
    """
    return line.rstrip().removesuffix(";").rstrip()


def split(line: str) -> list[Piece]:
    """The words of a line.

    Raises
    ------
    LineError
        A quote is not closed.

    Examples
    --------
    >>> [piece.text for piece in split("load 'my plugin.wasm' --cpu 50ms")]
    ['load', 'my plugin.wasm', '--cpu', '50ms']
    """
    pieces = []
    position = _skip_spaces(line, 0)
    while position < len(line):
        piece = next_word(line, position)
        pieces.append(piece)
        position = _skip_spaces(line, piece.end)
    return pieces


def next_word(line: str, position: int) -> Piece:
    """The word that begins at this position."""
    start, parts = position, []
    while position < len(line) and not line[position].isspace():
        match = _WORD_PART.match(line, position)
        if match is None:
            raise LineError(f"the quote {line[position]} is not closed, at {_near(line, position)}")
        double, single, escaped, plain = match.groups()
        if double is not None:
            parts.append(re.sub(r'\\(["\\])', r"\1", double))
        else:
            parts.append(single if single is not None else escaped if escaped is not None else plain)
        position = match.end()
    return Piece("".join(parts), start, position)


def read_call(line: str, with_value: Collection[str], known: Collection[str] | None = None) -> CallLine:
    """Take a call's line apart.

    Parameters
    ----------
    with_value : collection of str
        The options that take a value, such as ``--text``.
    known : collection of str, optional
        All options. Reading ends at an unknown option, since it may take a value or not: the parser refuses it.

    Raises
    ------
    LineError

    Examples
    --------
    >>> read_call('-v checker.check {"say": "-v --text"} --expect trap', {"--expect"}).payload
    {'say': '-v --text'}
    """
    call = CallLine()
    target = False
    position = _skip_spaces(line, 0)
    while position < len(line):
        if target and not call.given and not _OPTION.match(line, position):
            position = _read_payload(line, position, call)
        else:
            piece = next_word(line, position)
            position = piece.end
            if piece.text == "--raw":
                position = _read_numbers(line, position, call)
            elif piece.is_option:
                call.words.append(piece.text)
                if known is not None and piece.text.partition("=")[0] not in known:
                    return call
                if piece.text in with_value:
                    position = _read_value(line, position, call)
            elif target:
                raise LineError(f"{piece.text!r} after the payload: one call takes one payload, as one JSON value")
            else:
                target = True
                call.words.append(piece.text)
        position = _skip_spaces(line, position)
    return call


def read_options(line: str, with_json: Collection[str]) -> list[str]:
    """The words of a line, where the value of some options may be JSON as it stands.

    Parameters
    ----------
    with_json : collection of str
        Those options, such as ``--config``. Their value is JSON where it begins with a brace, and a word otherwise.

    Raises
    ------
    LineError

    Examples
    --------
    >>> read_options('load a.wasm --config {"n": 1} --name b', {"--config"})
    ['load', 'a.wasm', '--config', '{"n": 1}', '--name', 'b']
    """
    words: list[str] = []
    position = _skip_spaces(line, 0)
    while position < len(line):
        flag = next((flag for flag in with_json if line.startswith(f"{flag}={{", position)), "")
        if (words and words[-1] in with_json and line[position] == "{") or flag:
            begin = position + len(f"{flag}=" if flag else "")
            _, end = _decode_at(line, begin, _near)
            if end < len(line) and not line[end].isspace():
                raise LineError(f"the JSON goes up to {_near(line, end)}, and then more follows")
            words.append(line[position:end])
        else:
            piece = next_word(line, position)
            words.append(piece.text)
            end = piece.end
        position = _skip_spaces(line, end)
    return words


def read_run(line: str, with_value: Collection[str]) -> RunLine:
    """Take the line of a run apart.

    Parameters
    ----------
    with_value : collection of str
        The options that take a value, such as ``--stdin``.

    Raises
    ------
    LineError

    Examples
    --------
    >>> read_run("sort one --cpu 1s two -- -r --cpu", {"--cpu"})
    RunLine(words=['--cpu=1s', 'sort'], args=['one', 'two', '-r', '--cpu'], divided=True)
    """
    options: list[str] = []
    plain: list[str] = []
    divided = False
    pieces = iter(split(line))
    for piece in pieces:
        if piece.text == "--" and piece.end - piece.start == len("--"):
            divided = True
            plain += [rest.text for rest in pieces]
        elif not piece.is_option:
            plain.append(piece.text)
        elif piece.text in with_value and (value := next(pieces, None)) is not None:
            options.append(f"{piece.text}={value.text}")
        else:
            options.append(piece.text)
    return RunLine([*options, *plain[:1]], plain[1:], divided)


def first_plain_word(line: str, with_value: Collection[str]) -> str:
    """The first word that is no option and no value of one; empty where there is none.

    Raises
    ------
    LineError

    Examples
    --------
    >>> first_plain_word('--cpu 1s checker.check {"a": 1}', {"--cpu"})
    'checker.check'
    """
    position = _skip_spaces(line, 0)
    while position < len(line):
        piece = next_word(line, position)
        if not piece.is_option:
            return piece.text
        position = _skip_spaces(line, piece.end)
        if piece.text in with_value and position < len(line):
            position = _skip_spaces(line, next_word(line, position).end)
    return ""


def _read_value(line: str, position: int, call: CallLine) -> int:
    """The value of an option. ``--text=T`` keeps a value that begins with a dash away from being an option."""
    position = _skip_spaces(line, position)
    if position >= len(line):
        return position
    piece = next_word(line, position)
    call.words[-1] += f"={piece.text}"
    return piece.end


def _read_numbers(line: str, position: int, call: CallLine) -> int:
    call.raw = [] if call.raw is None else call.raw
    while True:
        begin = _skip_spaces(line, position)
        word = _BARE_WORD.match(line, begin)
        if word is None or not _NUMBER.fullmatch(word[0]):
            return position
        call.raw.append(_number(word[0]))
        position = word.end()


def _number(text: str) -> int | float:
    for base in (0, 10):  # base 0 reads 0x10, and refuses 007
        try:
            return int(text, base)
        except ValueError:
            continue
    return float(text)


def _read_payload(line: str, position: int, call: CallLine) -> int:
    word = line[position:].split(maxsplit=1)[0]
    if word.isidentifier() and word not in _JSON_WORDS:
        call.given, call.payload = "variable", word
        return position + len(word)
    if line[position] == "'":
        raise LineError("the payload begins with a single quote: JSON stands as it is; for a text there is --text 'T'")
    call.payload, end = _decode_at(line, position, _near)
    if end < len(line) and not line[end].isspace():
        raise LineError(f"the payload is JSON up to {_near(line, end)}, and then goes on")
    call.given = "json"
    return end


def decode(text: str) -> Any:
    """A JSON text that is one value; duplicate names and NaN are refused.

    Raises
    ------
    LineError
        With the line and column where reading stopped.

    Examples
    --------
    >>> decode(' {"n": 3} ')
    {'n': 3}
    """
    value, end = _decode_at(text, _skip_spaces(text, 0), _line_and_column)
    end = _skip_spaces(text, end)
    if end < len(text):
        raise LineError(f"more text after the JSON value, at {_line_and_column(text, end)}")
    return value


def _decode_at(text: str, position: int, place: Callable[[str, int], str]) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" starting at")
        raise LineError(f"not JSON: {reason[:1].lower()}{reason[1:]}, at {place(text, error.pos)}") from None
    except RecursionError:
        raise LineError("the JSON is nested too deeply") from None


def _line_and_column(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"line {line}, column {column}: {_near(text, position)}"


def _near(text: str, position: int) -> str:
    """The text at this place. On a line it says more than a column that counts from an unknown beginning."""
    if not text[position:].strip():
        return "its end"
    rest = text[position : position + 20].partition("\n")[0]
    return repr(rest + ("..." if position + 20 < len(text) else ""))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise LineError(f"the JSON object has the name {twice!r} twice")
    return value


def _constant(name: str) -> Any:
    raise LineError(f"{name} is not JSON, which has null in its place")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _skip_spaces(line: str, position: int) -> int:
    while position < len(line) and line[position].isspace():
        position += 1
    return position
