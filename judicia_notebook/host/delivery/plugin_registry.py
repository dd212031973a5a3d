"""The plugins that export one hook, as they come, go and change, and the wishes of each of them: what to call it for.

A plugin's wishes come from its manifest, and its code adds others while it runs. A wish grants nothing: the service
asks the plugin's policy before it calls the hook.

- A plugin that is loaded again under its name keeps what its code added, if the file is the same; other code loses it.
- Another plugin under the name takes the place of the one before, whose calls may still be on their way out; `current`
  tells them apart by their policies.
- The registry holds plugins weakly. Their runtime holds them, and the engine holds the services: the garbage collector
  would not see a cycle through the engine.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

from judicia_notebook.engine.interrupts import deferred

if TYPE_CHECKING:
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.wasm.manifest import Manifest

MOST_NOTES: Final = 1000
"""Denials that a registry remembers, so that each is audited once."""


class LoadedPlugin(Protocol):
    """A plugin as a registry sees it when it is loaded or exchanged."""

    name: str
    policy: Policy
    claimed: str

    @property
    def manifest(self) -> Manifest: ...

    @property
    def digest(self) -> str: ...

    @property
    def functions(self) -> tuple[str, ...]: ...


W = TypeVar("W")
"""A wish: an event pattern, a route."""


class Registration(Generic[W]):
    """One plugin in a registry.

    Attributes
    ----------
    name : str
    policy : Policy
    reference : weakref
        To the plugin.
    digest : str
        Of the file that the wishes belong to.
    wishes : list
        What to call the plugin for: first what its manifest says, then what its code added.
    """

    def __init__(self, plugin: LoadedPlugin) -> None:
        self.reference = weakref.ref(plugin)
        self._of_manifest: tuple[W, ...] = ()
        self.name = plugin.name
        self.policy = plugin.policy
        self.digest = ""
        self.wishes: list[W] = []

    @property
    def plugin(self) -> LoadedPlugin | None:
        """The plugin, if its runtime is still there."""
        return self.reference()

    def renew(self, digest: str, of_manifest: Iterable[W]) -> None:
        """Take up the wishes of a manifest. Wishes that the code added hold only for that code."""
        added = [wish for wish in self.wishes if wish not in self._of_manifest] if digest == self.digest else []
        self.digest, self._of_manifest = digest, tuple(of_manifest)
        self.wishes = [*self._of_manifest, *(wish for wish in added if wish not in self._of_manifest)]


M = TypeVar("M")


class _Member(NamedTuple, Generic[W, M]):
    registration: Registration[W]
    member: M
    stop_observing: Callable[[], None]


class PluginRegistry(Generic[W, M]):
    """The plugins of one runtime that export one hook, oldest first, as what their service makes of them.

    Parameters
    ----------
    hook : str
        Such as ``on_event``.
    lock : context manager
        Re-entrant. All methods but `admit` and `leave` are called with it held.
    join : callable
        Makes the service's member of the registration of a new plugin.
    on_leave : callable
        Called with each member that leaves, with the lock held.
    on_policy_change : callable
        Called with the name after each change of a plugin's policy, without the lock, on the changing thread.
    """

    def __init__(
        self,
        hook: str,
        lock: AbstractContextManager[object],
        join: Callable[[Registration[W]], M],
        on_leave: Callable[[M], None],
        on_policy_change: Callable[[str], None],
    ) -> None:
        self._hook = hook
        self._lock = lock
        self._join = join
        self._on_leave = on_leave
        self._on_policy_change = on_policy_change
        self._members: dict[str, _Member[W, M]] = {}
        self._noted: set[tuple[str, object]] = set()

    def __iter__(self) -> Iterator[M]:
        return (known.member for known in self._members.values())

    def admit(self, plugin: LoadedPlugin, of_manifest: Callable[[], Iterable[W]]) -> None:
        """Take up a plugin that was loaded or exchanged, with the wishes of its manifest, if it exports the hook."""
        name = plugin.name
        with deferred(), self._lock:
            known = self._members.get(name)
            if self._hook not in plugin.functions:
                self._drop(name)
                return
            if known is None or known.registration.plugin is not plugin:
                self._drop(name)
                registration: Registration[W] = Registration(plugin)
                member = self._join(registration)
                stop_observing = plugin.policy.observe(lambda _: self._policy_changed(name))
                known = self._members[name] = _Member(registration, member, stop_observing)
            known.registration.renew(plugin.digest, of_manifest())

    def leave(self, plugin: LoadedPlugin) -> None:
        """Forget a plugin that is being unloaded."""
        with deferred(), self._lock:
            known = self._members.get(plugin.name)
            if known is not None and known.registration.plugin is plugin:
                self._drop(plugin.name)

    def get(self, name: str) -> M | None:
        """The plugin of this name."""
        known = self._members.get(name)
        return known.member if known is not None else None

    def current(self, name: str, policy: Policy) -> M | None:
        """The plugin with this very policy; None if it is unloaded, also where another one has its name now."""
        known = self._members.get(name)
        return known.member if known is not None and known.registration.policy is policy else None

    def is_first_denial(self, name: str, subject: object) -> bool:
        """Whether a plugin is denied this for the first time since its policy changed, which is worth an audit row."""
        note = (name, subject)
        if note in self._noted or len(self._noted) >= MOST_NOTES:
            return False
        self._noted.add(note)
        return True

    def forget_denials(self) -> None:
        """Have every denial count as the first again."""
        self._noted.clear()

    def clear(self) -> None:
        """Forget all plugins."""
        for name in tuple(self._members):
            self._drop(name)

    def _drop(self, name: str) -> None:
        known = self._members.pop(name, None)
        if known is not None:
            known.stop_observing()
            self._on_leave(known.member)

    def _policy_changed(self, name: str) -> None:
        with deferred():  # around the service's part, too: it takes locks in the same load, and is as short
            with self._lock:
                self._noted = {note for note in self._noted if note[0] != name}
            self._on_policy_change(name)
