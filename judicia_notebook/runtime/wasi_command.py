"""A WASI command: a program with a ``main``, which `Plugin.run` runs from its start to its end.

An instance of a command cannot be entered twice, so each run has its own.
"""

from __future__ import annotations

import reprlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from judicia_notebook.errors import CallError, GuestError, InvalidPayload, NoSuchFunction
from judicia_notebook.host.wasi.process import Process
from judicia_notebook.runtime.call import Call
from judicia_notebook.runtime.exports import START, WASI_ABI
from judicia_notebook.runtime.facts import hint_of_exit

if TYPE_CHECKING:
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.record import CallRecord
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.runtime.instance import Instance
    from judicia_notebook.runtime.pool import Ticket

_shown = reprlib.Repr()
_shown.maxother = 80


@dataclass(frozen=True, slots=True, repr=False)
class RunResult:
    """How a run of a WASI command ended.

    Attributes
    ----------
    returncode : int
        What it gave to ``proc_exit``, from 0 to 2**32 - 1; 0 where its main function returned.
    stdout, stderr : bytes
        What it wrote. Each line is a row of `Plugin.logs`, too.
    record : CallRecord or None
    hint : str
        What it was refused or denied, and the lines that allow it; empty where it had all that it asked for.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    record: CallRecord | None
    hint: str = ""

    def __repr__(self) -> str:
        stdout, stderr = _shown.repr(self.stdout), _shown.repr(self.stderr)
        hint = "".join(f"\n  {line}" for line in self.hint.splitlines())
        return f"RunResult(returncode={self.returncode}, stdout={stdout}, stderr={stderr}){hint}"


class CommandCall(Call):
    """A run of a command: its value is a `RunResult`, and an error of it has what the command wrote before."""

    def __init__(self, process: Process, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.process = process

    def run(self, on: Instance | None = None, ticket: Ticket | None = None) -> RunResult:
        """See `Call.run`. An exit status other than 0 raises nothing."""
        process = self.process
        try:
            super().run(on, ticket)
        except CallError as error:
            if error is not process.exited:
                error.stdout, error.stderr = process.collected("stdout"), process.collected("stderr")
                raise
        hint = hint_of_exit(self.scope, self.account)
        return RunResult(process.status, process.collected("stdout"), process.collected("stderr"), self.record, hint)


def prepare(
    plugin: Callee, args: Sequence[str], stdin: bytes, quota: Quota | Mapping[str, Any] | None, **more: Any
) -> Call:
    """A run of a command that is about to be made; `more` goes on to `Plugin._begin`.

    Raises
    ------
    NoSuchFunction, PluginNotReady, InvalidPayload
    """
    target = plugin._deployment.target(START, WASI_ABI)
    if target.code.abi != WASI_ABI:
        raise not_a_command(plugin.name)
    arguments = [_encoded(text, "an argument") for text in (plugin.name, *args)]
    process = Process(arguments, stdin, collect=True)

    def body(call: Call) -> None:
        if call.target.code.abi != WASI_ABI:
            raise not_a_command(plugin.name)  # it was replaced while the call waited
        call.scope.process = process
        call.capture("request", lambda: shlex.join(args).encode())
        try:
            call.sandbox.run(call.sandbox.export(START))
        except GuestError as error:
            if error is not process.exited or process.status:
                raise
        finally:
            call.bytes_out = process.collected_bytes

    size = len(stdin) + sum(map(len, arguments[1:]))
    return plugin._begin(target, quota, body, make=partial(CommandCall, process), size_in=size, **more)


def read_args(args: Any) -> tuple[str, ...]:
    """A command's arguments.

    Raises
    ------
    InvalidPayload
    """
    texts = (None,) if isinstance(args, str | bytes) or not isinstance(args, Iterable) else tuple(args)
    if not all(isinstance(text, str) and "\0" not in text for text in texts):
        raise InvalidPayload(f"args is a list of texts without zero characters, not {reprlib.repr(args)}.")
    for text in texts:
        _encoded(text, "an argument")
    return texts


def read_stdin(stdin: Any) -> bytes:
    """A command's standard input; of a text its UTF-8.

    Raises
    ------
    InvalidPayload
    """
    return _encoded(stdin, "stdin") if isinstance(stdin, str) else _bytes(stdin)


def _encoded(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidPayload(f"{what} holds half a surrogate pair, which UTF-8 cannot say.") from None


def _bytes(data: Any) -> bytes:
    try:
        return bytes(memoryview(data))
    except TypeError:
        raise InvalidPayload(f"stdin is bytes or text, not {type(data).__name__}.") from None


def not_a_command(name: str) -> NoSuchFunction:
    """The error for a run of what is no command."""
    return NoSuchFunction(
        f"{name} is no WASI command: it has no main function to run.",
        hint='Its functions are called one by one: p.functions names them. A command exports _start: abi="wasi".',
    )
