"""Descriptors: three pipes, whatever a guest asks of them, and every pointer it may get wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import judicia_notebook as jn
from tests.support.wasi import iovecs, rows

MODULE = "wasi_snapshot_preview1"
SUCCESS, BADF, FAULT, INVAL, NOTDIR, NOTSOCK, NOTSUP, SPIPE = 0, 8, 21, 28, 54, 57, 58, 70
NAMETOOLONG, NOTCAPABLE = 37, 76
SIZE = 65536
BEYOND = SIZE - 3  # four bytes do not fit here
LAST = 2**32 - 1


# --- descriptors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "open_errno", "closed_errno"),
    [
        (("fd_advise", 0, 0, 0), SPIPE, BADF),
        (("fd_allocate", 0, 0), SPIPE, BADF),
        (("fd_datasync",), INVAL, BADF),
        (("fd_fdstat_set_rights", 0, 0), NOTSUP, BADF),
        (("fd_filestat_set_size", 0), INVAL, BADF),
        (("fd_filestat_set_times", 0, 0, 0), NOTSUP, BADF),
        (("fd_pread", 0, 0, 0, 0), SPIPE, BADF),
        (("fd_prestat_get", 0), BADF, BADF),
        (("fd_prestat_dir_name", 0, 0), BADF, BADF),
        (("fd_pwrite", 0, 0, 0, 0), SPIPE, BADF),
        (("fd_readdir", 0, 8, 0, 0), NOTDIR, BADF),
        (("fd_seek", 0, 0, 0), SPIPE, BADF),
        (("fd_sync",), INVAL, BADF),
        (("fd_tell", 0), SPIPE, BADF),
        (("path_create_directory", 0, 1), NOTDIR, BADF),
        (("path_filestat_get", 0, 0, 1, 8), NOTDIR, BADF),
        (("path_filestat_set_times", 0, 0, 1, 0, 0, 0), NOTDIR, BADF),
        (("path_link", 0, 0, 1, 3, 0, 1), NOTDIR, BADF),
        (("path_open", 0, 0, 1, 0, 0, 0, 0, 8), NOTDIR, BADF),
        (("path_readlink", 0, 1, 8, 8, 16), NOTDIR, BADF),
        (("path_remove_directory", 0, 1), NOTDIR, BADF),
        (("path_rename", 0, 1, 3, 0, 1), NOTDIR, BADF),
        (("path_unlink_file", 0, 1), NOTDIR, BADF),
        (("sock_accept", 0, 8), NOTSOCK, BADF),
        (("sock_recv", 0, 0, 0, 8, 16), NOTSOCK, BADF),
        (("sock_send", 0, 0, 0, 8), NOTSOCK, BADF),
        (("sock_shutdown", 0), NOTSOCK, BADF),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_a_pipe_cannot_do_is_refused_as_by_a_real_system(
    load: Callable[..., Any], call: tuple[Any, ...], open_errno: int, closed_errno: int
) -> None:
    guest, (name, *rest) = load(), call
    assert [guest(name, fd, *rest) for fd in (0, 1, 2)] == [open_errno] * 3
    assert [guest(name, fd, *rest) for fd in (4, 2**31, LAST)] == [closed_errno] * 3


def test_a_symbolic_link_and_a_signal_are_refused_too(load: Callable[..., Any]) -> None:
    guest = load()
    assert guest("path_symlink", 0, 1, 1, 0, 1) == NOTDIR
    assert guest("path_symlink", 0, 1, 4, 0, 1) == BADF
    assert guest("proc_raise", 6) == NOTSUP


def test_the_three_descriptors_are_pipes_one_way(load: Callable[..., Any]) -> None:
    guest = load({0: iovecs((100, 1))})
    read, write, common = 1 << 1, 1 << 6, 1 << 3 | 1 << 21 | 1 << 27
    for fd, rights in ((0, read), (1, write), (2, write)):
        assert guest("fd_fdstat_get", fd, 200) == SUCCESS
        assert (guest.peek(200, 4), guest.peek(208), guest.peek(216)) == (0, rights | common, 0)
        assert guest("fd_filestat_get", fd, 300) == SUCCESS
        assert [guest.peek(at) for at in range(308, 364, 8)] == [fd, 0, 1, 0, 0, 0, 0]
    assert guest("fd_write", 0, 0, 1, 400) == guest("fd_read", 1, 0, 1, 400) == guest("fd_read", 2, 0, 1, 400) == BADF
    assert guest("fd_read", 0, 0, 1, 400) == SUCCESS
    assert guest.peek(400, 4) == 0


def test_the_root_is_an_empty_folder_that_can_only_be_asked(load: Callable[..., Any]) -> None:
    guest = load({0: iovecs((100, 1)), 40: b"x", 64: bytes([0] * 8 + [1])})
    assert guest("fd_prestat_get", 3, 200) == SUCCESS
    assert (guest.peek(200, 4), guest.peek(204, 4)) == (0, 1)
    assert [guest("fd_prestat_dir_name", 3, 300, length) for length in (0, 1, 8)] == [NAMETOOLONG, SUCCESS, SUCCESS]
    assert guest.peek(300, 8) == ord("/")
    assert guest("fd_fdstat_get", 3, 400) == guest("fd_filestat_get", 3, 500) == SUCCESS
    assert (guest.peek(400, 1), guest.peek(516, 1)) == (3, 3)
    assert guest("fd_read", 3, 0, 1, 600) == guest("fd_write", 3, 0, 1, 600) == BADF
    assert guest("fd_readdir", 3, 0, 8, 0, 0) == guest("path_unlink_file", 3, 40, 1) == NOTCAPABLE
    assert guest("fd_renumber", 3, 1) == SUCCESS
    assert guest("fd_write", 1, 0, 1, 600) == guest("fd_prestat_get", 3, 200) == BADF
    assert guest("fd_close", 1) == SUCCESS


def test_flags_are_kept(load: Callable[..., Any]) -> None:
    guest = load()
    assert guest("fd_fdstat_set_flags", 1, 4) == SUCCESS
    assert guest("fd_fdstat_set_flags", 1, 32) == INVAL
    assert guest("fd_fdstat_get", 1, 200) == SUCCESS
    assert guest.peek(202, 2) == 4


def test_a_closed_descriptor_stays_closed_in_its_instance_alone(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    guest = load({0: iovecs((100, 3)), 100: b"abc"})
    other = load(name="other")
    assert guest("fd_renumber", 2, 1) == SUCCESS
    assert guest("fd_write", 1, 0, 1, 200) == SUCCESS
    assert guest("fd_write", 2, 0, 1, 200) == BADF
    assert list(rt.logs["stream"]) == ["stderr"]
    assert guest("fd_renumber", 1, 2) == guest("fd_renumber", 7, 1) == BADF
    assert guest("fd_renumber", 1, 1) == SUCCESS
    assert guest("fd_close", 1) == SUCCESS
    assert guest("fd_close", 1) == guest("fd_write", 1, 0, 1, 200) == BADF
    assert other("fd_close", 2) == SUCCESS


def test_a_call_has_no_arguments_no_environment_and_no_input(load: Callable[..., Any]) -> None:
    guest = load({0: b"\xff" * 8, 64: iovecs((128, 8))})
    for name in ("args", "environ"):
        assert guest(f"{name}_sizes_get", 0, 4) == SUCCESS
        assert guest.peek(0) == 0
        assert guest(f"{name}_get", 8, 16) == SUCCESS
        assert (guest.peek(8), guest.peek(16)) == (0, 0)


# --- hostile numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "errno"),
    [
        (("args_sizes_get", BEYOND, 0), FAULT),
        (("args_sizes_get", 0, LAST), FAULT),
        (("clock_time_get", 0, 0, SIZE - 7), FAULT),
        (("clock_res_get", 0, LAST), FAULT),
        (("random_get", 0, SIZE + 1), FAULT),
        (("random_get", LAST, LAST), FAULT),
        (("fd_fdstat_get", 1, SIZE - 23), FAULT),
        (("fd_filestat_get", 1, SIZE - 63), FAULT),
        (("fd_write", 1, SIZE - 7, 1, 0), FAULT),
        (("fd_write", 1, 0, 1, BEYOND), FAULT),
        (("fd_write", 1, 0, 1024, 0), FAULT),  # the regions after the first are what lies there
        (("fd_write", 1, 0, 1025, 0), INVAL),
        (("fd_write", 1, 0, LAST, 0), INVAL),
        (("fd_write", 1, 8, 1, 0), FAULT),  # reaches one byte too far
        (("fd_write", 1, 16, 1, 0), FAULT),  # would wrap around
        (("fd_write", 1, LAST, 1, 0), FAULT),
        (("fd_read", 0, 8, 1, 0), FAULT),
        (("fd_read", 0, 0, 1, BEYOND), FAULT),
        (("fd_read", 0, 0, LAST, 0), INVAL),
        (("poll_oneoff", SIZE - 47, 0, 1, 0), FAULT),
        (("poll_oneoff", 100, SIZE - 31, 1, 0), FAULT),
        (("poll_oneoff", 100, 0, 1, BEYOND), FAULT),
        (("poll_oneoff", LAST, LAST, 64, LAST), FAULT),
        (("path_open", 3, 0, SIZE - 1, 2, 0, 0, 0, 0, 0), FAULT),
        (("path_unlink_file", 3, LAST, LAST), FAULT),
        (("path_unlink_file", 3, 8, SIZE), FAULT),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_region_outside_the_memory_is_a_fault(
    rt: jn.Runtime, load: Callable[..., Any], call: tuple[Any, ...], errno: int
) -> None:
    regions = iovecs((100, 4), (SIZE - 4, 5), (LAST, 2))
    guest = load({0: regions, 24: b"\xff" * 100}, grant=["wall_clock", "random"])
    assert guest(*call) == errno
    assert rows(rt.host_calls, "decision", "detail") == [("failed", {FAULT: "EFAULT", INVAL: "EINVAL"}[errno])]
    assert len(rt.logs) == 0
    assert guest("sched_yield") == SUCCESS


def test_regions_may_overlap_each_other_and_the_answer(rt: jn.Runtime, load: Callable[..., Any]) -> None:
    guest = load({0: iovecs((16, 4), (17, 3), (LAST, 0)), 16: b"abc\n"})
    assert guest("fd_write", 1, 0, 3, 0) == SUCCESS
    assert guest.peek(0, 4) == 7
    assert list(rt.logs["message"]) == ["abc", "bc"]


def test_a_module_without_memory_has_no_place_for_an_answer(rt: jn.Runtime) -> None:
    wat = f"""(module (import "{MODULE}" "args_sizes_get" (func $get (param i32 i32) (result i32)))
      (func (export "f") (result i32) (call $get (i32.const 0) (i32.const 0))))"""
    assert rt.load(wat.encode(), name="bare").raw("f")() == FAULT
