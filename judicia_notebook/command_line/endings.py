"""How a command ends that cannot be carried out, or whose plugin said no."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import judicia_notebook as jn


class WrongUsage(Exception):
    """The command cannot be carried out as it was given; its text is all that is shown."""


def complain(error: jn.JudiciaError) -> int:
    """Says on standard error what a notebook would show, and all imports that are missing; answers the exit code."""
    text = error.details if isinstance(error, jn.UnknownImport) else str(error)
    print(f"{type(error).__name__}: {text}", file=sys.stderr)
    return 1


def require(*modules: str) -> None:
    """Ends with one clear line when the `lab` extra was not installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        install = f"{Path(sys.executable).name} -m pip install 'judicia-notebook[lab]'"
        raise WrongUsage(f"this needs {' and '.join(missing)}. To install: {install}")
