"""An answer's body, unpacked as far as it may grow and no further."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from judicia_notebook.host.dispatcher import ServiceError

ACCEPTED: Final = "gzip, deflate"
"""What servers are told: of these two each step's growth can be bounded, with what Python itself has."""

_STEP: Final = 64 << 10
_GZIP: Final = 16 + zlib.MAX_WBITS


class Body:
    """The bytes of a body so far.

    Parameters
    ----------
    coding : str
        The answer's ``content-encoding``; ``""`` for none.
    most : int
        Bytes, both as it comes and unpacked.

    Raises
    ------
    ServiceError
        The request did not offer this coding.
    """

    def __init__(self, coding: str, most: int) -> None:
        coding = coding.strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise ServiceError("failed", "the answer is packed in a way that was not asked for")
        self.packed = coding not in ("", "identity")
        self._gzip = coding in ("gzip", "x-gzip")
        self._inflate = zlib.decompressobj(_GZIP if self._gzip else zlib.MAX_WBITS)
        self._most = most
        self._came = 0
        self._began = False
        self._content = bytearray()

    def expect(self, length: str) -> None:
        """Check the length that the answer states, before any of it has come.

        Raises
        ------
        ServiceError
        """
        if length.isdecimal() and (len(length) > 18 or int(length) > self._most):
            raise self._too_large()

    def add(self, data: bytes) -> Iterator[None]:
        """Take the next bytes, step by step, so that the caller can stop between two steps.

        Raises
        ------
        ServiceError
            The body is too large, or its packing is not what the answer says.
        """
        self._came += len(data)
        if self._came > self._most:
            raise self._too_large()
        if not self.packed:
            self._content += data
            return
        try:
            yield from self._unpack(data)
        except zlib.error:
            raise ServiceError("failed", "the answer is not packed as it says") from None

    def finish(self) -> bytes:
        """The whole body.

        Raises
        ------
        ServiceError
            Its end is missing.
        """
        if self.packed and self._came and not self._inflate.eof:
            raise ServiceError("failed", "the answer is not packed as it says")
        return bytes(self._content)

    def _unpack(self, data: bytes) -> Iterator[None]:
        more = True  # the input may unpack to more than one step gives out
        while data or more:
            if self._inflate.eof:
                if not self._gzip or not data.startswith(b"\x1f\x8b"):
                    return  # bytes after the end are ignored
                self._inflate = zlib.decompressobj(_GZIP)  # a gzip file may consist of several
            out = self._step(data)
            self._content += out
            if len(self._content) > self._most:
                raise self._too_large()
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            more = len(out) == _STEP
            yield

    def _step(self, data: bytes) -> bytes:
        began, self._began = self._began, True
        try:
            return self._inflate.decompress(data, _STEP)
        except zlib.error:
            if began or self._gzip:
                raise
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers leave out deflate's own wrapping
            return self._inflate.decompress(data, _STEP)

    def _too_large(self) -> ServiceError:
        return ServiceError("quota_exceeded", f"the answer's body is larger than {self._most} bytes")
