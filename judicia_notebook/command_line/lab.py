"""``lab``: copies the lessons and becomes JupyterLab there.

The process is replaced, so that signals and the exit code are JupyterLab's own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

from judicia_notebook.command_line.endings import require
from judicia_notebook.command_line.lessons import QUICKSTART, bundled_notebooks, copy_lessons
from judicia_notebook.command_line.subcommand import add_command


def add(commands: Any) -> None:
    command = add_command(
        commands,
        "lab",
        carry_out,
        "copy the notebooks here and open JupyterLab on the quickstart; unknown options go on to JupyterLab",
    )
    command.add_argument("--dir", type=Path, default=Path("judicia-notebooks"), help="where to (default: %(default)s)")


def carry_out(options: argparse.Namespace) -> int:
    """Copies the lessons and becomes JupyterLab there."""
    require("jupyterlab")
    kept = copy_lessons(bundled_notebooks(), options.dir)
    print(f"The notebooks are in {options.dir}", file=sys.stderr)
    for relative in kept:
        print(f"  kept your own {relative}", file=sys.stderr)
    os.chdir(options.dir)
    # Not as a file to open: then the address printed for a browser elsewhere would not lead to it.
    start = f"--LabApp.default_url=/lab/tree/{QUICKSTART}"
    return become([sys.executable, "-m", "jupyterlab", start, *jupyter_flags(), *options.handed_on])


def become(command: list[str]) -> int:
    """Turns this process into another; on Windows, where that gives the terminal back too early, waits for it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execv(command[0], command)  # noqa: S606  # no shell is wanted
    return subprocess.call(command)


def jupyter_flags() -> list[str]:
    """What JupyterLab needs to be told about this place."""
    flags = [] if has_screen() else ["--no-browser"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--allow-root")  # a container's only user; JupyterLab would refuse to start
    return flags


def has_screen() -> bool:
    """Whether this machine has a screen on which a browser can open. If not, JupyterLab prints its address."""
    if os.environ.get("CI"):
        return False
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
