"""The first bytes of requests and answers, recorded only while the user asks for it.

Payloads may be large, and may be secret. Without a `limit` the recorder keeps nothing. With a limit it keeps that many
bytes of each payload, and at most `capacity` bytes of all together. The oldest calls go first. No frame contains them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

CAPACITY = 4 << 20
_ENTRY_BYTES = 200

THE_CALL = 0
"""The place of the call's own request and answer; its host calls are counted from 1."""


class Captured(NamedTuple):
    """The beginning of a payload, and how long it was in all."""

    data: bytes
    size: int


class Captures:
    """Payloads by call, place in the call, and part (``request`` or ``answer``). Safe to use from any thread.

    Attributes
    ----------
    limit : int
        Bytes of each payload; 0 keeps none.

    Examples
    --------
    >>> captures = Captures()
    >>> captures.limit = 5
    >>> captures.add(7, THE_CALL, "request", b'{"a": 1}')
    >>> captures.of(7)[THE_CALL, "request"]
    Captured(data=b'{"a":', size=8)
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.limit = 0
        self.capacity = capacity
        self._lock = threading.RLock()  # a finalizer may make a call while its thread is in here
        self._calls: OrderedDict[int, dict[tuple[int, str], Captured]] = OrderedDict()
        self._weight = 0

    def add(self, call_id: int, place: int, part: str, data: bytes) -> None:
        """Keep the beginning of a payload, where that is switched on."""
        limit = self.limit
        if not limit:
            return
        payload = Captured(bytes(data[:limit]), len(data))
        with self._lock:
            self._calls.setdefault(call_id, {})[place, part] = payload
            self._weight += len(payload.data) + _ENTRY_BYTES
            while self._weight > self.capacity and self._calls:
                _, dropped = self._calls.popitem(last=False)
                self._weight -= sum(len(capture.data) + _ENTRY_BYTES for capture in dropped.values())

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._calls.clear()
            self._weight = 0

    def of(self, call_id: int) -> dict[tuple[int, str], Captured]:
        """The kept payloads of a call."""
        with self._lock:
            return dict(self._calls.get(call_id, {}))
