"""Colours of a compiler's messages below a cell; the words alone say all of it, so a screen reader misses nothing.

Knows IPython's shell, where there is one, and terminals' codes. Its lines were made printable before.
"""

from __future__ import annotations

import re
import sys
from typing import Any

_SEVERITY = re.compile(r"^(  (?:line \d+, column \d+: |)|    )(error|warning|note)(?=: )")
_MARK = re.compile(r"^( +\| +)(\^)$")
_CODES = {"error": "1;31", "warning": "1;35", "note": "1;36", "^": "1;32"}


def severity(line: str) -> str:
    """A line of an error with the severity, or the mark below a source's line, in its colour where colours are on."""
    return _paint(_MARK, _paint(_SEVERITY, line)) if _are_on() else line


def _paint(where: re.Pattern[str], line: str) -> str:
    return where.sub(lambda found: f"{found[1]}\x1b[{_CODES[found[2]]}m{found[2]}\x1b[0m", line)


def _are_on() -> bool:
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None
    return shell is not None and str(getattr(shell, "colors", "nocolor")).lower() != "nocolor"
