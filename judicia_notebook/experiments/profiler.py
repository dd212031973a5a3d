"""`Plugin.profile`: calls that the engine samples a thousand times a second, until there are enough samples.

Knows how to make calls and how to hand the engine's samples to `analysis.profiles`, and draws nothing.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from time import perf_counter
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.listings.lines import line_texts, source_map
from judicia_notebook.analysis.profiles.profile import Profile
from judicia_notebook.analysis.profiles.stacks import HOST, Frame, Sample, SourceLine
from judicia_notebook.engine.profiler import INTERVAL, MOST_HOST_SAMPLES, GuestProfiler, fast_ticks
from judicia_notebook.engine.settings import NONE
from judicia_notebook.errors import CallError, DebugInfoError, PolicyError, describe
from judicia_notebook.reporting.interrupts import tells_interrupts
from judicia_notebook.runtime.instance import Making
from judicia_notebook.runtime.line_sources import texts_of
from judicia_notebook.runtime.pool import InstancePool

if TYPE_CHECKING:
    from judicia_notebook.engine.profiler import CodePlace, Samples
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.runtime.call import Call
    from judicia_notebook.runtime.callee import Callee
    from judicia_notebook.runtime.linking import Code
    from judicia_notebook.runtime.request import Request

_MOST_INLINED = 16  # functions in one place
MOST_CALLS = 20_000  # each leaves a row, and too many rows would push out the user's older rows


@tells_interrupts("The profile was interrupted; its calls are in p.calls.")
def profile(
    plugin: Callee,
    request: Request,
    *,
    quota: Quota | Mapping[str, Any] | None,
    samples: int,
    seconds: float,
    metering: str | None = None,
) -> Profile:
    """Carry out `Plugin.profile`, whose docstring says more."""
    if metering == NONE.metering:
        raise PolicyError(
            'A profile looks at ticks, and code with metering="none" has none.', hint='metering="epochs" has them.'
        )
    if metering is None or metering == plugin._code.metering:
        return _sample(plugin, request, quota, samples, seconds)
    making = Making(plugin._code_with(metering), plugin.config)
    with plugin._on(InstancePool(plugin.name, making, 1, plugin.policy)) as other:
        return _sample(other, request, quota, samples, seconds)


def _sample(
    plugin: Callee, request: Request, quota: Quota | Mapping[str, Any] | None, samples: int, seconds: float
) -> Profile:
    code = plugin._code
    profiler = GuestProfiler(code.linkage, plugin.name)

    def watched(call: Call) -> AbstractContextManager[None]:
        return profiler.watching(call.sandbox)

    until, calls, error = perf_counter() + seconds, 0, ""
    with fast_ticks():
        while calls == 0 or (
            profiler.guest_samples < samples
            and profiler.host_samples < MOST_HOST_SAMPLES
            and calls < MOST_CALLS
            and perf_counter() < until
        ):
            calls += 1
            try:
                request.prepare(plugin, quota, origin="profile", within=watched).run()
            except CallError as raised:
                if not profiler.guest_samples:
                    raise
                error = describe(raised)[0]
                break
    return _profile(plugin.name, request.function, code, calls, profiler.finish(), error)


def _lines(code: Code) -> Callable[[tuple[CodePlace | None, ...]], tuple[tuple[SourceLine, ...], ...]]:
    """Looks up the lines that a stack is at; nothing where the module has no debug information that can be read."""
    try:
        found = source_map(code.wasm)
    except DebugInfoError:
        found = None  # `Plugin.source_lines` says what is wrong with it
    text = line_texts(texts_of(code.digest))

    @functools.cache
    def lines(place: CodePlace | None) -> tuple[SourceLine, ...]:
        if not found or place is None:
            return ()
        offset = found.code_at(place.at, place.function)
        frames = found.frames(offset) if offset is not None else ()
        if len(frames) > _MOST_INLINED:
            frames = (*frames[: _MOST_INLINED - 1], frames[-1])
        return tuple(
            SourceLine(frame.file, frame.line, frame.function, text(frame.file, frame.line), frame.is_inlined)
            for frame in frames
            if frame.line
        )

    def of_stack(places: tuple[CodePlace | None, ...]) -> tuple[tuple[SourceLine, ...], ...]:
        return tuple(map(lines, places)) if found else ()

    return of_stack


def _profile(name: str, function: str, code: Code, calls: int, found: Samples, error: str) -> Profile:
    lines_of = _lines(code)
    guests = sum(not sample.host for sample in found.samples)
    share = found.guest_ns / 1e6 / guests if guests else 0.0
    sums: Counter[str] = Counter()
    for sample in found.samples:
        sums[sample.host] += sample.host_ns
    whole = {host: 1 + found.beyond.get(host, 0) / sums[host] if sums[host] else 1.0 for host in sums}
    samples = []
    for sample in found.samples:
        stack = tuple(Frame(frame, name) for frame in sample.stack)
        lines = lines_of(sample.places)
        if sample.host:
            stack = (*stack, Frame(sample.host, HOST))
            lines = (*lines, ()) if lines else ()
        ms = sample.host_ns / 1e6 * whole[sample.host] if sample.host else share
        samples.append(Sample(sample.at_ns / 1e6, stack, ms, lines))
    host_ms = sum(sample.ms for sample in samples if not sample.is_guest)
    return Profile(
        name,
        function,
        code.digest,
        calls,
        tuple(samples),
        found.guest_ns / 1e6,
        host_ms,
        INTERVAL * 1e3,
        error,
        code.metering,
    )
