"""The calls of one ``with rt.measure()`` block. Knows frames and the numbers of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd


class Frames(Protocol):
    """The frames of a runtime."""

    @property
    def calls(self) -> pd.DataFrame: ...

    @property
    def host_calls(self) -> pd.DataFrame: ...

    @property
    def samples(self) -> pd.DataFrame: ...


class Measurement:
    """The calls of one ``with rt.measure()`` block, also while it is still open."""

    def __init__(self, runtime: Frames, call_ids: list[int]) -> None:
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
