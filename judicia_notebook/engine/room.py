"""Whether this process may take so much more memory, asked before C code that a refusal would end the process in.

msgspec does not look whether it got the memory for a text or for what it writes. Where the address space is limited
(``ulimit -v``, a batch system), that is a segmentation fault. So where there is a limit, the room is mapped and given
back first. Another thread may take it in between; that is not ruled out here.
"""

from __future__ import annotations

import mmap
import sys
from typing import Final

if sys.platform != "win32":
    import resource

ALLOCATOR: Final = 2 << 20
"""Python's own allocator asks for 1 MiB at a time, and glibc's for somewhat more than it was asked for."""


def _has_limit() -> bool:
    if sys.platform == "win32":
        return False
    space, data = resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_DATA)
    return space[0] != resource.RLIM_INFINITY or data[0] != resource.RLIM_INFINITY


limited = _has_limit()
"""Whether there may be less room than any program could want, as it was seen last."""


def look() -> bool:
    """`limited`, as it is now; it takes a microsecond."""
    global limited
    limited = _has_limit()
    return limited


def check_room(size: int) -> None:
    """Ask for so many bytes, and give them back.

    Raises
    ------
    MemoryError
        They are not to be had.
    """
    try:
        if sys.platform == "win32":
            mmap.mmap(-1, size + ALLOCATOR).close()
        else:
            mmap.mmap(-1, size + ALLOCATOR, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        raise MemoryError(f"no room for {size} bytes") from None
