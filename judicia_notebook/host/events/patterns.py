"""Event types such as ``submission.judged``, the patterns that name many of them, and what a grant lets through.

A pattern is a type, or ends in a wildcard: ``contest.*`` stands for one more segment, ``contest.**`` for one or more;
``*`` and ``**`` alone stand for types of one segment and for all. Scopes of ``emit_event`` and ``subscribe_events`` are
such patterns. A grant without a scope is for the types under the plugin's own name: ``NAME`` and ``NAME.**``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judicia_notebook.policy.policy import PolicyState

MAX_LENGTH = 200
"""Characters of a type or pattern."""

_TYPE = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_PATTERN = re.compile(rf"{_TYPE.pattern}(\.\*{{1,2}})?|\*{{1,2}}")


def is_type(text: object) -> bool:
    """Whether this can be the type of an event.

    Examples
    --------
    >>> is_type("submission.judged"), is_type("submission.*"), is_type("Submission")
    (True, False, False)
    """
    return isinstance(text, str) and len(text) <= MAX_LENGTH and _TYPE.fullmatch(text) is not None


def is_pattern(text: object) -> bool:
    """Whether this can be a pattern; every type is one.

    Examples
    --------
    >>> is_pattern("contest.**"), is_pattern("submission.judged"), is_pattern("contest.*.ended")
    (True, True, False)
    """
    return isinstance(text, str) and len(text) <= MAX_LENGTH and _PATTERN.fullmatch(text) is not None


def matches(pattern: str, event_type: str) -> bool:
    """Whether a pattern stands for this type.

    Examples
    --------
    >>> matches("contest.*", "contest.begun"), matches("contest.*", "contest.team.joined"), matches("**", "a.b")
    (True, False, True)
    """
    head, _, last = pattern.rpartition(".")
    if last == "**":
        return not head or event_type.startswith(f"{head}.")
    if last == "*":
        return event_type.rpartition(".")[0] == head
    return pattern == event_type


def covers(scope: str, pattern: str) -> bool:
    """Whether a scope stands for everything that a pattern stands for.

    Examples
    --------
    >>> covers("contest.**", "contest.*"), covers("contest.*", "contest.**"), covers("contest.*", "contest.begun")
    (True, False, True)
    """
    head, _, last = pattern.rpartition(".")
    if last not in ("*", "**"):
        return matches(scope, pattern)
    scope_head, _, scope_last = scope.rpartition(".")
    if scope_last == "**":
        return not scope_head or f"{head}.".startswith(f"{scope_head}.")
    return scope == pattern


def scopes_of(state: PolicyState, capability: str, plugin: str) -> Iterable[str]:
    """The patterns that the grants of a capability stand for now, own types included."""
    if capability in state.granted:
        yield plugin
        yield f"{plugin}.**"
    yield from state.scopes(capability)


def may(state: PolicyState, capability: str, plugin: str, pattern: str) -> bool:
    """Whether a plugin's grants cover a type or pattern, as the policy is at this moment."""
    return any(covers(scope, pattern) for scope in scopes_of(state, capability, plugin))
