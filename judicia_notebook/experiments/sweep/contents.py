"""Module and payload bytes by their SHA-256, once in each process, for all sweeps that come by.

What is there was asked for by a digest or brought by its owner, and is checked on its way in, so a wrong byte on the
network is no wrong measurement. The least recently used go first when there is too much.
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
    """Keep these for whoever asks.

    Raises
    ------
    ValueError
        One of them is not what its digest says.
    """
    for digest, data in contents.items():
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"what came as {digest[:12]} is something else")
    with _lock:
        for digest, data in contents.items():
            _kept[digest] = data
            _kept.move_to_end(digest)
        while sum(map(len, _kept.values())) > MOST_BYTES and len(_kept) > len(contents):
            _kept.popitem(last=False)


def find(digests: Iterable[str]) -> dict[str, bytes]:
    """Those of these that are here."""
    with _lock:
        found = {}
        for digest in digests:
            if digest in _kept:
                _kept.move_to_end(digest)
                found[digest] = _kept[digest]
        return found


def forget() -> None:
    """Let go of everything."""
    with _lock:
        _kept.clear()
