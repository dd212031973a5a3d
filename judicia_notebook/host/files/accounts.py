"""How much a folder holds, counted so that no two writes at once can pass the limit together.

- A write takes its room before it writes a byte. Under the folder's lock it measures the folder, adds the new size, and
  makes a temporary file of the full size. The next measurement sees that file, also in another process that shares the
  data folder.
- A file that replaces another is charged for the difference only, as long as the old file is there.
- Each write measures a plugin's private folder anew: it holds at most `FileLimits.folder_files` entries.
- Of a mapped folder only the files count that plugins wrote through this runtime. When the limit is reached, the
  account forgets those that were removed by other means.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.host.files.beneath import FOLDER, Opening, opened
from judicia_notebook.host.files.limits import FileLimits
from judicia_notebook.host.files.names import MAX_DEPTH, RESERVED
from judicia_notebook.host.offload import Task

try:
    import fcntl
except ImportError:  # Windows, where the service refuses anyway
    fcntl = None  # type: ignore[assignment]

Parts = tuple[str, ...]
_STALE_SECONDS = 3600.0  # no call takes that long, so a temporary file this old is a dead process's
_PAUSE = 0.005


@dataclass(frozen=True, slots=True)
class Pending:
    """A file that is being written: where it will be, and its size."""

    target: Parts
    size: int


class Account:
    """The sizes of the files that count in one folder.

    Parameters
    ----------
    private : bool
        Whether the folder is measured as a whole.
    """

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._lock = threading.Lock()
        self._sizes: dict[Parts, int] = {}
        self._pending: dict[Parts, Pending] = {}  # by where the temporary file is

    @contextmanager
    def locked(self, task: Task[Any], lock_file: int | None = None) -> Iterator[None]:
        """Have the folder's figures to oneself; `lock_file` keeps other processes away, too."""
        while not self._lock.acquire(timeout=0.05):  # in slices, so that abandoned work stops waiting
            task.check()
        try:
            if lock_file is None or fcntl is None:
                yield
                return
            _lock_file(lock_file, task)
            try:
                yield
            finally:
                fcntl.flock(lock_file, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def admit(
        self,
        task: Task[Any],
        opening: Opening,
        root: int,
        target: Parts,
        size: int,
        new_folders: int,
        limits: FileLimits,
    ) -> None:
        """Pass where a file of this size, and the folders on its way, still fit; with the lock held.

        Raises
        ------
        ServiceError
            ``quota_exceeded``
        """
        if self._private:
            self._sizes = _measure(task, root, self._pending)
        refusal = self._refusal(target, size, new_folders, limits)
        if refusal and not self._private:
            self._forget_what_is_gone(task, opening, root)
            refusal = self._refusal(target, size, new_folders, limits)
        if refusal:
            raise ServiceError("quota_exceeded", refusal)

    def _refusal(self, target: Parts, size: int, new_folders: int, limits: FileLimits) -> str:
        """The reason against it, or an empty text. A pending file counts whole, less the file it replaces."""
        used, count, replaced = sum(self._sizes.values()), len(self._sizes), set[Parts]()
        added = added_files = 0
        for pending in (*self._pending.values(), Pending(target, size)):
            added, added_files = pending.size, 1
            if pending.target in self._sizes and pending.target not in replaced:
                replaced.add(pending.target)
                added -= min(pending.size, self._sizes[pending.target])
                added_files = 0
            used, count = used + added, count + added_files
        if added and used > limits.folder_bytes:
            return f"the folder would hold {used} bytes; at most {limits.folder_bytes}"
        added_files, count = added_files + new_folders, count + new_folders
        if added_files and count > limits.folder_files:
            return f"the folder would hold {count} files and folders; at most {limits.folder_files}"
        return ""

    def begin(self, temporary: Parts, pending: Pending, new_folders: list[Parts]) -> None:
        """Count a file that is going to be written; with the lock held."""
        self._pending[temporary] = pending
        if not self._private:
            self._sizes.update(dict.fromkeys(new_folders, 0))

    def finish(self, temporary: Parts) -> None:
        """The file is in its place; with the lock held."""
        pending = self._pending.pop(temporary)
        self._sizes[pending.target] = pending.size

    def abandon(self, temporary: Parts) -> None:
        """The file will never be in its place. In one step, so that giving up needs no lock."""
        self._pending.pop(temporary, None)

    def remove(self, target: Parts) -> None:
        """A file or folder is gone; with the lock held."""
        self._sizes.pop(target, None)

    def _forget_what_is_gone(self, task: Task[Any], opening: Opening, root: int) -> None:
        for parts in tuple(self._sizes):
            task.check()
            try:
                with opened(opening.open(root, "/".join(parts[:-1]), FOLDER)) as folder:
                    os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
            except OSError:
                del self._sizes[parts]


def open_lock_file(opening: Opening, holder: int) -> int:
    """The file whose lock keeps the processes that share a private folder apart."""
    flags = os.O_RDWR | os.O_NONBLOCK
    with contextlib.suppress(FileNotFoundError):
        return opening.open(holder, "lock", flags)
    with contextlib.suppress(FileExistsError):
        os.close(os.open("lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=holder))
    return opening.open(holder, "lock", flags)


def _lock_file(descriptor: int, task: Task[Any]) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            task.check()
            time.sleep(_PAUSE)
        else:
            return


def _measure(task: Task[Any], root: int, pending: dict[Parts, Pending]) -> dict[Parts, int]:
    """Sizes of all files in a private folder, without pending ones; files that a dead process left are removed."""
    sizes: dict[Parts, int] = {}

    def look(folder: int, here: Parts) -> None:
        task.check()
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries]
        for name in found:
            parts = (*here, name)
            if parts in pending:
                continue
            try:
                state = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if name.startswith(RESERVED) and time.time() - state.st_mtime > _STALE_SECONDS:
                    os.unlink(name, dir_fd=folder)
                    continue
                sizes[parts] = state.st_size if stat.S_ISREG(state.st_mode) else 0
                if stat.S_ISDIR(state.st_mode) and len(parts) <= MAX_DEPTH:
                    flags = FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC
                    with opened(os.open(name, flags, dir_fd=folder)) as inner:
                        look(inner, parts)
            except FileNotFoundError:
                continue

    look(root, ())
    return sizes
