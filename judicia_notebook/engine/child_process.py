"""What all child processes of ours have in common: they are spawned, never forked, and the first to go."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path


def python_command(statements: str) -> list[str]:
    """The command of a fresh interpreter that finds the modules that this one finds, and carries out statements.

    Examples
    --------
    >>> import subprocess
    >>> subprocess.run(python_command("print(6 * 7)"), capture_output=True, text=True).stdout.strip()
    '42'
    """
    path = [entry or str(Path.cwd()) for entry in sys.path]
    return [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {statements}"]


def lower_limit(kind: int, soft: int, hard: int) -> None:
    """Set a limit of this process, unless it is lower already: only root may raise one."""
    import resource  # not on every system

    most = resource.getrlimit(kind)[1]
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(kind, (soft, hard))


def be_expendable() -> None:
    """Have the system end this process where memory ends, not the notebook's kernel; and leave no core file then."""
    import resource

    lower_limit(resource.RLIMIT_CORE, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
