"""A plugin's calls without metering: requests in, rows and errors out, as of any other call.

- The row stands in the plugin's own runtime. Its times are from the child's clocks, and getting request and answer to
  and fro is in none of them. Where the child had no time for a row, since its ticker ended it, the row is made here of
  the ticker's verdict.
- What a call may do and use is the plugin's policy as it is when the call begins; a change during the call comes too
  late. The rows of its host calls, and its log, stay in the child.
"""

from __future__ import annotations

import itertools
import os
import struct
import tempfile
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, Self

from judicia_notebook.engine import cache, memory
from judicia_notebook.engine.core import functions
from judicia_notebook.engine.core.structs import Verdict
from judicia_notebook.engine.settings import NONE
from judicia_notebook.errors import CallError, Cancelled, JudiciaError, Killed, PluginNotReady, PolicyError
from judicia_notebook.experiments.unmetered import protocol
from judicia_notebook.experiments.unmetered.children import SLOW_SECONDS, Children
from judicia_notebook.experiments.unmetered.process import GRACE_SECONDS, Gone, is_offered
from judicia_notebook.experiments.unmetered.protocol import Call, Ended, Frame, Load, Rights
from judicia_notebook.experiments.unmetered.reports import read_report
from judicia_notebook.experiments.unmetered.rows import CallAway
from judicia_notebook.host.failure import FailureService
from judicia_notebook.host.log import LogService
from judicia_notebook.policy.quotas import Quota, as_quota, check_countable
from judicia_notebook.runtime.linking import compile_for
from judicia_notebook.runtime.outcome import Outcome
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.policy.budget import CappedBudget
    from judicia_notebook.policy.policy import Policy
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.runtime.request import Request
    from judicia_notebook.wasm.info import ModuleInfo

OFFERED = frozenset({LogService.module, FailureService.module, "judicia:clock"})
"""The modules that a plugin may import from there; `judicia:host` is how it reports that it failed."""

_keys = itertools.count(1)
_ODD = (ValueError, OverflowError, RecursionError, struct.error)  # of what a child says: no such message or numbers
_MORE_BODY = 1 << 20  # a value in MessagePack may be longer than its JSON


def check_offered(plugin: str, module: ModuleInfo, abi: str) -> None:
    """Refuse a module that cannot be run without metering.

    Raises
    ------
    PolicyError
    """
    if not is_offered() or not memory.AVAILABLE:
        raise PolicyError("metering='none' needs a child process that ends with this one, which this system has not.")
    others = sorted({f"{item.module}.{item.name}" for item in module.imports if item.module not in OFFERED})
    if others:
        named = ", ".join(printable(name, 80) for name in others[:3]) + (", ..." if len(others) > 3 else "")
        raise PolicyError(
            f"{plugin} imports {named}: without metering it runs in a process of its own, which offers "
            "judicia:log and judicia:clock alone.",
            hint="metering='full' measures it with all its services.",
        )
    if abi == "wasi":
        raise PolicyError(f"{plugin} is a WASI command, and metering='none' is for functions.")


class _NotMade(Exception):
    """The child refused a call before it began, with this error."""

    def __init__(self, error: JudiciaError) -> None:
        super().__init__()
        self.error = error


class Unmetered:
    """A plugin whose calls run without metering. One thread at a time calls; any may `stop`.

    Parameters
    ----------
    plugin : Callee
    children : Children, optional
        Those that it shares with other plugins, and does not close; by default it has its own.

    Raises
    ------
    PolicyError
        It needs more than there is in a child.
    CompileError
    """

    def __init__(self, plugin: Callee, children: Children | None = None) -> None:
        code = plugin._code
        check_offered(plugin.name, code.module, code.abi)
        self._plugin = plugin
        platform = plugin._deployment.target("", code.abi).platform
        folder = platform.cache_folder
        self._remove_folder: Callable[[], object] | None = None
        if folder is None or not cache.usable(folder):
            folder = Path(tempfile.mkdtemp(prefix="judicia-"))
            self._remove_folder = weakref.finalize(self, rmtree, folder, True)
        compile_for(NONE.with_features(code.features), code, folder)
        self._load = Load(
            f"{code.digest} {next(_keys)}", plugin.name, code.abi, code.manifest, dict(plugin.config),
            platform.bounds.ceiling.given(), platform.clock, os.fspath(folder), code.features,
        )  # fmt: skip
        self._wasm, self._digest = code.wasm, code.digest
        self._children = children or Children()
        self._owns_children = children is None
        self._instance = ((0, 0), 0)  # the last one: of which child, its number there, its number here
        self._kept_calls = (0, 0)  # of which child, how many calls its kept instance has served

    @property
    def pids(self) -> tuple[int, ...]:
        """Its processes."""
        return self._children.pids

    def attempt(
        self,
        request: Request,
        quota: Quota | Mapping[str, Any] | None = None,
        *,
        fresh: bool = True,
        renew: bool = False,
    ) -> Outcome:
        """Make a call; how it ended.

        Parameters
        ----------
        request : Request
        quota : Quota, optional
            Limits for this call alone.
        fresh : bool
            In an instance made for it; otherwise in one that is kept from call to call.
        renew : bool
            Let go of the one that is kept before.

        Raises
        ------
        PolicyError
            A limit of fuel, which cannot hold.
        NoSuchFunction, InvalidPayload, PluginNotReady, ResourceExhausted
            There was no call.
        KeyboardInterrupt
            On Ctrl-C; the row says cancelled, where the call had begun.
        """
        plugin = self._plugin
        plugin._check_loaded()
        if plugin._code.digest != self._digest:  # what a load gives is not for calls of the code before
            raise PluginNotReady(f"{plugin.name} was replaced: these calls are of the code that it had.")
        request.check(plugin.name, plugin._code.module, plugin.abi)
        capped = plugin._capped(quota)
        budget: Policy | CappedBudget = capped or plugin.policy
        limits = budget.limits
        check_countable(NONE, Quota(fuel=limits.fuel))
        packed = request.pack()
        size_in = len(packed) if request.kind in ("payload", "data") else 0
        made = CallAway(plugin, request, budget, size_in)
        given = None if quota is None else as_quota(quota).given()
        order = Call(self._load.key, request.kind, request.function, _rights(plugin.policy), given, fresh, renew)
        return self._make(made, order, packed)

    def _make(self, made: CallAway, order: Call, packed: bytes) -> Outcome:
        limits, children = made.limits, self._children
        wall = None if limits.wall_ns is None else limits.wall_ns / 1e9
        least = min((seconds for seconds in (wall, _seconds(limits.cpu_ns)) if seconds is not None), default=1.0)
        try:
            child = children.ready(self._load, self._wasm)
            made.begin()
            try:
                frame = children.ask(
                    child,
                    protocol.pack(protocol.CALL, order, packed),
                    patience=None if wall is None else wall + GRACE_SECONDS,
                    most_body=8 * limits.answer_bytes + _MORE_BODY,
                    slow=min(SLOW_SECONDS, least / 2),
                )
            except KeyboardInterrupt:
                made.end(Cancelled("interrupted", plugin=made.plugin, function=made.function))
                raise
            return self._read(made, order, frame)
        except _NotMade as not_made:
            raise not_made.error from None
        except Gone as gone:
            if gone.idle:  # it went in the moment in which it was asked; the next one has just begun to wait
                return self._make(made, order, packed)
            return made.end(self._lost(made, gone, wall))

    def _read(self, made: CallAway, order: Call, frame: Frame) -> Outcome:
        """What an answer says.

        Raises
        ------
        Gone
            Something that no child of ours says.
        """
        try:
            return self._understand(made, order, frame)
        except _ODD as odd:
            self._children.discard()
            raise Gone(f"it said what no child of ours says ({odd})", silent=False, seconds=0.0) from None

    def _understand(self, made: CallAway, order: Call, frame: Frame) -> Outcome:
        children = self._children
        serial, kept_calls = self._kept_calls
        if frame.tag == protocol.VERDICT:
            children.discard()
            before = kept_calls if serial == children.serial and not order.renew and not order.fresh else 0
            return made.end_by(Verdict.from_buffer_copy(frame.body), before + 1)
        ended = protocol.unpack(Ended, frame)
        error = None if ended.report is None else read_report(ended.report, made.plugin, made.function)
        if isinstance(error, PluginNotReady):
            return Outcome(None, error, None)
        if error is not None and not isinstance(error, CallError):
            raise _NotMade(error)
        if ended.record is None:
            raise ValueError("a call without a row")
        value = None if error is not None else protocol.unpack_value(order.kind, frame.body)
        if not order.fresh:
            self._kept_calls = (children.serial, ended.record.instance_call or 0)
        instance = self._number(ended.record.instance_id)
        return made.end_as(ended.record, value, error, instance=instance, began_ns=children.began_ns)

    def _number(self, instance: int | None) -> int:
        """A number that is this process's own, for an instance of the child at work."""
        if instance is None:
            return 0
        key = (self._children.serial, instance)
        if key != self._instance[0]:
            self._instance = (key, functions.instance_number())
        return self._instance[1]

    def _lost(self, made: CallAway, gone: Gone, wall: float | None) -> CallError:
        """The error for a call whose child is gone without a word on it."""
        if self._children.stopped:
            return Cancelled(self._children.stopped, plugin=made.plugin, function=made.function)
        if gone.silent and wall is not None and gone.seconds >= wall:
            error = made.exceeded("wall", wall, gone.seconds, "s")
            error.facts = (*error.facts, "Its process did not end by itself, and was killed.")
            return error
        return Killed(str(gone), plugin=made.plugin, function=made.function)

    def stop(self, why: str) -> None:
        """End the call that runs, and make no more; from any thread."""
        self._children.stop(why)

    def close(self) -> None:
        """End its processes, where they are its own."""
        if self._owns_children:
            self._children.close()
        if self._remove_folder is not None:
            self._remove_folder()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _rights(policy: Policy) -> Rights:
    snapshot = policy.snapshot()
    return Rights(snapshot.granted, snapshot.quota.given(), snapshot.on_denied)


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
