"""Files that are written beside those that they replace: a reader finds the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Where to write in the block what takes the place of a file at its end; nothing of it is left where it fails."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        yield part
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):  # that it is not there, or cannot be removed, is not what went wrong
            part.unlink()
        raise
