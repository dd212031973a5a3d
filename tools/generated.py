"""Files that are made from the code: a tool writes them, or with `--check` compares them and says what writes them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path


def write_or_compare(make: Callable[[], Mapping[Path, str]], *, about: str | None, again: str) -> None:
    """What such a tool does when it is run.

    Parameters
    ----------
    make : callable
        Gives the text of each file.
    about : str or None
        The tool's docstring, whose first line is its help.
    again : str
        The command that writes the files anew.
    """
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not what the code says")
    is_check = parser.parse_args().check
    stale = {path: text for path, text in make().items() if not path.exists() or path.read_text("utf-8") != text}
    if is_check and stale:
        names = ", ".join(path.name for path in stale)
        sys.exit(f"not what the code says now: {names}. To write it anew:  {again}")
    for path, text in stale.items():
        path.write_text(text, "utf-8", newline="\n")
