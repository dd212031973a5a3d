"""The registry: one line a service, and from it the services of a runtime and the names in ``rt.host``.

A new service needs its folder in host/, its line in `Registry`, its part of sdk/ABI.md and its file in the SDK. The
service itself answers all other questions: `operations()` has its host functions, capabilities and targets, and the
methods of `judicia_notebook.host.services` have its part in the life of a runtime.

The order of the lines is the order in which services are made, notified and closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, overload

from judicia_notebook.host.clock import ClockService
from judicia_notebook.host.database import DatabaseService
from judicia_notebook.host.events import Events, EventsService
from judicia_notebook.host.failure import FailureService
from judicia_notebook.host.files import FilesService
from judicia_notebook.host.http import HttpService
from judicia_notebook.host.log import LogService
from judicia_notebook.host.notifications import Notifications, NotificationsService
from judicia_notebook.host.random import RandomService
from judicia_notebook.host.shared_memory import SharedMemory

if TYPE_CHECKING:
    from judicia_notebook.host.dispatcher import Service
    from judicia_notebook.host.ownership import Owners

S = TypeVar("S", bound="Service")
F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Options:
    """The things that a service can be made of.

    Attributes
    ----------
    owners : Owners
        Whose the data under a plugin's name is, and where it is kept.
    clock : ClockService
        The runtime's clock.
    seed : int or None
        Makes ``judicia:random`` reproducible.
    database : str or None
        The URL of a database; by default SQLite in the data folder.
    """

    owners: Owners
    clock: ClockService
    seed: int | None
    database: str | None

    def unix_ns(self) -> int:
        """The time of day as plugins see it."""
        return self.clock.read().unix_ns


class Entry(Generic[F]):
    """A line of the registry; in a `Host`, what Python code has of the service.

    Parameters
    ----------
    about : str
        What ``rt.host.NAME`` is for, or what the service is for where it has no such name.
    make : callable
        Makes the service of one runtime.
    face : callable, optional
        What ``rt.host.NAME`` is; by default the service itself.
    """

    @overload
    def __init__(self: Entry[S], about: str, make: Callable[[Options], S]) -> None: ...

    @overload
    def __init__(self, about: str, make: Callable[[Options], S], face: Callable[[S], F]) -> None: ...

    def __init__(
        self, about: str, make: Callable[[Options], Any], face: Callable[[Any], Any] = lambda service: service
    ) -> None:
        self.__doc__ = about
        self.make = make
        self.face = face

    @overload
    def __get__(self, host: None, kind: type) -> Self: ...

    @overload
    def __get__(self, host: object, kind: type) -> F: ...

    def __get__(self, host: object, kind: type) -> Self | F:
        if host is None:
            return self
        raise AttributeError("this registry was extended after the runtime had been made")


class Registry:
    """Every service. A name is ``rt.host.NAME``; one with an underscore is for plugins alone."""

    _log = Entry("lines into a plugin's log", lambda _: LogService())
    _failure = Entry("a plugin's report that it failed", lambda _: FailureService())
    _clock = Entry("the time of day", lambda options: options.clock)
    _random = Entry("random bytes", lambda options: RandomService(options.seed))
    events = Entry[Events](
        "emit, subscribe, and see what became of every event",
        lambda options: EventsService(options.unix_ns),
        lambda service: service.events,
    )
    files = Entry("where private folders are, and their limits", lambda options: FilesService(options.owners))
    database = Entry(
        "the platform's tables, and the limits of statements",
        lambda options: DatabaseService(options.owners, options.database),
    )
    notifications = Entry[Notifications](
        "the notifications of plugins, and the targets they go out to",
        lambda _: NotificationsService(),
        lambda service: service.notifications,
    )
    shared_memory = Entry("regions that the notebook and plugins both see", lambda _: SharedMemory())
    http = Entry("requests of plugins to servers; requests to plugins, and a server for them", lambda _: HttpService())


def entries() -> dict[str, Entry[Any]]:
    """The lines of the registry by their names, in order."""
    return {name: entry for name, entry in vars(Registry).items() if isinstance(entry, Entry)}


@contextmanager
def added(name: str, entry: Entry[Any]) -> Iterator[None]:
    """Runtimes that are made inside the block offer this further service.

    Raises
    ------
    ValueError
        There is a service of this name.
    """
    if hasattr(Registry, name):
        raise ValueError(f"there is a service {name} already")
    setattr(Registry, name, entry)
    try:
        yield
    finally:
        delattr(Registry, name)


def make_services(
    *, owners: Owners, seed: int | None = None, clock: str = "real", database: str | None = None
) -> dict[str, Service]:
    """A fresh set of every service, for one runtime, by the names in the registry.

    Parameters
    ----------
    owners : Owners
        Whose the data under a plugin's name is, and where it is kept.
    seed : int, optional
        Makes ``judicia:random`` reproducible.
    clock : "real", "frozen" or "stepped"
        The kind of ``judicia:clock``.
    database : str, optional
        The URL of a database; by default SQLite in the data folder.

    Raises
    ------
    PolicyError
        An unknown kind of clock, or of database.
    """
    options = Options(owners, ClockService(clock), seed, database)
    return {name: cast("Service", entry.make(options)) for name, entry in entries().items()}
