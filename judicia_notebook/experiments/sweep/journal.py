"""The file of a sweep: a first line that says which grid it is, then one line of JSON for each finished cell.

Each batch appends its lines in one write, so the file of an interrupted sweep has all finished cells. A kill may cut
the last line off in the middle: opening the file removes that line, and its cell is measured again.

Two grids are the same when their parts are: the bytes, manifests, names and policies of the plugins, the function, the
payloads, the quotas and grants, repeats, warm-up, order, seed, instances, the database and Wasmtime's version. A file
of another grid is left alone. The executor and the machine may change.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, get_type_hints

import msgspec

from judicia_notebook.errors import JudiciaError
from judicia_notebook.records.record import CallRecord
from judicia_notebook.text import printable
from judicia_notebook.wasm.strict_parsing import parse_json_as

FORMAT = "judicia-sweep-1"
_MOST_VALUES = 1000
"""Values and keys in a line; a call has some forty columns."""
_FIRST_YEAR, _LAST_YEAR = 1970, 2200  # of which pandas has nanoseconds


class Entry(msgspec.Struct, frozen=True):
    """A finished cell: its number, the worker that measured it, its call as JSON."""

    cell: int
    worker: str
    call: msgspec.Raw


def _column(kind: Any) -> Any:
    """The type of a column in the file: NaN is written as null, and a frame's integers have 64 bits."""
    if kind is float:
        return float | None
    integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
    return integer if kind is int else integer | None if kind == int | None else kind


_Record = msgspec.defstruct("_Record", [(name, _column(kind)) for name, kind in get_type_hints(CallRecord).items()])


class _Finished(msgspec.Struct):
    """A line as it may be read: `Entry` with the columns of `Runtime.calls`."""

    cell: int
    worker: str
    call: _Record  # type: ignore[valid-type]


class _Head(msgspec.Struct):
    format: str = ""
    grid: dict[str, Any] = {}


def _check_year(call: Any) -> None:
    """Refuse a call whose time no frame can hold.

    Raises
    ------
    ValueError
    """
    if not _FIRST_YEAR <= call.started.year <= _LAST_YEAR:
        raise ValueError(f"it began in the year {call.started.year}")


class Journal:
    """The finished cells of a sweep, in memory and, where there is a path, in its file.

    Raises
    ------
    JudiciaError
        The file is no sweep's, or another sweep's.
    OSError
    """

    def __init__(self, path: str | os.PathLike[str] | None, identity: Mapping[str, Any], size: int) -> None:
        self.entries: dict[int, Entry] = {}
        self._path = None if path is None else Path(path)
        self._file: Any = None
        if self._path is None:
            return
        self._file = self._path.open("a+b", buffering=0)
        try:
            self._read(self._path, identity, size)
        except BaseException:
            self._file.close()
            raise

    def _read(self, path: Path, identity: Mapping[str, Any], size: int) -> None:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines()
        # A kill may have cut the first line itself off: then the file is the beginning of this sweep's head.
        if not lines and data and not _head_of(identity).startswith(data):
            raise JudiciaError(f"{path.name} is not the file of a sweep; give another path.")
        if lines:
            _check_head(path.name, lines[0], identity)
        if whole < len(data):
            self._file.truncate(whole)
        if not lines:
            self._file.write(_head_of(identity))
        for number, line in enumerate(lines[1:], 2):
            try:
                entry = _read_entry(line)
            except ValueError as error:
                raise JudiciaError(f"{path.name}, line {number}, is not a finished cell: {error}.") from None
            if 0 <= entry.cell < size:
                self.entries.setdefault(entry.cell, entry)

    def add(self, worker: str, rows: Iterable[tuple[int, bytes]]) -> None:
        """Keep finished cells."""
        new = [Entry(cell, worker, msgspec.Raw(call)) for cell, call in rows]
        if self._file is not None:
            self._file.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in new))
        self.entries.update({entry.cell: entry for entry in new})

    def close(self) -> None:
        """Close the file; the entries stay."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _head_of(identity: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"format": FORMAT, "grid": dict(identity)}, order="deterministic") + b"\n"


def _read_entry(line: bytes) -> Entry:
    finished = parse_json_as(line, _Finished, values=_MOST_VALUES)
    _check_year(finished.call)
    return Entry(finished.cell, finished.worker, msgspec.Raw(msgspec.json.encode(finished.call)))


_TOLD = ("function", "repeats", "warmup", "order", "seed", "instances", "wasmtime")  # the others are digests
_SHORT = 40
"""Characters of a value that an error shows."""


def _differing(part: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """A part that differs, with both values where the file's is short: a stranger may have written a long value."""
    value = there.get(part)
    if part not in _TOLD or not isinstance(value, str | int | None) or (isinstance(value, str) and len(value) > _SHORT):
        return part
    return f"{part} ({printable(repr(value))} there, {here[part]!r} here)"


def _check_head(name: str, line: bytes, identity: Mapping[str, Any]) -> None:
    if line + b"\n" == _head_of(identity):
        return
    try:
        head = parse_json_as(line, _Head)
    except ValueError:
        head = _Head()
    if head.format != FORMAT:
        raise JudiciaError(f"{name} is not the file of a sweep; give another path.")
    there = head.grid
    if differing := [_differing(part, there, identity) for part in identity if there.get(part) != identity[part]]:
        raise JudiciaError(
            f"{name} holds another sweep: {', '.join(differing)} differ.",
            hint="Give another path, or the arguments it was begun with.",
        )
