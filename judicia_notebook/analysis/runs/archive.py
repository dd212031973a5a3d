"""The file of a run: a zip of one CSV a table, and ``meta.json`` that says what made it and how to read it.

Every program reads a CSV, and can still read it when this package is gone. A CSV keeps neither dtypes nor NA: the
reader takes them from the tables' own columns (`cells`), and not from the file. Nothing in the file is run: no pickle,
no class, no path out of it.

The file may come from a stranger:

- The reader bounds sizes before it unpacks anything: it takes at most the bytes that the zip's own list states.
- It refuses foreign, encrypted and repeated members. It does not even read a list that is longer than a run's.
- Little text must not become much memory. So the same number of bytes bounds cells and the values of JSON: a cell for
  each 6, a value for each 64. Together that is about five times `most`.
- It refuses a file of a later version by its number, before it reads the rest.
"""

from __future__ import annotations

import errno
import io
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import wait as futures_wait
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, Self

import msgspec

from judicia_notebook.analysis.replacing import replacing
from judicia_notebook.analysis.runs import anonymity, cells, environment, named_columns, sweep_frames
from judicia_notebook.analysis.runs.tables import TABLES, Tables
from judicia_notebook.errors import JudiciaError
from judicia_notebook.records import labels
from judicia_notebook.records.rows import SCHEMAS
from judicia_notebook.records.schema import Message
from judicia_notebook.text import printable, with_plugin_text
from judicia_notebook.units import format_count, format_size, parse_size
from judicia_notebook.wasm.strict_parsing import parse_json_as

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "judicia-run"
VERSION = 5
_TEXTS_MARKED = 2  # the version from which texts that look like formulas are marked
_LABELS_APART = 3  # the version from which each label is a column
MOST_BYTES = 256 << 20
_BYTES_A_CELL, _BYTES_A_VALUE = 6, 64
_MOST_DIRECTORY = 64 << 10  # of the zip's own list of its files: seven have less than a kilobyte
MOST_ROWS = 4_000_000  # the samples of a full recorder are three million
MOST_META = 16 << 20
_FAST = 1  # of zlib's levels: a fifth of the time of the usual one, for files a fifth larger
_META = "meta.json"


_ADDED: dict[str, dict[str, tuple[int, str | None]]] = {
    "calls": {"metering": (3, "full"), "monitored": (4, None)},
    "audit": {"call_id": (5, None)},
}
"""Columns of tables, the version from which files have them, and what the rows of older ones have there."""
_NEVER_NA = {
    table: frozenset(name for name, column in schema.columns.items() if isinstance(column, Message) and column.empty)
    for table, schema in SCHEMAS.items()
}
"""The texts that are empty where there is none."""


class _Version(msgspec.Struct):
    """The fields of every version of the file, so that an older reader can tell."""

    format: str = ""
    version: int = 0
    written_by: str = ""


class _Table(msgspec.Struct):
    rows: int
    dropped: int = 0
    columns: dict[str, str] = {}


class _Contents(msgspec.Struct):
    anonymous: bool
    tables: dict[str, _Table]
    about: dict[str, Any]
    sweeps: dict[str, sweep_frames.Stated] = {}


def save(run: Tables, path: str | os.PathLike[str], *, anonymous: bool = False) -> Path:
    """Write the tables of a run. The new file replaces an old file at the path when it is whole.

    Raises
    ------
    ValueError
        A frame among the sweeps is none, has a name that none can have, or carried monitors.
    OSError
    """
    sweep_frames.check_names(run.sweeps)
    sweep_frames.check_no_counts(run.sweeps)
    if anonymous and not run.meta.get("anonymous"):
        run = anonymity.anonymous(run)
    target = Path(path)
    with (
        replacing(target) as part,
        zipfile.ZipFile(part, "x", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive,
    ):
        _write(run, archive)
    return target


def head_of(run: Tables) -> bytes:
    """The ``meta.json`` of a run.

    Raises
    ------
    ValueError
        A frame among the sweeps is none, or has a name that none can have.
    """
    sweep_frames.check_names(run.sweeps)
    about = dict(run.meta)
    hidden = bool(about.pop("anonymous", False))
    if not hidden:
        about["saved"] = datetime.now(UTC).isoformat()
    head = {
        "format": FORMAT,
        "version": VERSION,
        "written_by": environment.writer(),
        "anonymous": hidden,
        "about": about,
    }
    head["tables"] = {
        name: {"rows": len(frame), "dropped": int(frame.attrs.get("dropped", 0)), "columns": _columns(frame)}
        for name, frame in run.frames.items()
    }
    calls = run.frames["calls"].iloc[:0]
    fixed = calls[[name for name in calls if not str(name).startswith(labels.PREFIX)]]
    head["sweeps"] = {name: sweep_frames.stated(name, frame, fixed) for name, frame in run.sweeps.items()}
    return msgspec.json.format(msgspec.json.encode(head), indent=2)


def _write(run: Tables, archive: zipfile.ZipFile) -> None:
    with archive.open(_member(_META), "w") as stream:
        stream.write(head_of(run))
    members = {f"{name}.csv": frame for name, frame in run.frames.items()}
    members |= {sweep_frames.member(name): frame for name, frame in run.sweeps.items()}
    with ThreadPoolExecutor(1, "judicia-zip") as thread:
        has_thread = _has_thread(thread)
        for name, frame in members.items():
            with archive.open(_member(name), "w", force_zip64=True) as stream:
                if not has_thread:
                    cells.write(frame, stream)
                    continue
                with _Behind(stream, thread) as behind:
                    cells.write(frame, behind)


def _has_thread(executor: Executor) -> bool:
    """Whether the system gives the one thread; asked first, since what is submitted stays in the queue without it."""
    try:
        executor.submit(int).result()
    except RuntimeError:
        return False
    return True


class _Behind:
    """A stream that compresses a block on a thread of its own, while the next one is put into words.

    At most one block is under way, so that no more memory is taken. Compressing needs none of Python's lock.
    """

    def __init__(self, stream: IO[bytes], thread: Executor) -> None:
        self._stream, self._thread = stream, thread
        self._written: Future[int] | None = None

    def write(self, data: bytes) -> None:
        """Have a block written; an error of the one before is raised here."""
        self._wait()
        self._written = self._thread.submit(self._stream.write, data)

    def _wait(self) -> None:
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._wait()
        elif self._written is not None:  # before the stream is closed
            futures_wait([self._written])


def _member(name: str) -> zipfile.ZipInfo:
    """An entry without the time and the user's rights that a zip has by default."""
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    member._compresslevel = _FAST  # type: ignore[attr-defined]  # noqa: SLF001  # public as compress_level from 3.13 on
    return member


def _columns(frame: pd.DataFrame) -> dict[str, str]:
    """The columns in words, for readers of the CSVs without this package."""
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}


def read(path: str | os.PathLike[str], most: int | str = MOST_BYTES) -> Tables:
    """Read a file of `save`; `read_run` says more.

    Raises
    ------
    JudiciaError
    OSError
    """
    named = Path(path)
    limit = parse_size(most)
    try:
        with named.open("rb") as file:
            _check_directory(file)
            with zipfile.ZipFile(file) as archive:
                return _read(archive, limit)
    except _REFUSED as error:
        _refuse(named, error)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _refuse(named, zipfile.BadZipFile("a part of it would lie before its beginning"))


# The errors that reading a malformed file can raise.
_REFUSED = (
    zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
    RecursionError, NotImplementedError, msgspec.MsgspecError,
)  # fmt: skip


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a zip whose list of members is longer than any run's: to read a member takes a kilobyte."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # noqa: SLF001  # as ZipFile finds it, which has no bound
    if end is not None and end[5] > _MOST_DIRECTORY:  # _ECD_SIZE
        raise ValueError("its files are not those of a run")


def _refuse(path: Path, error: Exception) -> NoReturn:
    why = printable(" ".join(str(error).split()), 200) or type(error).__name__
    raise JudiciaError(f"{path.name} cannot be read as a run: {why}.") from None


def _read(archive: zipfile.ZipFile, limit: int) -> Tables:
    from judicia_notebook.records import frames
    from judicia_notebook.records.recorder import Recorder

    members = archive.infolist()
    names = [member.filename for member in members]
    if _META not in names:
        raise ValueError(f"it has no {_META}")
    head, version = _read_meta(archive, members[names.index(_META)])
    if version.format != FORMAT:
        raise ValueError(
            f"it is a zip of another kind, whose {_META} has the format {printable(str(version.format), 40)!r}"
        )
    if version.version > VERSION:
        written = f" by {printable(version.written_by, 40)}" if version.written_by else ""
        named = Path(archive.filename or "").name
        raise JudiciaError(
            f"{named} was written{written} in version {version.version} of the format; this package knows {VERSION}.",
            hint="A newer version of the package reads it: python -m pip install --upgrade judicia-notebook",
        )
    contents = parse_json_as(head, _Contents)
    sweep_frames.check_names(contents.sweeps)
    _check_members(members, contents.sweeps, limit)
    nothing = Recorder(capacity=1)
    patterns = {table: getattr(frames, table)(nothing) for table in TABLES}
    sweeps = {name: sweep_frames.pattern(sweep.columns, patterns["calls"]) for name, sweep in contents.sweeps.items()}
    whole = dict(patterns)
    missing = {
        table: {name: value for name, (since, value) in added.items() if version.version < since}
        for table, added in _ADDED.items()
    }
    patterns |= {table: patterns[table].drop(columns=list(lacking)) for table, lacking in missing.items()}
    if version.version >= _LABELS_APART:
        patterns["calls"] = named_columns.with_labels(patterns["calls"], contents.tables["calls"].columns)
    shapes = {table: (contents.tables[table].rows, patterns[table]) for table in TABLES}
    _check_cells(shapes | {f"sweep {name}": (contents.sweeps[name].rows, sweeps[name]) for name in sweeps}, limit)
    read = partial(_read_table, archive, cells.Allowance(limit // _BYTES_A_VALUE), version.version >= _TEXTS_MARKED)
    made = {table: read(f"{table}.csv", *shapes[table], _NEVER_NA[table]) for table in TABLES}
    for table, frame in made.items():
        frame.attrs["dropped"] = contents.tables[table].dropped
    made["policies"]["grants"] = made["policies"]["grants"].map(tuple)  # JSON knows no tuples
    if version.version < _LABELS_APART:
        made["calls"] = named_columns.taken_apart(made["calls"])
    for table, lacking in missing.items():
        if lacking:
            made[table] = named_columns.completed(made[table], whole[table], lacking)
    kept: dict[str, pd.DataFrame] = {}
    for name, sweep in contents.sweeps.items():
        kept[name] = read(sweep_frames.member(name), sweep.rows, sweeps[name], sweep.never_na)
        kept[name].attrs |= {"cells": sweep.cells, "sweep": sweep.about}
    return Tables(made, _meta(contents), kept)


def _read_meta(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[bytes, _Version]:
    if member.file_size > MOST_META:
        raise ValueError(
            f"its {_META} is too large: {format_size(member.file_size)}, more than {format_size(MOST_META)}"
        )
    if _is_foreign(member):
        raise ValueError(f"its {_META} is encrypted, or not compressed as a run is")
    head = archive.read(member)
    return head, parse_json_as(head, _Version)


def _is_foreign(member: zipfile.ZipInfo) -> bool:
    """Whether it is encrypted, or compressed in a way whose errors `_REFUSED` does not list."""
    return bool(member.flag_bits & 1) or member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def _meta(contents: _Contents) -> Mapping[str, Any]:
    return {**contents.about, "anonymous": contents.anonymous}


def _check_members(members: list[zipfile.ZipInfo], sweeps: Iterable[str], limit: int) -> None:
    names = [member.filename for member in members]
    wanted = [_META, *(f"{table}.csv" for table in TABLES), *map(sweep_frames.member, sweeps)]
    if sorted(names) != sorted(wanted):
        lacks = [f"it lacks {name}" for name in wanted if name not in names]
        more = [f"{printable(name, 60)} is too many" for name in (Counter(names) - Counter(wanted))]
        raise ValueError(f"its files are not those of a run: {', '.join([*lacks, *more])}")
    if foreign := [member.filename for member in members if _is_foreign(member)]:
        raise ValueError(f"its {foreign[0]} is encrypted, or not compressed as a run is")
    size = sum(member.file_size for member in members)
    if size > limit:
        raise ValueError(f"unpacked it has {format_size(size)}, more than {format_size(limit)} (most=)")


def _check_cells(shapes: Mapping[str, tuple[int, pd.DataFrame]], limit: int) -> None:
    """Refuse more cells than a run with texts and numbers in them has in so many bytes."""
    for name, (rows, _) in shapes.items():
        if not 0 <= rows <= MOST_ROWS:
            raise ValueError(f"{name} has {format_count(rows)} rows, more than {format_count(MOST_ROWS)}")
    count, most = sum(rows * pattern.shape[1] for rows, pattern in shapes.values()), limit // _BYTES_A_CELL
    if count > most:
        raise ValueError(f"it has {format_count(count)} cells, more than {format_count(most)} (most=)")


def _read_table(
    archive: zipfile.ZipFile,
    allowance: cells.Allowance,
    marked: bool,
    member: str,
    rows: int,
    pattern: pd.DataFrame,
    never_na: Collection[str],
) -> pd.DataFrame:
    try:
        with archive.open(member) as stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
            frame = cells.read(text, pattern, rows, allowance, marked=marked, never_na=never_na)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{member}: {error}") from error
    return with_plugin_text(frame)
