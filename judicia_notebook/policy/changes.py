"""Changes of a policy as pure functions of snapshots: the one place that says what each comes to.

Policy, magics and panel carry these out and compute nothing of their own. None reads a clock, takes a lock or
changes its arguments, so that a policy can call them under its lock.

A *subject* of a change is a capability, or a kind of quota. `widened` says of which subjects a change allows more than
before; a caller that must not widen anything asks it, and `kept_narrow` puts those subjects back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.errors import PolicyError
from judicia_notebook.policy.grants import SCOPE_SHAPES, Requests, capability_of, is_unscoped, parse_grants
from judicia_notebook.policy.quotas import DEFAULTS, KINDS, Quota, make_quota, overlay

OnDenied = Literal["error", "trap"]
SUBJECTS = frozenset({*CAPABILITIES, *KINDS})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Grants, quotas and what happens on a denial, at one moment; `Policy.restore` brings it back."""

    granted: tuple[str, ...] = ()
    quota: Quota = DEFAULTS
    on_denied: OnDenied = "error"

    def of(self, capability: str) -> tuple[str, ...]:
        """The grants of one capability."""
        return tuple(grant for grant in self.granted if capability_of(grant) == capability)


def granting(now: Snapshot, wanted: Iterable[str]) -> Snapshot:
    """Grants added."""
    return dataclasses.replace(now, granted=tuple(dict.fromkeys((*now.granted, *wanted))))


def revoking(now: Snapshot, unwanted: Collection[str]) -> Snapshot:
    """Grants taken away: all of a capability, or one with its scope.

    Raises
    ------
    PolicyError
        A scope was named that is not granted by itself, and other grants of its capability stay: one of them may be
        wider, or it was mistyped.
    """
    _check_takes_away(now, unwanted)
    rest = tuple(grant for grant in now.granted if not {grant, capability_of(grant)} & set(unwanted))
    return dataclasses.replace(now, granted=rest)


def _check_takes_away(now: Snapshot, unwanted: Collection[str]) -> None:
    for grant in unwanted:
        capability = capability_of(grant)
        stay = [other for other in now.of(capability) if not {other, capability} & set(unwanted)]
        if stay and grant not in now.granted and grant != capability:
            raise PolicyError(
                f"{grant} is not granted by itself, so taking it away would change nothing: {', '.join(stay)} is.",
                hint=f"To take all of it away: revoke {capability}.",
            )


def scoping(now: Snapshot, capability: str, scopes: Iterable[str]) -> Snapshot:
    """The scopes of a granted capability exchanged. Without any scope it would be wider, which is not done here.

    Raises
    ------
    PolicyError
        An empty scope, or none, or one that does not fit; or the capability is not granted.
    """
    wanted = parse_grants(f"{capability}={scope}" for scope in scopes)
    if not wanted:
        raise PolicyError(
            f"{capability}: no scope was given, so the old one stays.",
            hint=f"To take all of it away, revoke {capability}; to widen it to everything, grant it without a scope.",
        )
    if not now.of(capability):
        raise PolicyError(f"{capability} is not granted, so it has no scope to change.")
    rest = (grant for grant in now.granted if capability_of(grant) != capability)
    return dataclasses.replace(now, granted=(*rest, *wanted))


def limiting(now: Snapshot, kinds: dict[str, Any]) -> Snapshot:
    """Quotas exchanged; what is not named stays, and only ``None`` means no limit of its own.

    Raises
    ------
    PolicyError
    """
    return dataclasses.replace(now, quota=overlay(now.quota, make_quota(kinds).given()))


def offered(now: Snapshot, capability: str, last: tuple[str, ...], requests: Requests) -> tuple[str, ...]:
    """The grants of a capability that is switched on: those in force, or the last ones, or those the manifest asks for.

    A capability that takes a scope offers nothing where there are none of these: the user has to say how wide it is.
    """
    unscoped = () if capability in SCOPE_SHAPES else (capability,)
    return now.of(capability) or last or requests.of(capability) or unscoped


def check_offered(now: Snapshot, wanted: Iterable[str], offers: Collection[str]) -> None:
    """Refuse to grant a capability without a scope where it is not offered so: granting all is an act of its own.

    Raises
    ------
    PolicyError
    """
    for grant in wanted:
        if is_unscoped(grant) and grant not in now.granted and grant not in offers:
            raise PolicyError(
                f"{grant} takes a scope, and none was given: {SCOPE_SHAPES[grant]}.",
                hint=f'Type a scope; or grant it without one, which allows everything: p.policy.grant("{grant}")',
            )


def widened(before: Snapshot, after: Snapshot) -> frozenset[str]:
    """The subjects of which `after` allows more than `before`.

    A grant that was not there is more, also beside a wider one: what a scope means is the business of its service.
    """
    grants = {capability_of(grant) for grant in set(after.granted) - set(before.granted)}
    return frozenset(
        grants | {kind for kind in KINDS if _is_more(getattr(before.quota, kind), getattr(after.quota, kind))}
    )


def _is_more(before: Any, after: Any) -> bool:
    """Whether a limit is above another; no limit is above every limit."""
    return before is not None and (after is None or after > before)


def kept_narrow(now: Snapshot, wanted: Snapshot, subjects: Collection[str]) -> Snapshot:
    """`wanted`, without making any of these subjects wider than it is now."""
    stay = widened(now, wanted) & set(subjects)
    granted = tuple(grant for grant in wanted.granted if grant in now.granted or capability_of(grant) not in stay)
    quota = {kind: getattr(now.quota, kind) for kind in KINDS if kind in stay}
    return dataclasses.replace(wanted, granted=granted, quota=overlay(wanted.quota, quota))


def taken_back(before: Snapshot, after: Snapshot, now: Snapshot, narrowed: Collection[str] = ()) -> Snapshot:
    """`now` without what led from `before` to `after`; all else that happened since stays.

    A subject that was `narrowed` since does not become wider.
    """
    given, taken = set(after.granted) - set(before.granted), set(before.granted) - set(after.granted)
    granted = [grant for grant in now.granted if grant not in given] + [
        grant for grant in before.granted if grant in taken
    ]
    changed = {kind: value for kind, value in before.quota.given().items() if getattr(after.quota, kind) != value}
    on_denied = now.on_denied if before.on_denied == after.on_denied else before.on_denied
    wanted = Snapshot(tuple(dict.fromkeys(granted)), overlay(now.quota, changed), on_denied)
    return kept_narrow(now, wanted, narrowed)
