"""``rt.host``: the services of one runtime, and the events of the runtime's life that each of them follows.

It knows no service by name: the names come from the registry. A service that follows an event has the method of that
event's protocol: `Connects`, `FollowsPlugins`, `Ends`, `Adopts`, `Keeps`, `Forgets`, `Closes`. `IsGiven` has a word
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from judicia_notebook.context import current_way
from judicia_notebook.engine.interrupts import do_all
from judicia_notebook.errors import ResourceExhausted, stays_in_process
from judicia_notebook.host.imports import Import
from judicia_notebook.host.registry import Registry, entries

if TYPE_CHECKING:
    from judicia_notebook.host.delivery.hook import Deliver
    from judicia_notebook.host.delivery.plugin_registry import LoadedPlugin
    from judicia_notebook.host.dispatcher import Service
    from judicia_notebook.host.imports import ImportRegistry
    from judicia_notebook.host.ownership import Owners
    from judicia_notebook.policy.policy import Ledger
    from judicia_notebook.records.recorder import Recorder


F = TypeVar("F", bound=Callable[..., Any])


@runtime_checkable
class Connects(Protocol):
    """A service that calls plugins, or writes rows of its own."""

    def connect(self, recorder: Recorder, deliver: Deliver) -> None:
        """Take what plugins' hooks are called with, and where rows go."""


@runtime_checkable
class FollowsPlugins(Protocol):
    """A service that must know which plugins there are."""

    def plugin_loaded(self, plugin: LoadedPlugin) -> None:
        """A plugin was loaded, or its code exchanged."""

    def plugin_unloaded(self, plugin: LoadedPlugin) -> None:
        """A plugin is being unloaded; its last calls may still run."""


@runtime_checkable
class Ends(Protocol):
    """A service that calls plugins by itself."""

    def end(self) -> None:
        """Hand nothing more to plugins."""


@runtime_checkable
class Adopts(Protocol):
    """A service that keeps data which belongs to a plugin's file, beside what `Owners` knows."""

    def adopt(self, plugin: str, digest: str) -> None:
        """Let this file have the data that another file left under its name."""


@runtime_checkable
class Keeps(Protocol):
    """A service that keeps things of plugins after their calls; `left` is their noun, such as ``files``."""

    left: str

    def kept(self) -> Iterator[str]:
        """The things that it keeps, in words."""


@runtime_checkable
class IsGiven(Protocol):
    """A service that the user gives things, which `forget` leaves; `given` is the noun, such as ``mapped folders``."""

    given: str


@runtime_checkable
class Forgets(Protocol):
    """A service that can begin anew."""

    def forget(self) -> None:
        """Remove all that it keeps of plugins."""


@runtime_checkable
class Closes(Protocol):
    """A service that holds something open."""

    def close(self) -> None:
        """Let go of it."""


@stays_in_process("What its services tell as a frame can be.")
class Host(Registry):
    """The platform's services as the notebook sees them: ``rt.host``.

    Parameters
    ----------
    services : mapping
        The runtime's services, by their names in the registry.
    owners : Owners
        They know which file owns the data under a plugin's name.
    digest_of : callable
        The digest of the plugin that is loaded under a name.
    ledger : Ledger
        Keeps what the user allowed.
    """

    def __init__(
        self, services: Mapping[str, Service], owners: Owners, digest_of: Callable[[str], str], ledger: Ledger
    ) -> None:
        self._services = tuple(services.values())
        # Asked once: to ask whether an object keeps a Protocol takes 5 us, and each load and unload would ask nine.
        self._followers = tuple(each for each in self._services if isinstance(each, FollowsPlugins))
        self._owners = owners
        self._digest_of = digest_of
        self._ledger = ledger
        lines = entries()
        vars(self).update({name: lines[name].face(service) for name, service in services.items()})

    def connect(self, recorder: Recorder, deliver: Deliver) -> None:
        """Give services their way to call plugins."""
        for service in self._services:
            if isinstance(service, Connects):
                service.connect(recorder, deliver)

    def plugin_loaded(self, plugin: LoadedPlugin) -> None:
        """A plugin was loaded, or its code exchanged."""
        for service in self._followers:
            service.plugin_loaded(plugin)

    def plugin_unloaded(self, plugin: LoadedPlugin) -> None:
        """A plugin is being unloaded; its last calls may still run."""
        for service in self._followers:
            service.plugin_unloaded(plugin)

    def end(self) -> None:
        """Have services call plugins no more: the interpreter is about to end."""
        for service in self._services:
            if isinstance(service, Ends):
                service.end()

    def offer_imports(self, imports: ImportRegistry) -> None:
        """Take the registry that `function` registers in."""
        self._imports = imports

    def function(
        self, module: str, name: str, *, denied: float | None = None, capability: str | None = None
    ) -> Callable[[F], F]:
        """Answer an import of any module with a Python function: a decorator.

        It is granted to no plugin until ``imports=module.name``, or `capability`, is. Registered again, the new
        function answers from the next host call on. Types come from the module; see `Import`.

        Raises
        ------
        PolicyError
            The platform offers a function of this name, or there is no such capability.
        LoadError
            The name is too long.

        Examples
        --------
        >>> import judicia_notebook as jn
        >>> rt = jn.Runtime()
        >>> @rt.host.function("env", "twice")
        ... def twice(number):
        ...     return 2 * number
        >>> text = '(module (import "env" "twice" (func $f (param i32) (result i32))) (export "twice" (func $f)))'
        >>> rt.load(text, grant=["imports=env.twice"]).raw("twice")(21)
        42
        >>> rt.close()
        """

        def register(function: F) -> F:
            self._imports.register(module, name, Import(function, denied, capability), self._ledger)
            return function

        return register

    def adopt(self, plugin: str) -> None:
        """Let the plugin as it is loaded now have the data that another file left under its name.

        Raises
        ------
        NoSuchPlugin
        """
        digest = self._digest_of(plugin)
        self._owners.adopt(plugin, digest)
        for service in self._services:
            if isinstance(service, Adopts):
                service.adopt(plugin, digest)
        self._ledger.add_audit("adopt", plugin, digest[:12], current_way())

    def kept(self) -> Iterator[str]:
        """The things that services keep of plugins, in words."""
        for service in self._services:
            if isinstance(service, Keeps):
                yield from service.kept()

    @property
    def left(self) -> list[str]:
        """The things that plugins leave in services, in words."""
        return [service.left for service in self._services if isinstance(service, Keeps)]

    @property
    def given(self) -> list[str]:
        """The things that the user gives services, in words: `forget` leaves them."""
        return [service.given for service in self._services if isinstance(service, IsGiven)]

    def forget(self) -> list[str]:
        """Have services remove what they keep of plugins; what could not be removed, in words."""
        failed = []
        for service in self._services:
            try:
                if isinstance(service, Forgets):
                    service.forget()
            except (OSError, ResourceExhausted) as error:
                failed.append(f"{service.module}: {str(error).rstrip('.')}")
        if not failed:
            self._owners.forget()  # last: any file could take data without an owner
        return failed

    def close(self) -> None:
        """Close everything that services hold open."""
        do_all(*(service.close for service in self._services if isinstance(service, Closes)))
