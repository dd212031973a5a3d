"""Every function of ``wasi_snapshot_preview1``, with its type: ``i`` stands for i32 and ``I`` for i64."""

from __future__ import annotations

from collections.abc import Callable

from judicia_notebook.host.wasi import descriptors, environment, polling
from judicia_notebook.host.wasi.descriptors import on_a_path, on_a_pipe
from judicia_notebook.host.wasi.errno import Errno
from judicia_notebook.host.wasi.system import Function

_NUMBERS = {"i": "i32", "I": "i64"}


def _function(
    name: str, params: str, answer: Callable[..., None], capability: str | None = None, *, returns: bool = True
) -> Function:
    return Function(name, tuple(_NUMBERS[letter] for letter in params), answer, capability, returns)


TABLE = (
    _function("args_get", "ii", environment.args_get),
    _function("args_sizes_get", "ii", environment.args_sizes_get),
    _function("environ_get", "ii", environment.environ_get),
    _function("environ_sizes_get", "ii", environment.environ_sizes_get),
    _function("clock_res_get", "ii", environment.clock_res_get, "wall_clock"),
    _function("clock_time_get", "iIi", environment.clock_time_get, "wall_clock"),
    _function("random_get", "ii", environment.random_get, "random"),
    _function("sched_yield", "", environment.sched_yield),
    _function("proc_exit", "i", environment.proc_exit, returns=False),
    _function("proc_raise", "i", environment.proc_raise),
    _function("poll_oneoff", "iiii", polling.poll_oneoff),
    # Descriptors
    _function("fd_read", "iiii", descriptors.fd_read),
    _function("fd_write", "iiii", descriptors.fd_write),
    _function("fd_close", "i", descriptors.fd_close),
    _function("fd_renumber", "ii", descriptors.fd_renumber),
    _function("fd_fdstat_get", "ii", descriptors.fd_fdstat_get),
    _function("fd_fdstat_set_flags", "ii", descriptors.fd_fdstat_set_flags),
    _function("fd_fdstat_set_rights", "iII", on_a_pipe(Errno.NOTSUP)),
    _function("fd_filestat_get", "ii", descriptors.fd_filestat_get),
    _function("fd_filestat_set_size", "iI", on_a_pipe(Errno.INVAL)),
    _function("fd_filestat_set_times", "iIIi", on_a_pipe(Errno.NOTSUP)),
    _function("fd_prestat_get", "ii", descriptors.fd_prestat_get),
    _function("fd_prestat_dir_name", "iii", descriptors.fd_prestat_dir_name),
    _function("fd_seek", "iIii", on_a_pipe(Errno.SPIPE)),
    _function("fd_tell", "ii", on_a_pipe(Errno.SPIPE)),
    _function("fd_pread", "iiiIi", on_a_pipe(Errno.SPIPE)),
    _function("fd_pwrite", "iiiIi", on_a_pipe(Errno.SPIPE)),
    _function("fd_advise", "iIIi", on_a_pipe(Errno.SPIPE)),
    _function("fd_allocate", "iII", on_a_pipe(Errno.SPIPE)),
    _function("fd_sync", "i", on_a_pipe(Errno.INVAL)),
    _function("fd_datasync", "i", on_a_pipe(Errno.INVAL)),
    _function("fd_readdir", "iiiIi", descriptors.fd_readdir),
    # Paths
    _function("path_create_directory", "iii", on_a_path()),
    _function("path_filestat_get", "iiiii", on_a_path(path=2)),
    _function("path_filestat_set_times", "iiiiIIi", on_a_path(path=2)),
    _function("path_link", "iiiiiii", on_a_path(path=2)),
    _function("path_open", "iiiiiIIii", on_a_path(path=2)),
    _function("path_readlink", "iiiiii", on_a_path()),
    _function("path_remove_directory", "iii", on_a_path()),
    _function("path_rename", "iiiiii", on_a_path()),
    _function("path_symlink", "iiiii", on_a_path(fd=2, path=3)),
    _function("path_unlink_file", "iii", on_a_path()),
    # Sockets
    _function("sock_accept", "iii", on_a_pipe(Errno.NOTSOCK)),
    _function("sock_recv", "iiiiii", on_a_pipe(Errno.NOTSOCK)),
    _function("sock_send", "iiiii", on_a_pipe(Errno.NOTSOCK)),
    _function("sock_shutdown", "ii", on_a_pipe(Errno.NOTSOCK)),
)
"""The 45 functions of preview 1, and ``sock_accept``, which came later."""
