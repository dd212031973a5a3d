"""Module and payload bytes by their SHA-256, once in each process, for all sweeps of this process.

`keep` checks each digest, so that a wrong byte on the network becomes an error and no wrong measurement. When the bytes
exceed `MOST_BYTES`, the least recently used go first.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

MOST_BYTES = 256 << 20

_lock = threading.Lock()
_kept: OrderedDict[str, bytes] = OrderedDict()


def keep(contents: Mapping[str, bytes]) -> None:
    """Keep these bytes for later batches.

    Raises
    ------
    ValueError
        Bytes do not have the digest they came under.
    """
    for digest, data in contents.items():
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"the bytes that came as {digest[:12]} have another digest")
    with _lock:
        for digest, data in contents.items():
            _kept[digest] = data
            _kept.move_to_end(digest)
        while sum(map(len, _kept.values())) > MOST_BYTES and len(_kept) > len(contents):
            _kept.popitem(last=False)


def find(digests: Iterable[str]) -> dict[str, bytes]:
    """The bytes of those digests that are here."""
    with _lock:
        found = {}
        for digest in digests:
            if digest in _kept:
                _kept.move_to_end(digest)
                found[digest] = _kept[digest]
        return found


def forget() -> None:
    """Drop all bytes."""
    with _lock:
        _kept.clear()
