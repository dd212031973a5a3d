"""The ``fd_``, ``path_`` and ``sock_`` functions: three pipes, and no files, folders or sockets that could be opened.

For an operation that a pipe does not have, the shim answers as Linux does: ESPIPE for seeking, EINVAL for syncing and
truncating. A path starts from a folder's descriptor. The one folder is the root, to which nothing is mapped, so each
path ends in ENOTCAPABLE there, in ENOTDIR on a pipe, otherwise in EBADF; and it is noted as an attempt to leave.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from judicia_notebook.host.wasi.errno import Errno, Failed
from judicia_notebook.host.wasi.system import ROOT
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.host.wasi.system import SystemCall

MAX_WRITE = 16 << 20
"""Bytes one write takes at most; the guest is told how many it were, and writes the rest again."""

_FDSTAT = struct.Struct("<BxH4xQQ")
_FILESTAT = struct.Struct("<QQB7xQQQQQ")
_UNKNOWN_FILETYPE, _DIRECTORY = 0, 3  # preview 1 has no word for a pipe
_RIGHTS = {"stdin": 1 << 1, "stdout": 1 << 6, "stderr": 1 << 6}  # fd_read; fd_write
_COMMON_RIGHTS = 1 << 3 | 1 << 21 | 1 << 27  # fd_fdstat_set_flags, fd_filestat_get, poll_fd_readwrite
_ROOT_RIGHTS = 1 << 3 | 1 << 13 | 1 << 18 | 1 << 21  # to ask is allowed: path_open, path_filestat_get
_PRESTAT = struct.Struct("<B3xI")
_PREOPENED_DIRECTORY = 0
_KNOWN_FLAGS = 0b11111
_SHOWN_OF_A_PATH = 200
NOT_MAPPED = "no folder is mapped there"
CLIMBS = "`..` in the path, and no folder is mapped"
"""What the audit says of a path."""


# Reading and writing ------------------------------------------------------------------------------------------


def fd_read(call: SystemCall, fd: int, iovs: int, count: int, done: int) -> None:
    """Read standard input; nothing at its end."""
    if call.descriptor(fd).stream != "stdin":
        raise Failed(Errno.BADF)
    regions = call.memory.regions(iovs, count)
    call.memory.check(done, 4)
    data = call.process.read(sum(length for _, length in regions))
    call.memory.scatter(regions, data)
    call.memory.write_size(done, len(data))
    call.bytes_out = len(data)
    call.target = f"stdin {len(data)} bytes"


def fd_write(call: SystemCall, fd: int, iovs: int, count: int, done: int) -> None:
    """Write to standard output or error: lines of the plugin's log."""
    stream = call.descriptor(fd).stream
    if stream not in call.process.outputs:
        raise Failed(Errno.BADF)
    regions = call.memory.regions(iovs, count)
    call.memory.check(done, 4)
    wanted = min(sum(length for _, length in regions), MAX_WRITE)
    call.bytes_in = wanted
    call.target = f"{stream} {wanted} bytes"
    _write(call, stream, call.memory.gather(regions, _admit(call, wanted)), wanted)
    call.memory.write_size(done, wanted)


def _admit(call: SystemCall, wanted: int) -> int:
    """How many of these bytes the quotas let through."""
    scope, limits = call.scope, call.scope.budget.limits
    left = scope.log_room()
    room = wanted if left is None else left
    if call.process.collects:
        room = min(room, limits.answer_bytes - call.process.collected_bytes)
    return max(0, min(wanted, room))


def _write(call: SystemCall, stream: str, data: bytes, wanted: int) -> None:
    """Log the admitted bytes, and end the call if the guest wrote more."""
    scope, limits = call.scope, call.scope.budget.limits
    used = scope.spent.log_bytes + scope.log_bytes + wanted
    scope.log_bytes += len(data)
    call.process.outputs[stream].add(scope, data)
    if len(data) == wanted:
        return
    call.decision = "limited"
    if limits.log_bytes is not None and used > limits.log_bytes:
        raise scope.exceeded("log", limits.log_bytes, used, "bytes")
    rest = wanted - len(data)
    raise scope.exceeded("answer", limits.answer_bytes, call.process.collected_bytes + rest, "bytes")


# Descriptors themselves ---------------------------------------------------------------------------------------


def fd_fdstat_get(call: SystemCall, fd: int, stat: int) -> None:
    """The kind of a descriptor, and its rights."""
    found = call.descriptor(fd)
    if found.stream == ROOT:
        call.memory.write(stat, _FDSTAT.pack(_DIRECTORY, found.flags, _ROOT_RIGHTS, 0))
        return
    rights = _RIGHTS[found.stream] | _COMMON_RIGHTS
    call.memory.write(stat, _FDSTAT.pack(_UNKNOWN_FILETYPE, found.flags, rights, 0))


def fd_fdstat_set_flags(call: SystemCall, fd: int, flags: int) -> None:
    """Remember the flags; none changes what a pipe does that never blocks."""
    found = call.descriptor(fd)
    if flags & ~_KNOWN_FLAGS:
        raise Failed(Errno.INVAL)
    found.flags = flags


def fd_filestat_get(call: SystemCall, fd: int, stat: int) -> None:
    """A file of no size and no age."""
    filetype = _DIRECTORY if call.descriptor(fd).stream == ROOT else _UNKNOWN_FILETYPE
    call.memory.write(stat, _FILESTAT.pack(0, fd, filetype, 1, 0, 0, 0, 0))


def fd_close(call: SystemCall, fd: int) -> None:
    """Close it, for as long as the instance lives."""
    call.descriptor(fd)
    del call.system.descriptors(call.sandbox)[fd]


def fd_renumber(call: SystemCall, fd: int, to: int) -> None:
    """Put a descriptor in another's place, which must be open."""
    call.descriptor(to)
    found = call.descriptor(fd)
    table = call.system.descriptors(call.sandbox)
    del table[fd]
    table[to] = found


# Operations that no pipe has, and paths ----------------------------------------------------------------------


def on_a_pipe(errno: Errno) -> Callable[..., None]:
    """A function of a descriptor that no pipe has: this error if it is open, EBADF if not."""

    def refuse(call: SystemCall, fd: int, *_: int) -> None:
        call.descriptor(fd)
        raise Failed(errno)

    return refuse


def fd_prestat_get(call: SystemCall, fd: int, answer: int) -> None:
    """The length of the root's name; no other descriptor is a folder that was opened beforehand."""
    _check_root(call, fd)
    call.memory.write(answer, _PRESTAT.pack(_PREOPENED_DIRECTORY, len(ROOT)))


def fd_prestat_dir_name(call: SystemCall, fd: int, answer: int, length: int) -> None:
    """The root's name."""
    _check_root(call, fd)
    if length < len(ROOT):
        raise Failed(Errno.NAMETOOLONG)
    call.memory.write(answer, ROOT.encode())


def _check_root(call: SystemCall, fd: int) -> None:
    found = call.system.descriptors(call.sandbox).get(fd)
    call.target = f"fd {fd}"
    if found is None or found.stream != ROOT:
        raise Failed(Errno.BADF)


def fd_readdir(call: SystemCall, fd: int, *_: int) -> None:
    """There is nothing that could be listed."""
    raise Failed(Errno.NOTCAPABLE if call.descriptor(fd).stream == ROOT else Errno.NOTDIR)


def on_a_path(fd: int = 0, path: int = 1) -> Callable[..., None]:
    """A function of a path; `fd` and `path` say which numbers are the directory and the path's pointer."""

    def refuse(call: SystemCall, *numbers: int) -> None:
        pointer, length = numbers[path], numbers[path + 1]
        call.memory.check(pointer, length)
        name = call.memory.read(pointer, min(length, _SHOWN_OF_A_PATH)).decode("utf-8", "replace")
        found = call.system.descriptors(call.sandbox).get(numbers[fd])
        beneath = ROOT if found is not None and found.stream == ROOT and not name.startswith(ROOT) else ""
        call.target = printable(f"{beneath}{name}")
        call.note_escape(CLIMBS if ".." in name.split("/") else NOT_MAPPED)
        if found is None:
            raise Failed(Errno.BADF)
        raise Failed(Errno.NOTCAPABLE if found.stream == ROOT else Errno.NOTDIR)

    return refuse
