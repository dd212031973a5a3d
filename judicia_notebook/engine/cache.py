"""Compiled modules on disk, so that the second load of a file costs a few milliseconds.

A compiled module is native code that will run with the kernel's rights, so the folder is treated as such:

- it belongs to this user, and no other may write to it or to any file in it (checked on the opened descriptor);
- a file's name carries the SHA-256 of the wasm, the engine's key (version, machine, settings) and its own length,
  so a file cut short is never mapped;
- files appear by fsync and rename and disappear by unlink; nothing is ever written in place, because a truncated
  mapping is a SIGBUS.

Beside the code of a module with many data segments lie its memory images, under the same rules. They could be read from
the module again, which takes ten times as long as all else of a load that finds its code here.

A file that cannot be trusted or read is not used: the cache is never the reason that a load fails.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from judicia_notebook.reporting import notices

MAX_BYTES = 2 << 30
"""The cache is trimmed to this, oldest files first."""

CODE = ".cwasm"
IMAGES = ".images"
_TRIAL = 1 << 16  # bytes
_ABANDONED = 3600  # seconds


def default_folder() -> Path | None:
    """The user's cache folder; None without a home, and where files cannot be checked for their owner (Windows)."""
    if not hasattr(os, "getuid"):
        return None
    import platformdirs

    chosen = os.environ.get("JUDICIA_NOTEBOOK_CACHE")
    if chosen:
        return Path(chosen)
    try:
        folder = Path(platformdirs.user_cache_path("judicia_notebook")) / "modules"
    except RuntimeError:  # a user without a home
        return None
    return folder if folder.is_absolute() else None  # older versions of platformdirs leave the ~ as it is


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def usable(folder: Path) -> bool:
    """Whether this folder is this user's alone and can be used; it is made if it is not there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def trouble(folder: Path) -> str:
    """Why this folder keeps no compiled modules; empty where it does. A small file is tried, and removed again."""
    if not usable(folder):
        return "it is not only yours, or cannot be made"
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    except OSError as error:
        return f"it cannot be written: {error.strerror}"
    path = Path(temporary)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(_TRIAL))
            file.flush()
            os.fsync(descriptor)
            path = path.rename(path.with_suffix(".trial"))
            # Wasmtime maps compiled modules as code, which a folder mounted noexec refuses.
            mmap.mmap(descriptor, _TRIAL, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
    except OSError as error:
        return f"a compiled module cannot be kept there: {error.strerror}"
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
    return ""


class Kept:
    """An opened, checked file of the cache, readable at `path` as long as it is open."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self) -> bytes:
        with open(self._descriptor, "rb", closefd=False) as file:
            return file.read()


def _open_checked(path: Path, length: int) -> Kept | None:
    """Open without following links; the descriptor's path leaves no moment in which the file could be exchanged."""
    # O_NONBLOCK: should a pipe lie there, opening it does not wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if not (stat.S_ISREG(status.st_mode) and _is_ours(status) and status.st_size == length and length > 0):
        os.close(descriptor)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # the oldest go first when the cache is trimmed
    by_descriptor = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    return Kept(descriptor, f"{by_descriptor}/{descriptor}")


def find(folder: Path, digest: str, key: str, suffix: str = CODE) -> Kept | None:
    """The compiled module for these bytes and this engine, or its images, if there is a file to trust."""
    if not usable(folder):
        return None
    try:
        for name in os.listdir(folder):  # noqa: PTH208  # half the time of `Path.glob`
            if not (name.startswith(f"{digest}-{key}-") and name.endswith(suffix)):
                continue
            length = name.removesuffix(suffix).rpartition("-")[2]
            if length.isdigit() and (entry := _open_checked(folder / name, int(length))) is not None:
                return entry
    except OSError:
        return None
    return None


def keep(folder: Path, digest: str, key: str, compiled: bytes, suffix: str = CODE) -> None:
    """Put a compiled module into the cache, or its images; where that is impossible, a notice says so once."""
    if not usable(folder) or not _kept(folder, f"{digest}-{key}-{len(compiled)}{suffix}", compiled):
        why = trouble(folder) or "it cannot be written"
        notices.fallback("cache", f"Compiled modules are not kept in {folder}, so that every load compiles: {why}.")


def _kept(folder: Path, name: str, compiled: bytes) -> bool:
    with contextlib.suppress(OSError):
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(compiled)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).rename(folder / name)
        except BaseException:
            Path(temporary).unlink()
            raise
        with contextlib.suppress(OSError):
            _trim(folder)
        return True
    return False


def _trim(folder: Path) -> None:
    for path in folder.glob("*.part"):  # of a process that was ended while it wrote
        if path.lstat().st_mtime < time.time() - _ABANDONED:
            path.unlink(missing_ok=True)
    files = [(path, path.lstat()) for path in folder.iterdir() if path.suffix in {CODE, IMAGES}]
    total = sum(status.st_size for _, status in files)
    for path, status in sorted(files, key=lambda entry: entry[1].st_mtime):
        if total <= MAX_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= status.st_size
