"""What each operation of a panel does to a policy: from what holds now to what is to hold, and its line in the audit.

Pure functions of snapshots. A policy applies them under its own lock, so that two people at once lose nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.capabilities import CAPABILITIES
from judicia_notebook.errors import PolicyError
from judicia_notebook.notebook.live import panel_messages as messages
from judicia_notebook.notebook.live.panel_state import asked_grants
from judicia_notebook.notebook.live.quota_rows import typed
from judicia_notebook.policy import Snapshot, parse_grant
from judicia_notebook.quotas import make_quota, overlay

if TYPE_CHECKING:
    from judicia_notebook.plugin import Plugin


class Change(NamedTuple):
    """What the audit calls it, the new state for the old one, and which drag of a slider it belongs to."""

    what: str
    detail: str
    update: Callable[[Snapshot], Snapshot]
    drag: str = ""


def change_for(plugin: Plugin, operation: messages.Operation) -> Change:
    """The change an operation asks for.

    Raises
    ------
    PolicyError
        It asks for what there is not.
    """
    match operation:
        case messages.Grant(grants=grants):
            return _grant(_parsed(grants))
        case messages.Revoke(grants=grants):
            return _revoke(_parsed(grants))
        case messages.SetScope(capability=capability, scopes=scopes):
            return _scope(capability, scopes)
        case messages.SetQuota(kind=kind, value=value, drag=drag):
            return _quota(kind, value, drag)
        case messages.OnDenied(value=value):
            return Change("on_denied", value, lambda now: dataclasses.replace(now, on_denied=value))
        case messages.Preset(preset=preset):
            return _preset(plugin, preset)
    raise PolicyError(f"A panel cannot do {type(operation).__name__}.")


def _parsed(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(one for text in texts for one in parse_grant(text))


def _name(grant: str) -> str:
    return grant.partition("=")[0]


def _grant(wanted: tuple[str, ...]) -> Change:
    def update(now: Snapshot) -> Snapshot:
        return dataclasses.replace(now, granted=tuple(dict.fromkeys((*now.granted, *wanted))))

    return Change("grant", ", ".join(wanted), update)


def _revoke(unwanted: tuple[str, ...]) -> Change:
    def update(now: Snapshot) -> Snapshot:
        kept = tuple(one for one in now.granted if not {one, _name(one)} & set(unwanted))
        return dataclasses.replace(now, granted=kept)

    return Change("revoke", ", ".join(unwanted), update)


def _scope(capability: str, scopes: Iterable[str]) -> Change:
    named = [scope for text in scopes if (scope := text.strip())]
    wanted = _parsed([f"{capability}={scope}" for scope in named] or [capability])

    def update(now: Snapshot) -> Snapshot:
        kept = tuple(one for one in now.granted if _name(one) != capability)
        if len(kept) == len(now.granted):
            raise PolicyError(f"{capability} is not granted, so it has no scope to change.")
        return dataclasses.replace(now, granted=(*kept, *wanted))

    return Change("scope", ", ".join(wanted), update)


def _quota(kind: str, value: float | str | None, drag: str) -> Change:
    wanted = make_quota({kind: typed(kind, value)}).given()
    detail = ", ".join(f"{name}={one}" for name, one in wanted.items())
    return Change("quota", detail, lambda now: dataclasses.replace(now, quota=overlay(now.quota, wanted)), drag)


def _preset(plugin: Plugin, preset: str) -> Change:
    """Nothing, or what it asks for and its imports need, or each capability there is; scopes that stand are kept."""
    asked = asked_grants(plugin)
    imported = [name for name in plugin.inspect().capabilities if name not in asked]
    wanted = {
        "nothing": (),
        "asked": (*(one for grants in asked.values() for one in grants), *imported),
        "everything": tuple(CAPABILITIES),
    }[preset]

    def update(now: Snapshot) -> Snapshot:
        kept = now.granted if preset == "everything" else ()
        return dataclasses.replace(now, granted=tuple(dict.fromkeys((*kept, *wanted))))

    return Change("preset", {"asked": "what it asks for"}.get(preset, preset), update)
