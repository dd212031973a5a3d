"""JSON, TOML and small files written by strangers: read strictly, and within bounds.

Knows no manifest and no field: what a document says is its reader's business. Every refusal is a ValueError whose text
reads on after the document's name: ``is not UTF-8 (byte 7)``.

- Python's own decoders do the reading. What would cost them more than the text is long (deep nesting, endless numbers,
  keys of thousands of dotted parts) is refused by one pass over the text before they see it.
- Files are opened only when they are regular files, so that no device, pipe or link elsewhere is read.
"""

from __future__ import annotations

import functools
import json
import math
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from judicia_notebook.wasm.json_shape import MAX_VALUES, MOST_DEPTH, TooManyValues, check_shape, uncollected

T = TypeVar("T")

MAXIMUM_DEPTH: Final = 64
MAXIMUM_VALUES: Final = 50_000
"""Of a JSON text, with its keys."""

MAXIMUM_KEY_PARTS: Final = 16
"""Parts of one dotted key: the work of a TOML decoder grows with their square."""

MAXIMUM_NUMBER_LENGTH: Final = 400
"""Characters. The longest exact float that means anything has fewer digits after the zeros."""

INTEGERS: Final = range(-(1 << 63), 1 << 64)
"""The values of a signed or an unsigned 64-bit integer."""

_TOML_TOKEN = re.compile(
    r"""
      (?: \"{3} (?:[^\\]|\\.)*? (?:\"{3,5}|\\?\Z)  |  '{3} .*? (?:'{3,5}|\Z)
        | \"(?:[^"\\\n]|\\.)*+ \"?  |  '[^'\n]*+ '?
        | [A-Za-z0-9_-]+  |  [ \t]+ )
    | (?P<dot> \. )
    | (?P<open> [\[{] )  |  (?P<close> [\]}] )
    | (?P<other> \#[^\n]*  |  . )
    """,
    re.DOTALL | re.VERBOSE,
)


def parse_json(data: bytes | memoryview, *, values: int = MAXIMUM_VALUES) -> Any:
    r"""One JSON text in UTF-8, without duplicate keys, NaN, infinities or integers beyond 64 bits.

    Parameters
    ----------
    data : bytes or memoryview
    values : int
        How many values and keys there may be at most.

    Raises
    ------
    ValueError
        The text is no such JSON, or nested deeper than `MAXIMUM_DEPTH`, or has more than `values`.

    Examples
    --------
    >>> parse_json(b'{"name": "checker"}')
    {'name': 'checker'}
    >>> parse_json(b'{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: has the key 'a' twice
    """
    text = _decode(bytes(data))
    _check_shape(bytes(data), values)
    try:
        value = uncollected(_strict, text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    if "\\u" in text:
        _check_surrogates(value)
    return value


def parse_json_as(data: bytes, kind: type[T], *, values: int = MAX_VALUES) -> T:
    """One JSON text as a type of msgspec, such as this package writes into files and reads from strangers' files.

    Parameters
    ----------
    data : bytes
    kind : type
    values : int
        How many values and keys there may be at most.

    Raises
    ------
    ValueError
        It is no such text, or nested deeper than `MAXIMUM_DEPTH`.

    Examples
    --------
    >>> parse_json_as(b'{"ms": 1.5}', dict[str, float])
    {'ms': 1.5}
    """
    value = parse_json(data, values=values)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def parse_any_json(text: str, *, values: int = MAX_VALUES) -> Any:
    """JSON as Python's own decoder takes it, NaN and keys that are there twice included, but within bounds.

    Raises
    ------
    ValueError
        The text is no JSON, nested deeper than any JSON of a plugin, or has more values and keys.

    Examples
    --------
    >>> parse_any_json("[1, NaN]")
    [1, nan]
    """
    check_shape(text.encode("utf-8", "surrogatepass"), MOST_DEPTH, values)
    return uncollected(json.loads, text)


def parse_toml(data: bytes | str) -> dict[str, Any]:
    """One TOML document in UTF-8.

    Raises
    ------
    ValueError
        The text is no TOML, or nested deeper than `MAXIMUM_DEPTH`, or a key has more than `MAXIMUM_KEY_PARTS` parts.

    Examples
    --------
    >>> parse_toml('quota.cpu = "50ms"')
    {'quota': {'cpu': '50ms'}}
    """
    text = data if isinstance(data, str) else _decode(data)
    _check_nesting(text)
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except ValueError as error:  # a TOMLDecodeError, or the refusal of a number
        raise ValueError(f"is not TOML: {error}") from None


_PIECE = 1 << 20  # bytes of a file at once


def read_regular_file(path: Path, limit: int) -> bytes:
    """The whole of a regular file of at most `limit` bytes.

    Raises
    ------
    ValueError
        It is a directory, a link, a device or a pipe, or larger.
    OSError
        It is not there or may not be read.
    """
    _check_regular(os.lstat(path))
    # Between the two looks another process may put another file there: a link is refused, a pipe does not block.
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    descriptor = os.open(path, flags)
    try:
        _check_regular(os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            # Piece by piece: `read` makes room for all that it may read, however little there is.
            pieces, left = [], limit + 1
            while left and (piece := file.read(min(left, _PIECE))):
                pieces.append(piece)
                left -= len(piece)
        data = b"".join(pieces)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise ValueError(f"is larger than the {limit} bytes that are read")
    return data


def parse_float(text: str) -> float:
    """A finite float.

    Raises
    ------
    ValueError
        It is too long, NaN, infinite or too large for a float.
    """
    value = float(text) if len(text) <= MAXIMUM_NUMBER_LENGTH else math.inf
    if not math.isfinite(value):
        raise ValueError(f"has the number {_cut(text)}, which is not a finite float")
    return value


def _parse_int(text: str) -> int:
    if len(text) > 21 or (value := int(text)) not in INTEGERS:
        raise ValueError(f"has the integer {_cut(text)}, which does not fit into 64 bits")
    return value


def _cut(number: str) -> str:
    return f"{number[:20]}..." if len(number) > 21 else number


def _no_constant(text: str) -> None:
    raise ValueError(f"has the value {text}, which is not JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"has the key {name[:80]!r} twice")
    return found


_strict = functools.partial(
    json.loads,
    object_pairs_hook=_without_duplicates,
    parse_constant=_no_constant,
    parse_float=parse_float,
    parse_int=_parse_int,
)


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair, which no UTF-8 can hold") from None


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start})") from None


def _check_shape(data: bytes, values: int) -> None:
    try:
        check_shape(data, MAXIMUM_DEPTH, values)
    except TooManyValues:
        raise ValueError(f"has more than {values} values") from None
    except ValueError:
        raise ValueError(f"is nested deeper than {MAXIMUM_DEPTH} levels") from None


def _check_nesting(text: str) -> None:
    """Refuse TOML that is too deep or has too long a key."""
    depth = dots = 0
    for match in _TOML_TOKEN.finditer(text):
        match match.lastgroup:
            case None:
                continue
            case "dot":
                dots += 1
                if dots >= MAXIMUM_KEY_PARTS:
                    raise ValueError(f"has a key of more than {MAXIMUM_KEY_PARTS} dotted parts")
                continue
            case "open":
                depth += 1
            case "close":
                depth = max(0, depth - 1)
        dots = 0
        if depth > MAXIMUM_DEPTH:
            raise ValueError(f"is nested deeper than {MAXIMUM_DEPTH} levels")


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a pipe"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "a device")
    raise ValueError(f"is {kind}, and only a regular file is read")
