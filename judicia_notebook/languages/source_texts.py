"""The sources that this process has compiled with debug information, by the digest of the module they became.

A module says which file and line its code came from; what stands there is looked up here, and never read from the path
that the module names, since whoever made the module chose it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, NamedTuple

from judicia_notebook.languages.language import SDK

MOST: Final = 64
"""Sources that are kept, the latest."""
_MOST_SDK_FILE: Final = 1 << 20


class SourceText(NamedTuple):
    """A source: the name that its compiler was given for it, and its text."""

    file: str
    text: str


_kept: OrderedDict[str, SourceText] = OrderedDict()
_lock = threading.Lock()


def remember(wasm: bytes, file: str, text: str) -> None:
    """Keep a source of a module."""
    digest = hashlib.sha256(wasm).hexdigest()
    with _lock:
        _kept[digest] = SourceText(file, text)
        _kept.move_to_end(digest)
        while len(_kept) > MOST:
            _kept.popitem(last=False)


def recall(digest: str) -> SourceText | None:
    """The source of a module, if this process has compiled it."""
    with _lock:
        return _kept.get(digest)


def sdk_text(file: str) -> str | None:
    """The text of a file of the SDK, by its path; None of any other."""
    path = Path(file)
    try:
        if path.is_absolute() and ".." not in path.parts and SDK in path.parents and path.is_file():
            return path.read_text("utf-8", "replace")[:_MOST_SDK_FILE]
    except (OSError, ValueError):
        pass
    return None
