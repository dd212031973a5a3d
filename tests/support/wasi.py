"""What tests of WASI write into a guest's memory, and what they read of the frames."""

from __future__ import annotations

import struct
from typing import Any


def iovecs(*regions: tuple[int, int]) -> bytes:
    """An array of ``iovec``: addresses and lengths."""
    return b"".join(struct.pack("<II", *region) for region in regions)


def rows(frame: Any, *names: str) -> list[tuple[Any, ...]]:
    """Columns of a frame as tuples, with None where it has NA."""
    found = frame[list(names)]
    return list(found.astype(object).where(found.notna(), None).itertuples(index=False, name=None))
