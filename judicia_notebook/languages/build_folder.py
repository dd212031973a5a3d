"""The folder that a compiler works in: new and empty, and gone afterwards, also where its kernel was killed.

A folder is locked as long as its owner lives: the system takes a lock from a process that ends, however it ends. Each
new folder is a time to remove those that nobody holds any more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from judicia_notebook.errors import BuildError
from judicia_notebook.units import format_time

PREFIX = "judicia-build-"
_SLICE = 0.1  # seconds between two looks at a lock
_YOUNG = 60.0  # seconds: a folder is made, then locked


@contextlib.contextmanager
def build_folder() -> Iterator[Path]:
    """A new folder, for as long as the block lasts."""
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name, contextlib.ExitStack() as lock:
        with contextlib.suppress(OSError):
            lock.callback(os.close, _lock(name))
        yield Path(name)


@contextlib.contextmanager
def held(stamp: Path | None, seconds: float, tick: Callable[[float], object]) -> Iterator[None]:
    """Be the only one, of all processes of this user, that builds what a stamp stands for.

    Raises
    ------
    BuildError
        Another process has been building it for so many seconds.
    """
    if stamp is None:
        yield
        return
    began = time.monotonic()
    with contextlib.ExitStack() as lock:
        while True:
            try:
                lock.callback(os.close, _lock(str(stamp.parent)))
                break
            except BlockingIOError:
                took = time.monotonic() - began
            except OSError:  # where there are no locks, a first use in two kernels at once may fail, and be repeated
                break
            if took > seconds:
                raise BuildError(f"another process has been building what the source uses for {format_time(took)}")
            tick(took)
            time.sleep(_SLICE)
        yield


def _lock(name: str) -> int:
    """The descriptor that holds a folder.

    Raises
    ------
    BlockingIOError
        Another holds it.
    OSError
        It cannot be held, as on Windows.
    """
    try:
        import fcntl
    except ImportError:
        raise OSError("there are no such locks") from None
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _sweep(temporary: Path) -> None:
    """Remove this user's folders that have lost their owner."""
    with contextlib.suppress(OSError):
        for path in temporary.glob(f"{PREFIX}*"):
            if _is_old(path):
                with contextlib.suppress(OSError):
                    descriptor = _lock(str(path))
                    shutil.rmtree(path, ignore_errors=True)
                    os.close(descriptor)


def _is_old(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    return is_ours and status.st_mtime < time.time() - _YOUNG
