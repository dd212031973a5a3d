"""A call's own limits beneath those of its plugin, both live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judicia_notebook.engine.limits import Limits, LiveLimits
from judicia_notebook.policy.quotas import NOT_GIVEN, Quota, limits_of

if TYPE_CHECKING:
    from judicia_notebook.policy.policy import Policy


class CappedBudget:
    """A plugin's live limits, and a call's own beneath them: in force is the least of both."""

    __slots__ = ("_limits", "_own", "_policy", "_seen", "live")

    def __init__(self, policy: Policy, own: Quota) -> None:
        self._policy = policy
        self._own = own
        self.live = policy.live._replace(own=LiveLimits(limits_of(own)))
        self._seen = policy.state
        self._limits = limits_of(own, self._seen.quota, policy.ceiling)

    def is_own(self, kind: str, /) -> bool:
        """Whether it is the call's own limit of this kind that is in force."""
        own = getattr(self._own, kind)
        others = (getattr(self._policy.quota, kind), getattr(self._policy.ceiling, kind))
        return own not in (None, NOT_GIVEN) and all(other in (None, NOT_GIVEN) or own <= other for other in others)

    def cut_from(self, kind: str, /) -> float | None:
        """The call's own limit of this kind, where the plugin's is less."""
        own, other = getattr(self._own, kind), getattr(self._policy.quota, kind)
        given = own not in (None, NOT_GIVEN) and other not in (None, NOT_GIVEN)
        return own if given and own > other else None

    def ceiling_of(self, kind: str, /) -> float | None:
        """What the runtime allows at most of this kind."""
        return self._policy.ceiling_of(kind)

    def under(self, policy: Policy) -> CappedBudget:
        """The call's own limits, beneath those of another policy."""
        return CappedBudget(policy, self._own)

    @property
    def limits(self) -> Limits:
        state = self._policy.state
        if state is not self._seen:
            self._limits = limits_of(self._own, state.quota, self._policy.ceiling)
            self._seen = state  # last: a thread that sees the new state here finds its limits
        return self._limits
