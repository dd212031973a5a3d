"""What plugins and runtimes can be asked about calls beyond making them: each is a method, and one file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.analysis import keeping
from judicia_notebook.experiments import bench, profiler, tracer
from judicia_notebook.runtime import resetting

if TYPE_CHECKING:
    import pandas as pd

    from judicia_notebook.runtime.runtime import Runtime


class Measuring:
    """The methods of `Plugin` that make calls to learn from them."""

    bench = bench.bench
    profile = profiler.profile
    trace = tracer.trace


class Telling:
    """The methods of `Runtime` that tell what its calls did, or remove what is told."""

    trace = tracer.trace_call
    capture_payloads = tracer.capture_payloads
    export_trace = tracer.export_trace
    save = keeping.save
    reset = resetting.reset


class Measurement:
    """The calls of one ``with rt.measure()`` block, also while it is still open."""

    def __init__(self, runtime: Runtime, call_ids: list[int]) -> None:
        self._runtime = runtime
        self._call_ids = call_ids

    def _of(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["call_id"].isin(self._call_ids)].reset_index(drop=True)

    @property
    def calls(self) -> pd.DataFrame:
        """Their rows of `Runtime.calls`."""
        return self._of(self._runtime.calls)

    @property
    def host_calls(self) -> pd.DataFrame:
        """Their rows of `Runtime.host_calls`."""
        return self._of(self._runtime.host_calls)

    @property
    def samples(self) -> pd.DataFrame:
        """Their rows of `Runtime.samples`."""
        return self._of(self._runtime.samples)
