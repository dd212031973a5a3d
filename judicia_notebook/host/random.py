"""``judicia:random``: random bytes; reproducible ones where the runtime has a seed."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import msgspec

from judicia_notebook.host.dispatcher import Operation

if TYPE_CHECKING:
    from judicia_notebook.host.scope import CallScope

MAX_LENGTH = 64 << 10


class Bytes(msgspec.Struct, forbid_unknown_fields=True):
    """How many."""

    length: Annotated[int, msgspec.Meta(ge=0, le=MAX_LENGTH)]


class RandomService:
    """With a seed every plugin draws from a stream of its own, so that one plugin's calls do not change another's."""

    module = "judicia:random"

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._streams: dict[str, random.Random] = {}

    def operations(self) -> Iterable[Operation]:
        yield Operation(
            "bytes", self.draw, capability="random", request=Bytes, target=lambda request: f"{request.length} bytes"
        )

    def forget(self) -> None:
        """Begin each plugin's stream anew."""
        with self._lock:
            self._streams.clear()

    def draw(self, scope: CallScope, request: Bytes) -> dict[str, str]:
        """That many bytes, as base64."""
        return {"base64": base64.b64encode(self.next_bytes(scope.plugin, request.length)).decode()}

    def next_bytes(self, plugin: str, length: int) -> bytes:
        """The next bytes for a plugin: of its own stream with a seed, otherwise the system's."""
        if self._seed is None:
            return os.urandom(length)
        with self._lock:
            stream = self._streams.get(plugin)
            if stream is None:
                digest = hashlib.sha256(f"{self._seed}\0{plugin}".encode()).digest()
                stream = self._streams[plugin] = random.Random(digest)  # noqa: S311  # repeatable is the point
            return stream.randbytes(length)
