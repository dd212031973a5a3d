"""A plugin's policy and quota as cards: for the reprs, and for live pieces where there is no kernel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from judicia_notebook.analysis.series import cut_apart
from judicia_notebook.notebook.cards import Card, Grid, Row
from judicia_notebook.policy.policy import Policy
from judicia_notebook.policy.quotas import KINDS, Quota
from judicia_notebook.text import listed, printable

_MAIN_KINDS = ("memory", "cpu", "wall", "fuel")


def names_text(names: Iterable[str], none: str = "none") -> str:
    """Names in one line, each cut and made printable."""
    return listed(cut_apart([printable(name, 300) for name in names], 80), none)


def limits_text(quota: Quota) -> str:
    """The main limits of a quota in one line."""
    given = quota.given()
    limited = (kind for kind in _MAIN_KINDS if given.get(kind) is not None)
    return " · ".join(f"{kind} {_limit(kind, given[kind])}" for kind in limited) or "none"


def _limit(kind: str, value: Any) -> str:
    return KINDS[kind].format(value, none="no limit of its own")


def quota_card(quota: Quota, title: str = "Quota") -> Card:
    """Limits, each with the thing it counts."""
    rows = tuple(
        (kind, _limit(kind, value), KINDS[kind].per, KINDS[kind].meaning) for kind, value in quota.given().items()
    )
    return Card(title, "" if rows else "nothing given", (Grid(("quota", "limit", "per", "of"), rows),) if rows else ())


def policy_card(policy: Policy) -> Card:
    """The capabilities and limits of a plugin."""
    answer = "the guest gets an error value" if policy.on_denied == "error" else "the call ends with CapabilityDenied"
    rows = (
        Row("granted", names_text(sorted(policy.granted), none="nothing")),
        Row("on a denial", f"{policy.on_denied}: {answer}"),
    )
    return Card(f"Policy of {policy.plugin}", f"version {policy.version}", (*rows, *quota_card(policy.quota).parts))
