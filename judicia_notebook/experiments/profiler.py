"""`Plugin.profile`: calls that the engine samples a thousand times a second, until there are enough samples.

Knows how to make calls and how to hand the engine's samples to `analysis.profiles`, and draws nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.profiles.profile import Profile
from judicia_notebook.analysis.profiles.stacks import HOST, Frame, Sample
from judicia_notebook.engine import wire
from judicia_notebook.engine.profiler import INTERVAL, MOST_HOST_SAMPLES, GuestProfiler, fast_ticks
from judicia_notebook.errors import CallError, describe
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.runtime.linking import not_callable

if TYPE_CHECKING:
    from judicia_notebook.engine.profiler import Samples
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.runtime.target import Target

MOST_CALLS = 20_000  # each leaves a row, and too many rows would push out the user's older rows


@tells_interrupts("The profile was interrupted; its calls are in p.calls.")
def profile(
    plugin: Callee,
    function: str,
    payload: Any,
    *,
    quota: Quota | Mapping[str, Any] | None,
    samples: int,
    seconds: float,
) -> Profile:
    """Carry out `Plugin.profile`, whose docstring says more."""
    request = b"" if payload is None else wire.encode(payload)
    target = plugin._target(function, plugin.abi)
    if function not in target.code.callable:
        raise not_callable(plugin.name, target.code, function)
    linkage = target.code.linkage
    profiler = GuestProfiler(linkage, plugin.name)

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
                plugin._begin(target, quota, body, size_in=len(request), origin="profile").run()
            except CallError as raised:
                if not profiler.guest_samples:
                    raise
                error = describe(raised)[0]
                break
    return _profile(plugin.name, target, calls, profiler.finish(), error)


def _profile(name: str, target: Target, calls: int, found: Samples, error: str) -> Profile:
    guests = sum(not sample.host for sample in found.samples)
    share = found.guest_ns / 1e6 / guests if guests else 0.0
    sums: Counter[str] = Counter()
    for sample in found.samples:
        sums[sample.host] += sample.host_ns
    whole = {host: 1 + found.beyond.get(host, 0) / sums[host] if sums[host] else 1.0 for host in sums}
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
