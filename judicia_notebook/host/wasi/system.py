"""The way from an import of preview 1 to the function that answers it, through the steps of every host call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, cast
from weakref import WeakKeyDictionary

from judicia_notebook.engine.sandbox import HostFunction, Sandbox
from judicia_notebook.host.host_call import HostCall
from judicia_notebook.host.wasi.errno import Errno, Failed
from judicia_notebook.host.wasi.guest_memory import GuestMemory
from judicia_notebook.host.wasi.process import Process

if TYPE_CHECKING:
    from judicia_notebook.engine.invocation import Invocation
    from judicia_notebook.host.clock import ClockService
    from judicia_notebook.host.host_call import RateMeter
    from judicia_notebook.host.random import RandomService
    from judicia_notebook.host.scope import CallScope

MODULE = "wasi_snapshot_preview1"


class Function(NamedTuple):
    """One function of preview 1.

    `answer` is called with the `SystemCall` and the guest's numbers; it returns nothing, or raises `Failed`.
    """

    name: str
    params: tuple[str, ...]
    answer: Callable[..., None]
    capability: str | None = None
    returns: bool = True


class Descriptor:
    """An open descriptor: which stream it leads to, and the flags it was given."""

    __slots__ = ("flags", "stream")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.flags = 0


Descriptors = dict[int, Descriptor]


class System:
    """The state that the calls of one runtime share."""

    def __init__(self, clock: ClockService, random: RandomService, rates: RateMeter) -> None:
        self.clock = clock
        self.random = random
        self.rates = rates
        self._descriptors: WeakKeyDictionary[Sandbox, Descriptors] = WeakKeyDictionary()

    def descriptors(self, sandbox: Sandbox) -> Descriptors:
        """The open descriptors of an instance. A descriptor that it closes stays closed, like all its state."""
        found = self._descriptors.get(sandbox)
        if found is None:
            streams = ("stdin", "stdout", "stderr")
            found = self._descriptors[sandbox] = {fd: Descriptor(stream) for fd, stream in enumerate(streams)}
        return found

    def offer(self, function: Function) -> HostFunction:
        """The function as a module imports it."""
        name = f"{MODULE} {function.name}"

        def entry(sandbox: Sandbox, invocation: Invocation, *numbers: int) -> int:
            call = SystemCall(self, sandbox, cast("CallScope", invocation), name, function)
            return call.take(call.answer, *numbers)

        results = ("i32",) if function.returns else ()
        return HostFunction(MODULE, function.name, function.params, results, entry)


class SystemCall(HostCall):
    """One call of a function of preview 1."""

    __slots__ = ("_answer", "memory", "sandbox", "system")

    def __init__(self, system: System, sandbox: Sandbox, scope: CallScope, name: str, function: Function) -> None:
        super().__init__(scope, name, function.capability, system.rates)
        self.system = system
        self.sandbox = sandbox
        self.memory = GuestMemory(sandbox.memory)
        self._answer = function.answer

    def answer(self, *numbers: int) -> int:
        """Do it; the error code."""
        if self.scope.recorder.captures.limit:
            self.capture("request", ", ".join(map(str, numbers)).encode())
        try:
            if self.capability:
                self.require(self.capability)
            self._answer(self, *numbers)
        except Failed as error:
            if self.decision == "allowed":
                self.decision = "failed"
            self.detail = self.detail or str(error)
            return error.errno
        return Errno.SUCCESS

    def require(self, capability: str) -> None:
        """Go on only with this capability.

        Raises
        ------
        Failed
            ENOTCAPABLE; EAGAIN beyond the capability's rate.
        CapabilityDenied
            Under ``on_denied="trap"``.
        """
        self.capability = capability
        refusal = self.ask_policy()
        if refusal is not None:
            self.detail = refusal.message
            raise Failed(Errno.NOTCAPABLE if refusal.code == "capability_denied" else Errno.AGAIN)

    def go_on(self) -> None:
        """Check the limits in the middle of long work.

        Raises
        ------
        JudiciaError
            The call is to end.
        """
        stop = self.scope.check()
        if stop is not None:
            raise stop

    @property
    def process(self) -> Process:
        """The call's process; without arguments and input where the caller gave none."""
        process = self.scope.process
        if process is None:
            process = self.scope.process = Process()
        return process

    def descriptor(self, fd: int) -> Descriptor:
        """An open descriptor; the row names it.

        Raises
        ------
        Failed
            EBADF.
        """
        found = self.system.descriptors(self.sandbox).get(fd)
        self.target = found.stream if found is not None else f"fd {fd}"
        if found is None:
            raise Failed(Errno.BADF)
        return found
