"""Judges what a plugin may do and use: grants and quotas in force are at most these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from judicia_notebook.experiments.checks.criteria import not_taken
from judicia_notebook.policy.grants import parse_grants
from judicia_notebook.policy.policy import Policy
from judicia_notebook.policy.quotas import KINDS, Quota, as_quota, least_of
from judicia_notebook.records.findings import Finding
from judicia_notebook.text import listed


def read_grants(value: Any) -> frozenset[str]:
    """Grants in their normal form; none of them is a list without any.

    Raises
    ------
    ValueError, PolicyError
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise not_taken("a list of grants, [] for none", value)
    return frozenset(parse_grants(value))


def read_quota(value: Any) -> Quota:
    """Limits, each with a value: what is not limited cannot be exceeded.

    Raises
    ------
    ValueError, PolicyError
    """
    if value is None or not isinstance(value, Quota | Mapping):
        raise not_taken("a Quota or a dict of limits", value)
    quota = as_quota(value)
    if not quota.given():
        raise ValueError("no limit is given")
    for kind, most in quota.given().items():
        if most is None:
            raise ValueError(f"{kind} is no limit, which every quota keeps to")
    return quota


def judge_rights(policy: Policy, read: Mapping[str, Any]) -> list[Finding]:
    """What of a policy is at most what is expected."""
    findings = []
    if "grants_at_most" in read:
        granted, most = policy.granted, read["grants_at_most"]
        more = sorted(granted - most)
        told = f"granted is {listed(sorted(granted))}"
        text = f"{told}; {listed(more)} may not be" if more else told
        findings.append(Finding("grants_at_most", not more, text))
    if "quota_at_most" in read:
        in_force = least_of(policy.quota, policy.ceiling)
        limits = read["quota_at_most"].given().items()
        findings += [_limit(kind, getattr(in_force, kind), most) for kind, most in limits]
    return findings


def _limit(kind: str, value: Any, most: float) -> Finding:
    is_met = value is not None and value <= most
    info = KINDS[kind]
    told = f"the quota {kind} is {info.format(value, none='no limit')}"
    return Finding("quota_at_most", is_met, f"{told}, {'' if is_met else 'expected '}at most {info.format(most)}")
