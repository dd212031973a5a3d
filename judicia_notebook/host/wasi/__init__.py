"""``wasi_snapshot_preview1``: what C's and Rust's standard libraries want of a system, as far as a sandbox has it.

Wasmtime's own WASI can be neither gated nor interrupted, so this is a shim of ours. All functions of preview 1 are
there, so that any module links, and each call of one is a host call like any other: counted, decided on by the policy,
one row in `Runtime.host_calls`.

- There are three descriptors, 0, 1 and 2, which behave like pipes: `descriptors`. There are no files, no sockets and
  no environment. A function that needs one answers with the error that a real system would give.
- A fourth, 3, is the root folder ``/``, to which nothing is mapped. Without it a C library would refuse each path by
  itself, and nobody would see that a program asked for ``/etc/passwd``. Each path is an ``escape`` in the audit.
- Output goes to the plugin's log, line by line, and counts against its quota: `process`.
- Clocks and random bytes are those of the runtime and take the capabilities ``wall_clock`` and ``random``; without
  them the answer is ENOTCAPABLE: `environment`.
- Waiting counts as wall time and ends with the call: `polling`.
- Every pointer and count is a number from the guest: `regions` checks it against the memory as it is now.

This room knows nothing of JSON, and nothing of how a plugin is called.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from judicia_notebook.host.clock import ClockService
from judicia_notebook.host.random import RandomService
from judicia_notebook.host.wasi.preview1 import TABLE
from judicia_notebook.host.wasi.system import System

if TYPE_CHECKING:
    from judicia_notebook.engine.linkage import HostFunction
    from judicia_notebook.host.dispatcher import Service
    from judicia_notebook.host.host_call import RateMeter

__all__ = ["functions"]


def functions(services: Collection[Service], rates: RateMeter) -> Iterable[tuple[HostFunction, str | None]]:
    """The functions of the shim, each with the capability it takes.

    Parameters
    ----------
    services : collection of Service
        The runtime's: its clock and its random bytes are WASI's too.
    rates : RateMeter
        The runtime's, since a capability's rate counts whichever way it is used.
    """
    clock = next(service for service in services if isinstance(service, ClockService))
    random = next(service for service in services if isinstance(service, RandomService))
    system = System(clock, random, rates)
    for function in TABLE:
        yield system.offer(function), function.capability
