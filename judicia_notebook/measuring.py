"""What plugins and runtimes can be asked about calls beyond making them: each is a method, and one file of its own."""

from __future__ import annotations

from judicia_notebook import benching, keeping, profiling, tracing


class Measuring:
    """The methods of `Plugin` that make calls to learn from them."""

    bench = benching.bench
    profile = profiling.profile
    trace = tracing.trace


class Telling:
    """The methods of `Runtime` that tell what its calls did."""

    trace = tracing.trace_call
    capture_payloads = tracing.capture_payloads
    export_trace = tracing.export_trace
    save = keeping.save
