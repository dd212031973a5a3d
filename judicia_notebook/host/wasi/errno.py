"""The error codes of preview 1 that the shim answers with, and the exception that carries a code."""

from __future__ import annotations

from enum import IntEnum


class Errno(IntEnum):
    """Preview 1's own numbers, which are not those of any operating system."""

    SUCCESS = 0
    AGAIN = 6
    BADF = 8
    FAULT = 21
    INVAL = 28
    NAMETOOLONG = 37
    NOTDIR = 54
    NOTSOCK = 57
    NOTSUP = 58
    SPIPE = 70
    NOTCAPABLE = 76


class Failed(Exception):
    """Answers the call with this error code; the guest goes on."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(f"E{errno.name}")
        self.errno = errno
