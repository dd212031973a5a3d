"""Which pages of this process's memory were ever touched: the others are zeros, and reading them costs a fault each.

Linux says so in ``/proc/self/pagemap``, to every process of itself. A page that was swapped out counts as touched.
Where there is no such file (macOS, Windows, a sandbox) all pages do.
"""

from __future__ import annotations

import mmap
import os
import re
import sys
from typing import Final

_ENTRY: Final = 8
_TOUCHED: Final = re.compile(rb"[\x40-\xff]+")
"""Highest bytes of entries in which bit 63 (present) or 62 (swapped) is set."""


def touched(address: int, length: int) -> list[tuple[int, int]]:
    """The parts of a region that may hold something: where each begins, in bytes from `address`, and where it ends.

    Parameters
    ----------
    address : int
        A multiple of the page size.
    length : int
        Bytes.
    """
    page = mmap.PAGESIZE
    first, count = address // page, -(-length // page)
    flags = _entries(first, count)[_ENTRY - 1 :: _ENTRY] if address % page == 0 else b""
    if len(flags) != count:
        return [(0, length)] if length else []
    return [(found.start() * page, min(found.end() * page, length)) for found in _TOUCHED.finditer(flags)]


def _entries(first: int, count: int) -> bytes:
    if sys.platform != "linux":
        return b""
    try:
        file = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(file, count * _ENTRY, first * _ENTRY)
    except OSError:
        return b""
    finally:
        os.close(file)
