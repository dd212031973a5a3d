"""`Plugin.trace`, `Runtime.trace`, `Runtime.export_trace`: tell of a call, of one that is made for it, or of all.

Knows how to make a call and how to switch capturing on; what is told is made in `metrics.traces`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from judicia_notebook.analysis.traces import chrome, story
from judicia_notebook.errors import JudiciaError
from judicia_notebook.units import parse_size

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.analysis.traces.story import Trace
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.records.recorder import CallRecord, Recorder

CAPTURED_BYTES = 200
MOST_CAPTURED_BYTES = 64 << 10


class Attempted(Protocol):
    """How a call ended."""

    @property
    def error(self) -> JudiciaError | None: ...

    @property
    def record(self) -> CallRecord | None: ...


class Recorded(Protocol):
    """What is needed of a plugin or a runtime."""

    @property
    def last(self) -> CallRecord | None: ...

    recorder: Recorder


class Callee(Recorded, Protocol):
    """What is needed of a plugin."""

    name: str

    def attempt(
        self, function: str, payload: Any = None, *, quota: Quota | Mapping[str, Any] | None = None
    ) -> Attempted: ...


def trace(
    self: Callee,
    function: str | None = None,
    payload: Any = None,
    *,
    call_id: int | None = None,
    quota: Quota | Mapping[str, Any] | None = None,
    limit: int | str = CAPTURED_BYTES,
) -> Trace:
    """Tell a call as a story, as strace does: host calls, denials, grows, log lines, the answer.

    Parameters
    ----------
    function : str, optional
        Call it now, keep the first bytes of all that is said, and tell of that call, however it ended.
    payload : Any
        For that call.
    call_id : int, optional
        Without a `function`: which call to tell of; by default the last.
    quota : Quota, optional
        For that call.
    limit : int or str
        How many bytes of each payload to keep; at most 64 KiB.

    Raises
    ------
    NoSuchFunction, PluginNotReady, InvalidPayload
        The call could not be made.
    JudiciaError
        There is no such call.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt:
    ...     story = rt.load("example:specimen").trace("echo", [1, 2])
    >>> story.steps[0].text.partition("), ")[0], story.steps[-1].text.partition(" · ")[0]
    ('specimen.echo([1,2]', 'specimen.echo = ok [1,2]')
    """
    if function is None:
        return _told(self, call_id, f"{self.name} has not been called yet.")
    with capture_payloads(self, limit):
        outcome = self.attempt(function, payload, quota=quota)
    if outcome.record is None:
        raise outcome.error or JudiciaError(f"{self.name}.{function} left no record.")
    return _told(self, outcome.record.call_id, "")


def trace_call(self: Recorded, call_id: int | None = None) -> Trace:
    """Tell a call as a story, as strace does; by default the last call of any plugin.

    Raises
    ------
    JudiciaError
        There is no such call.
    """
    return _told(self, call_id, "Nothing has been called yet.")


def _told(source: Recorded, call_id: int | None, nothing: str) -> Trace:
    if call_id is None:
        last = source.last
        if last is None:
            raise JudiciaError(nothing, hint='To make a call and tell it:  p.trace("function", payload)')
        call_id = last.call_id
    try:
        return story.tell(source.recorder, call_id)
    except LookupError as error:
        last = source.last
        there = f"; the last call is {last.call_id}" if last is not None else ""
        raise JudiciaError(f"{error.args[0]}{there}.") from None


@contextlib.contextmanager
def capture_payloads(self: Recorded, limit: int | str = CAPTURED_BYTES) -> Iterator[None]:
    """Keep the first bytes of what calls and host calls say to each other, for `trace`, inside the block.

    They are kept in memory only, the latest 4 MiB of them, and are part of no frame.

    Parameters
    ----------
    limit : int or str
        Of each payload; at most 64 KiB.

    Raises
    ------
    ValueError
        No size, or more than that.
    """
    wanted = parse_size(limit)
    if not 0 < wanted <= MOST_CAPTURED_BYTES:
        raise ValueError(f"from 1 B to 64 KiB of each payload can be kept, not {limit!r}")
    captures = self.recorder.captures
    before, captures.limit = captures.limit, max(wanted, captures.limit)
    try:
        yield
    finally:
        captures.limit = before


def export_trace(self: Recorded, path: str | os.PathLike[str]) -> Path:
    """Write all that is recorded as a trace for ui.perfetto.dev, which opens it without sending it anywhere.

    Parameters
    ----------
    path : path
        Such as ``run.json`` or ``run.json.gz``.

    Returns
    -------
    Path
        Plugins are processes, instances are threads: calls with their host calls, memory as counters, denials, log
        lines and policy changes as instants.
    """
    return chrome.export(self.recorder, path)
