"""What no policy of a runtime may go beyond: the ceiling of its quotas and, once it is locked, the grants.

A runtime has one `Bounds`, and all its policies look here. It is exchanged as a whole, and only for a narrower one:
there is no way back, so that a lock holds until its runtime ends. A lock binds what goes through policies and loads; it
does not bind the Python of the kernel that it is in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from judicia_notebook.capabilities import IMPORTS
from judicia_notebook.engine.settings import EngineSettings
from judicia_notebook.errors import PolicyError, PolicyLocked
from judicia_notebook.policy.changes import Snapshot
from judicia_notebook.policy.grants import capability_of, parse_grants
from judicia_notebook.policy.quotas import KINDS, NOTHING_GIVEN, Quota, as_quota, check_within, overlay
from judicia_notebook.text import listed, printable

_NO_WAY_BACK: Final = "There is no unlock: it holds until the runtime ends. rt.locked says what is allowed."


@dataclass(frozen=True, slots=True, repr=False)
class Lock:
    """What a runtime is locked to; its text form is for people.

    Attributes
    ----------
    ceiling : Quota
        The limits that the lock lowered; in force is the runtime's whole ceiling.
    grants : frozenset of str or None
        What may be granted; None where grants are not locked.
    by : str
        Who locked it, as `Runtime.lock` was told.
    since : datetime
        When, in UTC.
    """

    ceiling: Quota
    grants: frozenset[str] | None
    by: str
    since: datetime

    @property
    def allowed(self) -> str:
        """What is allowed, in a line."""
        limits = (f"{kind} up to {KINDS[kind].format(most)}" for kind, most in self.ceiling.given().items())
        granted = [] if self.grants is None else [f"grants: {listed(sorted(self.grants))}"]
        return "; ".join([*granted, *limits])

    def __repr__(self) -> str:
        return f"<Lock by {printable(self.by, 80)} at {self.since:%H:%M:%S} UTC: {self.allowed}>"


class Bounds:
    """What the policies of a runtime may hold at most.

    Parameters
    ----------
    ceiling : Quota
        The limits at first; `narrow` lowers them.
    """

    def __init__(self, ceiling: Quota) -> None:
        self._held: tuple[Quota, Lock | None] = ceiling, None

    @property
    def ceiling(self) -> Quota:
        """What no quota may exceed."""
        return self._held[0]

    @property
    def lock(self) -> Lock | None:
        """The lock in force."""
        return self._held[1]

    def narrower(self, ceiling: Quota | Any, grants: Iterable[str] | None, by: str) -> Lock:
        """The lock that `narrow` would put in force, checked; nothing changes yet.

        Raises
        ------
        PolicyError
            Nothing would be locked, or a bad grant or limit.
        PolicyLocked
            It would allow more than the lock in force.
        """
        if not isinstance(by, str):
            raise PolicyError(f"Who locks it is a text such as by='the lecturer', not {type(by).__name__}.")
        wanted = as_quota(ceiling)
        if isinstance(grants, str):
            raise PolicyError(f"A lock takes a list of grants, such as [{grants!r}].")
        allowed = None if grants is None else frozenset(parse_grants(grants))
        if allowed is None and not wanted.given():
            raise PolicyError(
                "Nothing would be locked.", hint='Such as  rt.lock(ceiling={"cpu": "1s"}, grants=["wall_clock"])'
            )
        for kind, most in wanted.given().items():
            if most is None:
                raise PolicyError(f"quota {kind}: no limit is not a limit that a lock can hold to.")
        self.check_quota(wanted)
        before = self.lock
        if before is not None:
            if allowed is not None:
                self.check_grants(sorted(allowed))
            wanted = overlay(before.ceiling, wanted.given())
            allowed = before.grants if allowed is None else allowed
        return Lock(wanted, allowed, by, datetime.now(UTC))

    def narrow(self, lock: Lock) -> None:
        """Put a lock in force. The caller has each policy `Policy.keep_within` it then."""
        self._held = overlay(self.ceiling, lock.ceiling.given()), lock

    def check(self, wanted: Snapshot) -> None:
        """Refuse what lies beyond.

        Raises
        ------
        PolicyError
            A quota above the ceiling.
        PolicyLocked
            The same, where a lock set the ceiling; or a grant beyond the lock.
        """
        self.check_locked(wanted)
        check_within(self.ceiling, wanted.quota)

    def check_locked(self, wanted: Snapshot) -> None:
        """Refuse what lies beyond the lock alone: above the ceiling it has no effect, and may be brought back."""
        self.check_grants(wanted.granted)
        self._check_limits(wanted.quota)

    def check_grants(self, grants: Iterable[str]) -> None:
        """Refuse grants beyond the lock, as `check` does."""
        if more := [grant for grant in grants if not self._may_be(grant)]:
            raise self._refusal(f"{listed(more)} may not be granted: this runtime")

    def check_quota(self, quota: Quota) -> None:
        """Refuse limits above the ceiling, as `check` does."""
        self._check_limits(quota)
        check_within(self.ceiling, quota)

    def check_settings(self, settings: EngineSettings) -> None:
        """Refuse code that counts no fuel where the lock limits it, as `check` does."""
        lock = self.lock
        if not settings.fuel and lock is not None and isinstance(lock.ceiling.fuel, int):
            raise self._refusal("code that counts no fuel may not be loaded: this runtime")

    def _check_limits(self, quota: Quota) -> None:
        lock = self.lock
        for kind, most in (lock.ceiling if lock is not None else NOTHING_GIVEN).given().items():
            if _is_above(quota, kind, most):
                value = KINDS[kind].format(getattr(quota, kind))
                raise self._refusal(f"quota {kind}: {value} is too much: this runtime")

    def trimmed(self, wanted: Snapshot) -> Snapshot:
        """A snapshot without what lies beyond."""
        granted = tuple(grant for grant in wanted.granted if self._may_be(grant))
        ceiling = self.ceiling.given().items()
        lowered = {kind: most for kind, most in ceiling if most is not None and _is_above(wanted.quota, kind, most)}
        return dataclasses.replace(wanted, granted=granted, quota=overlay(wanted.quota, lowered))

    def _may_be(self, grant: str) -> bool:
        """Whether a grant is one of those that the lock names. Of scopes only those of imports are parts of a whole."""
        lock = self.lock
        if lock is None or lock.grants is None or grant in lock.grants:
            return True
        return capability_of(grant) == IMPORTS and IMPORTS in lock.grants

    def _refusal(self, what: str) -> PolicyLocked:
        lock = self.lock
        assert lock is not None  # noqa: S101  # its callers have looked
        at = f"{lock.since:%H:%M:%S} UTC"
        message = f"{what} was locked by {printable(lock.by, 80)} at {at}. Allowed: {lock.allowed}."
        return PolicyLocked(message, by=lock.by, since=lock.since, hint=_NO_WAY_BACK)


def _is_above(quota: Quota, kind: str, most: float) -> bool:
    value = getattr(quota, kind)
    return isinstance(value, int | float) and value > most
