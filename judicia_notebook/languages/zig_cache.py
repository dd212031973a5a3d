"""What zig keeps between compiles: its libraries, compiled for WebAssembly, in a bounded folder of this user.

A source's own objects go into the compiler's folder and disappear with it. So this folder grows only where a library is
needed in another mode.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from pathlib import Path

from judicia_notebook.engine import cache

MOST_BYTES = 1 << 30
_EVERY = 16  # compiles between two looks at its size
_looks = itertools.count()


def folder() -> Path | None:
    """The folder; None where there is none to trust: zig then keeps its libraries no longer than a compile."""
    found = cache.default_folder("zig")
    return found if found is not None and cache.usable(found) else None


def variables() -> dict[str, str]:
    """The variables of zig's environment that name its folders."""
    found = folder()
    if found is not None and next(_looks) % _EVERY == 0:
        _trim(found)
    return {"ZIG_LOCAL_CACHE_DIR": ".zig-local", "ZIG_GLOBAL_CACHE_DIR": str(found) if found else ".zig-global"}


def _trim(found: Path) -> None:
    """Empty the folder where it is too large. A compile that runs meanwhile fails, and succeeds when repeated."""
    for left in found.parent.glob(f"{found.name}-*.old"):  # by a process that was killed while it removed it
        shutil.rmtree(left, ignore_errors=True)
    if _size(found) <= MOST_BYTES:
        return
    aside = found.with_name(f"{found.name}-{os.getpid()}.old")
    with contextlib.suppress(OSError):
        found.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
        cache.usable(found)


def _size(found: Path) -> int:
    total = 0
    for place, _, names in os.walk(found):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(f"{place}/{name}").st_size
    return total
