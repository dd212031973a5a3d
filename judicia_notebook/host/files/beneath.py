"""Opening files and folders beneath a folder, and none outside it.

The check and the opening are one step of the operating system, so that no other program can exchange a file between
the two:

- `Openat2`: Linux has a system call for exactly this (5.6 and later). The kernel itself refuses links, ``/proc``'s
  magic links, other mounts and every other way out of the folder.
- `StepByStep`: elsewhere each component is opened in the one before, by descriptor and without following links; a
  folder on another device is refused. A second mount *of the same device* beneath the folder is not noticed.

Both also open the root itself without following a link. A system that has neither gets no files service.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_OPENAT2 = 437  # its number is the same on all of Linux's architectures that Wasmtime compiles for
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 1, 2, 4, 8
_ATTEMPTS = 100

FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
"""Flags that open folders only."""

FILE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""Flags that open a file for reading and never wait, also where it turns out to be a pipe or a device."""


class Opening(Protocol):
    """A way to open beneath a folder."""

    name: str

    def open(self, folder: int, path: str, flags: int, *, across: bool = False) -> int:
        """A descriptor of what is at a relative path in an open folder; `across` allows other mounts.

        Raises
        ------
        OSError
            ELOOP, ENOTDIR or EXDEV where the way there leads through a link or out of the folder.
        """
        ...


class _How(ctypes.Structure):
    """The kernel's ``struct open_how``."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class Openat2:
    """The kernel resolves the whole path."""

    name = "openat2"

    def __init__(self) -> None:
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall

    def open(self, folder: int, path: str, flags: int, *, across: bool = False) -> int:
        resolve = _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH | (0 if across else _NO_XDEV)
        how = _How(flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0, resolve)
        text = os.fsencode(path or ".")
        for _ in range(_ATTEMPTS):  # EAGAIN: a rename came in between, and the kernel could not be sure of the path
            found = self._syscall(
                ctypes.c_long(_OPENAT2),
                ctypes.c_int(folder),
                ctypes.c_char_p(text),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
            if found >= 0:
                return int(found)
            code = ctypes.get_errno()
            if code not in (errno.EINTR, errno.EAGAIN):
                break
        raise OSError(code, os.strerror(code))

    def works(self) -> bool:
        """Whether this system has the call; containers may forbid it in more than one way."""
        try:
            with opened(os.open("/", FOLDER)) as root, opened(self.open(root, "", FOLDER)) as again:
                return os.path.samestat(os.fstat(root), os.fstat(again))
        except OSError:
            return False


class StepByStep:
    """Each component is opened in the one before."""

    name = "step by step"

    def open(self, folder: int, path: str, flags: int, *, across: bool = False) -> int:
        *way, last = path.split("/") if path else ["."]
        device = os.fstat(folder).st_dev
        here = os.dup(folder)
        try:
            for part in way:
                here = self._enter(here, part, None if across else device)
            found = os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        finally:
            os.close(here)
        if not across and flags & os.O_DIRECTORY and os.fstat(found).st_dev != device:
            os.close(found)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return found

    @staticmethod
    def _enter(here: int, part: str, device: int | None) -> int:
        """The folder `part` in `here`, which is closed; on an error it is left open."""
        inner = os.open(part, FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        if device is not None and os.fstat(inner).st_dev != device:
            os.close(inner)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        os.close(here)
        return inner


@contextmanager
def opened(descriptor: int) -> Iterator[int]:
    """Close a descriptor at the end of the block."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def supported() -> bool:
    """Whether this system can work relative to an open folder at all."""
    by_folder = {os.open, os.stat, os.mkdir, os.unlink, os.rmdir, os.rename}
    return by_folder <= os.supports_dir_fd and os.scandir in os.supports_fd and hasattr(os, "O_NOFOLLOW")


@functools.cache
def _kernel_has_openat2() -> bool:
    return sys.platform == "linux" and Openat2().works()


def best_opening() -> Opening | None:
    """The strictest way this system has; None where there is none."""
    if not supported():
        return None
    return Openat2() if _kernel_has_openat2() else StepByStep()


def open_root(opening: Opening, path: str) -> int:
    """A descriptor of a folder by its absolute path without links, and no link is followed should one appear there."""
    with opened(os.open("/", FOLDER | os.O_CLOEXEC)) as top:
        return opening.open(top, path.strip("/"), FOLDER, across=True)


def enter(opening: Opening, folder: int, name: str, mode: int = 0o700) -> int:
    """A descriptor of a folder in an open one; it is made if nothing of that name is there."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=folder)
    return opening.open(folder, name, FOLDER)


def sync(folder: int) -> None:
    """Have a folder's names on the disk; some file systems know nothing of that, and keep them their own way."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
