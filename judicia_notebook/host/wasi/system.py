"""The way from an import of preview 1 to the function that answers it, through the steps of every host call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from judicia_notebook.engine.linkage import HostFunction
from judicia_notebook.engine.sandbox import Sandbox
from judicia_notebook.host.host_call import HostCall
from judicia_notebook.host.wasi.errno import Errno, Failed
from judicia_notebook.host.wasi.process import Process
from judicia_notebook.host.wasi.regions import Regions

if TYPE_CHECKING:
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


ROOT = "/"
"""What descriptor 3 leads to: a folder with nothing in it."""


class Descriptor:
    """An open descriptor: which stream it leads to, or that it is the root, and the flags it was given."""

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
            streams = ("stdin", "stdout", "stderr", ROOT)
            found = self._descriptors[sandbox] = {fd: Descriptor(stream) for fd, stream in enumerate(streams)}
        return found

    def offer(self, function: Function) -> HostFunction:
        """The function as a module imports it."""
        name = f"{MODULE} {function.name}"

        def entry(sandbox: Sandbox, scope: CallScope, *numbers: int) -> int:
            return SystemCall(self, sandbox, scope, name, function, numbers).take()

        results = ("i32",) if function.returns else ()
        return HostFunction(MODULE, function.name, function.params, results, entry)


class SystemCall(HostCall):
    """One call of a function of preview 1."""

    def __init__(
        self,
        system: System,
        sandbox: Sandbox,
        scope: CallScope,
        name: str,
        function: Function,
        numbers: tuple[int, ...],
    ) -> None:
        self.scope = scope
        self.function = name
        self.capability = function.capability or ""
        self.rates = system.rates
        self.system = system
        self.sandbox = sandbox
        self.memory = Regions(sandbox.memory)
        self._answer = function.answer
        self._takes_one = function.capability is not None  # whatever its arguments are
        self._numbers = numbers

    def answer(self) -> int:
        """Do it; the error code."""
        numbers = self._numbers
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
            if self.refused_until_ns and self._takes_one:
                self.refuse_again(error.errno)
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
        self.scope.go_on()

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
