"""SHA-256 of modules: of the latest ones it is known already, if the same bytes come again.

In a notebook the same file is loaded again and again, whenever its cell runs. Comparing two megabytes with the same two
megabytes takes a fifth of the time that hashing them does, and is as certain. So a runtime keeps the bytes of the last
modules it loaded, `MAX_BYTES` of them in all, also after they are unloaded.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

MAX_BYTES: Final = 8 << 20
"""Of the modules that are kept, in all. A larger module is hashed at each load."""

WORTHWHILE: Final = 64 << 10
"""Bytes of a module below which hashing it takes less time than it is worth."""


class Digests:
    """The digests of modules, for one runtime; from any thread."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: tuple[tuple[bytes, str], ...] = ()  # the latest first; exchanged as a whole, so it needs no lock

    def digest(self, wasm: bytes) -> tuple[bytes, str]:
        """The SHA-256 of a module in hex, and its bytes: those kept from before where they are the same."""
        for known in self._kept:
            if known[0] == wasm:
                return known
        return wasm, sha256(wasm).hexdigest()

    def keep(self, wasm: bytes, digest: str) -> None:
        """Keep a module that was loaded, and its digest."""
        if not WORTHWHILE <= len(wasm) <= MAX_BYTES:
            return
        kept = self._kept
        if kept and kept[0][0] is wasm:
            return
        left, latest = MAX_BYTES, []
        for each in ((wasm, digest), *(each for each in kept if each[1] != digest)):
            left -= len(each[0])
            if left < 0:
                break
            latest.append(each)
        self._kept = tuple(latest)

    def clear(self) -> None:
        """Let go of what is kept."""
        self._kept = ()
