"""The file of a sweep: a first line that says which grid it is, then one line of JSON for each finished cell.

Lines are appended as cells finish, each batch in one write, so an interrupted sweep has everything that was done. A
last line that was cut off in the middle is taken away when the file is opened again; its cell is measured again.

Two grids are the same when their parts are: the bytes, manifests, names and policies of the plugins, the function, the
payloads, the quotas and grants, repeats, warm-up, order, seed, instances, the database and Wasmtime's version. A file
of another grid is left alone. What ran it, and where, may change.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, get_type_hints

import msgspec

from judicia_notebook.errors import JudiciaError
from judicia_notebook.metrics.recorder import CallRecord

FORMAT = "judicia-sweep-1"
_FIRST_YEAR, _LAST_YEAR = 1970, 2200  # of which pandas has nanoseconds


class Entry(msgspec.Struct, frozen=True):
    """A finished cell: its number, the worker that measured it, its call as JSON."""

    cell: int
    worker: str
    call: msgspec.Raw


_Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Call = msgspec.defstruct(
    "_Call",
    [
        (name, {int: _Integer, int | None: _Integer | None}.get(kind, kind) | None, None)
        for name, kind in get_type_hints(CallRecord).items()
    ],
)
"""What a finished cell's call may hold. A file that is not ours, or was edited, may hold anything."""


def _check_call(call: msgspec.Raw) -> None:
    """Refuse a call with a value that its column cannot hold.

    Raises
    ------
    msgspec.DecodeError, ValueError
    """
    started = getattr(msgspec.json.decode(call, type=_Call), "started", None)
    if started is not None and not _FIRST_YEAR <= started.year <= _LAST_YEAR:
        raise ValueError(f"it began in the year {started.year}")


class Journal:
    """What is finished of a sweep, in memory and, where there is a path, in its file.

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
                entry = msgspec.json.decode(line, type=Entry)
                _check_call(entry.call)
            except (msgspec.DecodeError, ValueError) as error:
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


def _check_head(name: str, line: bytes, identity: Mapping[str, Any]) -> None:
    try:
        head = msgspec.json.decode(line)
    except msgspec.DecodeError:
        head = None
    if not isinstance(head, dict) or head.get("format") != FORMAT or not isinstance(head.get("grid"), dict):
        raise JudiciaError(f"{name} is not the file of a sweep; give another path.")
    there = head["grid"]
    if differing := [part for part in identity if there.get(part) != identity[part]]:
        raise JudiciaError(
            f"{name} holds another sweep: {', '.join(differing)} differ.",
            hint="Give another path, or the arguments it was begun with.",
        )
