"""`Plugin.trace`, `Runtime.trace`, `Runtime.export_trace`: the story of a new or an old call, and a file of all calls.

Knows how to make a call and how to switch capturing on; `analysis.traces` makes the stories and the file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from judicia_notebook.analysis.traces import chrome, story
from judicia_notebook.errors import JudiciaError
from judicia_notebook.units import parse_size

if TYPE_CHECKING:
    from pathlib import Path

    from judicia_notebook.analysis.traces.story import Trace
    from judicia_notebook.policy.quotas import Quota
    from judicia_notebook.runtime.callee import Callee, Recorded
    from judicia_notebook.runtime.request import Request

CAPTURED_BYTES = 200
MOST_CAPTURED_BYTES = 64 << 10


def trace(
    plugin: Callee,
    request: Request | None = None,
    *,
    call_id: int | None = None,
    quota: Quota | Mapping[str, Any] | None = None,
    limit: int | str = CAPTURED_BYTES,
) -> Trace:
    """Carry out `Plugin.trace`, whose docstring says more."""
    if request is None:
        return _story(plugin, call_id, f"{plugin.name} has not been called yet.")
    with capture_payloads(plugin, limit):
        outcome = request.attempt(plugin, quota)
    if outcome.record is None:
        raise outcome.error or JudiciaError(f"{plugin.name}.{request.function} left no record.")
    return _story(plugin, outcome.record.call_id, "")


def trace_call(source: Recorded, call_id: int | None = None) -> Trace:
    """Carry out `Runtime.trace`, whose docstring says more."""
    return _story(source, call_id, "Nothing has been called yet.")


def _story(source: Recorded, call_id: int | None, nothing: str) -> Trace:
    if call_id is None:
        last = source.last
        if last is None:
            raise JudiciaError(nothing, hint='To make a call and tell it:  p.trace("function", payload)')
        call_id = last.call_id
    try:
        return story.tell(source._recorder, call_id)
    except LookupError as error:
        last = source.last
        there = f"; the last call is {last.call_id}" if last is not None else ""
        raise JudiciaError(f"{error.args[0]}{there}.") from None


@contextlib.contextmanager
def capture_payloads(source: Recorded, limit: int | str = CAPTURED_BYTES) -> Iterator[None]:
    """Carry out `Runtime.capture_payloads`, whose docstring says more."""
    wanted = parse_size(limit)
    if not 0 < wanted <= MOST_CAPTURED_BYTES:
        raise ValueError(f"from 1 B to 64 KiB of each payload can be kept, not {limit!r}")
    captures = source._recorder.captures
    before, captures.limit = captures.limit, max(wanted, captures.limit)
    try:
        yield
    finally:
        captures.limit = before


def export_trace(source: Recorded, path: str | os.PathLike[str]) -> Path:
    """Carry out `Runtime.export_trace`, whose docstring says more."""
    return chrome.export(source._recorder, path)
