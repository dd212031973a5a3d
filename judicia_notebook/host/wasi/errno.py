"""The error codes of preview 1 that the shim answers with, and how one is raised."""

from __future__ import annotations

from enum import IntEnum


class Errno(IntEnum):
    """Preview 1's own numbers, which are not those of any operating system."""

    SUCCESS = 0
    AGAIN = 6
    BADF = 8
    FAULT = 21
    INVAL = 28
    NOTDIR = 54
    NOTSOCK = 57
    NOTSUP = 58
    SPIPE = 70
    NOTCAPABLE = 76


class Failed(Exception):
    """The call is answered with this error code, and the guest goes on."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(f"E{errno.name}")
        self.errno = errno
