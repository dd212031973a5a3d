"""The memory and the globals of a plugin's instance, for people: between calls, and in a host function of a call.

Each access reaches for the instance anew, and finds one of two:

- In a host function on the thread of a call of the plugin, the instance that this call is inside of.
- Otherwise the plugin's only instance, while it is idle. It is taken as a call takes it, for the moment of the access:
  so no call begins in it meanwhile, and none frees it. Where a call has it, the access is refused; it never waits.

A write is a row of `Runtime.audit`: what was written where, and not the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from judicia_notebook.context import current_way
from judicia_notebook.engine import exported_globals, safety
from judicia_notebook.engine.core import structs
from judicia_notebook.engine.entry import enclosing, sandboxes
from judicia_notebook.engine.guest_memory import GuestMemory
from judicia_notebook.engine.interrupts import deferred
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.errors import JudiciaError, NoSuchExport, PluginNotReady, describe, stays_in_process
from judicia_notebook.text import listed, printable

if TYPE_CHECKING:
    from judicia_notebook.engine.memory import Memory
    from judicia_notebook.records.recorder import Recorder
    from judicia_notebook.runtime.pool import InstancePool
    from judicia_notebook.runtime.target import Activity

T = TypeVar("T")
_FRAMES = 40  # of Python's, without which the instance might not be given back
_SHOWN = 8


class InstanceAccess:
    """The way to the instance of a plugin that may be looked at now.

    Parameters
    ----------
    plugin : str
    check : callable
        ``check()`` raises where the plugin is gone.
    instances : InstancePool
    activity : Activity
    recorder : Recorder
    """

    def __init__(
        self,
        plugin: str,
        check: Callable[[], None],
        instances: InstancePool,
        activity: Activity,
        recorder: Recorder,
    ) -> None:
        self.plugin = plugin
        self._check = check
        self._instances = instances
        self._activity = activity
        self._recorder = recorder

    def reach(self, work: Callable[[Sandbox], T]) -> T:
        """What ``work(sandbox)`` gives, which has to be short.

        Raises
        ------
        PluginNotReady
            No instance may be looked at now.
        ResourceExhausted
            In a forked child.
        """
        safety.check_process()  # before any lock: its owner may not exist in a forked child
        safety.check_headroom(_FRAMES)
        inside = self._inside()
        if inside is not None:
            return work(inside)
        self._check()
        with deferred():  # an interrupt would leave the instance taken
            return self._instances.visit(work)

    def _inside(self) -> Sandbox | None:
        """The sandbox of the innermost call of the plugin whose host function this thread is in."""
        pools = (self._instances, *self._activity.apart)
        call = enclosing()
        while call is not None:
            if call.pool in pools and (box := call.fields.box):
                return _sandbox_of(box)
            call = call.outer
        return None

    def reach_memory(self, work: Callable[[Memory], T]) -> T:
        """`reach` for the memory to look at.

        Raises
        ------
        NoSuchExport
            It exports none, or several of which none is ``memory``.
        """

        def with_memory(sandbox: Sandbox) -> T:
            memory = sandbox.shown_memory
            if memory is None:
                raise NoSuchExport(f"{self.plugin} {_why_no_memory(sandbox)}.")
            return work(memory)

        return self.reach(with_memory)

    def audit(self, what: str, detail: str) -> None:
        """Record a write."""
        self._recorder.add_audit(what, self.plugin, detail, current_way())

    def memory(self) -> GuestMemory:
        """The memory."""
        return GuestMemory.held(
            self.reach_memory,
            wrote=lambda pointer, length: self.audit("memory", f"{length} bytes at pointer {pointer}"),
        )


def _sandbox_of(box: int) -> Sandbox:
    found = sandboxes[structs.Box.from_address(box).key]()
    if not isinstance(found, Sandbox):
        raise PluginNotReady("This call is in no instance any more.")
    return found


def _why_no_memory(sandbox: Sandbox) -> str:
    names = list(sandbox.linkage.memory_names.values())
    if not names:
        return "exports no memory"
    if len(names) == 1:
        return "has no memory yet"
    return f"has several memories, and none of them is named memory: {listed(names)}"


@stays_in_process("dict(p.globals) can be.")
class Globals(Mapping[str, float]):
    """The exported globals of a plugin that are numbers, by name; a mutable one can be set: ``p.globals["x"] = 1``.

    An i32 and an i64 are whole numbers, signed; an f32 and an f64 are floats. Each access raises what
    `InstanceAccess.reach` raises.
    """

    def __init__(self, access: InstanceAccess) -> None:
        self._access = access

    def __getitem__(self, name: str) -> float:
        """A global's value now.

        Raises
        ------
        NoSuchExport
            A KeyError, too.
        InvalidPayload
            It is a vector or a reference.
        PluginNotReady
        """
        return self._access.reach(lambda sandbox: exported_globals.read(sandbox, name))

    def __setitem__(self, name: str, value: float) -> None:
        """Set a global that is mutable.

        Raises
        ------
        NoSuchExport
        InvalidPayload
            It is immutable, a vector or a reference, or the value does not fit its type.
        PluginNotReady
        """
        with deferred():  # no write without its row
            written = self._access.reach(lambda sandbox: exported_globals.write(sandbox, name, value))
            self._access.audit("global", f"{printable(name, 160)} = {written!r}")

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        return self._access.reach(exported_globals.names_of_numbers)

    def __repr__(self) -> str:
        try:
            names = self._names()
            numbers = ", ".join(f"{printable(name, 80)}={self[name]!r}" for name in names[:_SHOWN])
        except JudiciaError as error:  # a repr tells, and raises nothing
            return f"<globals of {self._access.plugin}: {describe(error)[0]}>"
        return f"<globals of {self._access.plugin}: {numbers or 'none'}{', ...' if len(names) > _SHOWN else ''}>"
