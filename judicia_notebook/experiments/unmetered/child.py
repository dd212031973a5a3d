"""The program of a child: it takes plugins, and makes calls of them as it is told, until its parent goes.

It has the engine without metering, a dispatcher with log, clock and failure alone, and a `Plugin` like any other; what
a call is, and its row, it does not know better than anybody else. It says nothing while a guest runs: then the ticker
has the pipe (``engine/core/watch.c``).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from judicia_notebook.engine import startup
from judicia_notebook.engine.child_process import be_expendable
from judicia_notebook.engine.core import functions
from judicia_notebook.engine.core.structs import Verdict
from judicia_notebook.engine.memory import MemoryPool
from judicia_notebook.engine.settings import NONE
from judicia_notebook.engine.system_memory import MOST_MEMORY
from judicia_notebook.engine.workers import Workers
from judicia_notebook.errors import JudiciaError
from judicia_notebook.experiments.unmetered import protocol
from judicia_notebook.experiments.unmetered.protocol import (
    HEADER,
    IDLE,
    IDLE_SECONDS,
    Call,
    Ended,
    Frame,
    Hello,
    Load,
    Nothing,
)
from judicia_notebook.experiments.unmetered.reports import make_report
from judicia_notebook.host.clock import ClockService
from judicia_notebook.host.dispatcher import Dispatcher
from judicia_notebook.host.failure import FailureService
from judicia_notebook.host.log import LogService
from judicia_notebook.policy.bounds import Bounds
from judicia_notebook.policy.changes import Snapshot
from judicia_notebook.policy.policy import Policy
from judicia_notebook.policy.quotas import Quota
from judicia_notebook.records.recorder import Recorder
from judicia_notebook.runtime.instance import Making
from judicia_notebook.runtime.linking import link, recall
from judicia_notebook.runtime.offers import Offers
from judicia_notebook.runtime.platform import Platform, make_recorder
from judicia_notebook.runtime.plugin import Plugin
from judicia_notebook.runtime.pool import InstancePool
from judicia_notebook.runtime.request import KINDS
from judicia_notebook.runtime.source import read_source

_MOST_ROWS = 10_000
_LOOK_MS = 1000
_REFUSED = 4  # the exit code of a child that cannot watch its guests


def main(parent: int) -> NoReturn:
    """The child's whole life.

    Parameters
    ----------
    parent : int
        The process that has started it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent alone ends it
    requests, answers = _claim(0, os.O_RDONLY), _claim(1, os.O_WRONLY)
    be_expendable()
    startup.use(NONE)
    startup.get_engine()
    last_words = HEADER.pack(protocol.VERDICT, 0, ctypes.sizeof(Verdict))
    if functions.watch_calls(requests, answers, parent, last_words, len(last_words)):
        os._exit(_REFUSED)
    recorder = make_recorder()
    with open(requests, "rb") as incoming, open(answers, "wb", buffering=0) as outgoing:  # noqa: PTH123  # descriptors
        try:
            _say(outgoing, protocol.HELLO, Hello(recorder.began_ns))
            _serve(recorder, incoming, outgoing, parent)
        except OSError:  # the parent is gone
            pass
        os._exit(0)  # instances and threads go with the process, at once


def _claim(descriptor: int, mode: int) -> int:
    """A pipe that only this file writes to or reads from: what others print goes nowhere."""
    pipe = os.dup(descriptor)
    nowhere = os.open(os.devnull, os.O_RDWR if mode == os.O_WRONLY else os.O_RDONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
    return pipe


def _say(outgoing: IO[bytes], tag: bytes, message: Any, body: bytes = b"") -> None:
    for part in protocol.pack(tag, message, body):
        rest = memoryview(part)
        while rest:
            rest = rest[outgoing.write(rest) :]


def _hear(incoming: IO[bytes], parent: int) -> Frame | None:
    """The next frame; None at the end.

    The pipe alone does not tell that the parent is gone: a process that was forked from it may hold the other end.
    """
    waiting = select.poll()
    waiting.register(incoming, select.POLLIN)
    until = time.monotonic() + IDLE_SECONDS
    while not waiting.poll(_LOOK_MS):  # nothing is buffered: each frame was read whole, and is answered before the next
        if os.getppid() != parent:
            return None
        if time.monotonic() > until:
            os._exit(IDLE)
    header = incoming.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    tag, message, body = HEADER.unpack(header)
    frame = Frame(tag, incoming.read(message), incoming.read(body))
    return frame if (len(frame.message), len(frame.body)) == (message, body) else None


def _serve(recorder: Recorder, incoming: IO[bytes], outgoing: IO[bytes], parent: int) -> None:
    benches: dict[str, _Bench] = {}
    while (frame := _hear(incoming, parent)) is not None:
        try:
            if frame.tag == protocol.LOAD:
                load = protocol.unpack(Load, frame)
                benches[load.key] = _Bench(load, frame.body, recorder)
                _say(outgoing, protocol.LOADED, Nothing())
            else:
                order = protocol.unpack(Call, frame)
                _say(outgoing, protocol.ENDED, *benches[order.key].call(order, frame.body))
        except JudiciaError as error:
            _say(outgoing, protocol.REFUSED, Ended(None, make_report(error)))
        if len(recorder.calls) > _MOST_ROWS:
            recorder.clear()


class _Bench:
    """One plugin, its new instances and the one that is kept. Its code is in the cache: the parent has compiled it."""

    def __init__(self, load: Load, wasm: bytes, recorder: Recorder) -> None:
        cache_folder, bounds = Path(load.cache_folder), Bounds(Quota(**load.ceiling))
        dispatcher = Dispatcher([LogService(), FailureService(), ClockService(load.clock)])
        pool = MemoryPool(2 * int(cast("int", bounds.ceiling.memory) or MOST_MEMORY))
        samples = cast("Any", recorder.samples)
        platform = Platform(dispatcher, recorder, samples, pool, bounds, cache_folder, Workers())
        settings = NONE.with_features(load.features)
        recalled = partial(recall, cache_folder, settings)
        found = read_source(wasm, manifest=load.manifest, wanted_abi=load.abi, recall=recalled)
        code = link(
            found,
            Offers(dispatcher),
            trap_unknown=False,
            cache_folder=cache_folder,
            isolate=False,
            settings=settings,
        )
        initial = bounds.trimmed(Snapshot())
        policy = Policy(load.name, recorder, bounds=bounds, initial=initial, settings=settings)
        plugin = Plugin(
            load.name, code, platform, policy, instances="fresh", config=load.config, on_unload=lambda _: True,
            named=lambda _: None,
        )  # fmt: skip
        making = Making(code, load.config)
        self._policy = policy
        self._instances = InstancePool(load.name, making, 1, policy)
        self._blocks = blocks = ExitStack()  # never left: the process ends
        self._new = blocks.enter_context(plugin._on(InstancePool(load.name, making, "fresh", policy)))
        self._kept = blocks.enter_context(plugin._on(self._instances))

    def call(self, order: Call, packed: bytes) -> tuple[Ended, bytes]:
        """Make a call; how it ended, and its value as bytes."""
        rights = order.rights
        wanted = Snapshot(rights.granted, Quota(**rights.quota), cast("Any", rights.on_denied))
        if wanted != self._policy.snapshot():
            self._policy.restore(wanted)
        if order.renew:  # no on_cleanup: it would run out of time as if it were the call
            for instance in self._instances.renew(self._instances.making, 1):
                instance.sandbox.close()
        quota = None if order.quota is None else Quota(**order.quota)
        request = KINDS[order.kind].unpack(order.function, packed)
        outcome = request.attempt(self._new if order.fresh else self._kept, quota)
        if outcome.error is not None:
            return Ended(outcome.record, make_report(outcome.error)), b""
        return Ended(outcome.record, None), protocol.pack_value(order.kind, outcome.value)
