"""What each operation of a panel does to a policy: the new snapshot for the present one, and its line in the audit.

Pure functions of snapshots. A policy applies them under its own lock, so that no change of two users at once is lost.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from judicia_notebook.capabilities import CAPABILITIES, IMPORTS
from judicia_notebook.errors import PolicyError
from judicia_notebook.notebook.live import messages
from judicia_notebook.notebook.live.import_rows import offers_of, revoking_imports
from judicia_notebook.notebook.live.quota_rows import typed
from judicia_notebook.policy import changes
from judicia_notebook.policy.changes import Snapshot
from judicia_notebook.policy.grants import parse_grants, read_requests
from judicia_notebook.policy.quotas import make_quota

if TYPE_CHECKING:
    from judicia_notebook.runtime.plugin import Plugin


class Unmeant(PolicyError):
    """The user only left a field, and did not mean to set this limit or scope. The page knows this name."""


class Change(NamedTuple):
    """A change: its name in the audit, the new state for the old state, and the drag of a slider it belongs to."""

    what: str
    detail: str
    update: Callable[[Snapshot], Snapshot]
    drag: str = ""


def change_for(plugin: Plugin, operation: messages.Operation) -> Change:
    """The change an operation asks for.

    Raises
    ------
    PolicyError
        It names a capability, scope or quota that does not exist.
    """
    match operation:
        case messages.Grant(grants=grants):
            return _grant(plugin, parse_grants(grants))
        case messages.Widen(capability=capability):
            wanted = parse_grants([capability])
            return Change("grant", ", ".join(wanted), lambda now: changes.granting(now, wanted))
        case messages.Revoke(grants=grants):
            unwanted, offers = parse_grants(grants), offers_of(plugin)
            return Change("revoke", ", ".join(unwanted), lambda now: revoking_imports(now, unwanted, offers))
        case messages.SetScope(capability=capability, scopes=scopes):
            detail = ", ".join(f"{capability}={scope}" for scope in scopes)
            return Change("scope", detail, lambda now: changes.scoping(now, capability, scopes))
        case messages.SetQuota(kind=kind, value=value, drag=drag):
            kinds = make_quota({kind: typed(kind, value)}).given()
            detail = ", ".join(f"{name}={limit}" for name, limit in kinds.items())
            return Change("quota", detail, lambda now: changes.limiting(now, kinds), drag)
        case messages.OnDenied(value=value):
            return Change("on_denied", value, lambda now: dataclasses.replace(now, on_denied=value))
        case messages.Preset(preset=preset):
            return _preset(plugin, preset)
    raise PolicyError(f"A panel cannot do {type(operation).__name__}.")


def check_current(
    plugin: Plugin, operation: messages.Operation, own: set[int], now: Snapshot, wanted: Snapshot
) -> None:
    """Refuse to widen a grant or quota that was narrowed after the page had drawn it.

    Versions in `own` were made by that page itself.

    Raises
    ------
    PolicyError
    """
    if operation.seen is None:
        return
    stale = changes.widened(now, wanted) & plugin.policy.narrowed_since(operation.seen, but_for=own)
    if stale:
        names = ", ".join(sorted(stale))
        raise PolicyError(
            f"{names} was narrowed after this panel had shown it, so nothing is changed.",
            hint="The panel shows what holds now: change it again if it should be wider all the same.",
        )


def check_meant(operation: messages.Operation, now: Snapshot, wanted: Snapshot) -> None:
    """Refuse to widen anything when a field is only left.

    Raises
    ------
    Unmeant
    """
    if operation.narrowing and (wider := changes.widened(now, wanted)):
        raise Unmeant(
            f"{', '.join(sorted(wider))} would be wider, so nothing is changed.",
            hint="Leaving a field only narrows; Enter in it sets what was typed.",
        )


def check_step(operation: messages.Undo, last: int, text: str) -> None:
    """Refuse to take back another step than the one that the page named.

    Raises
    ------
    PolicyError
    """
    if operation.step not in (None, last):
        raise PolicyError(f"By now the last change is a different change: {text}")


def _grant(plugin: Plugin, wanted: tuple[str, ...]) -> Change:
    requests = read_requests(plugin.manifest.capabilities)

    def update(now: Snapshot) -> Snapshot:
        last = {name: plugin.policy.last_grants(name) for name in CAPABILITIES}
        offers = {grant for name in CAPABILITIES for grant in changes.offered(now, name, last[name], requests)}
        offers.update(last[IMPORTS], requests.of(IMPORTS))  # its switch stands beside those of single imports
        changes.check_offered(now, wanted, offers)
        return changes.granting(now, wanted)

    return Change("grant", ", ".join(wanted), update)


def _preset(plugin: Plugin, preset: str) -> Change:
    """No grants, or those the manifest asks for, or every capability; the last keeps present scopes."""
    wanted = {
        "nothing": (),
        "asked": read_requests(plugin.manifest.capabilities).grants,
        "everything": tuple(CAPABILITIES),
    }[preset]

    def update(now: Snapshot) -> Snapshot:
        base = now if preset == "everything" else dataclasses.replace(now, granted=())
        return changes.granting(base, wanted)

    return Change("preset", {"asked": "what it asks for"}.get(preset, preset), update)
