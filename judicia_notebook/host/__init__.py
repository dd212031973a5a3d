"""What the platform offers plugins: the dispatcher every host call goes through, and one file per service.

A service is a class with a ``module`` name and `Operation`s; it never sees the engine, a grant table or another
plugin's memory, only a checked request and a `CallScope`. Adding a service is adding a file and naming it in
`services`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from judicia_notebook.context import current_way
from judicia_notebook.engine.interrupts import do_all
from judicia_notebook.errors import ResourceExhausted, stays_in_process
from judicia_notebook.policy.policy import Ledger

if TYPE_CHECKING:
    from judicia_notebook.host.database import DatabaseService
    from judicia_notebook.host.delivery.hook import Deliver
    from judicia_notebook.host.delivery.plugin_registry import LoadedPlugin
    from judicia_notebook.host.dispatcher import Service
    from judicia_notebook.host.events import Events
    from judicia_notebook.host.files import FilesService
    from judicia_notebook.host.http import HttpService
    from judicia_notebook.host.notifications import Notifications
    from judicia_notebook.host.ownership import Owners
    from judicia_notebook.host.shared_memory import SharedMemory
    from judicia_notebook.records.recorder import Recorder

T = TypeVar("T")


@stays_in_process("What its services tell as a frame can be.")
class Host:
    """What the platform keeps for its plugins, as the notebook sees it: ``rt.host``.

    Parameters
    ----------
    services : sequence of Service
    owners : Owners
        Whose the data under a plugin's name is.
    digest_of : callable
        The digest of the plugin that is loaded under a name.
    ledger : Ledger
        Where it is written down what the user allowed.
    """

    def __init__(
        self, services: Sequence[Service], owners: Owners, digest_of: Callable[[str], str], ledger: Ledger
    ) -> None:
        self._services = services
        self._owners = owners
        self._digest_of = digest_of
        self._ledger = ledger

    @property
    def database(self) -> DatabaseService:
        """``judicia:database``: the platform's tables, and the limits of statements."""
        from judicia_notebook.host.database import DatabaseService

        return self._one(DatabaseService)

    @property
    def events(self) -> Events:
        """``judicia:events``: emit, subscribe, and see what became of every event."""
        from judicia_notebook.host.events import EventsService

        return self._one(EventsService).events

    @property
    def files(self) -> FilesService:
        """``judicia:files``: where private folders are, and their limits."""
        from judicia_notebook.host.files import FilesService

        return self._one(FilesService)

    @property
    def http(self) -> HttpService:
        """``judicia:http``: what plugins may ask servers, and how much; requests to plugins, and a server for them."""
        from judicia_notebook.host.http import HttpService

        return self._one(HttpService)

    @property
    def notifications(self) -> Notifications:
        """``judicia:notifications``: what plugins told people, and where that goes out to."""
        from judicia_notebook.host.notifications import NotificationsService

        return self._one(NotificationsService).notifications

    @property
    def shared_memory(self) -> SharedMemory:
        """``judicia:shared_memory``: regions that the notebook and plugins both see."""
        from judicia_notebook.host.shared_memory import SharedMemory

        return self._one(SharedMemory)

    def connect(self, recorder: Recorder, deliver: Deliver) -> None:
        """Hand services what they call plugins with."""
        self.events.connect(recorder, deliver)
        self.notifications.connect(recorder)
        self.http.connect(recorder, deliver)

    def plugin_loaded(self, plugin: LoadedPlugin) -> None:
        """A plugin was loaded, or its code exchanged."""
        self.events.plugin_loaded(plugin)
        self.http.plugin_loaded(plugin)

    def plugin_unloaded(self, plugin: LoadedPlugin) -> None:
        """A plugin is being unloaded; its last calls may still run."""
        self.events.plugin_unloaded(plugin)
        self.http.plugin_unloaded(plugin)

    def end(self) -> None:
        """Have nothing more handed to plugins: the interpreter is about to go."""
        self.events.end()
        self.http.end()

    def adopt(self, plugin: str) -> None:
        """Let the plugin as it is loaded now have the data that another file left under its name.

        Raises
        ------
        NoSuchPlugin
        """
        digest = self._digest_of(plugin)
        self._owners.adopt(plugin, digest)
        self.database.adopt(plugin, digest)
        self._ledger.add_audit("adopt", plugin, digest[:12], current_way())

    def kept(self) -> Iterator[str]:
        """What services keep of plugins, in words."""
        for service in self._services:
            kept = getattr(service, "kept", None)
            if kept is not None:
                yield from kept()

    def forget(self) -> list[str]:
        """Have services remove what they keep of plugins; what could not be removed, in words."""
        failed = []
        for service in self._services:
            forget = getattr(service, "forget", None)
            try:
                if forget is not None:
                    forget()
            except (OSError, ResourceExhausted) as error:
                failed.append(f"{service.module}: {str(error).rstrip('.')}")
        if not failed:
            self._owners.forget()  # last: data without its owner would be anybody's
        return failed

    def close(self) -> None:
        """Let go of whatever services hold open."""
        closes = (getattr(service, "close", None) for service in self._services)
        do_all(*(close for close in closes if close is not None))

    def _one(self, kind: type[T]) -> T:
        return next(one for one in self._services if isinstance(one, kind))


def services(
    *, owners: Owners, seed: int | None = None, clock: str = "real", database: str | None = None
) -> list[Service]:
    """A fresh set of every service, for one runtime.

    Parameters
    ----------
    owners : Owners
        Whose the data under a plugin's name is, and where it is kept.
    seed : int, optional
        Makes ``judicia:random`` reproducible.
    clock : "real", "frozen" or "stepped"
        What ``judicia:clock`` tells.
    database : str, optional
        The URL of a database; by default SQLite in the data folder.

    Raises
    ------
    PolicyError
        An unknown kind of clock, or of database.
    """
    from judicia_notebook.host.clock import ClockService
    from judicia_notebook.host.database import DatabaseService
    from judicia_notebook.host.events import EventsService
    from judicia_notebook.host.failure import FailureService
    from judicia_notebook.host.files import FilesService
    from judicia_notebook.host.http import HttpService
    from judicia_notebook.host.log import LogService
    from judicia_notebook.host.notifications import NotificationsService
    from judicia_notebook.host.random import RandomService
    from judicia_notebook.host.shared_memory import SharedMemory

    time_of_day = ClockService(clock)
    return [
        LogService(),
        FailureService(),
        time_of_day,
        RandomService(seed),
        EventsService(lambda: time_of_day.read().unix_ns),
        FilesService(owners),
        DatabaseService(owners, database),
        NotificationsService(),
        SharedMemory(),
        HttpService(),
    ]
