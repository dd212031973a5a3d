"""The digest of an SDK's folder: a module that was compiled with another SDK is not used again."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path


def digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's files; of no file where there is no such folder."""
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and "target" not in path.relative_to(folder).parts
    )
    states = tuple((str(path), status.st_mtime_ns, status.st_size) for path in files for status in [path.stat()])
    return _digest(folder, states)


@functools.lru_cache(maxsize=8)
def _digest(folder: Path, states: tuple[tuple[str, int, int], ...]) -> str:
    whole = hashlib.sha256()
    for path, _, _ in states:
        content = Path(path).read_bytes()
        whole.update(f"{Path(path).relative_to(folder)}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()
