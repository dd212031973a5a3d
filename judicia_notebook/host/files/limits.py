"""What one folder may hold, and one request move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from judicia_notebook.policy.quotas import QuotaKind

KINDS: Final[Mapping[str, QuotaKind]] = MappingProxyType(
    {
        "file_bytes": QuotaKind("bytes", "request", 8 << 20, "one file that is read or written"),
        "folder_bytes": QuotaKind("bytes", "folder", 64 << 20, "a private folder; or what was written to a mapped one"),
        "folder_files": QuotaKind("files and folders", "folder", 1000, "likewise"),
        "entries": QuotaKind("entries", "request", 10_000, "that one list may give"),
    }
)
"""Every limit on files, in the order people read them. Sizes are bytes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force; `KINDS` says what each is.

    Examples
    --------
    >>> Limits(folder_files=10).folder_files, Limits().entries
    (10, 10000)
    """

    file_bytes: int = 8 << 20
    folder_bytes: int = 64 << 20
    folder_files: int = 1000
    entries: int = 10_000
