"""The context of calls and changes: labels, a measurement, the calling call, and the way by which they are made.

All are context variables, so that they follow a task or a submitted call and never reach another thread's calls.
"""

from __future__ import annotations

import contextvars
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

MOST_LABELS = 100
_LONGEST_NAME = 64

_collectors: contextvars.ContextVar[tuple[tuple[object, list[int]], ...]] = contextvars.ContextVar(
    "judicia_measure", default=()
)


class _Labels(NamedTuple):
    """The labels in force, and the text that a row keeps of them: made once for a block, and not for each call."""

    values: Mapping[str, Any]
    text: str


_labels: contextvars.ContextVar[_Labels] = contextvars.ContextVar("judicia_labels", default=_Labels({}, ""))  # noqa: B039  # never changed
current_call: contextvars.ContextVar[int] = contextvars.ContextVar("judicia_call", default=0)
"""The call_id of the call this code runs in, 0 outside any: the parent of calls made here."""
_via: contextvars.ContextVar[str] = contextvars.ContextVar("judicia_via", default="Python")


@contextmanager
def label(**values: object) -> Iterator[None]:
    """Label the rows of calls made inside this block, of every runtime; labels of an outer block are kept.

    Each is a column of `Runtime.calls`: ``label_variant``, with the dtype of its values.

    Parameters
    ----------
    **values : text, number, bool or None
        Of anything else its text is kept. None is NA.

    Raises
    ------
    ValueError
        A name is no Python name of at most 64 characters, or there are more than 100 labels.

    Examples
    --------
    >>> import judicia_notebook as jn
    >>> with jn.Runtime() as rt, jn.label(variant="A"):
    ...     answer = rt.load("example:specimen").call("echo", 1)
    ...     rt.last.labels, list(rt.calls["label_variant"])
    ({'variant': 'A'}, ['A'])
    """
    for name in values:
        if not is_label(name):
            raise ValueError(f"a label's name is a Python name of at most {_LONGEST_NAME} characters, not {name!r}")
    there = {**_labels.get().values, **{name: _plain(value) for name, value in values.items()}}
    if len(there) > MOST_LABELS:
        raise ValueError(f"a call has at most {MOST_LABELS} labels, and these are {len(there)}")
    token = _labels.set(_Labels(there, json.dumps(there, separators=(",", ":"))))
    try:
        yield
    finally:
        _labels.reset(token)


def is_label(name: str) -> bool:
    """Whether a label can be called this: its name is a part of a column's."""
    return name.isidentifier() and len(name) <= _LONGEST_NAME


def _plain(value: Any) -> Any:
    """A label's value as JSON has it: a scalar of NumPy's as Python's, and of anything else its text."""
    value = value.item() if getattr(value, "ndim", None) == 0 else value
    return value if isinstance(value, str | int | float | bool | None) else str(value)


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


def labels_in_force() -> str:
    """The labels in force here, as a row keeps them: JSON, and an empty text where there is none."""
    return _labels.get().text


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
