"""What the platform offers plugins: the dispatcher every host call goes through, and one file per service.

A service is a class with a ``module`` name and `Operation`s; it never sees the engine, a grant table or another
plugin's memory, only a checked request and a `CallScope`. Adding a service is adding a file and naming it in
`services`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judicia_notebook.host.dispatcher import Service


def services(*, seed: int | None = None, clock: str = "real") -> list[Service]:
    """A fresh set of every service, for one runtime.

    Parameters
    ----------
    seed : int, optional
        Makes ``judicia:random`` reproducible.
    clock : "real", "frozen" or "stepped"
        What ``judicia:clock`` tells.

    Raises
    ------
    PolicyError
        An unknown kind of clock.
    """
    from judicia_notebook.host.clock import ClockService
    from judicia_notebook.host.failure import FailureService
    from judicia_notebook.host.log import LogService
    from judicia_notebook.host.random import RandomService

    return [LogService(), FailureService(), ClockService(clock), RandomService(seed)]
