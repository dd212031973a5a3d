"""Asks the system for memory before C code runs that a refusal would crash.

msgspec does not check whether it got the memory for a text or for its output. Where the address space is limited
(``ulimit -v``, a batch system), that is a segmentation fault. So where there is a limit, `check_room` maps that much
first and gives it back. Another thread may take it in between; nothing here prevents that.
"""

from __future__ import annotations

import mmap
import sys
from typing import Final

from judicia_notebook.engine.core.builtin import is_limited

ALLOCATOR: Final = 2 << 20
"""Python's own allocator asks for 1 MiB at a time, and glibc's for somewhat more than its caller did."""


limited = is_limited()
"""Whether this process's memory is limited, as of the last `look`."""


def look() -> bool:
    """`limited`, as it is now. The look takes a third of a microsecond."""
    global limited
    limited = is_limited()
    return limited


def check_room(size: int) -> None:
    """Ask for so many bytes, and give them back.

    Raises
    ------
    MemoryError
        The system does not give them.
    """
    try:
        if sys.platform == "win32":
            mmap.mmap(-1, size + ALLOCATOR).close()
        else:
            mmap.mmap(-1, size + ALLOCATOR, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        raise MemoryError(f"no room for {size} bytes") from None
