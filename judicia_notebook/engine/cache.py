"""Compiled modules on disk, so that the second load of a file costs a few milliseconds.

A compiled module is native code that will run with the kernel's rights, so the folder is treated as such:

- it belongs to this user, and no other may write to it or to any file in it (checked on the opened descriptor);
- a file's name carries the SHA-256 of the wasm, the engine's key (version, machine, settings) and its own length,
  so a file cut short is never mapped;
- files appear by fsync and rename and disappear by unlink; nothing is ever written in place, because a truncated
  mapping is a SIGBUS.

Beside the code of a module with many data segments lie its memory images, under the same rules. They could be read from
the module again, which takes ten times as long as all else of a load that finds its code here.

Beside the code lies what our readers know of the module, too, so that its sections and manifest need not be read again.
Such a file is read, not mapped, and begins with a SHA-256 over its name and content: one that was cut short, damaged or
renamed is not used, and the module is read as if it were not there.

A file that cannot be trusted or read is not used: the cache is never the reason that a load fails.
"""

from __future__ import annotations

import contextlib
import hashlib
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

MODULES = "modules"
CODE = ".cwasm"
IMAGES = ".images"
INFO = ".info"
_TRIAL = 1 << 16  # bytes
_ABANDONED = 3600  # seconds
_RECENT = 3600  # seconds: not at each use, because to touch a file writes to the disk


def default_folder(kind: str = MODULES) -> Path | None:
    """The user's cache folder; None without a home, and where files cannot be checked for their owner (Windows).

    Parameters
    ----------
    kind : str, optional
        What it keeps: compiled modules, or what a room above keeps under the same rules in a folder of its own.
    """
    if not hasattr(os, "getuid"):
        return None
    import platformdirs

    chosen = os.environ.get("JUDICIA_NOTEBOOK_CACHE")
    if chosen:
        return Path(chosen) if kind == MODULES else Path(chosen) / kind
    try:
        folder = Path(platformdirs.user_cache_path("judicia_notebook")) / kind
    except RuntimeError:  # a user without a home
        return None
    return folder if folder.is_absolute() else None  # older versions of platformdirs leave the ~ as it is


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def usable(folder: Path) -> bool:
    """Whether this folder is this user's alone and can be used; it is made if it is not there."""
    try:
        try:
            status = os.lstat(folder)
        except FileNotFoundError:
            for missing in (path for path in (*reversed(folder.parents), folder) if not path.exists()):
                missing.mkdir(mode=0o700, exist_ok=True)  # `parents=True` would let others into those above
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
    """An opened, checked file of the cache, readable at `path` as long as it is open; `size` in bytes."""

    def __init__(self, descriptor: int, path: str, size: int) -> None:
        self._descriptor = descriptor
        self.path = path
        self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self) -> bytes:
        """The whole file; fewer bytes only where it became shorter meanwhile."""
        data = os.read(self._descriptor, self.size)
        while len(data) < self.size and (more := os.read(self._descriptor, self.size - len(data))):
            data += more
        return data


def _open_checked(path: str, sizes: range) -> Kept | None:
    """Open without following links; the descriptor's path leaves no moment in which the file could be exchanged."""
    # O_NONBLOCK: should a pipe lie there, opening it does not wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if not (stat.S_ISREG(status.st_mode) and _is_ours(status) and status.st_size in sizes):
        os.close(descriptor)
        return None
    if status.st_mtime < time.time() - _RECENT:
        with contextlib.suppress(OSError):
            os.utime(path)  # the oldest go first when the cache is trimmed
    by_descriptor = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    return Kept(descriptor, f"{by_descriptor}/{descriptor}", status.st_size)


def find(folder: Path, digest: str, key: str, suffix: str = CODE, *, size: int = 0) -> Kept | None:
    """The compiled module for these bytes and this engine, or its images, if there is a file to trust.

    Parameters
    ----------
    size : int, optional
        Where the file's size is known, its name is: then the folder is searched only if there is no such file.
    """
    if not usable(folder):
        return None
    start = f"{digest}-{key}-"
    try:
        if size and (entry := _open_sized(folder, f"{start}{size}{suffix}", size)) is not None:
            return entry
        for name in os.listdir(folder):  # noqa: PTH208  # half the time of `Path.glob`
            if not (name.startswith(start) and name.endswith(suffix)):
                continue
            length = name.removesuffix(suffix).rpartition("-")[2]
            if length.isdigit() and (entry := _open_sized(folder, name, int(length))) is not None:
                return entry
    except OSError:
        return None
    return None


def _open_sized(folder: Path, name: str, size: int) -> Kept | None:
    try:
        return _open_checked(f"{folder}/{name}", range(max(size, 1), size + 1))
    except FileNotFoundError:  # another process has removed it, or this one guessed its name
        return None


def find_info(folder: Path, digest: str, key: str, most: int) -> bytes | None:
    """What `keep_info` kept under the same digest and key, if it is certainly that, and has at most so many bytes."""
    name = f"{digest}-{key}{INFO}"
    if not usable(folder):
        return None
    with contextlib.suppress(OSError):
        entry = _open_checked(f"{folder}/{name}", range(_SEAL + 1, _SEAL + most + 1))
        if entry is None:
            return None
        with entry:
            kept = entry.read()
        content = kept[_SEAL:]
        if kept[:_SEAL] == _seal(name, content):
            return content
    return None


def keep_info(folder: Path, digest: str, key: str, content: bytes, *, most: int | None = None) -> None:
    """Put what is known of a module beside its compiled code; nothing is said where that is impossible.

    Parameters
    ----------
    most : int, optional
        Bytes that the folder is trimmed to.
    """
    name = f"{digest}-{key}{INFO}"
    if usable(folder):
        # A system that stops before this is on the disk leaves a file that its seal does not fit.
        _kept(folder, name, _seal(name, content) + content, sync=False, most=most)


_SEAL = hashlib.sha256().digest_size


def _seal(name: str, content: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + content).digest()


def keep(folder: Path, digest: str, key: str, compiled: bytes, suffix: str = CODE) -> bool:
    """Put a compiled module into the cache, or its images; where that is impossible, a notice says so once.

    Returns
    -------
    bool
        Whether it is there now.
    """
    kept = usable(folder) and _kept(folder, f"{digest}-{key}-{len(compiled)}{suffix}", compiled)
    if not kept:
        why = trouble(folder) or "it cannot be written"
        notices.fallback("cache", f"Compiled modules are not kept in {folder}, so that every load compiles: {why}.")
    return kept


def _kept(folder: Path, name: str, content: bytes, *, sync: bool = True, most: int | None = None) -> bool:
    with contextlib.suppress(OSError):
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            Path(temporary).rename(folder / name)
        except BaseException:
            Path(temporary).unlink()
            raise
        with contextlib.suppress(OSError):
            _trim(folder, MAX_BYTES if most is None else most)
        return True
    return False


def _trim(folder: Path, most: int) -> None:
    for path in folder.glob("*.part"):  # of a process that was ended while it wrote
        if path.lstat().st_mtime < time.time() - _ABANDONED:
            path.unlink(missing_ok=True)
    files = [(path, path.lstat()) for path in folder.iterdir() if path.suffix in {CODE, IMAGES, INFO}]
    total = sum(status.st_size for _, status in files)
    for path, status in sorted(files, key=lambda entry: entry[1].st_mtime):
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= status.st_size
