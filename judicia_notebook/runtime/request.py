"""A call as a value: a function and what it gets. The methods that take any kind of call pass one on.

There are four kinds, named after the parameter that they come from. `Plugin.attempt`, `submit`, `bench`, `profile`,
`trace` and sweeps tell none from another: they make a `Request` of their arguments (`make_request`), and the request
makes the call.

======== ======================= ============================= =========
kind     the function            what it gets                  its value
======== ======================= ============================= =========
payload  of ABI 1                JSON                          JSON
data     of ABI 1                bytes, as they are            bytes
numbers  a numeric export        WebAssembly's own numbers     numbers
args     a WASI command's start  arguments and standard input  RunResult
======== ======================= ============================= =========

A request has a form in bytes, too (`Request.pack` and `unpack`): for digests, files, and other processes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from judicia_notebook.engine import wire
from judicia_notebook.engine.slots import pack_numbers
from judicia_notebook.errors import CallError, InvalidPayload, NoSuchFunction, PluginNotReady
from judicia_notebook.runtime import answers, raw, wasi_command
from judicia_notebook.runtime.exports import START, WASI_ABI, callable_functions, exported_functions
from judicia_notebook.runtime.outcome import Outcome
from judicia_notebook.text import did_you_mean

if TYPE_CHECKING:
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.wasm.info import ModuleInfo


@dataclass(frozen=True, slots=True)
class Request(ABC):
    """A call to make, once or often.

    Attributes
    ----------
    kind : str
        ``payload``, ``data``, ``numbers`` or ``args``.
    function : str
        The export to call.
    """

    kind: ClassVar[str]
    function: str

    @abstractmethod
    def prepare(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None, **more: Any) -> Call:
        """A call that is about to be made; `more` goes on to `Plugin._begin`.

        Raises
        ------
        NoSuchFunction, PluginNotReady, InvalidPayload
        """

    def perform(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None, positions: list[int]) -> Any:
        """Make the call and get its value; `positions` gets the position of its row.

        Raises
        ------
        CallError, NoSuchFunction, PluginNotReady, InvalidPayload
        """
        call = self.prepare(plugin, quota)
        value = call.run()
        positions.append(call.record_position)
        return value

    def attempt(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None = None) -> Outcome:
        """Make the call; how it ended.

        Raises
        ------
        NoSuchFunction, PluginNotReady, InvalidPayload
            There was no call.
        """
        plugin._check_loaded()
        positions: list[int] = []
        try:
            value = self.perform(plugin, quota, positions)
        except CallError as error:
            return Outcome(None, error.with_traceback(None), error.record)  # kept outcomes would keep all frames
        except PluginNotReady as error:
            return Outcome(None, error.with_traceback(None), None)
        return Outcome(value, None, plugin._recorder.call_at(positions[0]))

    @abstractmethod
    def check(self, plugin: str, module: ModuleInfo, abi: str) -> None:
        """Refuse a module of which this cannot be asked.

        Raises
        ------
        NoSuchFunction, InvalidPayload
        """

    @abstractmethod
    def pack(self) -> bytes:
        """What the function gets, as bytes. Requests of one kind for one function are equal where these are."""

    @classmethod
    @abstractmethod
    def unpack(cls, function: str, data: bytes) -> Self:
        """The request that was packed into these bytes."""


@dataclass(frozen=True, slots=True)
class JsonRequest(Request):
    """JSON for a function. Each call writes it anew, so that its row has the time of that."""

    kind = "payload"
    payload: Any = None

    def prepare(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None, **more: Any) -> Call:
        """See `Request.prepare`."""
        began = perf_counter_ns()
        data = self.pack()
        encode_ns = perf_counter_ns() - began
        return plugin._abi_call(self.function, data, quota, answers.JSON.finish, encode_ns=encode_ns, **more)

    def perform(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None, positions: list[int]) -> Any:
        """See `Request.perform`."""
        began = perf_counter_ns()
        return plugin._called(self.function, self.pack(), began, answers.JSON, quota, positions)

    def check(self, plugin: str, module: ModuleInfo, abi: str) -> None:
        """See `Request.check`."""
        known = callable_functions(module, abi)
        if self.function not in known:
            raise NoSuchFunction(
                f"{plugin} has no function {self.function!r} to call with JSON.{did_you_mean(self.function, known)}"
            )

    def pack(self) -> bytes:
        """Its JSON; nothing for None."""
        return b"" if self.payload is None else wire.encode(self.payload)

    @classmethod
    def unpack(cls, function: str, data: bytes) -> Self:
        """The request with the value of this JSON."""
        return cls(function, wire.reread(data) if data else None)


@dataclass(frozen=True, slots=True)
class BytesRequest(Request):
    """Bytes for a function, without JSON."""

    kind = "data"
    data: bytes

    def prepare(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None, **more: Any) -> Call:
        """See `Request.prepare`."""
        return plugin._abi_call(self.function, self.data, quota, answers.BYTES.finish, **more)

    def perform(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None, positions: list[int]) -> Any:
        """See `Request.perform`."""
        return plugin._called(self.function, self.data, 0, answers.BYTES, quota, positions)

    def check(self, plugin: str, module: ModuleInfo, abi: str) -> None:
        """See `Request.check`."""
        known = callable_functions(module, abi)
        if self.function not in known:
            raise NoSuchFunction(
                f"{plugin} has no function {self.function!r} to call with bytes.{did_you_mean(self.function, known)}"
            )

    def pack(self) -> bytes:
        """The bytes themselves."""
        return self.data

    @classmethod
    def unpack(cls, function: str, data: bytes) -> Self:
        """The request with these bytes."""
        return cls(function, data)


@dataclass(frozen=True, slots=True)
class NumbersRequest(Request):
    """Numbers for a numeric export."""

    kind = "numbers"
    numbers: tuple[float, ...]

    def prepare(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None, **more: Any) -> Call:
        """See `Request.prepare`."""
        return self._export(plugin).prepare(self.numbers, quota, **more)

    def perform(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None, positions: list[int]) -> Any:
        """See `Request.perform`."""
        return self._export(plugin).perform(self.numbers, quota, positions)

    def _export(self, plugin: Callee) -> raw.RawFunction:
        kind = raw.numeric_type(plugin.name, plugin._code.functions, self.function)
        return raw.RawFunction(plugin, self.function, kind)

    def check(self, plugin: str, module: ModuleInfo, abi: str) -> None:  # noqa: ARG002  # of any ABI
        """See `Request.check`."""
        kind = raw.numeric_type(plugin, exported_functions(module), self.function)
        try:
            pack_numbers(kind.params, self.numbers)
        except ValueError as error:
            raise InvalidPayload(f"{plugin}.{self.function} is {kind}: {error}.") from None

    def pack(self) -> bytes:
        """MessagePack, which keeps 64 bits of each; a longer integer, which a float parameter takes, is its digits."""
        return msgspec.msgpack.encode([number if has_64_bits(number) else str(number) for number in self.numbers])

    @classmethod
    def unpack(cls, function: str, data: bytes) -> Self:
        """The request with the numbers in this MessagePack."""
        return cls(function, tuple(int(n) if isinstance(n, str) else n for n in msgspec.msgpack.decode(data)))


@dataclass(frozen=True, slots=True)
class CommandRequest(Request):
    """Arguments and standard input for a WASI command."""

    kind = "args"
    args: tuple[str, ...]
    stdin: bytes

    def prepare(self, plugin: Callee, quota: Quota | Mapping[str, Any] | None, **more: Any) -> Call:
        """See `Request.prepare`."""
        return wasi_command.prepare(plugin, self.args, self.stdin, quota, **more)

    def check(self, plugin: str, module: ModuleInfo, abi: str) -> None:  # noqa: ARG002  # its ABI says it
        """See `Request.check`."""
        if abi != WASI_ABI:
            raise wasi_command.not_a_command(plugin)

    def pack(self) -> bytes:
        """MessagePack of both."""
        return msgspec.msgpack.encode((self.args, self.stdin))

    @classmethod
    def unpack(cls, function: str, data: bytes) -> Self:
        """The request with the arguments and the standard input in this MessagePack."""
        args, stdin = msgspec.msgpack.decode(data)
        return cls(function, tuple(args), stdin)


_KINDS: tuple[type[Request], ...] = (JsonRequest, BytesRequest, NumbersRequest, CommandRequest)
KINDS = {kind.kind: kind for kind in _KINDS}
"""The kinds of requests by their names."""


def make_request(
    function: str | None,
    payload: Any = None,
    data: bytes | bytearray | memoryview | None = None,
    numbers: Iterable[float] | None = None,
    args: Sequence[str] | None = None,
    stdin: bytes | str = b"",
) -> Request:
    """The request that these arguments mean; with a function alone, JSON without a payload.

    Raises
    ------
    TypeError
        Two kinds at once, or a function where there is none to name, or none where one is needed.
    InvalidPayload
        What is given is not of its kind.
    """
    if (payload is not None) + (data is not None) + (numbers is not None) + (args is not None) > 1:
        named = zip(KINDS, (payload, data, numbers, args), strict=True)
        both = " and ".join(kind for kind, value in named if value is not None)
        raise TypeError(f"one call takes one of payload, data, numbers and args, not {both}")
    if args is not None:
        if function not in (None, START):
            raise TypeError(f"args are those of a WASI command, which is called without a function, not {function!r}")
        return CommandRequest(START, wasi_command.read_args(args), wasi_command.read_stdin(stdin))
    if stdin:
        raise TypeError("stdin is a WASI command's: args=[...] stands beside it, [] for no arguments")
    if function is None:
        raise TypeError("which function? Its name comes first; a WASI command is called with args=[...] instead")
    if data is not None:
        return BytesRequest(function, _read_bytes(data))
    if numbers is not None:
        return NumbersRequest(function, read_numbers(numbers))
    return JsonRequest(function, payload)


def has_64_bits(number: float) -> bool:
    """Whether a number has no more bits than WebAssembly's have."""
    return isinstance(number, float) or -(1 << 63) <= number < 1 << 64


def _read_bytes(data: Any) -> bytes:
    try:
        return bytes(memoryview(data))
    except TypeError:
        way = ": .encode() makes bytes of text" if isinstance(data, str) else ""
        raise InvalidPayload(f"data is bytes, not {type(data).__name__}{way}.") from None


def read_numbers(numbers: Any) -> tuple[float, ...]:
    """Arguments of a numeric export as Python's own numbers. Whether they fit its parameters is not looked at.

    Raises
    ------
    InvalidPayload
    """
    if isinstance(numbers, str | bytes) or not isinstance(numbers, Iterable):
        raise InvalidPayload(f"numbers is a list of numbers, such as numbers=(200,), not {type(numbers).__name__}.")
    read = tuple(number.item() if hasattr(number, "item") else number for number in numbers)  # a scalar of NumPy's
    for place, number in enumerate(read, 1):
        if not isinstance(number, int | float):
            raise InvalidPayload(f"argument {place} of numbers is {type(number).__name__}, and no number.")
    return read
