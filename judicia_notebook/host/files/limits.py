"""What one folder may hold, and one request move."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from judicia_notebook.errors import PolicyError, did_you_mean
from judicia_notebook.quotas import MOST, QuotaKind
from judicia_notebook.units import parse_size

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


def changed(limits: Limits, kinds: Mapping[str, Any]) -> Limits:
    """The limits with some exchanged for what somebody typed.

    Raises
    ------
    PolicyError
    """
    parsed: dict[str, int] = {}
    for kind, value in kinds.items():
        if kind not in KINDS:
            raise PolicyError(f"There is no limit on files {kind!r}.{did_you_mean(kind, KINDS)}")
        parsed[kind] = _parse(kind, value)
    return dataclasses.replace(limits, **parsed)


def _parse(kind: str, value: Any) -> int:
    unit = KINDS[kind].unit
    if unit == "bytes":
        try:
            return parse_size(value)
        except ValueError as error:
            raise PolicyError(f"limit {kind}: {error}.") from None
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= (count := operator.index(value)) <= MOST:
        raise PolicyError(f"limit {kind}: a whole number of {unit} up to {MOST}, not {value!r}.")
    return count
