"""SciPy is an extra: what needs it asks here first, and says which extra brings it."""

from __future__ import annotations

import importlib.util

from judicia_notebook.errors import JudiciaError


def need_scipy(what: str) -> None:
    """Refuse `what`, the beginning of a sentence, where SciPy is not installed.

    Raises
    ------
    JudiciaError
        SciPy is not installed; the hint is the line that installs it.
    """
    if importlib.util.find_spec("scipy") is None:
        raise JudiciaError(
            f"{what} needs SciPy, which is not installed.",
            hint="python -m pip install 'judicia-notebook[stats]'",
        )
