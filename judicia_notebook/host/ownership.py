"""Which plugin file owns the data that is kept under a name.

Plugins are named by their manifests, and a manifest may say any name. So what a service keeps for a plugin in the data
folder belongs to the name *and* to the first file (the SHA-256 of its wasm) that used it. Another file that comes
under that name is refused, until the user says that it may have the data: ``rt.host.adopt(name)``.

A small file in ``data_dir/owners``, one for each name, holds the digests. It is made whole or not at all. The first
process to make it wins, also among processes that share a data folder. A plugin's name never becomes a file's name: its
hash does.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from judicia_notebook.host.dispatcher import ServiceError
from judicia_notebook.text import printable
from judicia_notebook.wasm.strict_parsing import parse_json_as

_FOLDER: Final = re.compile(r"[0-9a-f]{32}")


def folder_name(plugin: str) -> str:
    """The name of a plugin's files and folders: 32 hexadecimal digits that tell nothing and collide with nothing.

    Examples
    --------
    >>> folder_name("checker") == folder_name("checker"), len(folder_name("checker"))
    (True, 32)
    """
    return hashlib.sha256(b"judicia plugin\0" + plugin.encode()).hexdigest()[:32]


class _Owner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a name's file."""

    plugin: str
    digests: tuple[str, ...]


class Owners:
    """Which files may use the data that is kept under which names.

    Parameters
    ----------
    data_dir : callable
        Returns the data folder; called at first use.
    """

    def __init__(self, data_dir: Callable[[], Path]) -> None:
        self.data_dir = data_dir
        self._lock = threading.Lock()
        self._known: set[tuple[str, str]] = set()

    def check(self, plugin: str, digest: str) -> None:
        """Pass where this file may have the name's data. The first file becomes its owner.

        Raises
        ------
        ServiceError
            ``conflict``: the data is another file's.
        """
        if (plugin, digest) in self._known:
            return
        with self._lock:
            path = self._path(plugin)
            owner = _read(path)
            if owner is None:
                _publish(path, _Owner(plugin, (digest,)))
                owner = _read(path)
            if owner is None or digest not in owner.digests:
                raise ServiceError(
                    "conflict",
                    f"the data kept for {plugin} was left by another file under this name; "
                    f'the user lets this file have it with rt.host.adopt("{plugin}")',
                )
            self._known.add((plugin, digest))

    def adopt(self, plugin: str, digest: str) -> None:
        """Let this file have the name's data from now on, too."""
        with self._lock:
            path = self._path(plugin)
            owner = _read(path) or _Owner(plugin, ())
            if digest not in owner.digests:
                _replace(path, _Owner(plugin, (*owner.digests, digest)))
            self._known.add((plugin, digest))

    def names(self) -> dict[str, str]:
        """The plugins that left data here, by the name of their files and folders."""
        folder = self.data_dir() / "owners"
        found = {}
        for path in sorted(folder.glob("*.json")):
            if _FOLDER.fullmatch(path.stem):
                owner = _read(path)
                found[path.stem] = printable(owner.plugin if owner is not None else "", 80) or path.stem
        return found

    def forget(self) -> None:
        """Let any file take the names again: their data is gone."""
        with self._lock:
            for name in self.names():
                (self.data_dir() / "owners" / f"{name}.json").unlink(missing_ok=True)
            self._known.clear()

    def _path(self, plugin: str) -> Path:
        folder = self.data_dir() / "owners"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / f"{folder_name(plugin)}.json"


def _read(path: Path) -> _Owner | None:
    """The owner of a name; None where the file is missing. A file that cannot be read has an owner without digests."""
    try:
        return parse_json_as(path.read_bytes(), _Owner)
    except FileNotFoundError:
        return None
    except ValueError:
        return _Owner("", ())


def _write_beside(path: Path, owner: _Owner) -> Path:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with beside.open("xb") as file:
        file.write(msgspec.json.encode(owner))
        file.flush()
        os.fsync(file.fileno())
    return beside


def _publish(path: Path, owner: _Owner) -> None:
    """Make the file, unless another process was faster."""
    beside = _write_beside(path, owner)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    except OSError:  # a file system without hard links: a race here is left to chance
        if not path.exists():
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(path)


def _replace(path: Path, owner: _Owner) -> None:
    beside = _write_beside(path, owner)
    try:
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(path)


def _sync_folder(path: Path) -> None:
    """Have the name on the disk as well, where folders can be opened: any file could take data without an owner."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(folder)
    finally:
        os.close(folder)
