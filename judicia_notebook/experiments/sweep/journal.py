"""The file of a sweep: a first line that says what its grid is, then one line of JSON for each finished cell.

Of a sweep with monitors, the columns of what they counted have lines of their own, each distinct one once and before
the first cell that names it (`counts`).

It can be read alone, by anybody it is handed on to (`read_sweep`), and names neither host nor process.

Each batch appends its lines in one write, so the file of an interrupted sweep has all finished cells. A kill may cut
the last line off in the middle: opening the file removes that line, and its cell is measured again.

Two grids are the same when their parts are: the bytes, manifests, names and policies of the plugins, the function, the
kind of call, the payloads, the quotas and grants, repeats, warm-up, order, seed, instances, the database, the monitors
and Wasmtime's version. A file of another grid is left alone. The executor and the machine may change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self, get_type_hints

import msgspec

from judicia_notebook.analysis.replacing import replacing
from judicia_notebook.analysis.runs import environment
from judicia_notebook.context import MOST_LABELS, is_label
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.sweep.counts import Referred, check_column, check_referred
from judicia_notebook.experiments.sweep.description import Description
from judicia_notebook.records.record import CallRecord
from judicia_notebook.text import printable
from judicia_notebook.wasm.strict_parsing import parse_json_as

if TYPE_CHECKING:
    from judicia_notebook.experiments.sweep.grid import Grid

FORMAT = "judicia-sweep-2"
FORMAT_WITHOUT_DESCRIPTION = "judicia-sweep-1"
FORMAT_WITH_COUNTS = "judicia-sweep-3"
_MOST_VALUES = 1000
"""Values and keys in a line; a call has some forty columns."""
_MOST_LABELS = 1000  # in all lines: each is a column
_BYTES_A_VALUE = 4  # of a head
_FIRST_YEAR, _LAST_YEAR = 1970, 2200  # of which pandas has nanoseconds


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finished cell: its number, the worker that measured it, its call as JSON, the frames of its monitors."""

    cell: int
    worker: str
    call: msgspec.Raw
    counts: dict[str, Referred] = {}


def _column(kind: Any) -> Any:
    """The type of a column in the file: NaN is written as null, and a frame's integers have 64 bits."""
    if kind is float:
        return float | None
    integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
    return integer if kind is int else integer | None if kind == int | None else kind


_Labels = Annotated[dict[str, str | int | float | bool | None], msgspec.Meta(max_length=MOST_LABELS)]
_ADDED: dict[str, tuple[Any, Any]] = {
    "labels": (_Labels, {}),
    "metering": (str, "full"),
    "monitored": (str | None, None),
}
"""Columns that older files lack: their types, and what a call there has."""

_Record = msgspec.defstruct(
    "_Record",
    [
        (name, *_ADDED[name]) if name in _ADDED else (name, _column(kind))
        for name, kind in get_type_hints(CallRecord).items()
    ],
    kw_only=True,
)


class _Finished(msgspec.Struct):
    """A line as it may be read: `Entry` with the columns of `Runtime.calls`."""

    cell: int
    worker: str
    call: _Record  # type: ignore[valid-type]
    counts: dict[str, Referred] = {}


class Head(msgspec.Struct):
    """The first line: `grid` has what makes two grids the same, `description` what it consists of.

    `about` has the machine, packages and clocks it was begun on.
    """

    format: str = ""
    grid: dict[str, Any] = {}
    description: Description = Description()
    about: dict[str, Any] = {}


def head_of(grid: Grid) -> Head:
    """The head of a new file."""
    identity = dict(sorted(grid.identity.items()))
    return Head(
        FORMAT_WITH_COUNTS if identity["monitors"] else FORMAT,
        identity,
        grid.description,
        {"written_by": environment.writer(), **environment.describe()},
    )


def _written(head: Head) -> bytes:
    return msgspec.json.encode(head) + b"\n"


def _beginning(head: Head) -> bytes:
    """What the file of a grid begins with, whatever machine wrote it."""
    return _written(Head(head.format, head.grid)).partition(b',"description"')[0]


def _check_call(call: Any, labels: Collection[str]) -> None:
    """Refuse a call that no frame can hold, together with those whose labels are there already.

    Raises
    ------
    ValueError
    """
    if not _FIRST_YEAR <= call.started.year <= _LAST_YEAR:
        raise ValueError(f"it began in the year {call.started.year}")
    if wrong := [name for name in call.labels if not is_label(name)]:
        raise ValueError(f"no label is called {printable(wrong[0], 80)!r}")
    if len(labels) > _MOST_LABELS:
        raise ValueError(f"there are more than {_MOST_LABELS} labels")


class Journal:
    """The finished cells of a sweep, in memory and, where there is a path, in its file.

    Attributes
    ----------
    head : Head
        That of the file, or of one that would be written.
    columns : dict
        Of what monitors counted, by their digests.

    Raises
    ------
    JudiciaError
        The file is no sweep's, or another sweep's.
    OSError
    """

    def __init__(self, path: str | os.PathLike[str] | None, grid: Grid) -> None:
        self.entries: dict[int, Entry] = {}
        self.columns: dict[str, bytes] = {}
        self.head = head_of(grid)
        self._path = None if path is None else Path(path)
        self._file: Any = None
        if self._path is None:
            return
        self._file = self._path.open("a+b", buffering=0)
        try:
            self._read(self._path, grid)
        except BaseException:
            self._file.close()
            raise

    def _read(self, path: Path, grid: Grid) -> None:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        lines = data[:whole].splitlines()
        # A kill may have cut the first line itself off: then the file is the beginning of this sweep's head.
        beginning = _beginning(self.head)
        if not lines and data and not (beginning.startswith(data) or data.startswith(beginning)):
            raise JudiciaError(f"{path.name} is not the file of a sweep; give another path.")
        if not lines:
            self._file.truncate(0)
            self._file.write(_written(self.head))
            return
        there = read_head(path.name, lines[0])
        _check_same(path.name, there, self.head)
        entries, self.columns = read_entries(path.name, lines[1:])
        if there.format != FORMAT_WITHOUT_DESCRIPTION:
            self.head = there
            self._file.truncate(whole)
        else:
            entries = self._renew(path, entries)
        for entry in entries:
            if 0 <= entry.cell < grid.size:
                self.entries.setdefault(entry.cell, entry)

    def _renew(self, path: Path, entries: Iterable[Entry]) -> list[Entry]:
        """Give an older file, which names hosts and processes, the form of now."""
        names: dict[str, str] = {}
        renewed = [
            msgspec.structs.replace(entry, worker=names.setdefault(entry.worker, f"worker-{len(names) + 1}"))
            for entry in entries
        ]
        with replacing(path) as part:
            part.write_bytes(_written(self.head) + b"".join(map(_line, renewed)))
        self._file.close()
        self._file = path.open("a+b", buffering=0)
        return renewed

    def add(self, worker: str, rows: Iterable[tuple[int, bytes, bytes]], columns: Mapping[str, bytes]) -> None:
        """Keep finished cells, and of these columns those that are new and that a cell names."""
        new = [
            Entry(cell, worker, msgspec.Raw(call), _decode_counts(counts) if counts else {})
            for cell, call, counts in rows
        ]
        named = {digest for entry in new for each in entry.counts.values() for digest in each.columns.values()}
        more = {digest: columns[digest] for digest in sorted(named - self.columns.keys())}
        with deferred():  # a frame after Ctrl-C has what the file has
            if self._file is not None:
                self._file.write(b"".join([*map(_column_line, more.items()), *map(_line, new)]))
            self.columns.update(more)
            self.entries.update({entry.cell: entry for entry in new})

    def close(self) -> None:
        """Close the file; the entries stay."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


_decode_counts = msgspec.json.Decoder(dict[str, Referred]).decode


def _column_line(column: tuple[str, bytes]) -> bytes:
    digest, data = column
    return b'{"column":"%s","data":%s}\n' % (digest.encode(), data)


_COLUMN_LINE = re.compile(rb'\{"column":"([0-9a-f]{32})","data":(.*)\}')


def read_head(name: str, line: bytes) -> Head:
    """The head of a file.

    Raises
    ------
    JudiciaError
        It is none of a sweep, or of a later version.
    """
    try:
        found = parse_json_as(line, _Format)
    except ValueError:
        found = _Format()
    if found.format not in {FORMAT, FORMAT_WITHOUT_DESCRIPTION, FORMAT_WITH_COUNTS}:
        if _LATER.fullmatch(found.format):
            raise JudiciaError(
                f"{name} was written in a later format ({found.format}); this package knows {FORMAT_WITH_COUNTS}.",
                hint="A newer version of the package reads it: python -m pip install --upgrade judicia-notebook",
            )
        raise JudiciaError(f"{name} is not the file of a sweep; give another path.")
    try:
        return parse_json_as(line, Head, values=len(line) // _BYTES_A_VALUE)
    except ValueError as error:
        raise JudiciaError(f"{name} has a damaged first line: {printable(str(error), 200)}.") from None


_LATER = re.compile(r"judicia-sweep-[0-9]{1,4}")


class _Format(msgspec.Struct):
    format: str = ""


class Finished(NamedTuple):
    """The finished cells of a file, and the columns of what was counted in them, by their digests."""

    entries: list[Entry]
    columns: dict[str, bytes]


def read_entries(name: str, lines: Iterable[bytes]) -> Finished:
    """The finished cells of a file, without its first line.

    Raises
    ------
    JudiciaError
    """
    entries: list[Entry] = []
    columns: dict[str, bytes] = {}
    labels: set[str] = set()
    for number, line in enumerate(lines, 2):
        try:
            if (column := _COLUMN_LINE.fullmatch(line)) is not None:
                digest, data = column[1].decode(), column[2]
                check_column(digest, data)
                columns[digest] = data
            else:
                entries.append(_read_entry(line, labels, columns))
        except ValueError as error:
            why = printable(str(error), 200)
            raise JudiciaError(f"{name}, line {number}, is not a finished cell: {why}.") from None
    return Finished(entries, columns)


def _read_entry(line: bytes, labels: set[str], columns: Mapping[str, bytes]) -> Entry:
    finished = parse_json_as(line, _Finished, values=_MOST_VALUES)
    labels.update(finished.call.labels)  # type: ignore[attr-defined]
    _check_call(finished.call, labels)
    check_referred(finished.counts, columns)
    return Entry(finished.cell, finished.worker, msgspec.Raw(msgspec.json.encode(finished.call)), finished.counts)


_TOLD = (
    "function",
    "kind",
    "repeats",
    "warmup",
    "order",
    "seed",
    "instances",
    "monitors",
    "wasmtime",
)  # the others are digests
_OLDER: dict[str, Any] = {"kind": "payload", "monitors": ""}
"""What older files do not say, since there was nothing else."""
_SHORT = 40
"""Characters of a value that an error shows."""


def _differing(part: str, there: Head, here: Head) -> str:
    """A part that differs, and how: a stranger may have written a long value."""
    value = there.grid.get(part)
    if part not in _TOLD:
        how = (
            here.description.differences(part, there.description) if there.format != FORMAT_WITHOUT_DESCRIPTION else ""
        )
        return f"{part} ({how})" if how else part
    if not isinstance(value, str | int | None) or (isinstance(value, str) and len(value) > _SHORT):
        return part
    return f"{part} ({printable(repr(value))} there, {here.grid[part]!r} here)"


def _check_same(name: str, there: Head, here: Head) -> None:
    said = _OLDER | {"engines": here.grid.get("engines")} | there.grid  # an older file does not tell its engine's
    differing = [_differing(part, there, here) for part in here.grid if said.get(part) != here.grid[part]]
    if differing:
        raise JudiciaError(
            f"{name} holds another sweep: {', '.join(differing)} differ.",
            hint="Give another path, or the arguments it was begun with.",
        )
