"""The program between the kernel and a compiler: it sets the limits, and ends the compiler when the kernel has gone.

It is run as a file, by ``python -I -S``, and imports nothing of the package: 16 ms, and no surprises. It leads the
group of processes that the compiler and all it starts belong to, and ends as the compiler has ended.

Its standard input is a pipe whose other end the kernel holds, and never writes to. The pipe alone does not tell that
the kernel is gone: a process that was forked from it may hold that end, so the parent is looked at, too. The group is
then asked to end, its folder removed, and whatever is left of it is killed, this program with it.

Arguments: the kernel's process number; bytes of address space, seconds of CPU time, bytes of a file; the command.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import time

_LOOK_MS = 1000
_GRACE = 0.5  # seconds


def main() -> None:
    parent, *limits = (int(word) for word in sys.argv[1:5])
    # Where memory ends, the compiler goes first and not the notebook's kernel.
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123  # pathlib takes as long as all else here
            file.write("1000")
    except OSError:
        pass
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # or a child's end would wake nobody
    child = os.fork()
    if child == 0:
        _become(sys.argv[5:], limits)
    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    waiting.register(woken, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in waiting.poll(_LOOK_MS)]
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _end_as(status)
        if 0 in ready or os.getppid() != parent:
            _end_all()
        if woken in ready:
            os.read(woken, 64)


def _become(command: list[str], limits: list[int]) -> None:
    """Become the compiler: no process of it runs without its limits, and none of it has our input."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for kind, most in zip(("AS", "CPU", "FSIZE", "CORE"), (*limits, 0), strict=True):
            number = getattr(resource, f"RLIMIT_{kind}")
            hard = resource.getrlimit(number)[1]
            lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (lowest, lowest))
        os.execv(command[0], command)  # noqa: S606  # without a shell
    except OSError as error:
        os.write(2, f"error: {command[0]} cannot be started: {error.strerror}\n".encode())
    finally:
        os._exit(1)


def _end_as(status: int) -> None:
    """End as the compiler has ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _end_all() -> None:
    """The kernel is gone: nothing of the compile stays, and no file of it."""
    import shutil

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE)
    shutil.rmtree(os.getcwd(), ignore_errors=True)  # noqa: PTH109  # the compiler's folder
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
