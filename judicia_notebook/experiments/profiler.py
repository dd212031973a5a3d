"""`Plugin.profile`: calls that are looked at a thousand times a second, until there is enough to see.

Knows how to make calls and how to hand the engine's samples to `metrics.profiles`, and draws nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.analysis.profiles.profile import Profile
from judicia_notebook.analysis.profiles.stacks import HOST, Frame, Sample
from judicia_notebook.engine import wire
from judicia_notebook.engine.profiler import INTERVAL, MOST_HOST_SAMPLES, GuestProfiler, fast_ticks
from judicia_notebook.errors import CallError, describe, tells_interrupts
from judicia_notebook.runtime.source import not_callable

if TYPE_CHECKING:
    from judicia_notebook.engine.profiler import Samples
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.platform import Target

SAMPLES = 500
SECONDS = 5.0
MOST_CALLS = 20_000  # each leaves a row, and the oldest rows go where there are too many


class Callee(Protocol):
    """What is needed of the plugin."""

    name: str

    @property
    def abi(self) -> str: ...

    def target(self, function: str, abi_name: str) -> Target: ...

    def begin(
        self, target: Target, quota: Quota | Mapping[str, Any] | None, body: Callable[[Call], Any], **more: Any
    ) -> Call: ...


@tells_interrupts("The profile was interrupted; its calls are in p.calls.")
@tells_interrupts("The profile was interrupted; its calls are in p.calls.")
def profile(
    self: Callee,
    function: str,
    payload: Any = None,
    *,
    quota: Quota | Mapping[str, Any] | None = None,
    samples: int = SAMPLES,
    seconds: float = SECONDS,
) -> Profile:
    """Find out where a function spends its time: its calls, sampled at 1 ms.

    It is called again until there are enough samples, so what it changes it changes again; a call that takes a second
    is made once. The rows of these calls have the origin ``profile``. A call that a quota ends, or a trap, is profiled
    up to there: see `Profile.error`.

    Parameters
    ----------
    function : str
    payload : Any
        As for `call`.
    quota : Quota, optional
        Limits for each call.
    samples : int
        How many are enough.
    seconds : float
        No further call begins after these, nor after 20 000 calls.

    Returns
    -------
    Profile
        ``.functions`` is a frame, ``.flame_graph()`` HTML, ``.figure()`` a figure, ``.save("x.json")`` a file.

    Raises
    ------
    CallError
        The first call failed before there was one sample.
    NoSuchFunction, PluginNotReady, InvalidPayload
    """
    request = b"" if payload is None else wire.encode(payload)
    target = self.target(function, self.abi)
    if function not in target.code.callable:
        raise not_callable(self.name, target.code, function)
    linkage = target.code.linkage
    profiler = GuestProfiler(linkage, self.name)

    def body(call: Call) -> None:
        with profiler.watching(call.sandbox):
            call.exchange(request)

    until, calls, error = perf_counter() + seconds, 0, ""
    with fast_ticks(linkage.engine):
        while calls == 0 or (
            profiler.guest_samples < samples
            and profiler.host_samples < MOST_HOST_SAMPLES
            and calls < MOST_CALLS
            and perf_counter() < until
        ):
            calls += 1
            try:
                self.begin(target, quota, body, size_in=len(request), origin="profile").run()
            except CallError as raised:
                if not profiler.guest_samples:
                    raise
                error = describe(raised)[0]
                break
    return _profile(self.name, target, calls, profiler.finish(), error)


def _profile(name: str, target: Target, calls: int, found: Samples, error: str) -> Profile:
    guests = sum(not sample.host for sample in found.samples)
    share = found.guest_ns / 1e6 / guests if guests else 0.0
    kept: Counter[str] = Counter()
    for sample in found.samples:
        kept[sample.host] += sample.host_ns
    whole = {host: 1 + found.beyond.get(host, 0) / kept[host] if kept[host] else 1.0 for host in kept}
    samples = []
    for sample in found.samples:
        stack = tuple(Frame(function, name) for function in sample.stack)
        if sample.host:
            stack = (*stack, Frame(sample.host, HOST))
        ms = sample.host_ns / 1e6 * whole[sample.host] if sample.host else share
        samples.append(Sample(sample.at_ns / 1e6, stack, ms))
    host_ms = sum(sample.ms for sample in samples if not sample.is_guest)
    return Profile(
        name,
        target.subject.function,
        target.code.digest,
        calls,
        tuple(samples),
        found.guest_ns / 1e6,
        host_ms,
        INTERVAL * 1e3,
        error,
    )
