"""The context of calls and changes: labels, a measurement, the calling call, and the way by which they are made.

All are context variables, so that they follow a task or a submitted call and never reach another thread's calls.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_collectors: contextvars.ContextVar[tuple[tuple[object, list[int]], ...]] = contextvars.ContextVar(
    "judicia_measure", default=()
)
_label: contextvars.ContextVar[Mapping[str, object]] = contextvars.ContextVar("judicia_label")
current_call: contextvars.ContextVar[int] = contextvars.ContextVar("judicia_call", default=0)
"""The call_id of the call this code runs in, 0 outside any: the parent of calls made here."""
_via: contextvars.ContextVar[str] = contextvars.ContextVar("judicia_via", default="Python")


@contextmanager
def label(**values: object) -> Iterator[None]:
    """Label the rows of calls made inside this block, of every runtime; labels of an outer block are kept.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt, jn.label(variant="A"):
    ...     answer = rt.load("example:specimen").call("echo", 1)
    ...     rt.last.label
    'variant=A'
    """
    token = _label.set({**_label.get({}), **values})
    try:
        yield
    finally:
        _label.reset(token)


@contextmanager
def collect(recorder: object) -> Iterator[list[int]]:
    """The call_ids of calls made inside this block and recorded by `recorder`, also of those submitted from it."""
    found: list[int] = []
    token = _collectors.set((*_collectors.get(), (recorder, found)))
    try:
        yield found
    finally:
        _collectors.reset(token)


def collected(recorder: object, call_id: int) -> None:
    """Add a call to every measurement it was made in."""
    for measured, found in _collectors.get():
        if measured is recorder:
            found.append(call_id)


def label_text() -> str:
    """The labels in force here, as a row has them: ``variant=A, size=3``."""
    labels = _label.get(None)
    return ", ".join(f"{name}={value}" for name, value in labels.items()) if labels else ""


@contextmanager
def via(way: str) -> Iterator[None]:
    """Say by which way the changes inside this block are made (``magic``, ``panel``); the audit records it."""
    token = _via.set(way)
    try:
        yield
    finally:
        _via.reset(token)


def current_way() -> str:
    """By which way changes are made here; ``Python`` unless `via` says otherwise."""
    return _via.get()
