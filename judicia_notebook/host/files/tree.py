"""The service's work in a folder that is already open: read, write, list, stat and delete beneath it.

- It follows no link. It opens a name's folder beneath the root (`beneath`), and the name itself only relative to that
  descriptor.
- It reads and writes only regular files. Opening never waits: a pipe or a device that took a file's place in the last
  moment is opened, recognised and closed.
- It writes a file beside its place and renames it when all of it is on the disk. Other programs see the old file or the
  new file, and no write goes through a hard or symbolic link.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.files import names
from judicia_notebook.host.files.accounts import Account, Parts, Pending, open_lock_file
from judicia_notebook.host.files.beneath import FILE, FOLDER, Opening, enter, opened, sync
from judicia_notebook.host.files.limits import FileLimits
from judicia_notebook.host.offload import Task

_CHUNK = 1 << 18  # bytes between two checks of whether the call still waits
_ENTRIES_AT_ONCE = 256
_MOST_LINKS = 40  # as Linux follows; the path behind more of them leads nowhere
_FOLDER = "this is a folder"
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Entry(NamedTuple):
    """The entry at a path: ``file``, ``directory`` or ``other``; bytes of a file; nanoseconds since 1970."""

    name: str
    type: str
    bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Tree:
    """An open root folder, for one piece of work.

    Parameters
    ----------
    task : Task
        Checked between any two steps for whether to go on.
    holder : int or None
        Of a private root: the open folder it is in, where the lock lies that keeps processes apart. What is made in a
        private root is for this user's eyes only.
    """

    task: Task[Any]
    opening: Opening
    root: int
    account: Account
    limits: FileLimits
    holder: int | None

    # Looking ------------------------------------------------------------------------------------------------

    def read(self, parts: Parts) -> bytes:
        """A regular file's bytes."""
        if not parts:
            raise ServiceError("conflict", _FOLDER)
        with self._holder(parts) as folder:
            _check_regular(_state(folder, parts[-1]))
        with opened(self.opening.open(self.root, "/".join(parts), FILE)) as file:
            state = os.fstat(file)
            _check_regular(state)
            if state.st_size > self.limits.file_bytes:
                raise ServiceError("quota_exceeded", _too_large(state.st_size, self.limits))
            return self._read_all(file)

    def _read_all(self, file: int) -> bytes:
        pieces: list[bytes] = []
        left = self.limits.file_bytes + 1  # it may grow meanwhile, or not know its size
        while left and (piece := os.read(file, min(_CHUNK, left))):
            self.task.check()
            pieces.append(piece)
            left -= len(piece)
        if not left:
            raise ServiceError("quota_exceeded", f"a file of more than {self.limits.file_bytes} bytes")
        return b"".join(pieces)

    def entries(self, parts: Parts) -> list[Entry]:
        """The entries of a folder, by name, without those that a guest could not name."""
        found: list[Entry] = []
        with opened(self.opening.open(self.root, "/".join(parts), FOLDER)) as folder, os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number % _ENTRIES_AT_ONCE == 0:
                    self.task.check()
                if number >= self.limits.entries:
                    raise ServiceError("quota_exceeded", f"a folder of more than {self.limits.entries} entries")
                if names.is_reserved(entry.name) or not names.allowed(entry.name):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    found.append(_entry(entry.name, entry.stat(follow_symlinks=False)))
        return sorted(found)

    def stat(self, parts: Parts) -> Entry:
        """The entry at a path."""
        if not parts:
            return _entry("", os.fstat(self.root))
        with self._holder(parts) as folder:
            return _entry(parts[-1], _state(folder, parts[-1]))

    def leads_out(self, parts: Parts) -> bool:
        """Whether a link on a path points out of the root, by its text: links are read, and none is followed.

        It explains a refusal and decides nothing, so another program may change the links meanwhile.
        """
        here: list[str] = []
        rest, links = list(parts), 0
        while rest:
            self.task.check()
            part = rest.pop(0)
            if part == "..":
                if not here:
                    return True
                here.pop()
            elif part not in ("", "."):
                with contextlib.suppress(OSError):  # most often EINVAL: this is no link
                    target = os.readlink("/".join([*here, part]), dir_fd=self.root)
                    links += 1
                    if target.startswith("/") or links > _MOST_LINKS:
                        return target.startswith("/")
                    rest[:0] = target.split("/")
                    continue
                here.append(part)
        return False

    @contextmanager
    def _holder(self, parts: Parts) -> Iterator[int]:
        """The folder that the last name of a path is in."""
        with opened(self.opening.open(self.root, "/".join(parts[:-1]), FOLDER)) as folder:
            self.task.check()
            yield folder

    # Changing -----------------------------------------------------------------------------------------------

    def write(self, parts: Parts, data: bytes) -> None:
        """Put a file in its place, with the folders on its way; all of it or nothing."""
        if not parts:
            raise ServiceError("conflict", _FOLDER)
        if len(data) > self.limits.file_bytes:
            raise ServiceError("quota_exceeded", _too_large(len(data), self.limits))
        temporary = f"{names.RESERVED}{secrets.token_hex(12)}"
        beside = (*parts[:-1], temporary)
        with self._begin(parts, beside, len(data)) as (folder, mode):
            written = False
            try:
                self._fill(folder, temporary, data, mode)
                with self._figures():
                    self._check_holder(parts, folder)
                    self.task.check()
                    os.rename(temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
                    written = True
                    self.account.finish(beside)
            finally:
                if not written:
                    self._withdraw(folder, beside)
            sync(folder)

    @contextmanager
    def _begin(self, parts: Parts, beside: Parts, size: int) -> Iterator[tuple[int, int | None]]:
        """Take room and make an empty file of the full size. Gives its folder, and the mode of the replaced file."""
        with self._figures():
            folder, depth = self._deepest(parts[:-1])
            try:
                mode = _replaceable(folder, parts[-1]) if depth == len(parts) - 1 else None
                new = [parts[:length] for length in range(depth + 1, len(parts))]
                self.account.admit(self.task, self.opening, self.root, parts, size, len(new), self.limits)
                for path in new:
                    inner = enter(self.opening, folder, path[-1], 0o700 if self.holder is not None else 0o777)
                    sync(folder)
                    os.close(folder)
                    folder = inner
                self._reserve(folder, beside[-1], size)
                self.account.begin(beside, Pending(parts, size), new)
            except BaseException:
                os.close(folder)
                raise
        with opened(folder):
            yield folder, mode

    def _reserve(self, folder: int, name: str, size: int) -> None:
        """A new file of this size without content, or none."""
        with opened(os.open(name, _CREATE, 0o600 if self.holder is not None else 0o666, dir_fd=folder)) as file:
            try:
                os.truncate(file, size)
            except BaseException:
                os.unlink(name, dir_fd=folder)
                raise

    def _deepest(self, way: Parts) -> tuple[int, int]:
        """The deepest folder on a path that is there, and how many of its components that takes."""
        for depth in range(len(way), 0, -1):
            with contextlib.suppress(FileNotFoundError):
                return self.opening.open(self.root, "/".join(way[:depth]), FOLDER), depth
        return self.opening.open(self.root, "", FOLDER), 0

    def _fill(self, folder: int, temporary: str, data: bytes, mode: int | None) -> None:
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with opened(os.open(temporary, flags, dir_fd=folder)) as file:
            _check_regular(os.fstat(file))
            rest = memoryview(data)
            while rest:
                self.task.check()
                rest = rest[os.write(file, rest[:_CHUNK]) :]
            if mode is not None and self.holder is None:
                os.fchmod(file, mode)
            self.task.check()
            os.fsync(file)

    def _check_holder(self, parts: Parts, folder: int) -> None:
        """Refuse where the path no longer leads to the folder that was opened at the beginning."""
        with opened(self.opening.open(self.root, "/".join(parts[:-1]), FOLDER)) as now:
            if not os.path.samestat(os.fstat(now), os.fstat(folder)):
                raise ServiceError("conflict", "the folder was exchanged meanwhile")

    def _withdraw(self, folder: int, beside: Parts) -> None:
        """Remove a file that will not be finished; the call may not be waiting any more."""
        with contextlib.suppress(OSError):
            os.unlink(beside[-1], dir_fd=folder)
        self.account.abandon(beside)

    def delete(self, parts: Parts) -> None:
        """Remove a file, or a folder that is empty."""
        if not parts:
            raise ServiceError("conflict", "this folder cannot be deleted")
        with self._figures(), self._holder(parts) as folder:
            state = _state(folder, parts[-1])
            if stat.S_ISDIR(state.st_mode):
                os.rmdir(parts[-1], dir_fd=folder)
            else:
                _check_regular(state)
                os.unlink(parts[-1], dir_fd=folder)
            self.account.remove(parts)
            sync(folder)

    @contextmanager
    def _figures(self) -> Iterator[None]:
        """Have the folder's figures to oneself."""
        with contextlib.ExitStack() as stack:
            lock_file = None
            if self.holder is not None:
                lock_file = stack.enter_context(opened(open_lock_file(self.opening, self.holder)))
            stack.enter_context(self.account.locked(self.task, lock_file))
            yield


def _state(folder: int, name: str) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _entry(name: str, state: os.stat_result) -> Entry:
    if stat.S_ISREG(state.st_mode):
        return Entry(name, "file", state.st_size, state.st_mtime_ns)
    return Entry(name, "directory" if stat.S_ISDIR(state.st_mode) else "other", 0, state.st_mtime_ns)


def _check_regular(state: os.stat_result) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise ServiceError("conflict", _FOLDER)
    if not stat.S_ISREG(state.st_mode):
        raise ServiceError("failed", "this is neither a file nor a folder; links, pipes and devices are not opened")


def _replaceable(folder: int, name: str) -> int | None:
    """The permissions of the file a write would replace; None where there is none.

    Raises
    ------
    ServiceError
        It is no regular file, or has another name somewhere.
    """
    try:
        state = _state(folder, name)
    except FileNotFoundError:
        return None
    _check_regular(state)
    if state.st_nlink > 1:
        raise ServiceError("failed", "this file has more than one name (hard links) and is not replaced")
    return state.st_mode & 0o777


def _too_large(size: int, limits: FileLimits) -> str:
    return f"a file of {size} bytes; at most {limits.file_bytes}"
