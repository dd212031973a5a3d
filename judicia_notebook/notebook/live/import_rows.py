"""The imports of a plugin that Python functions answer, each with a switch of its own, for panel and pieces alike.

Knows grants and offers, and no widget. A row's name is the scope of its grant: percent-encoded, so that nothing of a
module's text is in it but ASCII that can be seen.

An import that something wider allows cannot be switched off by itself: not the capability that its `Import` names, and
not ``imports`` for all of them. The switch shows that it is on and by what, and a revoke that would change nothing is
refused and names what to revoke. A wider grant is never exchanged for narrower ones here: it may belong to a
``temporarily`` block, whose end takes away the wider one alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from judicia_notebook.capabilities import IMPORTS
from judicia_notebook.errors import PolicyError
from judicia_notebook.policy import changes
from judicia_notebook.policy.grants import capability_of
from judicia_notebook.text import printable

if TYPE_CHECKING:
    from judicia_notebook.host.imports import ImportOffer
    from judicia_notebook.policy.changes import Snapshot
    from judicia_notebook.policy.policy import PolicyState
    from judicia_notebook.runtime.plugin import Plugin

MOST_IMPORTS = 50
_MOST_NAME = 600  # characters of a grant's scope
_OF_ONE = f"{IMPORTS}="
_MOST_INTEGER = 1 << 64  # no larger one fits an import's result

Offers = Mapping[str, tuple["ImportOffer", ...]]
"""The Python functions that each grant allows: what a load supplies, and what is registered."""

Counts = Mapping[tuple[str, str], int]
"""How many host calls were decided on so, by the name that is counted and the decision."""


class Held(NamedTuple):
    """Grants of single imports, and all other grants."""

    single: frozenset[str]
    wide: tuple[str, ...]


class ImportRow(msgspec.Struct, frozen=True, kw_only=True):
    """An import that a Python function answers, or that is granted or asked for as if one did.

    `granted` says whether it is allowed now, and `by` are the grants that allow it.
    """

    grant: str
    name: str
    about: str
    granted: bool
    by: tuple[str, ...]
    asked: bool
    answered: bool
    allowed: int
    denied: int
    limited: int


class ShownImports(NamedTuple):
    """The first rows, and a sentence on the others."""

    rows: tuple[ImportRow, ...]
    left: str


def offers_of(plugin: Plugin) -> Offers:
    """The Python functions that answer a plugin's imports, by their grants, in the module's order."""
    found: dict[str, tuple[ImportOffer, ...]] = {}
    for offer in plugin._code.offers.in_python(plugin.imports):
        found[offer.grant] = (*found.get(offer.grant, ()), offer)
    return found


def held_of(granted: Iterable[str]) -> Held:
    """The grants of a policy, told apart: thousands may be those of single imports."""
    single: list[str] = []
    wide: list[str] = []
    for grant in granted:
        (single if _is_of_one(grant) else wide).append(grant)
    return Held(frozenset(single), tuple(wide))


def allowing(grant: str, offers: Offers, held: Held) -> tuple[str, ...]:
    """Which of the grants allow an import: its own first."""
    alone = (grant,) if grant in held.single else ()
    everything = (IMPORTS,) if IMPORTS in held.wide else ()
    widely = [wider for offer in offers.get(grant, ()) for wider in offer.allowing(held.wide)]
    return tuple(dict.fromkeys((*alone, *everything, *widely)))


def import_rows(
    offers: Offers,
    state: PolicyState,
    asked: Collection[str],
    last: Collection[str],
    counts: Counts,
) -> ShownImports:
    """The rows of imports: first those that Python functions answer, then what is granted or asked for beside them.

    Parameters
    ----------
    offers : Offers
    state : PolicyState
    asked, last : collection of str
        The grants of imports that the manifest asks for, and those that were revoked last.
    counts : mapping
        How many of the plugin's host calls were decided on so, by function and decision.
    """
    held = held_of(state.granted)
    beside = filter(_is_of_one, (*state.granted, *asked, *last))
    grants = tuple(dict.fromkeys((*offers, *beside)))
    rows = tuple(_row(grant, offers, held, state.on_denied, grant in asked, counts) for grant in grants[:MOST_IMPORTS])
    return ShownImports(rows, _left_text(grants[MOST_IMPORTS:], offers, held, counts))


def _is_of_one(grant: str) -> bool:
    return grant.startswith(_OF_ONE)


def _row(grant: str, offers: Offers, held: Held, on_denied: str, is_asked: bool, counts: Counts) -> ImportRow:
    found, by = offers.get(grant, ()), allowing(grant, offers, held)
    return ImportRow(
        grant=grant,
        name=printable(grant.partition("=")[2], _MOST_NAME),
        about=_about(found, on_denied),
        granted=bool(by),
        by=by,
        asked=is_asked,
        answered=bool(found),
        allowed=_count(found, counts, "allowed") + _count(found, counts, "failed"),
        denied=_count(found, counts, "denied"),
        limited=_count(found, counts, "limited"),
    )


def _count(offers: Iterable[ImportOffer], counts: Counts, decision: str) -> int:
    return sum(counts.get((function, decision), 0) for function in {offer.function for offer in offers})


def _about(offers: tuple[ImportOffer, ...], on_denied: str) -> str:
    """What answers an import, and what a denied call of it gets."""
    if not offers:
        return "no Python function of the notebook answers it here"
    value = offers[0].supplied.denied
    if on_denied == "trap" or value is None or (isinstance(value, int) and abs(value) >= _MOST_INTEGER):
        return "Python function of the notebook; a denial ends the call"
    return f"Python function of the notebook; a denial answers {value!r}"


def _left_text(grants: Collection[str], offers: Offers, held: Held, counts: Counts) -> str:
    """What is said of the imports that are not shown; nothing where all are."""
    if not grants:
        return ""
    allowed = sum(grant in held.single or bool(allowing(grant, offers, held)) for grant in grants)
    denied = _count((offer for grant in grants for offer in offers.get(grant, ())), counts, "denied")
    told = f"{allowed} of them on, {denied} of their calls denied"
    return f"{len(grants)} more imports are not shown, {told}: p.policy.grant and p.policy.revoke reach each by name."


def revoking_imports(now: Snapshot, unwanted: Collection[str], offers: Offers) -> Snapshot:
    """Grants taken away. What is an import's own may be gone already, so that a late click changes nothing.

    Raises
    ------
    PolicyError
        Something wider allows one of the imports, which would stay allowed; or as `changes.revoking`.
    """
    gone, held = [], held_of(now.granted)
    for grant in filter(_is_of_one, unwanted):
        wider = [other for other in allowing(grant, offers, held) if not {other, capability_of(other)} & {*unwanted}]
        if wider:
            raise _stays_allowed(grant, wider)
        gone += [] if grant in held.single else [grant]
    return changes.revoking(now, [grant for grant in unwanted if grant not in gone])


def _stays_allowed(grant: str, wider: Collection[str]) -> PolicyError:
    name = printable(grant.partition("=")[2], 200)
    names = " and ".join(dict.fromkeys(map(capability_of, wider)))
    rest = f" Then grant those imports that shall stay, as in {IMPORTS}=env.now." if IMPORTS in wider else ""
    return PolicyError(
        f"{name} is allowed by {names}, so taking its own grant away would change nothing.",
        hint=f"To take it away: revoke {names}.{rest}",
    )
