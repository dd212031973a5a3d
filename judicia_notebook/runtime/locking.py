"""`Runtime.lock`: the bounds become narrower, and all policies of the runtime give up what lies beyond them.

All of it is checked before anything changes. The bounds come first: a change that is made meanwhile is looked at under
its policy's own lock, and finds either the new bounds, or the policy before it gives up what it just got.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from judicia_notebook.context import current_way
from judicia_notebook.policy.bounds import Bounds, Lock
from judicia_notebook.policy.policy import Policy
from judicia_notebook.policy.quotas import Quota


def lock(
    bounds: Bounds,
    policies: Sequence[Policy],
    ceiling: Quota | Mapping[str, Any] | None,
    grants: Iterable[str] | None,
    by: str,
) -> Lock:
    """What `Runtime.lock` does, which says more. The caller tells the observers of the policies."""
    made = bounds.narrower(ceiling, grants, by or f"a line of {current_way()}")
    for policy in policies:
        policy.check_lock(made)
    bounds.narrow(made)
    for policy in policies:
        policy.keep_within()
    return made
